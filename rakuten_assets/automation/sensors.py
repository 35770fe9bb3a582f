"""What is watched: the drop folder, the batches that deliveries leave, and the catalogue that models learn from."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from rakuten_assets.assets.common import register_batches
from rakuten_assets.automation.jobs import PER_BATCH, ingest_delivery, prepare_batch, retrain
from rakuten_assets.core.deliveries import batch_keys
from rakuten_assets.core.delivery_files import UnusableFile, find_files
from rakuten_assets.resources import DataRoot
from rakuten_assets.settings import Settings

# A delivery is taken in when nothing in it changed for this long: until then it is still being copied.
SETTLED_SECONDS = 10

RUNNING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    job=ingest_delivery,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Takes in every delivery (folder or ZIP) that appears in the drop folder.",
)
def new_deliveries(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    settings = Settings()
    folder = settings.drop_folder.absolute()
    found = list(_delivered(folder))
    settled = [path for path in found if time.time() - _changed(path) >= SETTLED_SECONDS]
    if not settled:
        yield dg.SkipReason(f"{folder} holds {len(found)} deliveries, none of them complete and new.")
    for path in settled:
        yield dg.RunRequest(
            # The same folder with other content is another delivery; with the same, it is known already.
            run_key=f"{path.name}-{_changed(path):.0f}",
            run_config={"ops": {"take_in": {"config": {"folder": str(path), "batch_size": settings.batch_size}}}},
            tags={"rakuten/reason": f"delivery {path.name} in the drop folder"},
        )


@dg.sensor(
    job=prepare_batch,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Computes each batch that a delivery has left and nobody has computed.",
)
def new_batches(context: dg.SensorEvaluationContext, data: DataRoot) -> dg.SensorResult:
    # The deliveries on disk are the truth: a process killed between the two leaves no batch behind.
    keys = register_batches(context.instance, data.path)
    computed = _computed(context.instance)
    todo = [key for key in keys if key not in computed]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=key, partition_key=key, tags={"rakuten/reason": f"new batch {key}"}) for key in todo
        ],
        skip_reason=None if todo else f"All {len(keys)} batches are computed.",
    )


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retrains when every batch is computed and some of them have never been learnt from.",
)
def catalogue_grew(context: dg.SensorEvaluationContext, data: DataRoot) -> dg.SensorResult | dg.SkipReason:
    keys = batch_keys(data.path)
    fresh = sorted(set(keys) - _learnt(context.instance))
    waiting = sorted(set(keys) - _computed(context.instance))
    state = hashlib.sha256("\n".join(keys).encode()).hexdigest()
    if waiting:
        return dg.SkipReason(f"{len(waiting)} of {len(keys)} batches are not computed yet.")
    if not fresh:
        return dg.SkipReason(f"The models have learnt from all {len(keys)} batches.")
    if context.cursor == state:
        return dg.SkipReason("This catalogue has been tried; its training is under way or has failed.")
    if _training(context.instance):
        return dg.SkipReason("A training is under way; the next one waits for it.")
    reason = f"{len(fresh)} new batches: {', '.join(fresh[:3])}"
    request = dg.RunRequest(run_key=None, tags={"rakuten/reason": reason})
    return dg.SensorResult(run_requests=[request], cursor=state)


def _delivered(folder: Path) -> Iterator[Path]:
    """Deliveries in the drop folder: the folder itself, its sub-folders, its archives."""
    if not folder.is_dir():
        return
    if _is_delivery(folder):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.suffix == ".zip" or (path.is_dir() and not path.is_symlink() and _is_delivery(path)):
            yield path


def _is_delivery(folder: Path) -> bool:
    try:
        find_files(folder)
    except (UnusableFile, ValueError):
        return False
    return True


def _changed(path: Path) -> float:
    """When anything in a delivery last changed: the folders' times, which every new file touches, and the tables'."""
    inside = [path, *path.iterdir()] if path.is_dir() else [path]
    deeper = [child for folder in inside[1:] if folder.is_dir() for child in folder.iterdir() if child.is_dir()]
    return max(entry.lstat().st_mtime for entry in [*inside, *deeper])


def _computed(instance: dg.DagsterInstance) -> set[str]:
    """Batches for which every asset that has batches is there."""
    done = [instance.get_materialized_partitions(asset.key) for asset in PER_BATCH]
    return set.intersection(*(set(keys) for keys in done))


def _learnt(instance: dg.DagsterInstance) -> set[str]:
    """Batches that the latest splits, and so the latest training, took in."""
    event = instance.get_latest_materialization_event(dg.AssetKey("splits"))
    if event is None or event.asset_materialization is None:
        return set()
    return set(json.loads(str(event.asset_materialization.metadata["batches"].value)))


def _training(instance: dg.DagsterInstance) -> bool:
    filters = dg.RunsFilter(tags={"rakuten/training": "true"}, statuses=RUNNING)
    return bool(instance.get_run_ids(filters, limit=1))


__all__: Sequence[str] = ["catalogue_grew", "new_batches", "new_deliveries"]
