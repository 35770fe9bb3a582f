"""What a Ray cluster does side by side: batches that are prepared, and products that are classified.

Either is one Ray job, which `rakuten_assets/ray_driver.py` carries out on the cluster.
"""

import json
import shlex
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from rakuten_assets import batch_tools, cluster, ray_driver
from rakuten_assets.lineage import Outcome
from rakuten_assets.ray_driver import JOB_TAG, LOST_TAG, PROGRESS
from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# Batches of one job: what a job is told stands in a command line.
BATCHES = 500

POLL_SECONDS = 1.0


def prepare_batches(
    opened: dg.DagsterInstance,
    settings: Settings,
    todo: dict[str, list[dg.AssetKey]],
    reason: str,
    outcome: Outcome,
) -> None:
    """Have these assets of each batch computed on the cluster, a task and a run a batch, and wait for them."""
    keys = list(todo)
    for start in range(0, len(keys), BATCHES):
        part = {key: [asset.path for asset in todo[key]] for key in keys[start : start + BATCHES]}
        job = f"rakuten-{uuid.uuid4()}"
        try:
            failure = run(settings, job, {"do": "prepare", "batches": part, "reason": reason})
        except (OSError, RuntimeError) as error:
            failure = f"The Ray cluster {settings.ray_address} cannot be used: {error}"
        for done in opened.get_runs(dg.RunsFilter(tags={JOB_TAG: job})):
            if not done.is_finished:
                # Nobody else would: the process that ran this has ended with its job.
                opened.report_run_failed(done, failure)
            if LOST_TAG not in done.tags:
                outcome.add(done.run_id, done.is_success, _failed_steps(opened, done))
        if failure:
            outcome.success = False
            outcome.errors = outcome.errors or [failure]
        if not outcome.success:
            return


def predict(
    settings: Settings, x: Path, images: Path | None, out: Path, top: int, progress: batch_tools.Progress
) -> int:
    """As `batch_tools.predict`, by tasks on the cluster, whose nodes see the same files; the number of rows.

    Raises RuntimeError with the driver's last words where it failed.
    """
    files = {"x": str(x.absolute()), "images": str(images.absolute()) if images else None, "out": str(out.absolute())}

    def heard(log: str) -> None:
        told = [line for line in log.splitlines() if line.startswith(PROGRESS)]
        if told:
            progress(*map(int, told[-1].removeprefix(PROGRESS).split()))

    failure = run(settings, f"rakuten-{uuid.uuid4()}", {"do": "predict", "top": top, **files}, heard)
    if failure:
        raise RuntimeError(failure)
    written = pl.scan_parquet(out) if out.suffix == ".parquet" else pl.scan_csv(out)
    return int(written.select(pl.len()).collect().item())


def run(settings: Settings, job: str, asked: dict[str, Any], heard: Callable[[str], None] | None = None) -> str:
    """Have the driver do this on the cluster; why it failed (empty where it did not).

    Raises OSError and RuntimeError where the job server does not answer. Nobody who stops waiting leaves work behind.
    """
    from ray.job_submission import JobStatus

    client = cluster.client(settings)
    client.submit_job(
        submission_id=job,
        entrypoint=shlex.join([sys.executable, "-m", ray_driver.__name__, json.dumps(asked | {"job": job})]),
        runtime_env={"env_vars": cluster.environment(settings)},
    )
    try:
        while not (status := client.get_job_status(job)).is_terminal():
            if heard:
                heard(client.get_job_logs(job))
            time.sleep(POLL_SECONDS)
    except BaseException:
        with suppress(Exception):
            client.stop_job(job)
        raise
    return "" if status == JobStatus.SUCCEEDED else _last_words(client, job)


def _last_words(client: "JobSubmissionClient", job: str) -> str:
    lines = [line for line in client.get_job_logs(job).strip().splitlines() if not line.startswith(PROGRESS)]
    return f"The Ray job {job} failed: {lines[-1] if lines else client.get_job_info(job).message}"


def _failed_steps(opened: dg.DagsterInstance, ended: dg.DagsterRun) -> list[dg.DagsterEvent]:
    logged = opened.all_logs(ended.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [entry.dagster_event for entry in logged if entry.dagster_event]
