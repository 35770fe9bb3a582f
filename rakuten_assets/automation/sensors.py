"""What is watched: the drop folder, the batches that deliveries leave, the catalogue, and which model answers."""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from rakuten_assets.assets.common import register_batches
from rakuten_assets.automation.jobs import PER_BATCH, deploy, ingest_delivery, prepare_batch, retrain
from rakuten_assets.core.deliveries import deliveries
from rakuten_assets.core.delivery_files import UnusableFile, find_files
from rakuten_assets.resources import DataRoot, Serving, Tracking
from rakuten_assets.settings import Settings

# Between two looks of a sensor; read once, with the definitions.
SECONDS = Settings().sensor_seconds

# A delivery is taken in when nothing in it changed for this long: until then it is still being copied.
SETTLED_SECONDS = 10

# A batch or a deployment that failed so often needs a person; another try every few seconds does not help.
ATTEMPTS = 3

# The service answers in milliseconds, and a tick of a sensor is short.
SERVICE_SECONDS = 0.5

# Tag of a run: the version that it deploys.
DEPLOYS = "rakuten/deploys"

RUNNING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dg.sensor(
    job=ingest_delivery,
    minimum_interval_seconds=SECONDS,
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
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Computes each batch that a delivery has left and nobody has computed.",
)
def new_batches(context: dg.SensorEvaluationContext, data: DataRoot) -> dg.SensorResult:
    # The deliveries on disk are the truth: a process killed between the two leaves no batch behind.
    keys = register_batches(context.instance, data.path)
    done = computed(context.instance)
    todo = [key for key in keys if key not in done]
    if not todo:
        return dg.SensorResult(skip_reason=f"All {len(keys)} batches are computed.")
    failed = {key: failures(context.instance, key) for key in todo}
    tried = [key for key in todo if failed[key] < ATTEMPTS]
    # One request a batch and attempt: a run key that was used is not used again.
    requests = [
        dg.RunRequest(run_key=f"{key}-{failed[key]}", partition_key=key, tags={"rakuten/reason": f"new batch {key}"})
        for key in tried
    ]
    given_up = f"{len(todo)} of {len(keys)} batches are not computed: each has failed {ATTEMPTS} times."
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else given_up)


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Retrains when every batch is computed and some of them have never been learnt from.",
)
def catalogue_grew(context: dg.SensorEvaluationContext, data: DataRoot) -> dg.SensorResult | dg.SkipReason:
    arrived = deliveries(data.path)
    keys = [key for delivery in arrived for key in delivery.batches]
    # What people labelled is learnt from when there is a reason to (automation/loop.py).
    delivered = {key for delivery in arrived if not delivery.from_people for key in delivery.batches}
    fresh = sorted(delivered - _learnt(context.instance))
    waiting = sorted(set(keys) - computed(context.instance))
    state = hashlib.sha256("\n".join(sorted(delivered)).encode()).hexdigest()
    if waiting:
        return dg.SkipReason(f"{len(waiting)} of {len(keys)} batches are not computed yet.")
    if not fresh:
        return dg.SkipReason(f"The models have learnt from all {len(delivered)} delivered batches.")
    if context.cursor == state:
        return dg.SkipReason("This catalogue has been tried; its training is under way or has failed.")
    if training(context.instance):
        return dg.SkipReason("A training is under way; the next one waits for it.")
    reason = f"{len(fresh)} new batches: {', '.join(fresh[:3])}"
    request = dg.RunRequest(run_key=None, tags={"rakuten/reason": reason})
    return dg.SensorResult(run_requests=[request], cursor=state)


@dg.sensor(
    job=deploy,
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Deploys the champion where the prediction service answers with another model, or no Bento holds it.",
)
def champion_changed(
    context: dg.SensorEvaluationContext, tracking: Tracking, serving: Serving
) -> dg.SensorResult | dg.SkipReason:
    from serving.client import ServiceRefused, ServiceUnavailable

    champion = tracking.registry.get("champion")
    if champion is None:
        return dg.SkipReason("There is no champion yet.")
    try:
        with serving.client(SERVICE_SECONDS) as client:
            now = client.deployment()
    except (ServiceRefused, ServiceUnavailable) as error:
        return dg.SkipReason(f"Whether {champion.version} answers cannot be seen: {error}")
    version, since = champion.version, _since(context.cursor, champion.version)
    cursor = json.dumps({"version": version, "since": since})
    reason = _against(context.instance, version, since, now.answering, now.rejected)
    if reason:
        return dg.SensorResult(skip_reason=reason, cursor=cursor)
    replaced = f"champion {version} replaces {now.answering or 'none'}"
    why = f"champion {version} has no Bento yet" if now.answering == version else replaced
    tags = {"rakuten/reason": why, DEPLOYS: version}
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=None, tags=tags)], cursor=cursor)


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
    """When anything in a delivery last changed: its tables, and the folders, which every new file touches."""
    return max([path.lstat().st_mtime, *(part.stat(follow_symlinks=False).st_mtime for part in _parts(path, depth=2))])


def _parts(folder: Path, depth: int) -> Iterator[os.DirEntry[str]]:
    """Folders and tables inside a delivery; not its pictures, of which there are too many to ask each."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry
                if depth:
                    yield from _parts(Path(entry.path), depth - 1)
            elif entry.name.endswith(".csv"):
                yield entry


def computed(instance: dg.DagsterInstance) -> set[str]:
    """Batches for which every asset that has batches is there."""
    done = [instance.get_materialized_partitions(asset.key) for asset in PER_BATCH]
    return set.intersection(*(set(keys) for keys in done))


def failures(instance: dg.DagsterInstance, key: str) -> int:
    """How often the computation of a batch has failed."""
    tags = {"dagster/partition": key}
    failure = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    return instance.get_runs_count(dg.RunsFilter(job_name=prepare_batch.name, tags=tags, statuses=failure))


def _learnt(instance: dg.DagsterInstance) -> set[str]:
    """Batches that the latest training took in: those of its splits, once it has led to a challenger."""
    event = instance.get_latest_materialization_event(dg.AssetKey("splits"))
    ended = instance.get_latest_materialization_event(dg.AssetKey("challenger"))
    if event is None or event.asset_materialization is None or ended is None or ended.timestamp < event.timestamp:
        return set()
    return set(json.loads(str(event.asset_materialization.metadata["batches"].value)))


def training(instance: dg.DagsterInstance) -> bool:
    filters = dg.RunsFilter(tags={"rakuten/training": "true"}, statuses=RUNNING)
    return bool(instance.get_run_ids(filters, limit=1))


def _bento(instance: dg.DagsterInstance) -> str | None:
    """Version of the champion that the latest Bento holds."""
    event = instance.get_latest_materialization_event(dg.AssetKey("bento"))
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return str(metadata["version"].value) if "version" in metadata else None


def _since(cursor: str | None, version: str) -> float:
    """Since when this version has been the champion, as far as the sensor has seen; in seconds."""
    known = json.loads(cursor) if cursor else {}
    return float(known["since"]) if known.get("version") == version else time.time()


def _against(
    instance: dg.DagsterInstance, version: str, since: float, answering: str | None, rejected: dict[str, str]
) -> str | None:
    """Why the champion is not to be deployed now; None where it is."""
    if answering == version and _bento(instance) == version:
        return f"The champion {version} answers."
    if version in rejected:
        return f"The service does not take version {version}: {rejected[version]}"
    if instance.get_run_ids(dg.RunsFilter(job_name=deploy.name, statuses=RUNNING), limit=1):
        return "A deployment is under way."
    begun = datetime.fromtimestamp(since, UTC)
    failed = dg.RunsFilter(tags={DEPLOYS: version}, statuses=[dg.DagsterRunStatus.FAILURE], created_after=begun)
    if instance.get_runs_count(failed) >= ATTEMPTS:
        return f"The deployment of version {version} has failed {ATTEMPTS} times: a person must look at it."
    return None


__all__: Sequence[str] = ["catalogue_grew", "champion_changed", "new_batches", "new_deliveries"]
