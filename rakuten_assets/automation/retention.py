"""Every night: the diary of runs that are long over goes, and pictures that belong to no product.

What is known of assets, checks and runs stays.
"""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    HOOK_EVENTS,
    MARKER_EVENTS,
    STEP_EVENTS,
    DagsterEventType,
)
from upath import UPath

from rakuten_assets.automation.notifications import notify
from rakuten_assets.dagster_storage import LOGS
from rakuten_assets.postgres import database_url
from rakuten_assets.purge.pictures import drop_unused
from rakuten_assets.settings import Settings

# What the ticks of schedules and sensors are kept for, too: see dagster.yaml.
DAGSTER_DAYS = 90

# A run that tells people something is small, and there are thousands of them.
NOTIFY_DAYS = 30

# Rows looked at in one transaction, and runs deleted in one night: what is left goes the next night.
ROWS, RUNS = 10_000, 5_000

# What goes, beside log lines, is named, so that what a later Dagster adds stays. Materialisations are what assets and
# sensors rest on, and the events of runs are what sensors have counted up to.
DIARY = sorted(
    kind.value
    for kind in (STEP_EVENTS | MARKER_EVENTS | HOOK_EVENTS | {DagsterEventType.LOGS_CAPTURED})
    - ASSET_EVENTS
    - ASSET_CHECK_EVENTS
)

OLD = "timestamp < :before AND (dagster_event_type IS NULL OR dagster_event_type = ANY(:diary))"


@dg.op
def prune(context: dg.OpExecutionContext) -> None:
    """Delete old events, output of old steps, old runs of `notify`, and nobody's pictures; the numbers are metadata."""
    now = datetime.now(UTC)
    gone = {
        "events": _prune_events(now - timedelta(days=DAGSTER_DAYS)),
        "log_files": _prune_files(Path(context.instance.storage_directory()), DAGSTER_DAYS)
        + _prune_objects(Settings().root / LOGS, now - timedelta(days=DAGSTER_DAYS)),
        "notify_runs": _prune_runs(context.instance, now - timedelta(days=NOTIFY_DAYS)),
        "pictures": drop_unused(Settings()),
    }
    context.log.info(f"Deleted: {', '.join(f'{count} {name}' for name, count in gone.items())}.")
    context.add_output_metadata(gone)


@dg.job(
    executor_def=dg.in_process_executor,
    description=f"Delete what Dagster has written of runs that ended more than {DAGSTER_DAYS} days ago, and pictures "
    "that were never submitted.",
)
def tidy() -> None:
    prune()


nightly_tidy = dg.ScheduleDefinition(
    name="nightly_tidy",
    job=tidy,
    cron_schedule="30 3 * * *",
    execution_timezone="Europe/Paris",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    tags={"rakuten/reason": "every night"},
)


def _prune_events(before: datetime) -> int:
    """Delete the diary of before that moment, a bounded part of the table at a time."""
    from sqlalchemy import create_engine, text

    # Dagster keeps moments in UTC, without saying so.
    values = {"before": before.replace(tzinfo=None), "diary": DIARY}
    engine = create_engine(database_url("dagster"))
    gone = 0
    try:
        with engine.begin() as connection:
            ends = text(f"SELECT min(id) AS first, max(id) AS last FROM event_logs WHERE {OLD}")
            first, last = connection.execute(ends, values).one()
        for start in range(first, last + 1, ROWS) if first is not None else ():
            part = values | {"start": start, "stop": start + ROWS}
            with engine.begin() as connection:
                delete = text(f"DELETE FROM event_logs WHERE id >= :start AND id < :stop AND {OLD}")
                gone += connection.execute(delete, part).rowcount
    finally:
        engine.dispose()
    return gone


def _prune_files(storage: Path, days: int) -> int:
    """Delete what steps have printed, as Dagster's `LocalComputeLogManager` keeps it, and the folders left empty."""
    before, gone = time.time() - days * 86_400, 0
    for folder in storage.glob("*/compute_logs"):
        files = list(folder.iterdir())
        old = [file for file in files if file.stat().st_mtime < before]
        for file in old:
            file.unlink()
        gone += len(old)
        if old and len(old) == len(files):
            folder.rmdir()
            if not any(folder.parent.iterdir()):
                folder.parent.rmdir()
    return gone


def _prune_objects(logs: UPath, before: datetime) -> int:
    """Delete what steps have printed where the data root is in S3; a folder has nothing there."""
    found = logs.fs.find(logs.path, detail=True)
    old = [name for name, about in found.items() if about.get("LastModified", before) < before]
    if old:
        logs.fs.rm(old)
    return len(old)


def _prune_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete runs of `notify` whole: the store knows what was told to whom."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    old = dg.RunsFilter(job_name=notify.name, statuses=ended, created_before=before)
    runs = instance.get_run_ids(old, limit=RUNS)
    for run_id in runs:
        instance.delete_run(run_id)
    return len(runs)
