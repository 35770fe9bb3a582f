"""When the platform retrains by itself, when it rests, and what it learns from when it does."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import create_engine, text

from rakuten_assets.automation import loop
from rakuten_assets.automation.loop import Rules, due
from rakuten_assets.core.deliveries import batch_keys, ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.postgres import database_url
from rakuten_assets.resources import DataRoot, Operations, Tracking
from rakuten_assets.settings import Settings
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM
from rakuten_assets_tests.automation.test_sensors import compute, requests
from rakuten_assets_tests.operations import Ours
from rakuten_assets_tests.store.conftest import PASSWORD, PICTURE, answer, draft

CHAMPION = "0123456789abcdef"
RULES = Rules(labels=20, drift_labels=5, cooldown_seconds=3600)
POOL, BOOK = 2583, 2403


@pytest.fixture(scope="module")
def owner_url(settings):
    return database_url("loop_tests", settings)


@pytest.fixture
def ours(owner_url):
    """A database in which a model was promoted a minute ago, and nothing else ever happened."""
    operations = Ours(url=prepare(owner_url))
    owner = create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(text("TRUNCATE models, drift_reports, feedback, predictions, products, outbox CASCADE"))
    owner.dispose()
    store = operations.store
    store.products.add_image(PICTURE, 500, 500, 40_000)
    store.models.record(CHAMPION, "1", "the first", {"gold": {}})
    store.models.promote(CHAMPION, "the first")
    return operations


@pytest.fixture
def people(ours):
    """Has a seller's products answered, and decided on: `people(10)` agrees ten times, `people(5, BOOK)` corrects."""
    store = ours.store
    if store.accounts.find("seller@example.org") is None:
        store.accounts.create(SYSTEM, "seller@example.org", "", PASSWORD, "seller")
    seller = store.accounts.sign_in("seller@example.org", PASSWORD)[1]
    numbers = iter(range(10**6))

    def decide(count, code=POOL, version=CHAMPION):
        for _ in range(count):
            number = next(numbers)
            product = store.products.submit(seller, draft(f"Piscine {number}"), f"key {number}")
            job = next(job for job in store.outbox.take(10) if job.subject_id == product.id)
            store.outbox.classified(job, answer(POOL, version=version))
            store.products.decide(seller, product.id, code)

    return decide


def drift(store, score, version=CHAMPION):
    now = datetime.now(UTC)
    parts = [{"name": "language", "kind": "data", "value": 0.5, "limit": 0.1, "score": score}]
    store.drift.record(version, 1, (now - timedelta(days=7), now), 500, 100, score, parts, "reports/drift/x")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def learnt(instance, store, asset="challenger"):
    """Report that a training of all labels that there are has come to a challenger, or that they are handed in."""
    name = "labels_to" if asset == "challenger" else "last_statement"
    metadata = {name: store.labels.waiting(0).last}
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata=metadata))


def test_nothing_is_retrained_without_a_champion(owner_url, instance):
    operations = Ours(url=prepare(owner_url))
    owner = create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM models"))
    owner.dispose()
    assert due(instance, operations.store, RULES) == (None, "There is no champion yet.")


def test_enough_labels_are_a_reason_by_themselves(ours, people, instance):
    people(19)
    reason, why_not = due(instance, ours.store, RULES)
    assert reason is None
    assert "19 new labels, of 20" in why_not
    people(1)
    assert due(instance, ours.store, RULES)[0] == "20 new labels"


def test_what_was_learnt_from_is_no_reason_again(ours, people, instance):
    people(25)
    learnt(instance, ours.store)
    assert due(instance, ours.store, RULES)[0] is None
    people(20)
    assert due(instance, ours.store, RULES)[0] == "20 new labels"


def test_drift_is_a_reason_where_there_is_something_to_learn_from(ours, people, instance):
    drift(ours.store, 1.7)
    people(4)
    assert due(instance, ours.store, RULES)[0] is None
    people(1)
    assert due(instance, ours.store, RULES)[0] == "drift 1.70, most in language (data); 5 new labels"


def test_a_window_within_chance_is_no_reason(ours, people, instance):
    drift(ours.store, 0.99)
    people(10)
    assert due(instance, ours.store, RULES)[0] is None


def test_the_drift_of_a_former_champion_is_no_reason(ours, people, instance):
    drift(ours.store, 3.0, version="fedcba9876543210")
    people(10)
    assert due(instance, ours.store, RULES)[0] is None


def test_lower_acceptance_is_a_reason(ours, people, instance, monkeypatch):
    monkeypatch.setattr(loop, "DECIDED", 20)
    people(20)
    people(20, BOOK)
    learnt(instance, ours.store)
    people(5)
    assert due(instance, ours.store, RULES)[0] == "acceptance fell from 100% to 25%; 5 new labels"


def test_acceptance_that_wavers_is_no_reason(ours, people, instance, monkeypatch):
    monkeypatch.setattr(loop, "DECIDED", 20)
    people(19)
    people(1, BOOK)
    people(17)
    people(3, BOOK)
    learnt(instance, ours.store)
    people(5)
    assert due(instance, ours.store, RULES)[0] is None


def test_what_administrators_correct_is_no_lower_acceptance(ours, people, instance, monkeypatch):
    """They are shown what is doubtful, so they correct more than there is to correct."""
    monkeypatch.setattr(loop, "DECIDED", 20)
    people(40)
    store = ours.store
    if store.accounts.find("admin@example.org") is None:
        store.accounts.create(SYSTEM, "admin@example.org", "", PASSWORD, "admin")
    admin = store.accounts.sign_in("admin@example.org", PASSWORD)[1]
    for product in store.products.list(admin, size=20).items:
        store.reviews.accept(admin, product.id, BOOK)
    learnt(instance, store)
    people(5)
    assert due(instance, store, RULES)[0] is None


def test_answers_of_a_former_champion_do_not_count_for_this_one(ours, people, instance, monkeypatch):
    monkeypatch.setattr(loop, "DECIDED", 20)
    people(20)
    people(20, BOOK, version="fedcba9876543210")
    learnt(instance, ours.store)
    people(5)
    assert due(instance, ours.store, RULES)[0] is None


def test_the_loop_rests_after_each_retraining_whatever_became_of_it(ours, people, instance):
    people(30)
    create_run_for_test(instance, job_name="retrain", status=dg.DagsterRunStatus.FAILURE, tags={loop.BY_ITSELF: "true"})
    reason, why_not = due(instance, ours.store, RULES)
    assert reason is None
    assert "less than 1 h ago" in why_not
    assert due(instance, ours.store, Rules(20, 5, cooldown_seconds=0))[0] == "30 new labels"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
def test_a_training_that_runs_or_waits_in_a_full_queue_is_not_joined_by_another(ours, people, instance, status):
    people(30)
    create_run_for_test(instance, status=status, tags={"rakuten/training": "true"})
    assert due(instance, ours.store, RULES) == (None, "A training is under way.")


@pytest.fixture
def data(tmp_path):
    """A data root with one batch."""
    write_sample(tmp_path / "delivery", 30, pictures=False)
    root = DataRoot(url=str(tmp_path / "root"))
    ingest(tmp_path / "delivery", root.path)
    return root


@pytest.fixture
def tick(ours, data, instance, monkeypatch):
    """Looks once, as the daemon does, and remembers the cursor."""
    monkeypatch.setenv("RAKUTEN_RETRAIN_LABELS", "20")
    seen = {"cursor": None}

    def look():
        resources = {"data": data, "operations": ours}
        found = requests(loop.retraining_due, instance=instance, resources=resources, cursor=seen["cursor"])
        # As the daemon does it: an empty cursor is none.
        seen["cursor"] = found.cursor or seen["cursor"]
        return found

    return look


def test_the_newest_labels_are_handed_in_and_computed_before_the_training(tick, ours, people, instance, data):
    people(25)
    first = tick().run_requests
    assert [run.job_name for run in first] == ["take_in_feedback"]
    tags = first[0].tags
    assert tags["rakuten/reason"] == "25 new labels"
    run = create_run_for_test(instance, job_name="take_in_feedback", status=dg.DagsterRunStatus.STARTED, tags=tags)
    # Labels that come while it runs wait for the next time.
    people(5)
    assert "being handed in" in tick().skip_message
    instance.report_run_failed(run)
    instance.delete_run(run.run_id)
    create_run_for_test(instance, job_name="take_in_feedback", status=dg.DagsterRunStatus.SUCCESS, tags=tags)
    assert "1 batches are not computed" in tick().skip_message
    compute(instance, *batch_keys(data.path))
    last = tick().run_requests
    assert [run.job_name for run in last] == ["retrain"]
    assert last[0].tags["rakuten/reason"] == "25 new labels"
    assert last[0].tags["rakuten/training"] == "true"


def test_each_step_is_asked_for_once_also_where_a_tick_is_repeated(ours, people, instance, data, monkeypatch):
    monkeypatch.setenv("RAKUTEN_RETRAIN_LABELS", "20")
    people(25)
    resources = {"data": data, "operations": ours}
    first = requests(loop.retraining_due, instance=instance, resources=resources)
    again = requests(loop.retraining_due, instance=instance, resources=resources, cursor=first.cursor)
    assert first.run_requests[0].run_key == again.run_requests[0].run_key


def test_labels_that_are_handed_in_already_are_learnt_from_at_once(tick, ours, people, instance, data):
    people(25)
    learnt(instance, ours.store, "labelled_products")
    compute(instance, *batch_keys(data.path))
    assert [run.job_name for run in tick().run_requests] == ["retrain"]


def test_labels_that_could_not_be_handed_in_are_no_training_and_are_not_forgotten(tick, ours, people, instance, data):
    people(25)
    tags = tick().run_requests[0].tags
    create_run_for_test(instance, job_name="take_in_feedback", status=dg.DagsterRunStatus.FAILURE, tags=tags)
    compute(instance, *batch_keys(data.path))
    found = tick()
    assert found.run_requests == []
    assert "could not be handed in" in found.skip_message
    # It rests, and then finds the same labels.
    assert "less than 24 h ago" in tick().skip_message
    assert due(instance, ours.store, Rules(20, 5, cooldown_seconds=0))[0] == "25 new labels"


def test_a_hand_in_that_dagster_tries_again_is_waited_for(tick, ours, people, instance, data):
    people(25)
    tags = {**tick().run_requests[0].tags, "dagster/will_retry": "true"}
    create_run_for_test(instance, job_name="take_in_feedback", status=dg.DagsterRunStatus.FAILURE, tags=tags)
    assert "could not be handed in" not in (tick().skip_message or "")


def test_a_training_that_broke_off_has_learnt_from_nobody(ours, people, instance):
    people(25)
    metadata = {"handed_in_to": ours.store.labels.waiting(0).last}
    instance.report_runless_asset_event(dg.AssetMaterialization("human_labels", metadata=metadata))
    assert due(instance, ours.store, RULES)[0] == "25 new labels"


def test_nothing_is_handed_in_while_a_training_reads_all_batches(tick, ours, people, instance, data):
    people(25)
    create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags={"rakuten/training": "true"})
    resources = {"data": data, "operations": ours}
    plan = '{"id": "loop-1", "reason": "because"}'
    found = requests(loop.retraining_due, instance=instance, resources=resources, cursor=plan)
    assert found.run_requests == []
    assert "under way" in found.skip_message


def test_one_product_that_is_labelled_again_and_again_is_one(ours, people, instance):
    people(1)
    store = ours.store
    seller = store.accounts.sign_in("seller@example.org", PASSWORD)[1]
    (product,) = store.products.list(seller).items
    for number in range(30):
        store.products.decide(seller, product.id, (POOL, BOOK)[number % 2])
    assert due(instance, store, RULES)[0] is None


def test_after_the_training_was_asked_for_the_loop_looks_anew(tick, ours, people, instance, data):
    people(25)
    learnt(instance, ours.store, "labelled_products")
    compute(instance, *batch_keys(data.path))
    tags = tick().run_requests[0].tags
    create_run_for_test(instance, job_name="retrain", status=dg.DagsterRunStatus.SUCCESS, tags=tags)
    learnt(instance, ours.store)
    found = tick()
    assert found.run_requests == []
    assert "less than 24 h ago" in found.skip_message


WEB = {
    "data": DataRoot(url=str(Settings().root)),
    "operations": Operations(),
    "tracking": Tracking(root=str(Settings().root), ui=""),
}


@pytest.fixture
def store(settings, platform):
    from rakuten_assets.resources import _store

    return _store()


@pytest.fixture
def asked(store):
    """A retraining that an administrator asks for; what is left of it is ended."""
    from rakuten_assets.store.records import SYSTEM

    if store.accounts.find("retrainer@example.org") is None:
        store.accounts.create(SYSTEM, "retrainer@example.org", "Retrainer", "une phrase assez longue", "admin")
    admin = store.accounts.sign_in("retrainer@example.org", "une phrase assez longue")[1]
    wish = store.retrainings.ask(admin, "de nouveaux vélos")
    yield wish, lambda: next(each for each in store.retrainings.list(admin) if each.id == wish.id)
    if store.retrainings.under_way():
        store.retrainings.mark(wish.id, "failed")


def test_nobody_asks_for_a_retraining(platform, store):
    with dg.DagsterInstance.ephemeral() as instance:
        found = requests(loop.retraining_asked, instance=instance, resources=WEB)
    assert found.run_requests == []
    assert found.skip_message == "Nobody asks for a retraining."


def test_a_retraining_that_was_asked_for_is_started_once_with_its_reason(asked):
    wish, _ = asked
    with dg.DagsterInstance.ephemeral() as instance:
        learnt(instance, WEB["operations"].store, "labelled_products")
        compute(instance, *batch_keys(WEB["data"].path))
        first, again = (
            requests(loop.retraining_asked, instance=instance, resources=WEB).run_requests for _ in range(2)
        )
    assert first[0].tags["rakuten/reason"] == "Retrainer asked: de nouveaux vélos"
    assert first[0].run_key == again[0].run_key == f"retrain-asked-{wish.id}"


@pytest.mark.parametrize(
    ("status", "gate", "state"),
    [
        (dg.DagsterRunStatus.STARTED, "", "started"),
        (dg.DagsterRunStatus.SUCCESS, "no champion", "succeeded"),
        (dg.DagsterRunStatus.FAILURE, "refused", "refused"),
        (dg.DagsterRunStatus.FAILURE, "no champion", "failed"),
    ],
)
def test_what_became_of_a_retraining_is_written_back(asked, platform, status, gate, state):
    from dagster._core.test_utils import create_run_for_test

    wish, now = asked
    challenger = platform.registry.get("challenger")
    kept = {name: challenger.tags[name] for name in ("dagster_run_id", loop.PASSED)}
    with dg.DagsterInstance.ephemeral() as instance:
        run = create_run_for_test(instance, job_name="retrain", status=status, tags={loop.ASKED: str(wish.id)})
        platform.registry.tag(challenger, "dagster_run_id", run.run_id)
        platform.registry.tag(challenger, loop.PASSED, gate)
        try:
            found = requests(loop.retraining_asked, instance=instance, resources=WEB)
        finally:
            for name, value in kept.items():
                platform.registry.tag(challenger, name, value)
    assert found.run_requests == []
    assert (now().state, now().run_id) == (state, run.run_id)


def test_a_retraining_waits_for_the_one_under_way(asked):
    from dagster._core.test_utils import create_run_for_test

    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"rakuten/training": "true"}
        create_run_for_test(instance, job_name="retrain", status=dg.DagsterRunStatus.STARTED, tags=tags)
        found = requests(loop.retraining_asked, instance=instance, resources=WEB)
    assert found.run_requests == []
    assert "A training is under way" in found.skip_message
