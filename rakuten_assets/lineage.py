"""Running the lineage from the command line: the batches first, then the models, with a summary."""

import os
import socket
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from upath import UPath

from rakuten_assets.assets.common import register_batches
from rakuten_assets.automation.jobs import COMPETING, HANDED_IN, MONITORED, PER_BATCH, SERVING, WHOLE
from rakuten_assets.automation.notifications import is_verdict, message
from rakuten_assets.core.deliveries import deliveries
from rakuten_assets.core.storage import replacing
from rakuten_assets.registry import Registry
from rakuten_assets.settings import Settings

PROJECT = Path(__file__).parent.parent
PROCESS_TAG = "rakuten/process"

# The events of a run are shown from the database; printed as well, they would hide what is shown.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """What one call of `materialize` did."""

    success: bool = True
    refused: bool = False
    """The only thing that failed is the gate: the lineage is sound, the challenger was not good enough."""
    runs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, run_id: str, success: bool, failures: Sequence[dg.DagsterEvent]) -> None:
        """A run that has ended, and its failed steps."""
        self.runs.append(run_id)
        if not success:
            self.success = False
            self.errors += [message(event) for event in failures]
            self.refused = bool(failures) and all(is_verdict(event) for event in failures)


def home(settings: Settings) -> Path:
    """Dagster's home for the services of this deployment, with the project's `dagster.yaml` in it."""
    folder = settings.local_state / "dagster"
    folder.mkdir(exist_ok=True)
    wanted, there = (PROJECT / "dagster.yaml").read_bytes(), folder / "dagster.yaml"
    if not there.exists() or there.read_bytes() != wanted:
        # In one step: a service that reads half a file takes it for one with the defaults.
        with replacing(UPath(there)) as new:
            new.write_bytes(wanted)
    return folder


@contextmanager
def instance(settings: Settings) -> Any:
    """The Dagster instance that the services use too, so that what runs here is seen there."""
    with dg.DagsterInstance.from_config(str(home(settings))) as opened:
        # Connections are kept: by default every event of a run opens one of its own, a third of a small run's time.
        opened.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        yield opened


def materialize(
    opened: dg.DagsterInstance,
    settings: Settings,
    *,
    select: Sequence[str] | None = None,
    reason: str = "rakuten materialize",
    fresh: bool = False,
) -> Outcome:
    """Run the lineage up to the champion, or the assets in `select`; batches that are computed are left as they are.

    `fresh` computes them again all the same. What serves the champion runs only where `select` names it.
    """
    bury_the_dead(opened)
    keys = register_batches(opened, settings.root)
    names = set(select or [])
    outcome = Outcome()
    per_batch = [asset.key for asset in PER_BATCH if not names or asset.key.to_user_string() in names]
    if settings.ray_address:
        from rakuten_assets import ray_jobs

        ray_jobs.prepare_batches(opened, settings, batches_to_do(opened, keys, per_batch, fresh), reason, outcome)
    else:
        for key in keys:
            # Asked of each batch when it is its turn: the services may have computed it in the meantime.
            left = batches_to_do(opened, [key], per_batch, fresh)
            if left and outcome.success:
                prepare(opened, key, left[key], reason, outcome)
    chosen = {job: [key for key in keys if key.to_user_string() in names] for job, keys in _jobs().items()}
    for job, selection in chosen.items():
        if outcome.success and (selection or (job == "retrain" and not names)):
            _run_whole(opened, settings, job, selection or None, reason, outcome)
    return outcome


def batches_to_do(
    opened: dg.DagsterInstance, keys: Sequence[str], assets: Sequence[dg.AssetKey], fresh: bool = False
) -> dict[str, list[dg.AssetKey]]:
    """Of each batch the assets that nobody has computed, or all of them where it is to be `fresh`."""
    done: dict[dg.AssetKey, set[str]] = {asset: set() for asset in assets}
    if not fresh:
        done = {asset: opened.get_materialized_partitions(asset) for asset in assets}
    todo = {key: [asset for asset in assets if key not in done[asset]] for key in keys}
    return {key: left for key, left in todo.items() if left}


def prepare(
    opened: dg.DagsterInstance,
    key: str,
    assets: list[dg.AssetKey],
    reason: str,
    outcome: Outcome,
    tags: dict[str, str] | None = None,
) -> None:
    """Compute these assets of one batch, in this process."""
    # The checks of batches look at all of them, and run with the training.
    checks = frozenset[dg.AssetCheckKey]()
    chosen = resolved("prepare_batch").get_subset(asset_selection=set(assets), asset_check_selection=checks)
    _note(outcome, _here(opened, chosen, _tags(f"{reason}: batch {key}") | (tags or {}), key))


def _jobs() -> dict[str, list[dg.AssetKey]]:
    """Keys of the assets without batches, by the job that they belong to."""
    jobs = {
        "take_in_feedback": HANDED_IN,
        "compete": COMPETING,
        "retrain": WHOLE,
        "monitor": MONITORED,
        "deploy": SERVING,
    }
    return {job: [asset.key for asset in assets] for job, assets in jobs.items()}


def _tournaments() -> list[str]:
    return [asset.key.to_user_string() for asset in COMPETING]


def _run_whole(
    opened: dg.DagsterInstance,
    settings: Settings,
    job: str,
    selection: list[dg.AssetKey] | None,
    reason: str,
    outcome: Outcome,
) -> None:
    """A job over all batches, or these assets of it: in this process, or each step as a job of the cluster."""
    if settings.ray_address:
        _note(outcome, _on_cluster(opened, job, selection, _tags(reason)))
    else:
        chosen = resolved(job)
        if selection is not None:
            chosen = chosen.get_subset(asset_selection=set(selection))
        _note(outcome, _here(opened, chosen, _tags(reason)))


def _tags(reason: str) -> dict[str, str]:
    return {"rakuten/reason": reason, PROCESS_TAG: _process()}


def _here(
    opened: dg.DagsterInstance, job: dg.JobDefinition, tags: dict[str, str], key: str | None = None
) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(instance=opened, partition_key=key, run_config=QUIET, tags=tags, raise_on_error=False)


def _note(outcome: Outcome, result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> None:
    outcome.add(result.run_id, result.success, [event for event in result.all_events if event.is_step_failure])


def _on_cluster(
    opened: dg.DagsterInstance,
    job: str,
    selection: Sequence[dg.AssetKey] | None,
    tags: dict[str, str],
) -> dg.JobExecutionResult:
    """Run a job, or the assets in `selection`, by the definitions' executor, and wait for its end."""
    rebuilt = dg.build_reconstructable_job(__name__, resolved.__name__, (job,))
    with dg.execute_job(
        rebuilt, opened, run_config=QUIET, tags=tags, asset_selection=selection, raise_on_error=False
    ) as result:
        return result


def resolved(job: str) -> dg.JobDefinition:
    """A job by its name, as every process finds it."""
    from rakuten_assets.definitions import defs

    return defs.resolve_job_def(job)


def bury_the_dead(opened: dg.DagsterInstance, *, services_stopped: bool = False) -> None:
    """Mark runs of processes that were killed as failed: nobody else would, and they would run for ever.

    With `services_stopped`, also those that the services had launched: without them, none can be alive.
    """
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    for run in opened.get_runs(dg.RunsFilter(statuses=unfinished)):
        process = run.tags.get(PROCESS_TAG, "")
        host, _, pid = process.partition(":")
        launched = services_stopped and not process
        killed = host == socket.gethostname() and process != _process() and not _alive(pid)
        if launched or killed:
            opened.report_run_failed(run, "The process that ran this was killed.")


def summary(opened: dg.DagsterInstance, settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """Scores on the gold set, the champion, rows and seconds, as `materialize --summary` writes them."""
    registry = Registry(str(settings.root))
    champion = registry.get("champion")
    challenger = registry.get("challenger")
    promoted = bool(champion and challenger and champion.version == challenger.version)
    arrived = deliveries(settings.root)
    seconds = seconds_by_asset(opened, outcome.runs)
    return {
        "success": outcome.success,
        "scores": {name: _gold(opened, f"{name}_model") for name in ("text", "image", "stacked")},
        "stacked_minus_text": _metadata(opened, "stacked_model").get("gold_gain_over_text"),
        "champion": {
            "version": champion.version if champion else None,
            "promoted": promoted and outcome.success,
            "reason": challenger.tags.get("gate") if challenger else None,
        },
        "rows": {
            "accepted": sum(delivery.accepted for delivery in arrived),
            "quarantined": sum(delivery.quarantined for delivery in arrived),
            "pictures": sum(delivery.pictures for delivery in arrived),
            "reasons": _sums([delivery.reasons for delivery in arrived]),
        },
        "leaderboards": {
            name: _metadata(opened, name).get("ranking", []) for name in _tournaments() if name in seconds
        },
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_asset": seconds,
        "errors": outcome.errors,
    }


def seconds_by_asset(opened: dg.DagsterInstance, runs: Sequence[str]) -> dict[str, float]:
    """Wall time of each step of these runs, batches added up, the longest first."""
    totals: dict[str, float] = {}
    for run_id in runs:
        for step in opened.get_run_step_stats(run_id):
            if step.start_time and step.end_time:
                spent = step.end_time - step.start_time
                totals[step.step_key] = totals.get(step.step_key, 0.0) + spent
    return {name: round(spent, 2) for name, spent in sorted(totals.items(), key=lambda item: -item[1])}


def _gold(opened: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    return {
        name: values[f"gold_{name}"]
        for values in [_metadata(opened, asset)]
        for name in ("n", "weighted_f1", "macro_f1", "accuracy", "ece")
        if f"gold_{name}" in values
    }


def _metadata(opened: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    event = opened.get_latest_materialization_event(dg.AssetKey(asset))
    found = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return {name: value.value for name, value in found.items()}


def _sums(parts: Sequence[Any]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            totals[name] = totals.get(name, 0) + count
    return totals


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _alive(pid: str) -> bool:
    return pid.isdigit() and psutil.pid_exists(int(pid))
