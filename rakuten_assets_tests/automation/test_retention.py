"""What the nightly job deletes of Dagster's own tables, and what it leaves, on the real PostgreSQL."""

import os
import shutil
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import create_engine, text

from rakuten_assets import lineage
from rakuten_assets.automation import retention
from rakuten_assets.automation.retention import DAGSTER_DAYS, NOTIFY_DAYS, nightly_tidy, tidy
from rakuten_assets.postgres import database_url

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dg.asset
def tidied(context: dg.AssetExecutionContext) -> None:
    context.log.info("one line of the diary")
    context.add_output_metadata({"rows": 3})


@dg.asset_check(asset=tidied)
def tidied_is_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture(scope="module")
def instance(settings):
    """The platform's own; other tests find it without what these have done."""
    with lineage.instance(settings) as instance:
        yield instance
        for run_id in instance.get_run_ids(dg.RunsFilter(job_name=tidy.name)):
            instance.delete_run(run_id)


@pytest.fixture(scope="module")
def engine(settings):
    engine = create_engine(database_url("dagster", settings))
    yield engine
    engine.dispose()


@pytest.fixture
def materialized(instance):
    """The id of a run that has materialised and checked an asset."""
    run = dg.materialize([tidied, tidied_is_there], instance=instance, run_config=QUIET)
    assert run.success
    yield run.run_id
    instance.wipe_assets([tidied.key])
    instance.delete_run(run.run_id)


def age(engine, run_id, days):
    """As if a run had happened so many days ago."""
    then = {"run": run_id, "past": timedelta(days=days)}
    with engine.begin() as connection:
        connection.execute(text("UPDATE event_logs SET timestamp = timestamp - :past WHERE run_id = :run"), then)
        connection.execute(
            text("UPDATE runs SET create_timestamp = create_timestamp - :past WHERE run_id = :run"), then
        )


def run_tidy(instance):
    run = tidy.execute_in_process(instance=instance, run_config=QUIET)
    event = next(event for event in run.all_events if event.is_successful_output)
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def kinds(instance, run_id):
    entries = instance.all_logs(run_id)
    return {entry.dagster_event_type.value if entry.dagster_event_type else "log line" for entry in entries}


def test_the_diary_of_an_old_run_goes_and_what_assets_and_runs_rest_on_stays(
    instance, engine, materialized, monkeypatch
):
    # Several parts, as in a table of millions.
    monkeypatch.setattr(retention, "ROWS", 7)
    key = dg.AssetKey("tidied")
    before = len(instance.all_logs(materialized))
    assert {"log line", "STEP_START", "ASSET_MATERIALIZATION"} <= kinds(instance, materialized)
    age(engine, materialized, DAGSTER_DAYS + 1)
    gone = run_tidy(instance)
    assert kinds(instance, materialized) == {
        "PIPELINE_START",
        "ASSET_MATERIALIZATION_PLANNED",
        "ASSET_CHECK_EVALUATION_PLANNED",
        "ASSET_MATERIALIZATION",
        "ASSET_CHECK_EVALUATION",
        "PIPELINE_SUCCESS",
    }
    assert gone["events"] == before - len(instance.all_logs(materialized)) > 0
    assert run_tidy(instance)["events"] == 0
    # What the UI asks for: the asset's latest materialisation, its check, and the page of the run.
    assert instance.get_latest_materialization_event(key).asset_materialization.metadata["rows"].value == 3
    record = instance.get_run_record_by_id(materialized)
    assert record.dagster_run.is_success
    stats = instance.get_run_stats(materialized)
    assert stats.materializations == 1
    assert stats.end_time is not None
    assert instance.get_run_step_stats(materialized) is not None
    check = dg.AssetCheckKey(key, "tidied_is_there")
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([check])
    assert latest[check].status.value == "SUCCEEDED"


def test_a_run_that_is_not_old_keeps_its_diary(instance, engine, materialized):
    age(engine, materialized, DAGSTER_DAYS - 1)
    before = len(instance.all_logs(materialized))
    run_tidy(instance)
    assert len(instance.all_logs(materialized)) == before
    assert "log line" in kinds(instance, materialized)


def test_what_old_steps_have_printed_goes(instance):
    storage = Path(instance.storage_directory())
    old, new = (storage / name / "compute_logs" for name in ("old-run", "new-run"))
    beside = storage / "old-run" / "result"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "step.err").write_text("one line")
    beside.write_text("no log")
    then = time.time() - (DAGSTER_DAYS + 1) * 86_400
    for file in (old / "step.err", beside):
        os.utime(file, (then, then))
    assert run_tidy(instance)["log_files"] == 1
    assert not old.exists()
    assert beside.read_text() == "no log"
    assert (new / "step.err").read_text() == "one line"
    for folder in (old.parent, new.parent):
        shutil.rmtree(folder)


def test_old_runs_that_told_people_something_go_whole_and_others_stay(instance, engine):
    ended, under_way = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.STARTED
    runs = {
        "old": create_run_for_test(instance, job_name="notify", status=ended),
        "new": create_run_for_test(instance, job_name="notify", status=ended),
        "under way": create_run_for_test(instance, job_name="notify", status=under_way),
        "another": create_run_for_test(instance, job_name="prepare_batch", status=ended),
    }
    for name, run in runs.items():
        age(engine, run.run_id, NOTIFY_DAYS - 1 if name == "new" else NOTIFY_DAYS + 1)
    assert run_tidy(instance)["notify_runs"] == 1
    left = [name for name, run in runs.items() if instance.get_run_by_id(run.run_id)]
    assert left == ["new", "under way", "another"]
    for run in runs.values():
        instance.delete_run(run.run_id)


def test_it_happens_every_night():
    assert nightly_tidy.job_name == "tidy"
    assert nightly_tidy.cron_schedule == "30 3 * * *"
    assert nightly_tidy.default_status == dg.DefaultScheduleStatus.RUNNING
