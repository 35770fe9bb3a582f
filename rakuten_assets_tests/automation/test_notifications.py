"""From what happens to what people are told: the sensors, the store in between, and the job that sends."""

import http.server
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import create_engine, text

from rakuten_assets.automation import notifications
from rakuten_assets.automation.notifications import news, notify, run_ended_well, run_failed, service_health
from rakuten_assets.lineage import PROJECT
from rakuten_assets.notifier import Notifier
from rakuten_assets.postgres import database_url
from rakuten_assets.resources import Serving, Tracking
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import Actor
from rakuten_assets_tests.automation.test_notifier import by_mail, by_webhook, mail_server, receiver
from rakuten_assets_tests.operations import Ours, store_at
from rakuten_assets_tests.serving.conftest import free_port

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ADMIN = Actor(1, "", "", "admin")


class Known(Tracking):
    """A registry that knows a champion, or none."""

    champion: bool = True

    @property
    def registry(self):
        return SimpleNamespace(get=lambda alias: "a model" if self.champion else None)


@pytest.fixture(scope="module")
def owner_url(settings):
    return database_url("notification_tests", settings)


@pytest.fixture
def database(owner_url):
    """As the owner; it begins without notifications."""
    url = prepare(owner_url)
    engine = create_engine(owner_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM notifications"))
    yield SimpleNamespace(engine=engine, operations=Ours(url=url), store=store_at(url))
    engine.dispose()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def told(database):
    """All that people are to be told, the oldest first."""
    return lambda: list(reversed(database.store.notifications.history(ADMIN)))


@pytest.fixture
def watch(instance, database):
    """Lets a sensor of runs look at what it has not seen yet."""
    cursors = {}

    def tick(sensor):
        resources = {"operations": database.operations}
        with dg.build_sensor_context(instance, cursors.get(sensor.name), resources=resources) as context:
            found = sensor.evaluate_tick(context)
        cursors[sensor.name] = found.cursor
        errors = [reaction.error for reaction in found.dagster_run_reactions if reaction.error]
        assert errors == []

    tick(run_failed)
    tick(run_ended_well)
    return tick


def train(instance, passed=True, old="v1", challenger_error=None, gate_error=None, **tags):
    """A run of a job like `retrain`."""

    @dg.asset
    def challenger():
        if challenger_error:
            raise challenger_error

    @dg.asset_check(asset=challenger, blocking=True)
    def gate():
        if gate_error:
            raise gate_error
        metadata = {"challenger": "v2", "champion": old}
        return dg.AssetCheckResult(passed=passed, description="0.91 against 0.95", metadata=metadata)

    @dg.asset(deps=[challenger])
    def champion():
        mlflow = dg.MetadataValue.url("http://mlflow/#/versions/7")
        return dg.MaterializeResult(metadata={"version": "v2", "reason": "0.96 against 0.95", "mlflow": mlflow})

    job = dg.define_asset_job("retrain")
    defs = dg.Definitions([challenger, champion], jobs=[job], asset_checks=[gate], executor=dg.in_process_executor)
    tags = {"rakuten/reason": "2 new batches", **tags}
    job = defs.resolve_job_def("retrain")
    return job.execute_in_process(instance=instance, run_config=QUIET, tags=tags, raise_on_error=False)


def test_a_failed_training_is_told_once_with_all_that_a_person_needs(instance, watch, told):
    run = train(instance, challenger_error=ValueError(f"no rows {'!' * 900}\nbicyclette rouge"))
    watch(run_failed)
    watch(run_failed)
    (only,) = told()
    assert (only.kind, only.key) == ("training_failed", f"run-failed:{run.run_id}")
    assert only.subject == "retrain failed at challenger"
    assert only.body.startswith("challenger: ValueError: no rows !!!")
    assert len(only.body.splitlines()[0]) == notifications.QUOTED
    assert "bicyclette" not in only.body
    assert "Why it ran: 2 new batches\nFailed: 20" in only.body
    assert only.link == f"http://127.0.0.1:3000/runs/{run.run_id}"


def test_a_run_that_was_killed_is_told_though_no_step_has_failed(instance, watch, told):
    run = create_run_for_test(instance, job_name="prepare_batch", status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "The process that ran this was killed.")
    watch(run_failed)
    (only,) = told()
    assert (only.kind, only.subject) == ("run_failed", "prepare_batch failed")
    assert only.body.startswith("The process that ran this was killed.\nWhy it ran: a person started it\n")


def test_a_run_that_is_tried_again_is_told_only_where_that_fails_too(instance, watch, told):
    first = create_run_for_test(instance, job_name="prepare_batch", tags={"dagster/will_retry": "true"})
    instance.report_run_failed(first)
    watch(run_failed)
    assert told() == []
    lineage = {"root_run_id": first.run_id, "parent_run_id": first.run_id}
    for _ in range(2):
        instance.report_run_failed(create_run_for_test(instance, job_name="prepare_batch", **lineage))
    watch(run_failed)
    assert [each.key for each in told()] == [f"run-failed:{first.run_id}"]


def test_a_challenger_that_the_gate_refuses_is_no_failure(instance, watch, told):
    run = train(instance, passed=False)
    assert not run.success
    watch(run_failed)
    watch(run_failed)
    watch(run_ended_well)
    (only,) = told()
    assert (only.kind, only.key) == ("challenger_refused", f"refused:{run.run_id}")
    assert only.body == "The gate: 0.91 against 0.95\nThe champion stays.\nWhy it ran: 2 new batches"


def test_a_gate_that_cannot_judge_is_a_failure(instance, watch, told):
    train(instance, gate_error=OSError("no gold rows"))
    watch(run_failed)
    (only,) = told()
    assert (only.kind, only.subject) == ("training_failed", "retrain failed at challenger_gate")


def test_a_new_champion_is_told_once_with_the_reason(instance, watch, told):
    run = train(instance)
    assert run.success
    watch(run_ended_well)
    watch(run_ended_well)
    watch(run_failed)
    (only,) = told()
    assert (only.kind, only.key) == ("champion_promoted", f"promoted:v2:{run.run_id}")
    assert only.body == "It replaces v1.\nThe gate: 0.96 against 0.95\nWhy it ran: 2 new batches"
    assert only.link == "http://mlflow/#/versions/7"


def test_a_champion_that_is_kept_is_no_news(instance, watch, told):
    assert train(instance, old="v2").success
    watch(run_ended_well)
    assert told() == []


def test_the_job_that_tells_does_not_feed_itself(instance, watch, told):
    for _ in range(3):
        instance.report_run_failed(create_run_for_test(instance, job_name="notify"))
    watch(run_failed)
    (only,) = told()
    assert only.subject == "notify failed"


@pytest.fixture
def tick(instance, database):
    def tick():
        with dg.build_sensor_context(instance, resources={"operations": database.operations}) as context:
            found = news.evaluate_tick(context)
        return found.run_requests or found.skip_message

    return tick


def tell(database, key="a"):
    assert database.store.notifications.add(key, "run_failed", "retrain failed", "ValueError: no rows")


def test_a_run_is_requested_where_something_is_due_and_nobody_is_sending(instance, database, tick, monkeypatch):
    assert tick() == "Nothing is due."
    tell(database)
    start = time.perf_counter()
    (request,) = tick()
    assert time.perf_counter() - start < 1
    assert request.tags["rakuten/reason"] == "people are to be told something"
    run = create_run_for_test(instance, job_name="notify", status=dg.DagsterRunStatus.STARTED)
    assert "is sending" in tick()
    instance.report_run_failed(run)
    assert "has failed" in tick()
    monkeypatch.setattr(notifications, "PAUSE_SECONDS", -1)
    assert len(tick()) == 1


def send(instance, database, notifier):
    defs = dg.Definitions(jobs=[notify], resources={"operations": database.operations, "notifier": notifier})
    run = defs.resolve_job_def("notify").execute_in_process(instance=instance, run_config=QUIET)
    event = next(event for event in run.all_events if event.is_successful_output)
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def later(database):
    """As if the time until the next try had passed."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE notifications SET next_at = now()"))


def test_a_mail_server_that_is_down_costs_the_webhook_nothing_and_gets_the_mail_once(
    instance, database, told, tick, tmp_path
):
    tell(database)
    port = free_port()
    with receiver() as (url, got):
        notifier = by_mail(port, webhook_url_file=by_webhook(tmp_path, url).webhook_url_file)
        found = send(instance, database, notifier)
        assert (found["sent"], found["failed"]) == (2, 1)
        assert found["failures"][0].startswith(f"a: email: 127.0.0.1:{port} did not take the mail")
        assert len(got) == 1
        # It is asked again, but not at once.
        assert tick() == "Nothing is due."
        assert send(instance, database, notifier)["failed"] == 0
        later(database)
        assert send(instance, database, notifier)["failed"] == 1
        assert told()[0].error.startswith(f"email: 127.0.0.1:{port} did not take the mail")
        with mail_server(port) as inbox:
            for _ in range(2):
                later(database)
                send(instance, database, notifier)
        assert len(inbox.mails) == len(got) == 1
    (only,) = told()
    assert only.sent == ["email", "log", "webhook"]
    assert only.done_at is not None
    assert (only.attempts, only.error) == (3, "")


def test_two_runs_at_once_tell_people_once(database):
    for key in "abcde":
        tell(database, key)
    with mail_server() as inbox:

        def run():
            with dg.DagsterInstance.ephemeral() as own:
                send(own, database, by_mail(inbox.port))

        both = [threading.Thread(target=run) for _ in range(2)]
        for each in both:
            each.start()
        for each in both:
            each.join()
    assert len(inbox.mails) == 5


def test_a_thing_is_told_once_however_often_it_is_seen(instance, database):
    tell(database)
    assert not database.store.notifications.add("a", "run_failed", "again", "again")
    assert send(instance, database, Notifier())["sent"] == 1
    later(database)
    assert send(instance, database, Notifier())["sent"] == 0


@contextmanager
def service(port, status=200):
    """A prediction service that says whether it is ready."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def look(instance, database):
    """Lets `service_health` look once more; answers with what it says that it saw."""
    port, cursor = free_port(), None
    serving = Serving(url=f"http://127.0.0.1:{port}", token_file="", bentos="")

    def look(champion=True):
        nonlocal cursor
        resources = {
            "operations": database.operations,
            "serving": serving,
            "tracking": Known(root="", ui="", champion=champion),
        }
        with dg.build_sensor_context(instance, cursor, resources=resources) as context:
            found = service_health.evaluate_tick(context)
        cursor = found.cursor
        return found.skip_message

    look.port = port
    return look


def test_a_service_that_stays_silent_is_told_once_and_so_is_its_return(look, told):
    with service(look.port):
        assert look().endswith("answers.")
    assert "1 times in a row" in look()
    assert told() == []
    with service(look.port, status=503):
        assert "2 times in a row" in look()
    look()
    (ill,) = told()
    assert ill.kind == "service_unhealthy"
    assert f"http://127.0.0.1:{look.port}/readyz has not answered since 20" in ill.body
    with service(look.port):
        look()
        look()
    back = told()[1:]
    assert [each.kind for each in back] == ["service_healthy"]
    assert back[0].key.partition(":")[2] == ill.key.partition(":")[2]


def test_a_hiccup_of_the_service_is_no_news(look, told):
    for _ in range(3):
        look()
        with service(look.port):
            look()
    assert told() == []


def test_a_service_without_a_champion_has_nothing_to_answer_with(look, told):
    for _ in range(3):
        assert look(champion=False) == "There is no champion yet that could answer."
    assert told() == []


@pytest.mark.parametrize(
    "kind",
    [
        *("training_failed", "run_failed", "challenger_refused", "champion_promoted"),
        *("service_unhealthy", "service_healthy", "drift_found", "data_missing"),
    ],
)
def test_the_runbook_has_a_page_where_a_message_points(kind):
    assert f"\n## {kind}\n" in (PROJECT / "docs" / "runbook.md").read_text()
