"""What Dagster's instance says: runs, freshness of assets, ticks, and whether the daemons live."""

from collections.abc import Iterator
from functools import cache

import dagster as dg
from dagster import DagsterRunStatus as Status
from prometheus_client import Metric

from rakuten_assets.metrics.collector import Value, gauge

ENDED = {"success": Status.SUCCESS, "failure": Status.FAILURE, "canceled": Status.CANCELED}
UNDER_WAY = [Status.STARTING, Status.STARTED, Status.CANCELING]


def read(instance: dg.DagsterInstance) -> Iterator[Metric]:
    """All metrics; some tens of small queries."""
    yield gauge("rakuten_dagster_runs_queued", "Runs that wait for their turn", _count(instance, [Status.QUEUED]))
    yield gauge("rakuten_dagster_runs_in_progress", "Runs that are under way", _count(instance, UNDER_WAY))
    ended: list[Value] = [
        ([job, name], _count(instance, [status], job)) for job in _jobs() for name, status in ENDED.items()
    ]
    yield gauge("rakuten_dagster_runs_ended", "Runs that have ended, so far", ended, ["job", "status"])
    yield gauge(
        "rakuten_dagster_job_success_timestamp_seconds", "End of the last run that went well", _last(instance), ["job"]
    )
    yield gauge(
        "rakuten_asset_success_timestamp_seconds", "Last materialization; 0: never", _freshness(instance), ["asset"]
    )
    yield from _ticks(instance)
    beats: list[Value] = [([kind], beat.timestamp) for kind, beat in instance.get_daemon_heartbeats().items()]
    yield gauge("rakuten_dagster_daemon_heartbeat_timestamp_seconds", "Last sign of life", beats, ["daemon"])


def _count(instance: dg.DagsterInstance, statuses: list[Status], job: str | None = None) -> int:
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=statuses))


def _last(instance: dg.DagsterInstance) -> Iterator[Value]:
    for job in _jobs():
        wanted = dg.RunsFilter(job_name=job, statuses=[Status.SUCCESS])
        for run in instance.get_run_records(wanted, limit=1):
            yield [job], run.end_time or 0.0


def _freshness(instance: dg.DagsterInstance) -> Iterator[Value]:
    keys = _assets()
    known = {record.asset_entry.asset_key: record.asset_entry for record in instance.get_asset_records(keys)}
    for key in keys:
        entry = known.get(key)
        made = entry.last_materialization_record if entry else None
        yield [key.to_user_string()], made.timestamp if made else 0.0


def _ticks(instance: dg.DagsterInstance) -> Iterator[Metric]:
    at: list[Value] = []
    failed: list[Value] = []
    for state in instance.all_instigator_state():
        labels = [state.instigator_type.value.lower(), state.instigator_name]
        for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
            at.append((labels, tick.timestamp))
            failed.append((labels, float(tick.is_failure)))
    yield gauge("rakuten_dagster_tick_timestamp_seconds", "Last tick", at, ["kind", "name"])
    yield gauge("rakuten_dagster_tick_failed", "1 where the last tick failed", failed, ["kind", "name"])


@cache
def _jobs() -> list[str]:
    from rakuten_assets.definitions import defs

    return sorted(job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__"))


@cache
def _assets() -> list[dg.AssetKey]:
    from rakuten_assets.assets import ALL_ASSETS

    return sorted(key for asset in ALL_ASSETS for key in asset.keys)
