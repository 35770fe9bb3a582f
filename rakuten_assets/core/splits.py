"""Train, validation and gold rows: frozen by a hash, so that a product never changes sides as the catalogue grows."""

import hashlib
from collections.abc import Iterable

import polars as pl

SPLITS = ("train", "validation", "gold")
"""80 % to learn from, 10 % to choose and calibrate on, 10 % that only ever reports."""

LIVE_GOLD = "live_gold"
"""Gold rows that came through the web app: what production looks like, reported apart from the catalogue's."""

# Shares of the documents' split. The gold rows are the last tenth of the hash range.
BOUNDS = (0.8, 0.9, 1.0)

# Of the web app's products more only report: there are few of them, and they show what is new.
LIVE_BOUNDS = (0.5, 0.6, 1.0)

# Part of the hash. Changing it draws new gold rows, after which no old score can be compared: never do.
SALT = "gold-1"

BRIDGE = "duplicates of it lie in two splits"
EMPTY = "neither text nor picture"


def assign_splits(products: pl.DataFrame) -> pl.DataFrame:
    """Give each product its split; duplicates over text *or* picture share one.

    `products` has a row a product, in order of arrival: `productid`, `text_key` (empty: no text), `cluster_id` (of its
    picture; null: no picture) and `live`, whether the web app brought it. The result has `productid`, `group_id` (the
    first product of its duplicate group), `split` (null: set aside) and `set_aside` (why).

    A product's split depends on the products before it alone. A new product that duplicates two old ones of
    different splits is set aside: in either place it would leak.
    """
    groups: dict[tuple[str, object], tuple[int, str]] = {}
    rows = [_place(groups, *row) for row in _in_order(products)]
    # Both kinds of gold are one side: a duplicate is no leak between them, and each product reports with its kind.
    rows = [
        (*row[:2], LIVE_GOLD if live and row[2] == "gold" else row[2], row[3])
        for row, live in zip(rows, products["live"], strict=True)
    ]
    schema = {"productid": pl.Int64, "group_id": pl.Int64, "split": pl.String, "set_aside": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def split_of(productid: int, live: bool = False) -> str:
    """Side of a product that duplicates nothing: its hash as a number from 0 to 1, against the bounds."""
    digest = hashlib.sha256(f"{SALT}:{productid}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return next(name for name, bound in zip(SPLITS, LIVE_BOUNDS if live else BOUNDS, strict=True) if share < bound)


def fold_of(group_ids: pl.Series, folds: int) -> pl.Series:
    """Cross-validation fold of each duplicate group (0 to folds - 1); a group is never divided."""
    # A Weyl step spreads neighbouring ids over the folds; the top bits are the well mixed ones.
    mixed = group_ids.cast(pl.UInt64).to_numpy() * 0x9E3779B97F4A7C15
    return pl.Series(group_ids.name, (mixed >> 40) % folds)


def _in_order(products: pl.DataFrame) -> Iterable[tuple[int, str | None, int | None, bool]]:
    return products.select("productid", "text_key", "cluster_id", "live").iter_rows()


def _place(
    groups: dict[tuple[str, object], tuple[int, str]],
    productid: int,
    text_key: str | None,
    cluster_id: int | None,
    live: bool,
) -> tuple[int, int | None, str | None, str | None]:
    keys: list[tuple[str, object]] = [("text", text_key)] if text_key else []
    keys += [("picture", cluster_id)] if cluster_id is not None else []
    if not keys:
        return productid, None, None, EMPTY
    known = {groups[key] for key in keys if key in groups}
    if len({split for _, split in known}) > 1:
        return productid, None, None, BRIDGE
    group_id, split = min(known) if known else (productid, split_of(productid, live))
    for key in keys:
        groups.setdefault(key, (group_id, split))
    return productid, group_id, split, None
