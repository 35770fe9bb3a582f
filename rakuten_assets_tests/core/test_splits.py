import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rakuten_assets.core.splits import BRIDGE, EMPTY, LIVE_GOLD, assign_splits, fold_of, split_of


def catalogue(rows):
    schema = {"productid": pl.Int64, "text_key": pl.String, "cluster_id": pl.Int64, "live": pl.Boolean}
    rows = [(*row, False) if len(row) == 3 else row for row in rows]
    return pl.DataFrame(rows, schema=schema, orient="row")


rows = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e"]), st.none() | st.integers(0, 5)), max_size=40
).map(lambda pairs: [(place, *pair) for place, pair in enumerate(pairs, start=1)])


@given(rows, st.integers(0, 40))
def test_a_product_never_changes_its_split_as_the_catalogue_grows(products, first):
    before = assign_splits(catalogue(products[:first]))
    after = assign_splits(catalogue(products))
    assert after.head(len(before)).equals(before)


@given(rows)
def test_no_duplicate_straddles_two_splits(products):
    placed = assign_splits(catalogue(products)).join(catalogue(products), on="productid").drop_nulls("split")
    texts = placed.filter(pl.col("text_key") != "").group_by("text_key").agg(pl.col("split").n_unique())
    pictures = placed.drop_nulls("cluster_id").group_by("cluster_id").agg(pl.col("split").n_unique())
    assert set(texts["split"]) | set(pictures["split"]) <= {1}


@given(rows)
def test_a_duplicate_group_is_one_fold(products):
    placed = assign_splits(catalogue(products)).drop_nulls("group_id")
    folds = placed.with_columns(fold=fold_of(placed["group_id"], 3))
    assert set(folds.group_by("group_id").agg(pl.col("fold").n_unique())["fold"]) <= {1}


def test_the_shares_are_those_of_the_documents():
    shares = pl.Series([split_of(productid) for productid in range(20_000)]).value_counts(normalize=True)
    expected = {"train": 0.8, "validation": 0.1, "gold": 0.1}
    assert dict(shares.iter_rows()) == pytest.approx(expected, abs=0.01)


def test_the_gold_rows_are_frozen():
    """Whoever changes the hash draws other gold rows, and no old score can be compared any more."""
    gold = [productid for productid in range(1, 60) if split_of(productid) == "gold"]
    assert gold == [4, 13, 25, 35, 36]


def test_a_product_that_joins_two_splits_is_set_aside():
    ids = range(1, 200)
    train = next(productid for productid in ids if split_of(productid) == "train")
    gold = next(productid for productid in ids if split_of(productid) == "gold")
    result = assign_splits(catalogue([(train, "t", None), (gold, "", 7), (999, "t", 7)]))
    assert result.row(2, named=True) == {
        "productid": 999,
        "group_id": None,
        "split": None,
        "set_aside": BRIDGE,
    }


def test_a_product_with_nothing_to_judge_by_is_set_aside():
    assert assign_splits(catalogue([(1, "", None)]))["set_aside"].to_list() == [EMPTY]


def test_folds_are_of_similar_size():
    sizes = fold_of(pl.Series("group_id", range(1, 10_001)), 4).value_counts()["count"]
    assert sizes.min() > 2000


mixed = st.lists(
    st.tuples(st.sampled_from(["", "a", "b", "c", "d", "e"]), st.none() | st.integers(0, 5), st.booleans()), max_size=40
).map(lambda rows: [(place, *row) for place, row in enumerate(rows, start=1)])


@given(mixed)
def test_no_duplicate_is_learnt_from_and_gold_of_either_kind(products):
    placed = assign_splits(catalogue(products)).join(catalogue(products), on="productid").drop_nulls("split")
    sides = placed.with_columns(side=pl.col("split").replace(LIVE_GOLD, "gold"))
    texts = sides.filter(pl.col("text_key") != "").group_by("text_key").agg(pl.col("side").n_unique())
    pictures = sides.drop_nulls("cluster_id").group_by("cluster_id").agg(pl.col("side").n_unique())
    assert set(texts["side"]) | set(pictures["side"]) <= {1}


@given(mixed)
def test_gold_rows_report_with_their_own_kind(products):
    placed = assign_splits(catalogue(products)).join(catalogue(products), on="productid")
    assert set(placed.filter("live")["split"]) <= {"train", "validation", LIVE_GOLD, None}
    assert set(placed.filter(~pl.col("live"))["split"]) <= {"train", "validation", "gold", None}


@given(mixed, st.integers(0, 40))
def test_nothing_changes_its_split_as_production_goes_on(products, first):
    before = assign_splits(catalogue(products[:first]))
    assert assign_splits(catalogue(products)).head(len(before)).equals(before)


def test_more_of_what_production_brings_only_reports():
    shares = pl.Series([split_of(productid, live=True) for productid in range(20_000)]).value_counts(normalize=True)
    expected = {"train": 0.5, "validation": 0.1, "gold": 0.4}
    assert dict(shares.iter_rows()) == pytest.approx(expected, abs=0.01)


def one_of(split, live=False, start=1):
    """The first product that is placed there by its own hash."""
    return next(productid for productid in range(start, start + 200) if split_of(productid, live) == split)


def test_a_product_from_production_is_gold_of_its_own_kind():
    splits = assign_splits(catalogue([(one_of("gold", live=True), "new", None, True)]))["split"]
    assert splits.to_list() == [LIVE_GOLD] == ["live_gold"]


@pytest.mark.parametrize(
    ("first_is_live", "expected"), [(False, ["gold", LIVE_GOLD]), (True, [LIVE_GOLD, "gold"])], ids=["frozen", "live"]
)
def test_a_duplicate_of_a_gold_product_is_gold_of_its_own_kind(first_is_live, expected):
    gold = one_of("gold", first_is_live)
    copy = one_of("train", not first_is_live, start=10_000)
    placed = assign_splits(catalogue([(gold, "t", None, first_is_live), (copy, "t", None, not first_is_live)]))
    assert placed["split"].to_list() == expected
    assert placed["group_id"].to_list() == [gold, gold]


def test_a_duplicate_of_a_product_that_is_learnt_from_never_reports():
    train, live = one_of("train"), one_of("gold", live=True, start=10_000)
    placed = assign_splits(catalogue([(train, "", 7, False), (live, "other", 7, True)]))
    assert placed["split"].to_list() == ["train", "train"]


def test_a_product_that_joins_both_kinds_of_gold_is_gold():
    frozen, live = one_of("gold"), one_of("gold", live=True, start=10_000)
    placed = assign_splits(catalogue([(frozen, "t", None, False), (live, "", 7, True), (20_000, "t", 7, True)]))
    assert placed["split"].to_list()[:2] == ["gold", LIVE_GOLD]
    assert placed.row(2, named=True)["split"] == LIVE_GOLD
    assert placed.row(2, named=True)["group_id"] == frozen
