"""What happens by the clock, and when it does not."""

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, instance_for_test
from sqlalchemy import create_engine, text

from rakuten_assets.automation.schedules import every_month, every_night, every_week
from rakuten_assets.definitions import defs
from rakuten_assets_tests.automation.test_loop import learnt, ours, owner_url, people  # noqa: F401


@pytest.fixture
def instance():
    """A schedule opens its instance anew, so this one is kept in files."""
    with instance_for_test(set_dagster_home=False) as made:
        yield made


def tick(schedule, instance, **resources):
    return schedule.evaluate_tick(dg.build_schedule_context(instance=instance, resources=resources))


def test_labels_are_handed_in_by_night_where_they_are_worth_a_batch(ours, people, instance, monkeypatch):  # noqa: F811
    from rakuten_assets.automation import schedules

    monkeypatch.setattr(schedules, "WORTH_A_BATCH", 10)
    people(9)
    assert "9 new labels: fewer than the 10" in tick(every_night, instance, operations=ours).skip_message
    people(1)
    assert tick(every_night, instance, operations=ours).run_requests[0].tags["rakuten/reason"] == "10 new labels"
    learnt(instance, ours.store, "labelled_products")
    assert tick(every_night, instance, operations=ours).run_requests == []


def test_drift_is_measured_each_week_and_says_why(instance, ours, owner_url):  # noqa: F811
    (asked,) = tick(every_week, instance, operations=ours).run_requests
    assert asked.tags["rakuten/reason"] == "weekly drift report"
    owner = create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM models"))
    owner.dispose()
    assert tick(every_week, instance, operations=ours).skip_message == "There is no champion yet."


def test_a_challenger_is_trained_each_month_but_never_two_at_once(instance):
    (asked,) = tick(every_month, instance).run_requests
    assert asked.tags["rakuten/training"] == "true"
    create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags={"rakuten/training": "true"})
    assert tick(every_month, instance).run_requests == []


def test_every_schedule_runs_without_a_hand():
    assert {schedule.name for schedule in defs.schedules} == {
        "every_night",
        "every_week",
        "every_month",
        "nightly_tidy",
        "nightly_backup",
    }
    assert all(schedule.default_status == dg.DefaultScheduleStatus.RUNNING for schedule in defs.schedules)
    assert {schedule.execution_timezone for schedule in defs.schedules} == {"Europe/Paris"}
