"""What production teaches: who said what of which answer, and what has not been learnt from yet."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from rakuten_assets.core import feedback
from rakuten_assets.store import labels
from rakuten_assets.store.labels import ANSWERS, STATEMENTS, Acceptance
from rakuten_assets_tests.store.conftest import NUMBERS, PICTURE, answer, draft, job_of

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def version():
    """A model that no other test has heard of: the database is everybody's."""
    return f"{next(NUMBERS):016x}"


@pytest.fixture
def said(store):
    """What people said of a product, by the names of the columns."""

    def said(product):
        rows = [dict(zip(STATEMENTS, row, strict=True)) for row in store.labels.statements()]
        return [row for row in rows if row["product_id"] == product.id]

    return said


@pytest.fixture
def answered(store):
    """The answers of a model, by the names of the columns."""

    def answered(version, **which):
        return [dict(zip(ANSWERS, row, strict=True)) for row in store.labels.answers(version, **which)]

    return answered


@pytest.fixture
def edited(store):
    """The seller writes it otherwise, and the model answers anew."""

    def edited(seller, product, title="Piscine carrée", **said):
        store.products.edit(seller, product.id, draft(title), product.revision)
        store.outbox.classified(job_of(store, product.id), answer(**said))
        return store.products.get(seller, product.id)

    return edited


@pytest.fixture
def decided(store, seller, classified, version):
    """The seller lets an answer of the model stand, or does not; the decisions, in order."""

    def decided(*stands, by=version):
        for stands_as_it_is in stands:
            store.products.decide(seller, classified(seller, version=by).id, 2583 if stands_as_it_is else 10)

    return decided


def test_statements_come_in_the_order_in_which_they_were_said_with_what_the_model_had_answered(
    store, seller, admin, classified, version, said
):
    product = classified(seller, version=version, confidence=0.8)
    store.products.decide(seller, product.id, 10)
    store.reviews.accept(admin, product.id, 2705)
    rows = said(product)
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert [(row["role"], row["user_id"], row["action"], row["before"], row["after"]) for row in rows] == [
        ("seller", seller.user_id, "choose", 2583, 10),
        ("admin", admin.user_id, "fix", 10, 2705),
    ]
    for row in rows:
        assert (row["predicted"], row["confidence"], row["model_version"]) == (2583, 0.8, version)
        assert (row["revision"], row["state"]) == (1, "accepted")
        assert (row["designation"], row["description"], row["image"]) == ("Piscine ronde", "avec échelle", PICTURE)
        assert datetime.now(UTC) - row["at"] < timedelta(minutes=5)


def test_what_was_said_of_an_edited_product_says_nothing_of_its_new_text(
    store, seller, classified, version, said, edited
):
    product = classified(seller, version=version)
    store.products.decide(seller, product.id, 2583)
    store.products.decide(seller, edited(seller, product, version=version, code=10).id, 10)
    before, after = said(product)
    assert (before["revision"], before["after"], before["predicted"]) == (1, 2583, 2583)
    assert (before["designation"], before["description"], before["image"]) == (None, None, None)
    assert (after["revision"], after["after"], after["predicted"]) == (2, 10, 10)
    assert (after["designation"], after["image"]) == ("Piscine carrée", PICTURE)


def test_another_reference_leaves_what_was_said_as_it_is(store, seller, classified, said):
    product = store.products.decide(seller, classified(seller).id, 2583)
    store.products.edit(seller, product.id, draft(reference="SKU-1"), product.revision)
    assert [row["designation"] for row in said(product)] == ["Piscine ronde"]


def test_who_decides_before_the_model_has_answered_is_heard_all_the_same(store, seller, said):
    product = store.products.submit(seller, draft(), "before the model")
    store.products.decide(seller, product.id, 10)
    [row] = said(product)
    assert (row["action"], row["after"], row["predicted"], row["model_version"]) == ("choose", 10, None, None)


def test_the_core_reads_the_columns_that_the_store_gives(store, seller, classified, version):
    store.products.decide(seller, classified(seller, version=version).id, 10)
    assert (tuple(feedback.STATEMENTS), tuple(feedback.ANSWERS)) == (STATEMENTS, ANSWERS)
    for rows, schema in (
        (store.labels.statements(), feedback.STATEMENTS),
        (store.labels.answers(version), feedback.ANSWERS),
    ):
        assert len(pl.DataFrame(rows, schema=schema, orient="row")) == len(rows) > 0


def test_answers_come_with_what_was_asked_and_what_a_person_decided(store, seller, classified, version, answered):
    open_, decided = classified(seller, version=version), classified(seller, "Bouée", version=version, confidence=0.6)
    store.products.decide(seller, decided.id, 10)
    first, second = answered(version)
    assert (first["product_id"], first["decided_by"], first["category"]) == (open_.id, "", 2583)
    assert (second["product_id"], second["decided_by"], second["category"]) == (decided.id, "seller", 10)
    assert (second["id"], second["at"]) == (decided.prediction.id, decided.prediction.created_at)
    assert (second["code"], second["confidence"], second["model_version"]) == (2583, 0.6, version)
    assert (second["revision"], second["designation"], second["image"]) == (1, "Bouée", PICTURE)


def test_only_answers_of_the_model_beyond_the_one_named_and_since_then_are_given(seller, classified, version, answered):
    classified(seller, version=f"{next(NUMBERS):016x}")
    made = [classified(seller, version=version) for _ in range(3)]
    ids = [product.prediction.id for product in made]
    assert [row["id"] for row in answered(version)] == ids
    assert [row["id"] for row in answered(version, after=ids[0])] == ids[1:]
    assert [row["id"] for row in answered(version, since=made[2].prediction.created_at)] == ids[2:]
    assert [row["id"] for row in answered(version, after=ids[2])] == []


def test_an_answer_that_its_product_no_longer_rests_on_is_left_out(
    store, seller, classified, version, answered, edited
):
    product, other = classified(seller, version=version), f"{next(NUMBERS):016x}"
    store.products.edit(seller, product.id, draft("Bouée"), product.revision)
    assert answered(version) == []
    product = edited(seller, store.products.get(seller, product.id), version=other)
    assert answered(version) == []
    assert [(row["product_id"], row["revision"]) for row in answered(other)] == [(product.id, product.revision)]


def test_labels_wait_until_they_are_learnt_from(store, seller, admin, classified):
    last = store.labels.waiting(0).last
    assert store.labels.waiting(last) == labels.Waiting(0, last)
    store.products.decide(seller, classified(seller).id, 2583)
    store.reviews.accept(admin, classified(seller).id, 10)
    waits = store.labels.waiting(last)
    assert (waits.count, waits.last > last) == (2, True)
    assert store.labels.waiting(waits.last) == labels.Waiting(0, waits.last)


def test_what_names_no_category_is_no_label(store, seller, admin, classified):
    last = store.labels.waiting(0).last
    store.products.no_category(seller, classified(seller).id, "rien ne va")
    store.reviews.reject(admin, classified(seller).id, "photo illisible")
    waits = store.labels.waiting(last)
    assert (waits.count, waits.last > last) == (0, True)


def test_a_rating_and_a_skip_are_no_labels(store, seller, admin, classified):
    last = store.labels.waiting(0).last
    store.products.rate(seller, classified(seller).id, 4)
    store.reviews.skip(admin, classified(seller, review="low_confidence").id)
    assert store.labels.waiting(last).count == 0


def test_labels_are_counted_no_further_than_asked_for(store, seller, classified):
    last = store.labels.waiting(0).last
    for _ in range(3):
        store.products.decide(seller, classified(seller).id, 2583)
    few, all_ = store.labels.waiting(last, most=2), store.labels.waiting(last)
    assert (few.count, all_.count) == (2, 3)
    assert few.last == all_.last > last


def test_acceptance_is_that_of_the_first_answers_and_of_the_last(store, decided, version):
    decided(True, True, False, False, True)
    first, last = store.labels.acceptance(version, LONG_AGO, 2)
    assert (first, last) == (Acceptance(2, 2), Acceptance(2, 1))
    assert (first.rate, last.rate) == (1.0, 0.5)


def test_the_first_and_the_last_never_overlap(store, decided, version):
    decided(True, True, False)
    for found in store.labels.acceptance(version, LONG_AGO, 2):
        assert found == Acceptance(0, 0)
        assert math.isnan(found.rate)
    decided(False)
    assert store.labels.acceptance(version, LONG_AGO, 2) == (Acceptance(2, 2), Acceptance(2, 0))


def test_only_sellers_who_decide_are_heard_of_acceptance(store, seller, admin, classified, decided, version):
    decided(True)
    for _ in range(4):
        store.reviews.accept(admin, classified(seller, version=version).id, 10)
        store.products.rate(seller, classified(seller, version=version).id, 1)
        store.products.no_category(seller, classified(seller, version=version).id)
    assert store.labels.acceptance(version, LONG_AGO, 1) == (Acceptance(0, 0), Acceptance(0, 0))
    decided(False)
    assert store.labels.acceptance(version, LONG_AGO, 1) == (Acceptance(1, 1), Acceptance(1, 0))


def test_acceptance_is_one_models_and_counts_from_a_moment_on(store, decided, version):
    decided(False, False)
    since = datetime.now(UTC)
    decided(True, by=f"{next(NUMBERS):016x}")
    decided(True)
    assert store.labels.acceptance(version, since, 1) == (Acceptance(0, 0), Acceptance(0, 0))
    decided(True)
    assert store.labels.acceptance(version, since, 1) == (Acceptance(1, 1), Acceptance(1, 1))
    assert store.labels.acceptance(version, LONG_AGO, 1) == (Acceptance(1, 0), Acceptance(1, 1))


def test_the_last_answer_is_the_newest_of_any_model(store, seller, classified, version):
    for model in ("0123456789abcdef", version):
        product = classified(seller, version=model)
        assert store.labels.last_answer() == product.prediction.created_at


def test_what_names_a_category_is_the_same_to_the_store_and_to_who_learns():
    from rakuten_assets.store import labels

    assert labels.NAMING == feedback.NAMING
