"""Running the lineage from the command line: the batches first, then the models, with a summary."""

import os
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
from dagster._core.storage.tags import PARTITION_NAME_TAG
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

Progress = Callable[[str, str], None]
"""Told the name of a step (or asset) and what became of it: start, success, failure."""


@dataclass
class Outcome:
    """What one call of `materialize` did."""

    success: bool = True
    refused: bool = False
    """The only thing that failed is the gate: the lineage is sound, the challenger was not good enough."""
    runs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


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
    progress: Progress | None = None,
) -> Outcome:
    """Run the lineage up to the champion, or the assets in `select`; batches that are computed are left as they are.

    `fresh` computes them again all the same. What serves the champion runs only where `select` names it.
    """
    bury_the_dead(opened)
    keys = register_batches(opened, settings.root)
    names = set(select or [])
    outcome = Outcome()
    per_batch = [asset.key for asset in PER_BATCH if not names or asset.key.to_user_string() in names]

    def prepare(key: str) -> None:
        todo = [asset for asset in per_batch if fresh or key not in opened.get_materialized_partitions(asset)]
        if todo and outcome.success:
            _run(opened, settings, "prepare_batch", todo, key, f"{reason}: batch {key}", outcome, progress)

    if settings.ray_address:
        # Their runs only wait here for their steps.
        with ThreadPoolExecutor(settings.ray_batches) as pool:
            list(pool.map(prepare, keys))
    else:
        for key in keys:
            prepare(key)
    chosen = {job: [key for key in keys if key.to_user_string() in names] for job, keys in _jobs().items()}
    for job, selection in chosen.items():
        if outcome.success and (selection or (job == "retrain" and not names)):
            _run(opened, settings, job, selection or None, None, reason, outcome, progress)
    return outcome


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


def _run(
    opened: dg.DagsterInstance,
    settings: Settings,
    job: str,
    selection: list[dg.AssetKey] | None,
    partition: str | None,
    reason: str,
    outcome: Outcome,
    progress: Progress | None,
) -> None:
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    tags = {"rakuten/reason": reason, PROCESS_TAG: _process()}
    if settings.ray_address:
        if partition:
            tags[PARTITION_NAME_TAG] = partition
            # A selection brings its checks with it, which look at all batches; the whole job has none.
            selection = None if selection == [asset.key for asset in PER_BATCH] else selection
        result: dg.ExecuteInProcessResult | dg.JobExecutionResult = _on_cluster(opened, job, selection, config, tags)
    else:
        chosen = resolved(job)
        if selection is not None:
            # The checks of batches look at all of them, and run with the training.
            checks = frozenset[dg.AssetCheckKey]() if partition else None
            chosen = chosen.get_subset(asset_selection=set(selection), asset_check_selection=checks)
        result = chosen.execute_in_process(
            instance=opened, partition_key=partition, run_config=config, tags=tags, raise_on_error=False
        )
    outcome.runs.append(result.run_id)
    if not result.success:
        outcome.success = False
        failures = [event for event in result.all_events if event.is_step_failure]
        outcome.errors += [message(event) for event in failures]
        outcome.refused = bool(failures) and all(is_verdict(event) for event in failures)


def _on_cluster(
    opened: dg.DagsterInstance,
    job: str,
    selection: Sequence[dg.AssetKey] | None,
    run_config: dict[str, Any],
    tags: dict[str, str],
) -> dg.JobExecutionResult:
    """Run a job, or the assets in `selection`, by the definitions' executor, and wait for its end."""
    rebuilt = dg.build_reconstructable_job(__name__, resolved.__name__, (job,))
    with dg.execute_job(
        rebuilt, opened, run_config=run_config, tags=tags, asset_selection=selection, raise_on_error=False
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
