"""What a Ray cluster does side by side: batches that are prepared, and products that are classified.

Either is one Ray job, which `rakuten_assets/ray_driver.py` carries out on the cluster.
"""

import json
import shlex
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from rakuten_assets import batch_tools, cluster, ray_driver
from rakuten_assets.lineage import Outcome
from rakuten_assets.ray_driver import JOB_TAG, LOST_TAG
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
        job, failure = run(settings, {"do": "prepare", "batches": part, "reason": reason})
        for done in opened.get_runs(dg.RunsFilter(tags={JOB_TAG: job})):
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
    """As `batch_tools.predict`, by actors on the cluster, whose nodes see the same files; the number of rows.

    Raises RuntimeError with the driver's last words where it failed.
    """
    files = {"x": str(x.absolute()), "images": str(images.absolute()) if images else None, "out": str(out.absolute())}

    def heard(log: str) -> None:
        lines = [line for line in log.splitlines() if line.startswith("[")]
        if lines:
            progress(*json.loads(lines[-1]))

    _, failure = run(settings, {"do": "predict", "top": top, **files}, heard)
    if failure:
        raise RuntimeError(failure)
    return pl.scan_parquet(out).select(pl.len()).collect().item() if out.suffix == ".parquet" else len(pl.read_csv(out))


def run(settings: Settings, asked: dict[str, Any], heard: Callable[[str], None] | None = None) -> tuple[str, str]:
    """Have the driver do this on the cluster; the job's id, and why it failed (empty where it did not)."""
    from ray.job_submission import JobStatus

    client, job = cluster.client(settings), f"rakuten-{uuid.uuid4()}"
    client.submit_job(
        submission_id=job,
        entrypoint=shlex.join([sys.executable, "-m", ray_driver.__name__, json.dumps(asked | {"job": job})]),
        runtime_env={"env_vars": cluster.environment(settings)},
    )
    while not (status := client.get_job_status(job)).is_terminal():
        if heard:
            heard(client.get_job_logs(job))
        time.sleep(POLL_SECONDS)
    return job, "" if status == JobStatus.SUCCEEDED else _last_words(client, job)


def _last_words(client: "JobSubmissionClient", job: str) -> str:
    lines = client.get_job_logs(job).strip().splitlines()
    return f"The Ray job {job} failed: {lines[-1] if lines else client.get_job_info(job).message}"


def _failed_steps(opened: dg.DagsterInstance, ended: dg.DagsterRun) -> list[dg.DagsterEvent]:
    logged = opened.all_logs(ended.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [entry.dagster_event for entry in logged if entry.dagster_event]
