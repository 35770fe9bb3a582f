"""Behaviour on products that are changed on purpose: each kind of fault is found, and nothing else is."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from rakuten_assets.core.behaviour import (
    INVARIANCES,
    SIMPLE,
    SLACK,
    Behaviour,
    confused,
    directional,
    invariance,
    minimum_functionality,
    simple,
)
from rakuten_assets.core.linear import positions
from rakuten_assets.core.products import Product
from rakuten_assets.core.taxonomy import CODES, NAMES

BOOK, MAGAZINE, NEW_BOOK, POOL = 10, 2403, 2705, 2583
PRODUCTS = [
    Product("Livre relié de poche", "Édition de 1954 & dédicace"),
    Product("Manuel d'été", "Très bon état", b"a picture"),
    Product("Bâche à bulles", "Protège du gel"),
]


class Reader:
    """A classifier that `read`s each product as one category, or as the confidence that it is a pool."""

    def __init__(self, read):
        self.read = read

    def predict_log_proba(self, products):
        return SimpleNamespace(stacked=np.log(np.array([self._row(self.read(product)) for product in products])))

    def _row(self, said):
        code, sure = (said, 0.74) if isinstance(said, int) else (POOL, said)
        row = np.full(len(CODES), (1 - sure) / (len(CODES) - 1))
        row[CODES.index(code)] = sure
        return row


def test_a_classifier_that_reads_words_alone_stays_with_its_answers():
    by_length = Reader(lambda product: BOOK if "livre" in product.designation.lower() else POOL)
    found = invariance(by_length, PRODUCTS)
    assert (found.cases, found.right, found.share) == (18, 18, 1.0)


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("upper case", lambda product: product.designation.isupper()),
        ("spaces", lambda product: "  " in product.designation),
        ("markup", lambda product: "</p>" in product.description),
        ("punctuation", lambda product: "!" in product.designation),
        ("no accents", lambda product: f"{product.designation}{product.description}".isascii()),
        ("courtesy", lambda product: "Merci" in product.description),
    ],
)
def test_a_classifier_that_depends_on_how_a_product_is_written_is_found_out(change, seen):
    found = invariance(Reader(lambda product: BOOK if seen(product) else POOL), PRODUCTS)
    assert (found.cases, found.right) == (18, 15)
    assert found.worst == f"{change}: 0 of 3"


def test_the_changes_leave_pictures_and_meaning_alone():
    assert len(INVARIANCES) == 6
    for change in INVARIANCES.values():
        changed = change(PRODUCTS[1])
        assert changed != PRODUCTS[1]
        assert changed.image == b"a picture"
    assert INVARIANCES["no accents"](PRODUCTS[0]) == Product("Livre relie de poche", "Edition de 1954 & dedicace")
    assert "&amp;" in INVARIANCES["markup"](PRODUCTS[0]).description


def test_a_category_that_is_named_becomes_no_less_likely():
    hears = Reader(lambda product: 0.9 if NAMES[POOL] in product.description else 0.6)
    labels = positions(np.array([POOL, POOL, POOL]))
    assert directional(hears, PRODUCTS, labels) == Behaviour(3, 3)


def test_a_category_that_its_own_name_makes_less_likely_is_named():
    contrary = Reader(lambda product: 0.3 if NAMES[POOL] in product.description else 0.6)
    found = directional(contrary, PRODUCTS, positions(np.array([POOL, BOOK, POOL])))
    assert found == Behaviour(3, 1, NAMES[POOL])


@pytest.mark.parametrize(("lost", "right"), [(SLACK * 0.9, 3), (SLACK * 1.1, 0)])
def test_a_little_confidence_may_be_lost_by_chance(lost, right):
    wavers = Reader(lambda product: 0.6 - lost if NAMES[POOL] in product.description else 0.6)
    assert directional(wavers, PRODUCTS, positions(np.array([POOL] * 3))).right == right


def test_products_that_anybody_gets_right_are_counted_and_the_worst_category_named():
    pools = Reader(lambda product: POOL)
    assert minimum_functionality(pools, PRODUCTS, positions(np.array([POOL] * 3))) == Behaviour(3, 3)
    found = minimum_functionality(pools, PRODUCTS, positions(np.array([BOOK, POOL, BOOK])))
    assert found == Behaviour(3, 1, NAMES[BOOK])
    assert found.share == pytest.approx(1 / 3)


@pytest.mark.parametrize(("right", "fit"), [(102, True), (97, True), (90, False), (0, False)])
def test_chance_alone_does_not_make_a_model_unfit(right, fit):
    """Of 120 products, 97 right (81 %) may be those of a model that gets 85 % right; 90 are not."""
    assert (Behaviour(120, right).at_most >= 0.85) is fit
    assert Behaviour(0, 0).at_most == 1


def said(codes):
    return np.log(np.eye(len(CODES))[positions(np.array(codes))] + 1e-9)


def test_only_the_other_of_a_pair_is_a_confusion():
    truth = positions(np.array([BOOK, BOOK, BOOK, MAGAZINE, POOL]))
    # One is taken for the other, one for something else, and what is in no pair does not count.
    found = confused(said([BOOK, MAGAZINE, POOL, MAGAZINE, BOOK]), truth)
    # Three used books and a magazine are one pair; used and new books, old and other magazines are others.
    assert (found.cases, found.right) == (4 + 3 + 1, 4 + 3 + 1 - 1)
    assert found.worst == f"{NAMES[BOOK]} / {NAMES[MAGAZINE]}"


def test_the_worst_pair_is_that_with_the_largest_share():
    truth = positions(np.array([BOOK] * 4 + [MAGAZINE] * 8 + [NEW_BOOK] * 2))
    found = confused(said([MAGAZINE] * 2 + [BOOK] * 2 + [MAGAZINE] * 8 + [BOOK] * 2), truth)
    assert found.worst == f"{NAMES[BOOK]} / {NAMES[NEW_BOOK]}"


def test_where_nothing_was_tried_nothing_went_wrong():
    assert confused(said([POOL, POOL]), positions(np.array([POOL, POOL]))) == Behaviour(0, 0)
    assert Behaviour(0, 0).share == 1.0


def test_simple_products_are_those_that_say_most_and_count_fully():
    titles = ["a" * length for length in (1, 5, 3, 4, 9, 2, 9)]
    rows = pl.DataFrame(
        {
            "productid": [7, 6, 5, 4, 3, 2, 1],
            "prdtypecode": [BOOK, BOOK, BOOK, BOOK, BOOK, POOL, None],
            "designation": titles,
        }
    )
    weights = pl.Series([1.0, 1.0, 1.0, 1.0, 0.5, 1.5, 1.0])
    found = simple(rows, weights)
    assert SIMPLE == 3
    assert sorted(found["productid"].to_list()) == [2, 4, 5, 6]
    assert set(found.columns) == set(rows.columns)


def test_of_titles_of_one_length_the_oldest_products_are_taken_whatever_their_order():
    rows = pl.DataFrame({"productid": [4, 1, 3, 2], "prdtypecode": [BOOK] * 4, "designation": ["abc"] * 4})
    weights = pl.Series([1.0] * 4)
    for each in (rows, rows.reverse()):
        assert simple(each, weights)["productid"].to_list() == [1, 2, 3]


def test_a_product_without_a_title_is_not_simple():
    rows = pl.DataFrame({"productid": [1, 2], "prdtypecode": [BOOK] * 2, "designation": [None, "Livre"]})
    assert simple(rows, pl.Series([1.0, 1.0]))["productid"].to_list() == [2]
