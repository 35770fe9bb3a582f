"""Work that is not lost, imports that go on, news that arrive, and the numbers made of it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import AuditFilter
from rakuten_assets.store.tables import OutboxRow
from rakuten_assets_tests.store.conftest import answer, draft, job_of
from rakuten_assets_tests.store.test_accounts import refusal


@pytest.fixture(autouse=True)
def empty_outbox(store):
    from sqlalchemy import delete

    with store.outbox._transaction() as session:
        session.execute(delete(OutboxRow))


def test_a_job_is_taken_by_one_worker_until_its_lease_ends(store, seller):
    product = store.products.submit(seller, draft(), "lease")
    [job] = store.outbox.take(10)
    assert (job.kind, job.subject_id, job.attempts) == ("classify", product.id, 1)
    assert store.outbox.take(10) == []
    with store.outbox._transaction() as session:
        session.execute(update(OutboxRow).values(next_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert [again.attempts for again in store.outbox.take(10)] == [2]


def test_a_job_goes_on_with_the_request_and_the_trace_that_it_was_begun_in(store, seller, monkeypatch):
    from opentelemetry.sdk.trace import TracerProvider

    from rakuten_assets import telemetry

    monkeypatch.setattr(telemetry, "_TRACER", TracerProvider().get_tracer("tests"))

    def job_in(request, change):
        token = telemetry.REQUEST.set(request)
        with telemetry.span("request") as span:
            change()
        telemetry.REQUEST.reset(token)
        [job] = store.outbox.take(10, lease_seconds=0)
        assert job.request_id == request
        assert job.traceparent.split("-")[1] == f"{span.get_span_context().trace_id:032x}"
        return job

    products = []
    first = job_in("first", lambda: products.append(store.products.submit(seller, draft(), "whose")))
    # An edit is another request: what it asks for is its own.
    edited = job_in("edit", lambda: store.products.edit(seller, products[0].id, draft("Piscine ovale"), 1))
    assert edited.traceparent != first.traceparent
    store.outbox.classified(edited, answer())
    files = job_in("import", lambda: store.imports.start(seller, "mine.csv", "imports/whose"))
    assert files.kind == "import"


def test_work_that_no_request_began_belongs_to_none(store, seller):
    store.products.submit(seller, draft(), "nobody")
    [job] = store.outbox.take(10)
    assert (job.request_id, job.traceparent) == ("", "")


def test_a_failure_waits_longer_each_time(store, seller):
    store.products.submit(seller, draft(), "backoff")
    waits = []
    for _ in range(4):
        [job] = store.outbox.take(10)
        store.outbox.retry(job, "the service is away")
        with store.outbox._transaction() as session:
            row = session.query(OutboxRow).one()
            waits.append((row.next_at - datetime.now(UTC)).total_seconds())
            row.next_at = datetime.now(UTC)
    assert waits[0] < waits[1] < waits[2] < waits[3]
    backlog = store.outbox.backlog()
    assert (backlog.waiting, backlog.failing, backlog.last_error) == (1, 1, "the service is away")


def test_an_answer_that_arrives_twice_is_one_prediction(store, seller, admin):
    product = store.products.submit(seller, draft(), "twice")
    job = job_of(store, product.id)
    store.outbox.classified(job, answer())
    store.outbox.classified(job, answer())
    predictions, _ = store.products.history(seller, product.id)
    assert [(each.revision, each.seconds) for each in predictions] == [(1, 0.02)]
    assert store.outbox.backlog().waiting == 0


def test_a_product_that_the_service_refuses_waits_for_a_person(store, seller, admin):
    product = store.products.submit(seller, draft(), "refused")
    store.outbox.refused(job_of(store, product.id), "bad_picture", "The image cannot be read.")
    failed = store.products.get(seller, product.id)
    assert (failed.state, failed.review, failed.waiting_for_review) == ("failed", "failed", True)
    assert store.reviews.accept(admin, product.id, 10).category == 10


def test_an_import_goes_on_where_it_was_killed(store, seller):
    started = store.imports.start(seller, "lot.csv", "imports/one")
    assert store.imports.start(seller, "lot.csv", "imports/one").id == started.id
    [job] = store.outbox.take(10)
    store.imports.begin(started.id, 3)
    actor = store.imports.open(job)[1]
    first = store.imports.add_product(actor, started.id, 2, draft(reference="R2"))
    assert store.imports.add_product(actor, started.id, 2, draft(reference="R2")).id == first.id
    store.imports.add_error(started.id, 3, "R3", "image_missing", {"name": "x.jpg"})
    found, again, dealt, folder = store.imports.open(job)
    assert (found.done, found.refused, again.user_id, dealt, folder) == (1, 1, seller.user_id, {2, 3}, "imports/one")
    store.imports.add_product(actor, started.id, 4, draft())
    store.imports.close(job)
    done = store.imports.get(seller, started.id)
    assert (done.state, done.total, done.done, done.refused) == ("done", 3, 2, 1)
    rows = store.imports.rows(seller, started.id).items
    assert [(row.line, row.product_id is None, row.error) for row in rows] == [
        (2, False, ""),
        (3, True, "image_missing"),
        (4, False, ""),
    ]
    assert [job.kind for job in store.outbox.take(10)] == ["classify", "classify"]


def test_another_sellers_import_is_not_found(store, seller, person):
    started = store.imports.start(seller, "lot.csv", "imports/two")
    assert refusal(store.imports.get, person(), started.id).code == "import_not_found"
    assert refusal(store.imports.rows, person(), started.id).code == "import_not_found"


def test_a_change_is_told_to_those_who_listen_also_after_the_connection_was_lost(store, seller, owner_url):
    from sqlalchemy import create_engine

    told = []
    stop = store.changes.listen(told.append)
    try:
        _until(lambda: told)
        product = store.products.submit(seller, draft(), "news")
        _until(lambda: any(change.product_id == product.id for change in told))
        owner = create_engine(owner_url)
        with owner.connect() as connection:
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            connection.execute(text(kill))
        owner.dispose()
        _until(lambda: [change.kind for change in told].count("reconnected") == 2)
        store.products.withdraw(seller, product.id)
        _until(lambda: told[-1].state == "withdrawn")
    finally:
        stop()


def _until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_rates_count_what_people_decided(store, seller, admin, classified):
    version = "feedfeedfeedfeed"
    right, wrong = (classified(seller, code=1281, version=version) for _ in range(2))
    classified(seller, code=1281, version=version)
    store.products.decide(seller, right.id, 1281)
    store.products.decide(seller, wrong.id, 1180)
    [rate] = store.quality.by_category(admin, version)
    assert (rate.key, rate.decided, rate.accepted, rate.acceptance) == ("1281", 2, 1, 0.5)
    assert (version, 2, 1) in [(each.key, each.decided, each.accepted) for each in store.quality.by_version(admin)]
    [bin] = store.quality.calibration(admin, version)
    assert (float(bin.key), bin.decided) == (0.9, 2)
    [week] = store.quality.weeks(admin)
    assert week.predictions >= 3
    numbers = store.quality.numbers(admin)
    assert numbers.decided >= 2
    assert numbers.median_seconds_to_decision < 60


def test_the_champion_is_the_model_promoted_last(store, admin):
    shares = [1 / 27] * 27
    store.models.record("1" * 16, "1", "the first", {"shares": shares})
    store.models.promote("1" * 16, "the first")
    store.models.record("2" * 16, "2", "worse by 1 point", {"shares": shares})
    assert store.models.champion().version == "1" * 16
    assert [model.promoted for model in store.models.history(admin)][:2] == [False, True]


def test_drift_is_the_distance_from_what_was_learnt(store, seller, admin, classified):
    learnt = [0.0] * 27
    learnt[CODES.index(60)] = 1.0
    store.models.record("3" * 16, "3", "one category alone", {"shares": learnt})
    store.models.promote("3" * 16, "one category alone")
    for _ in range(50):
        classified(seller, code=2905, version="d" * 16)
    assert store.quality.weeks(admin)[-1].drift > 0.25


def test_one_retraining_at_a_time_with_its_reason(store, admin, seller):
    assert refusal(store.retrainings.ask, seller, "please").kind == "forbidden"
    assert refusal(store.retrainings.ask, admin, "  ").code == "reason_needed"
    asked = store.retrainings.ask(admin, "nouvelles catégories")
    assert refusal(store.retrainings.ask, admin, "encore").code == "already_asked"
    assert store.retrainings.under_way() == asked
    store.retrainings.mark(asked.id, "started", "run")
    store.retrainings.mark(asked.id, "succeeded")
    assert store.retrainings.under_way() is None
    [done] = [each for each in store.retrainings.list(admin) if each.id == asked.id]
    assert (done.state, done.run_id, done.by) == ("succeeded", "run", admin.name)


def test_the_audit_log_is_paged_filtered_and_exported(store, seller, admin):
    for n in range(3):
        store.products.submit(seller, draft(), f"audited {n}")
    mine = AuditFilter(actor=seller.email, action="product_submitted")
    assert len(store.audit.page(admin, mine, size=2).items) == 2
    assert [line.actor for line in store.audit.export(admin, mine)] == [seller.email] * 3
    assert store.audit.page(admin, AuditFilter(action="audit_exported")).items[0].actor == admin.email
    assert refusal(store.audit.page, seller).kind == "forbidden"
    assert refusal(store.audit.export, seller).kind == "forbidden"
