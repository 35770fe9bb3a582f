"""What a Ray cluster does side by side: batches that are prepared, and products that are classified.

Either is one Ray job. Its driver (`python -m rakuten_assets.ray_jobs`) deals out and asks no database, so that it may
run where no secret is. Tasks and actors run in processes that last as long as the job, so that each loads the program
once; where a node is lost, Ray gives its work to another one. What was computed before is found and left alone.
"""

import json
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from rakuten_assets import batch_tools, cluster, lineage
from rakuten_assets.lineage import Outcome
from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# On each run: the job that it belongs to, by which the runs of a lost attempt are found; the node that it ran on; and
# that its node was lost.
JOB_TAG, NODE_TAG, LOST_TAG = "rakuten/ray-job", "rakuten/ray-node", "rakuten/ray-lost"

# How often work is tried again whose node was lost.
RETRIES = 3

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


def run(settings: Settings, asked: dict[str, Any], heard: Callable[[str], None] = lambda log: None) -> tuple[str, str]:
    """Have the driver do this on the cluster; the job's id, and why it failed (empty where it did not)."""
    from ray.job_submission import JobStatus

    client, job = cluster.client(settings), f"rakuten-{uuid.uuid4()}"
    client.submit_job(
        submission_id=job,
        entrypoint=shlex.join([sys.executable, "-m", __name__, json.dumps(asked | {"job": job})]),
        runtime_env={"env_vars": cluster.environment(settings)},
    )
    while not (status := client.get_job_status(job)).is_terminal():
        heard(client.get_job_logs(job))
        time.sleep(POLL_SECONDS)
    return job, "" if status == JobStatus.SUCCEEDED else _last_words(client, job)


def _last_words(client: "JobSubmissionClient", job: str) -> str:
    lines = client.get_job_logs(job).strip().splitlines()
    return f"The Ray job {job} failed: {lines[-1] if lines else client.get_job_info(job).message}"


def _failed_steps(opened: dg.DagsterInstance, ended: dg.DagsterRun) -> list[dg.DagsterEvent]:
    logged = opened.all_logs(ended.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [entry.dagster_event for entry in logged if entry.dagster_event]


def prepare_batch(key: str, assets: Sequence[Sequence[str]], reason: str, job: str) -> None:
    """On a node: compute what no earlier attempt has. Raises RuntimeError where a step failed; that is not repeated."""
    import ray

    settings, outcome = Settings(), Outcome()
    with lineage.instance(settings) as opened:
        done = set(_done_before(opened, key, job))
        left = [found for found in map(dg.AssetKey, assets) if found not in done]
        if left:
            tags = {JOB_TAG: job, NODE_TAG: ray.get_runtime_context().get_node_id()}
            lineage.prepare(opened, key, left, reason, outcome, tags)
    if not outcome.success:
        raise RuntimeError(f"batch {key}: {'; '.join(outcome.errors)}")


def _done_before(opened: dg.DagsterInstance, key: str, job: str) -> Iterator[dg.AssetKey]:
    """What attempts whose nodes were lost have computed; their runs are marked as what they are."""
    for lost in opened.get_runs(dg.RunsFilter(tags={JOB_TAG: job, "dagster/partition": key})):
        opened.add_run_tags(lost.run_id, {LOST_TAG: "true"})
        if not lost.is_finished:
            opened.report_run_failed(lost, "The Ray node that ran this was lost; another one goes on with the batch.")
        for entry in opened.all_logs(lost.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            if entry.dagster_event and entry.dagster_event.asset_key:
                yield entry.dagster_event.asset_key


class Labeller:
    """On a node: the champion, loaded once, which classifies one part after the other."""

    def __init__(self) -> None:
        self._classifier = batch_tools.load_champion(Settings())

    def version(self) -> str:
        return self._classifier.version

    def classify(self, part: pl.DataFrame, images: Path | None) -> batch_tools.Answer:
        return batch_tools.classify_part(self._classifier, part, images)


def main(asked: dict[str, Any]) -> None:
    """The driver: deal out, and wait. A batch that fails keeps no other from being prepared."""
    import ray

    ray.init(log_to_driver=False)
    settings = Settings()
    needs: Any = {"num_cpus": settings.ray_cores, "num_gpus": settings.ray_gpu_share, "scheduling_strategy": "SPREAD"}
    if asked["do"] == "prepare":
        task = ray.remote(max_retries=RETRIES, **needs)(prepare_batch)
        parts = [task.remote(key, todo, asked["reason"], asked["job"]) for key, todo in asked["batches"].items()]
        failures = [error for part in parts if (error := _failure(part))]
        if failures:
            sys.exit("; ".join(failures).replace("\n", " "))
    else:
        actor = ray.remote(max_restarts=RETRIES, max_task_retries=RETRIES, **needs)(Labeller)
        workers = max(1, int(ray.cluster_resources().get("CPU", 1) // settings.ray_cores))
        _predict(asked, [actor.remote() for _ in range(workers)])


def _failure(part: Any) -> str:
    import ray

    try:
        ray.get(part)
    except ray.exceptions.RayTaskError as error:
        return str(error.cause)
    except ray.exceptions.RayError as error:
        return str(error)
    return ""


def _predict(asked: dict[str, Any], actors: Sequence[Any]) -> None:
    import ray
    from ray.util import ActorPool

    pool, images = ActorPool(list(actors)), batch_tools.existing(asked["images"] and Path(asked["images"]))

    def answers(parts: Iterator[pl.DataFrame]) -> Iterator[batch_tools.Answer]:
        return pool.map(lambda actor, part: actor.classify.remote(part, images), list(parts))

    def told(done: int, total: int) -> None:
        print(json.dumps([done, total]), flush=True)  # noqa: T201, the job's log is where it is read from

    version = ray.get(actors[0].version.remote())
    batch_tools.predict(answers, version, Path(asked["x"]), Path(asked["out"]), asked["top"], told)


if __name__ == "__main__":
    # By its name, so that nodes find the functions in the module instead of being sent them.
    from rakuten_assets import ray_jobs

    ray_jobs.main(json.loads(sys.argv[1]))
