"""A real operational database, and people who use it."""

import itertools

import pytest

from rakuten_assets.postgres import database_url
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM, Candidate, Draft, Predicted
from rakuten_assets.store.store import Store

PASSWORD = "une phrase assez longue"
PICTURE = "a" * 64
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def owner_url(settings):
    return database_url("store_tests", settings)


@pytest.fixture(scope="session")
def store(owner_url):
    store = Store(prepare(owner_url))
    store.products.add_image(PICTURE, 500, 500, 40_000)
    yield store
    store.close()


@pytest.fixture
def person(store):
    """Makes an account and signs it in: `person("admin")`."""

    def make(role="seller"):
        email = f"{role}{next(NUMBERS)}@example.org"
        store.accounts.create(SYSTEM, email, email.partition("@")[0], PASSWORD, role)
        return store.accounts.sign_in(email, PASSWORD)[1]

    return make


@pytest.fixture
def seller(person):
    return person("seller")


@pytest.fixture
def admin(person):
    return person("admin")


def draft(title="Piscine ronde", **changes):
    return Draft(**{"designation": title, "description": "avec échelle", "image": PICTURE, **changes})


def answer(code=2583, confidence=0.9, review=None, version="0123456789abcdef"):
    others = [Candidate(10, round((1 - confidence) * 0.6, 6)), Candidate(2585, round((1 - confidence) * 0.4, 6))]
    return Predicted(version, [Candidate(code, confidence), *others], "both", review, 0.02, "request")


@pytest.fixture
def classified(store):
    """Submits a product, and gives it an answer as the worker does."""

    def make(seller, title="Piscine ronde", **said):
        product = store.products.submit(seller, draft(title), f"key {next(NUMBERS)}")
        job = job_of(store, product.id)
        store.outbox.classified(job, answer(**said))
        return store.products.get(seller, product.id)

    return make


def job_of(store, product_id):
    """Its job; those of other tests are given back."""
    found = None
    for job in store.outbox.take(1000, lease_seconds=0):
        found = job if (job.kind, job.subject_id) == ("classify", product_id) else found
    return found
