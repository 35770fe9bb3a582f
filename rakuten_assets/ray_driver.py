"""On a Ray cluster: the driver of a job (`python -m rakuten_assets.ray_driver`), and its tasks.

The driver deals out and asks no database, so that it may run where no secret is. Tasks run in processes that last as
long as the job, so that each loads the program, or the champion, once; where a node is lost, Ray gives its work to
another one, which finds what was computed and leaves it alone.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg
    import polars as pl

    from rakuten_assets.batch_tools import Answer
    from rakuten_assets.core.classifier import ProductClassifier

# On each run: the job that it belongs to, by which the runs of a lost attempt are found; the node that it ran on; and
# that its node was lost.
JOB_TAG, NODE_TAG, LOST_TAG = "rakuten/ray-job", "rakuten/ray-node", "rakuten/ray-lost"

# In the job's log, before how many products are classified and how many there are.
PROGRESS = "progress "

# How often work is tried again whose node was lost.
RETRIES = 3


def prepare_batch(key: str, assets: Sequence[Sequence[str]], reason: str, job: str) -> None:
    """On a node: compute what no earlier attempt has. Raises RuntimeError where a step failed; that is not repeated."""
    import dagster as dg
    import ray

    from rakuten_assets import lineage

    settings, outcome = Settings(), lineage.Outcome()
    with lineage.instance(settings) as opened:
        done = set(_done_before(opened, key, job))
        left = [found for found in map(dg.AssetKey, assets) if found not in done]
        if left:
            tags = {JOB_TAG: job, NODE_TAG: ray.get_runtime_context().get_node_id()}
            lineage.prepare(opened, key, left, reason, outcome, tags)
    if not outcome.success:
        raise RuntimeError(f"batch {key}: {'; '.join(outcome.errors)}")


def _done_before(opened: "dg.DagsterInstance", key: str, job: str) -> Iterator["dg.AssetKey"]:
    """What attempts whose nodes were lost have computed; their runs are marked as what they are."""
    import dagster as dg

    for lost in opened.get_runs(dg.RunsFilter(tags={JOB_TAG: job, "dagster/partition": key})):
        opened.add_run_tags(lost.run_id, {LOST_TAG: "true"})
        if not lost.is_finished:
            opened.report_run_failed(lost, "The Ray node that ran this was lost; another one goes on with the batch.")
        for entry in opened.all_logs(lost.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
            if entry.dagster_event and entry.dagster_event.asset_key:
                yield entry.dagster_event.asset_key


def classify(part: "pl.DataFrame", images: Path | None) -> "Answer":
    """On a node: the champion's answers."""
    from rakuten_assets.batch_tools import classify_part

    return classify_part(_champion(), part, images)


@cache
def _champion() -> "ProductClassifier":
    """Loaded once a process, which takes one part after the other."""
    from rakuten_assets.batch_tools import load_champion

    return load_champion(Settings())


def main(asked: dict[str, Any]) -> None:
    """The driver: deal out, and wait. A batch that fails keeps no other from being prepared."""
    import ray

    ray.init(log_to_driver=False)
    settings = Settings()
    as_task: Any = ray.remote(
        num_cpus=settings.ray_cores,
        num_gpus=settings.ray_gpu_share,
        max_retries=RETRIES,
        # By default a process that was given a GPU ends with its first task.
        max_calls=0,
        scheduling_strategy="SPREAD",
    )
    if asked["do"] == "prepare":
        task = as_task(prepare_batch)
        parts = [task.remote(key, todo, asked["reason"], asked["job"]) for key, todo in asked["batches"].items()]
        failures = [error for part in parts if (error := _failure(part))]
        if failures:
            sys.exit("; ".join(failures).replace("\n", " "))
    else:
        _predict(asked, as_task(classify))


def _failure(part: Any) -> str:
    import ray

    try:
        ray.get(part)
    except ray.exceptions.RayTaskError as error:
        return str(error.cause)
    except ray.exceptions.RayError as error:
        return str(error)
    return ""


def _predict(asked: dict[str, Any], task: Any) -> None:
    import ray

    from rakuten_assets import batch_tools

    images = batch_tools.existing(asked["images"] and Path(asked["images"]))

    def answers(parts: Iterator["pl.DataFrame"]) -> Iterator["Answer"]:
        return map(ray.get, [task.remote(part, images) for part in parts])

    def told(done: int, total: int) -> None:
        print(f"{PROGRESS}{done} {total}", flush=True)  # noqa: T201, into the job's log, where it is read

    batch_tools.predict(answers, Path(asked["x"]), Path(asked["out"]), asked["top"], told)


if __name__ == "__main__":
    # By its name, so that nodes find the functions in the module instead of being sent them.
    from rakuten_assets import ray_driver

    ray_driver.main(json.loads(sys.argv[1]))
