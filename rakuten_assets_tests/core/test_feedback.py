"""Whose word counts, what is held back and why, and when a category has moved."""

from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl
import pytest

from rakuten_assets.core import feedback

NOW = datetime(2026, 11, 2, tzinfo=UTC)
POOL, GARDEN, BOOK = 2583, 2582, 2403


def said(*rows):
    """Statements from (product, user, role, action, after); what else there is, is alike."""
    common = {
        "revision": 1,
        "before": None,
        "predicted": POOL,
        "confidence": 0.9,
        "model_version": "m",
        "state": "confirmed",
        "designation": "t",
        "description": "",
        "image": None,
    }
    names = ("product_id", "user_id", "role", "action", "after")
    full = [
        {"id": place, "at": NOW + timedelta(minutes=place), **common, **dict(zip(names, row[:5], strict=True)), **more}
        for place, row in enumerate(rows, start=1)
        for more in [row[5] if len(row) > 5 else {}]
    ]
    return pl.DataFrame(full, schema=feedback.STATEMENTS)


def keys(labels, *texts, **catalogue):
    """Text keys of labelled products, and of catalogue products by their text."""
    rows = [(productid, text, None) for productid, text in zip(labels["productid"], texts, strict=True)]
    rows += [(place, text, code) for place, (text, code) in enumerate(catalogue.items(), start=1)]
    schema = {"productid": pl.Int64, "text_key": pl.String, "prdtypecode": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_the_later_word_counts_and_an_administrators_before_a_sellers():
    labels = feedback.labels(
        said(
            (1, 7, "seller", "choose", GARDEN),
            (1, 7, "seller", "choose", BOOK),
            (2, 9, "admin", "fix", GARDEN),
            (2, 7, "seller", "choose", BOOK),
            (3, 7, "seller", "confirm", POOL),
        )
    )
    assert labels["label"].to_list() == [BOOK, GARDEN, POOL]
    assert labels["role"].to_list() == ["seller", "admin", "seller"]
    assert labels["productid"].is_unique().all()
    assert (labels["productid"] > feedback.FIRST_ID).all()


def test_predictions_ratings_and_skips_are_no_labels():
    labels = feedback.labels(said((1, 7, "seller", "rate", POOL), (2, 9, "admin", "skip", POOL)))
    assert labels.is_empty()


def test_what_was_rejected_withdrawn_or_fits_nowhere_has_no_label():
    labels = feedback.labels(
        said(
            (1, 7, "seller", "confirm", POOL),
            (1, 9, "admin", "reject", None),
            (2, 7, "seller", "confirm", POOL, {"state": "withdrawn"}),
            (4, 7, "seller", "confirm", POOL),
            (4, 7, "seller", "missing", None),
        )
    )
    assert labels.is_empty()


def test_a_seller_takes_nobody_elses_word_back():
    """Else sellers would choose what judges the models."""
    labels = feedback.labels(
        said(
            (1, 9, "admin", "fix", BOOK, {"state": "withdrawn"}),
            (2, 9, "admin", "fix", BOOK, {"designation": None}),
            (3, 7, "seller", "confirm", POOL, {"designation": None}),
        )
    )
    assert labels["product_id"].to_list() == [1, 2, 3]
    assert feedback.to_hand_in(labels).is_empty()


def test_products_and_their_revisions_never_share_a_number():
    revised = [(product, {"revision": revision}) for product in (1, 2) for revision in (1, 1001)]
    rows = [(product, 7, "seller", "confirm", POOL, more) for product, more in revised]
    assert feedback.labels(said(*rows))["productid"].n_unique() == 4


def test_a_label_says_what_was_before_it():
    labels = feedback.labels(said((1, 7, "seller", "choose", GARDEN), (1, 9, "admin", "fix", BOOK, {"before": GARDEN})))
    assert labels.select("label", "previous", "predicted", "reviewer").row(0) == (BOOK, GARDEN, POOL, 9)


def test_two_labels_of_one_text_wait_for_an_administrator():
    labels = feedback.labels(
        said((1, 7, "seller", "choose", GARDEN), (2, 8, "seller", "choose", BOOK), (3, 8, "seller", "choose", BOOK))
    )
    found = feedback.set_aside(labels, keys(labels, "same", "same", "other"), 1000)
    assert found["set_aside"].to_list() == [feedback.CONTRADICTS, feedback.CONTRADICTS, None]
    judged = feedback.labels(said((1, 9, "admin", "fix", GARDEN), (2, 8, "seller", "choose", BOOK)))
    found = feedback.set_aside(judged, keys(judged, "same", "same"), 1000)
    assert found["set_aside"].to_list() == [None, feedback.CONTRADICTS]


def test_a_label_against_the_catalogues_own_of_the_same_text_waits_too():
    labels = feedback.labels(said((1, 7, "seller", "choose", GARDEN), (2, 7, "seller", "choose", GARDEN)))
    found = feedback.set_aside(labels, keys(labels, "a", "b", a=POOL, b=GARDEN), 1000)
    assert found["set_aside"].to_list() == [feedback.CONTRADICTS, None]


def test_products_without_a_text_contradict_nothing():
    labels = feedback.labels(said((1, 7, "seller", "choose", GARDEN), (2, 8, "seller", "choose", BOOK)))
    assert feedback.set_aside(labels, keys(labels, "", ""), 1000)["set_aside"].null_count() == 2


def test_one_account_teaches_a_share_and_keeps_what_it_taught_first():
    labels = feedback.labels(said(*[(product, 7, "seller", "choose", BOOK) for product in range(1, 501)]))
    texts = [f"text {product}" for product in range(500)]
    found = feedback.set_aside(labels, keys(labels, *texts), 4_900)
    used = found.filter(pl.col("set_aside").is_null())
    assert len(used) == feedback.SELLER_SHARE * 5_000
    assert used["statement"].to_list() == list(range(1, 101))
    shown = feedback.by_account(found, 4_900).row(0, named=True)
    assert (shown["labels"], shown["used"], shown["held_back"]) == (500, 100, 400)
    assert shown["share"] <= feedback.SELLER_SHARE


def test_a_flood_does_not_raise_its_own_limit():
    flood = said(*[(product, 7, "seller", "choose", BOOK) for product in range(1, 20_001)])
    others = said(*[(product, 8, "seller", "confirm", POOL) for product in range(30_001, 30_011)])
    labels = feedback.labels(pl.concat([flood, others.with_columns(pl.col("id") + 20_000)]))
    found = feedback.set_aside(labels, keys(labels, *[f"text {each}" for each in range(len(labels))]), 2_000)
    accounts = {row["reviewer"]: row for row in feedback.by_account(found, 2_000).iter_rows(named=True)}
    assert accounts[7]["share"] <= feedback.SELLER_SHARE
    assert accounts[8]["used"] == 10


def test_a_small_catalogue_learns_a_few_rows_of_anybody():
    labels = feedback.labels(said(*[(product, 7, "seller", "choose", BOOK) for product in range(1, 41)]))
    found = feedback.set_aside(labels, keys(labels, *[f"text {each}" for each in range(40)]), 0)
    assert found["set_aside"].null_count() == feedback.ALWAYS


def judged(*pairs, confidence=0.9, role="admin", first=1):
    """Judgements of answers: (predicted, label) in order."""
    rows = [
        (product, 9, role, "fix", label, {"predicted": code, "confidence": confidence})
        for product, (code, label) in enumerate(pairs, start=first)
    ]
    return feedback.labels(said(*rows))


def test_a_category_that_people_file_elsewhere_has_moved_since_they_do():
    """What they said before that counts for what was then."""
    moved = feedback.moved_categories(judged(*[(POOL, POOL)] * 40, *[(POOL, GARDEN)] * 12))
    assert moved.select("code", "to", "moved", "stayed").rows() == [(POOL, GARDEN, 12, 0)]
    assert moved["since"][0] == NOW + timedelta(minutes=41)
    assert moved["odds"][0] > feedback.ODDS


def test_errors_spread_over_categories_move_nothing():
    assert feedback.moved_categories(judged(*[(POOL, POOL)] * 6, (POOL, GARDEN), (POOL, BOOK), (POOL, 10))).is_empty()
    assert feedback.moved_categories(judged(*[(POOL, GARDEN)] * 3)).is_empty()


def test_a_category_whose_products_mostly_stay_has_not_moved():
    mixed = [(POOL, POOL), (POOL, GARDEN), (POOL, POOL)] * 10
    assert feedback.moved_categories(judged(*mixed)).is_empty()


def test_what_the_model_doubted_itself_has_not_moved():
    assert feedback.moved_categories(judged(*[(POOL, GARDEN)] * 10, confidence=0.3)).is_empty()


@pytest.mark.parametrize(("confidence", "products", "sellers"), [(0.9, 500, 3), (0.95, 1000, 5), (0.8, 300, 2)])
def test_a_models_ordinary_errors_move_nothing_where_all_of_them_are_reviewed(confidence, products, sellers):
    """Half of the errors go to one neighbour, and administrators are shown what sellers contradict."""
    rng = Random(products)
    for _ in range(10):
        truths = [
            POOL if rng.random() < confidence else GARDEN if rng.random() < 0.5 else rng.choice([10, 40, 50, BOOK])
            for _ in range(products)
        ]
        more = {"predicted": POOL, "confidence": confidence}
        rows = [
            (product, 20 + product % sellers, "seller", "confirm" if truth == POOL else "choose", truth, more)
            for product, truth in enumerate(truths, start=1)
        ]
        rows += [
            (product, 9, "admin", "accept", truth, more)
            for product, truth in enumerate(truths, start=1)
            if truth != POOL
        ]
        assert feedback.moved_categories(feedback.labels(said(*rows))).is_empty()


def sellers(*reviewers):
    """Sellers who all say of a pool that it belongs to the garden."""
    rows = [
        (product, reviewer, "seller", "choose", GARDEN, {"predicted": POOL, "confidence": 0.9})
        for product, reviewer in enumerate(reviewers, start=1)
    ]
    return feedback.labels(said(*rows))


def test_sellers_move_no_category_without_an_administrator():
    many = sellers(*range(20, 40))
    assert feedback.moved_categories(many).is_empty()
    seen = judged(*[(POOL, GARDEN)] * 2, first=100).with_columns(statement=pl.col("statement") + 100)
    assert feedback.moved_categories(pl.concat([many, seen]))["moved"].to_list() == [22]


def test_one_seller_says_the_same_of_a_category_once():
    seen = judged(*[(POOL, GARDEN)] * 2, first=100).with_columns(statement=pl.col("statement") + 100)
    assert feedback.moved_categories(pl.concat([sellers(*[20] * 50), seen])).is_empty()


def rows(*labels):
    """Labels as (category, when it was said); delivered ones have no date."""
    schema = {"prdtypecode": pl.Int32, "at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(labels, schema=schema, orient="row")


def test_the_old_labels_of_a_category_go_where_it_went():
    moved = feedback.moved_categories(judged(*[(POOL, GARDEN)] * 10))
    later = NOW + timedelta(days=1)
    found = feedback.follow(rows((POOL, None), (POOL, NOW), (POOL, later), (GARDEN, None), (None, None)), moved)
    assert found["prdtypecode"].to_list() == [GARDEN, GARDEN, POOL, GARDEN, None]
    assert found["old"].to_list() == [True, True, False, False, False]


def test_where_nothing_moved_every_label_stays():
    none = feedback.moved_categories(judged((POOL, POOL)))
    assert feedback.follow(rows((POOL, None), (POOL, NOW)), none)["prdtypecode"].to_list() == [POOL, POOL]
