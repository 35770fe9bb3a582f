import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rakuten_assets.core.splits import BRIDGE, EMPTY, assign_splits, fold_of, split_of


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
