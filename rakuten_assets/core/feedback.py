"""What people said of products, as labels to learn from: who counts, what is set aside, and which categories moved."""

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

# Products of the web app have numbers of their own, far above any that the challenge or a sample uses.
FIRST_ID = 10**12
REVISIONS = 1_000_000

STATEMENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.Int64,
    "product_id": pl.Int64,
    "revision": pl.Int64,
    "user_id": pl.Int64,
    "role": pl.String,
    "action": pl.String,
    "before": pl.Int32,
    "after": pl.Int32,
    "at": pl.Datetime("us", "UTC"),
    "predicted": pl.Int32,
    "confidence": pl.Float64,
    "model_version": pl.String,
    "state": pl.String,
    "designation": pl.String,
    "description": pl.String,
    "image": pl.String,
}
"""One thing that one person said of one product; texts and picture are null where they were edited since."""

ANSWERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.Int64,
    "product_id": pl.Int64,
    "revision": pl.Int64,
    "code": pl.Int32,
    "confidence": pl.Float64,
    "model_version": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "designation": pl.String,
    "description": pl.String,
    "image": pl.String,
    "decided_by": pl.String,
    "category": pl.Int32,
}
"""One answer of a model, with what it was asked, and the category that a person decided on, if one did."""

MOVED: dict[str, pl.DataType | type[pl.DataType]] = {
    "code": pl.Int32,
    "to": pl.Int32,
    "since": pl.Datetime("us", "UTC"),
    "moved": pl.Int64,
    "stayed": pl.Int64,
    "odds": pl.Float64,
}
"""A category that people have moved: to where, since when, how many products went and stayed, and how likely it is."""

# What decides, as opposed to a rating or a skip. The first four name a category.
NAMING = ("confirm", "choose", "accept", "fix", "change")
UNNAMING = ("missing", "reject")

# Largest share of the rows that one account may teach, among all that teach: a seller who errs, or means harm, does
# not turn a category over; an administrator does most of the work in a small team.
SELLER_SHARE, ADMIN_SHARE = 0.02, 0.25

# A small catalogue learns from so many of anybody.
ALWAYS = 20

CONTRADICTS = "contradicts another label of the same text"
CAPPED = "beyond its account's share"

# The odds that from some moment on a category has become another one, against a model that is as unsure as it says: so
# many times more likely that it has, with all pairs and moments that there are to choose from, is beyond doubt.
ODDS = 10_000.0

# Share of people's words that are wrong; share of a model's errors that may all go to one other category.
ERRORS, TOGETHER = 0.05, 0.5

# From that moment on, so many of its products went to that one place, and not where they belonged before.
WHOLE = 0.8

# Sellers alone move no category: so many times an administrator must have said the same.
SAID_BY_ADMINS = 2


def is_live(productids: pl.Expr) -> pl.Expr:
    """Whether products came through the web app."""
    return productids >= FIRST_ID


def productid() -> pl.Expr:
    """The number, among all products, of a revision (`product_id`, `revision`) of the web app's."""
    return FIRST_ID + pl.col("product_id") * REVISIONS + pl.col("revision")


def labels(statements: pl.DataFrame) -> pl.DataFrame:
    """The label of each revision of a product that somebody decided on, one row each.

    A row has `productid`, `product_id`, `label`, `previous` (what it counted as before), `reviewer`, `role`, `at`,
    `statement` (its id), what the model had `predicted` with which `confidence` and `model_version`, and the product's
    `state`, `designation`, `description` and `image`, null where its seller has edited them since.

    `statements` (`STATEMENTS`) are in order. An administrator's word counts before its seller's, the later before the
    earlier; what was rejected or fits no category has no label. A seller who withdraws a product takes their own word
    back, and nobody else's.
    """
    said = statements.filter(pl.col("action").is_in([*NAMING, *UNNAMING]))
    rank = said.with_columns(admin=pl.col("role") == "admin").sort("admin", "id", maintain_order=True)
    last = rank.group_by("product_id", "revision", maintain_order=True).last()
    taken_back = (pl.col("state") == "withdrawn") & (pl.col("role") != "admin")
    decided = last.filter(pl.col("action").is_in(NAMING) & pl.col("after").is_not_null() & ~taken_back)
    kept = ("predicted", "confidence", "model_version", "state", "designation", "description", "image")
    return decided.select(
        productid=productid(),
        product_id="product_id",
        label="after",
        previous=pl.coalesce("before", "predicted"),
        reviewer="user_id",
        role="role",
        at="at",
        statement="id",
        **{name: name for name in kept},
    ).sort("productid")


def to_hand_in(labels: pl.DataFrame) -> pl.DataFrame:
    """Those of the `labels` whose products are still what was labelled, and on offer."""
    return labels.filter(pl.col("designation").is_not_null() & (pl.col("state") != "withdrawn"))


def set_aside(labels: pl.DataFrame, text_keys: pl.DataFrame, learnt: int) -> pl.DataFrame:
    """`labels` with `set_aside`: why a row is not learnt from, null where it is.

    `text_keys` has `productid`, `text_key` and `prdtypecode` of all products that are prepared; `learnt` is how many
    other rows teach. A text with two labels stands as an administrator said; where none did, a person must look. Of
    one account only a share counts, its earliest labels first, so that what was learnt once stays learnt.
    """
    keyed = labels.join(text_keys.select("productid", "text_key"), on="productid", how="left", maintain_order="left")
    elsewhere = (
        text_keys.filter((pl.col("text_key") != "") & ~is_live(pl.col("productid")))
        .drop_nulls("prdtypecode")
        .select("text_key", label=pl.col("prdtypecode").cast(pl.Int32))
    )
    known = pl.concat([elsewhere, keyed.filter(pl.col("text_key") != "").select("text_key", "label")])
    several = known.group_by("text_key").agg(several=pl.col("label").n_unique() > 1)
    doubtful = (
        keyed.join(several, on="text_key", how="left", maintain_order="left")["several"].fill_null(False)
        & (keyed["role"] != "admin")
    ).alias("doubtful")
    return _capped(keyed.drop("text_key").with_columns(doubtful), learnt)


def _capped(labels: pl.DataFrame, learnt: int) -> pl.DataFrame:
    place = pl.col("statement").rank("ordinal").over("reviewer", "role", "doubtful")
    ranked = labels.with_columns(place=place)
    accounts = ranked.filter(~pl.col("doubtful")).group_by("reviewer", "role").len("count").sort("reviewer", "role")
    most = accounts.select("reviewer", "role", most=_most(accounts, learnt))
    why = (
        pl.when(pl.col("doubtful"))
        .then(pl.lit(CONTRADICTS))
        .when(pl.col("place") > pl.col("most"))
        .then(pl.lit(CAPPED))
        .otherwise(pl.lit(None, pl.String))
    )
    held = ranked.join(most, on=["reviewer", "role"], how="left", maintain_order="left").with_columns(set_aside=why)
    return held.drop("doubtful", "place", "most")


def _most(accounts: pl.DataFrame, learnt: int) -> pl.Series:
    """How many labels of each account teach: a share of all that do, these included, `ALWAYS` at least.

    What one account is cut to lowers what the others' shares are of, so it is repeated until nothing changes.
    """
    counts = accounts["count"].to_numpy().astype(float)
    share = np.where(accounts["role"].to_numpy() == "admin", ADMIN_SHARE, SELLER_SHARE)
    used = counts.copy()
    for _ in range(100):
        others = learnt + used.sum() - used
        cut = np.minimum(counts, np.maximum(ALWAYS, np.floor(share / (1 - share) * others)))
        if np.array_equal(cut, used):
            break
        used = cut
    return pl.Series("most", used.astype(np.int64))


def by_account(labels: pl.DataFrame, learnt: int) -> pl.DataFrame:
    """How many rows each account taught, how many were held back, and its share of all `learnt` and labelled rows."""
    used = pl.col("set_aside").is_null()
    total = learnt + int(labels["set_aside"].is_null().sum())
    return (
        labels.group_by("reviewer", "role")
        .agg(
            labels=pl.len(),
            used=used.sum(),
            corrections=(used & (pl.col("label") != pl.col("predicted"))).sum(),
            held_back=(pl.col("set_aside") == CAPPED).sum(),
        )
        .with_columns(share=(pl.col("used") / max(total, 1)).round(4))
        .sort("used", "reviewer", descending=[True, False])
    )


def moved_categories(labels: pl.DataFrame) -> pl.DataFrame:
    """Categories whose products people file elsewhere: `code`, `to`, `since`, `moved`, `stayed`, `odds`.

    A likelihood ratio (Neyman and Pearson 1933) of one product after the other, from the moment from which it is
    largest (Page 1954, "Continuous Inspection Schemes"). Every product that stayed counts; of those that went, every
    one that an administrator sent, and of each seller one for a pair of categories: no account moves one by itself, and
    a model's ordinary errors, which administrators are shown first, are outweighed by what was confirmed.
    """
    # In the order of submission: administrators are shown what was contradicted, and later than the rest.
    said = labels.drop_nulls(["predicted", "confidence"]).sort("productid")
    said = said.with_columns(stayed=pl.col("label") == pl.col("predicted"), admin=pl.col("role") == "admin")
    once = pl.struct("reviewer", "predicted", "label").is_first_distinct()
    heard = said.filter(pl.col("stayed") | pl.col("admin") | once)
    pairs = heard.filter(~pl.col("stayed")).select("predicted", to="label").unique()
    found = [_moved(heard, *pair) for pair in pairs.sort("predicted", "to").iter_rows()]
    table = pl.DataFrame([row for row in found if row], schema=MOVED, orient="row")
    # A category moves to one place.
    first = table.sort("odds", "code", descending=[True, False]).unique("code", keep="first", maintain_order=True)
    return first.sort("code")


def _moved(heard: pl.DataFrame, code: int, to: int) -> tuple[int, int, datetime, int, int, float] | None:
    """The pair's row, where the category has moved; what went to a third one says nothing about these two."""
    rows = heard.filter((pl.col("predicted") == code) & (pl.col("label").is_in([code, to])))
    went = (~rows["stayed"]).to_numpy()
    sure = rows["confidence"].clip(0.01, 0.99).to_numpy()
    likelier = np.where(
        went,
        np.log(sure * (1 - ERRORS)) - np.log((1 - sure) * TOGETHER + ERRORS / 26),
        np.log(ERRORS) - np.log(sure * (1 - ERRORS)),
    )
    # From each moment to now.
    sums = likelier[::-1].cumsum()[::-1]
    at = int(sums.argmax())
    moved, stayed = int(went[at:].sum()), int((~went[at:]).sum())
    by_admins = int((went[at:] & rows["admin"].to_numpy()[at:]).sum())
    enough = sums[at] >= np.log(ODDS) and by_admins >= SAID_BY_ADMINS and moved >= WHOLE * (moved + stayed)
    since: Any = rows["at"].slice(at).filter(pl.Series(went[at:])).min()
    return (code, to, since, moved, stayed, float(np.exp(min(sums[at], 100)))) if enough else None


def follow(rows: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Labels (`prdtypecode`) from before their category moved, as what they are now; and which ones these are (`old`).

    `rows` has `prdtypecode`, and `at`, null for delivered ones.
    """
    kind = rows.schema["prdtypecode"]
    since = moved.select(pl.col("code").cast(kind).alias("prdtypecode"), "since", now=pl.col("to").cast(kind))
    joined = rows.join(since, on="prdtypecode", how="left", maintain_order="left")
    before = pl.col("at").is_null() | (pl.col("at") < pl.col("since"))
    old = (pl.col("since").is_not_null() & before).fill_null(False)
    return joined.select(prdtypecode=pl.when(old).then("now").otherwise("prdtypecode"), old=old)


def version(table: pl.DataFrame) -> str:
    """Data version of what is added to: the last `id` (or `statement`), the number of rows, and what is in them."""
    content = int(table.hash_rows().sum() or 0) & 0xFFFFFFFF
    return f"{last(table)}-{len(table)}-{content:08x}"


def last(table: pl.DataFrame) -> int:
    """The highest `id` (or `statement`), 0 where there is none."""
    name = "id" if "id" in table.columns else "statement"
    return int(table.select(pl.col(name).max().fill_null(0)).item())
