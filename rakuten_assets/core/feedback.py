"""What people said of products, as labels to learn from: who counts, what is set aside, and which categories moved."""

import polars as pl

# Products of the web app have numbers of their own, far above any that the challenge or a sample uses.
FIRST_ID = 10**12
REVISIONS = 1_000

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

LABELS: dict[str, pl.DataType | type[pl.DataType]] = {
    "productid": pl.Int64,
    "product_id": pl.Int64,
    "label": pl.Int32,
    "previous": pl.Int32,
    "reviewer": pl.Int64,
    "role": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "statement": pl.Int64,
    "predicted": pl.Int32,
    "confidence": pl.Float64,
    "model_version": pl.String,
    "designation": pl.String,
    "description": pl.String,
    "image": pl.String,
}
"""What a product counts as, by whom and since when, and what it counted as before that."""

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

# Of what was last said of a category's answers, so many words are heard.
JUDGED = 60

# The odds that a category has become another whole, against a model that is as unsure as it says: so many times more
# likely that it has, with the 702 pairs there are to choose from, is fourteen to one.
ODDS = 10_000.0

# Share of people's words that are wrong; share of a model's errors that may all go to one other category.
ERRORS, TOGETHER = 0.05, 0.5

# Where so many of a category's products went to one place, it is taken to have moved whole.
WHOLE = 0.8

# Sellers alone move no category: so many times an administrator must have said the same.
SAID_BY_ADMINS = 2


def is_live(productids: pl.Expr) -> pl.Expr:
    """Whether products came through the web app."""
    return productids >= FIRST_ID


def labels(statements: pl.DataFrame) -> pl.DataFrame:
    """The label of each product that somebody decided on and that still stands as it was decided on (`LABELS`).

    `statements` (`STATEMENTS`) are in order. An administrator's word counts before its seller's, the later before the
    earlier; what was rejected or withdrawn, or fits no category, has no label.
    """
    said = statements.filter(pl.col("action").is_in([*NAMING, *UNNAMING]) & pl.col("designation").is_not_null())
    rank = said.with_columns(admin=pl.col("role") == "admin").sort("admin", "id", maintain_order=True)
    last = rank.group_by("product_id", "revision", maintain_order=True).last()
    decided = last.filter(
        pl.col("action").is_in(NAMING) & pl.col("after").is_not_null() & (pl.col("state") != "withdrawn")
    )
    return decided.select(
        productid=FIRST_ID + pl.col("product_id") * REVISIONS + pl.col("revision"),
        product_id="product_id",
        label="after",
        previous=pl.coalesce("before", "predicted"),
        reviewer="user_id",
        role="role",
        at="at",
        statement="id",
        **{name: name for name in ("predicted", "confidence", "model_version", "designation", "description", "image")},
    ).sort("productid")


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
    rows = learnt + int((~labels["doubtful"]).sum())
    share = pl.when(pl.col("role") == "admin").then(ADMIN_SHARE).otherwise(SELLER_SHARE)
    most = pl.max_horizontal(pl.lit(ALWAYS), (share * rows).floor().cast(pl.Int64))
    place = pl.col("statement").rank("ordinal").over("reviewer", "role", "doubtful")
    why = (
        pl.when(pl.col("doubtful"))
        .then(pl.lit(CONTRADICTS))
        .when(place > most)
        .then(pl.lit(CAPPED))
        .otherwise(pl.lit(None, pl.String))
    )
    return labels.with_columns(set_aside=why).drop("doubtful")


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
    """Categories whose products people file elsewhere now: `code`, `to`, `since`, `judged`, `moved`, `stayed`, `odds`.

    What counts is what people made of a category's latest answers: every word of an administrator, and of each seller
    one for each pair of categories, so that no account can move one by itself. A pair has moved where that is far
    likelier than the model's own doubts and people's errors (a likelihood ratio, Neyman and Pearson 1933). Rows with
    the old label, from before `since`, say what is no longer so.
    """
    admin = pl.col("role") == "admin"
    said = labels.drop_nulls(["predicted", "confidence"]).sort("at", "statement")
    once = pl.struct("reviewer", "predicted", "label").is_last_distinct()
    heard = said.filter(admin | once).group_by("predicted", maintain_order=True).tail(JUDGED)
    pairs = heard.filter(pl.col("label") != pl.col("predicted")).select("predicted", to="label").unique()
    rows = pairs.join(heard, on="predicted").with_columns(
        as_moved=pl.col("label") == pl.col("to"), as_before=pl.col("label") == pl.col("predicted")
    )
    sure = pl.col("confidence").clip(0.01, 0.99)
    likelier = (
        pl.when("as_moved")
        .then((sure * (1 - ERRORS)).log() - ((1 - sure) * TOGETHER + ERRORS / 26).log())
        .when("as_before")
        .then(pl.lit(ERRORS).log() - (sure * (1 - ERRORS)).log())
        # What belongs to a third category says nothing about these two.
        .otherwise(0.0)
    )
    counted = rows.group_by(code="predicted", to="to").agg(
        since=pl.col("at").filter("as_moved").min(),
        judged=pl.len(),
        moved=pl.col("as_moved").sum(),
        stayed=pl.col("as_before").sum(),
        by_admins=(pl.col("as_moved") & admin).sum(),
        odds=likelier.sum().clip(-100, 100).exp(),
    )
    found = counted.filter((pl.col("odds") >= ODDS) & (pl.col("by_admins") >= SAID_BY_ADMINS))
    # A category moves to one place.
    first = found.sort("odds", "code", descending=[True, False]).unique("code", keep="first", maintain_order=True)
    return first.select("code", "to", "since", "judged", "moved", "stayed", "odds").sort("code")


def follow(rows: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """Labels (`prdtypecode`) from before their category moved, as what they are now; and which ones these are (`old`).

    `rows` has `prdtypecode`, and `at`, null for delivered ones. Where nearly all products of a category went to one
    place, its old rows went with them: people said so of the category. Where many did, nobody knows which, and the old
    rows have no label any more.
    """
    whole = pl.col("moved") / (pl.col("moved") + pl.col("stayed")) >= WHOLE
    kind = rows.schema["prdtypecode"]
    since = moved.select(
        pl.col("code").cast(kind).alias("prdtypecode"), "since", now=pl.when(whole).then(pl.col("to").cast(kind))
    )
    joined = rows.join(since, on="prdtypecode", how="left", maintain_order="left")
    before = pl.col("at").is_null() | (pl.col("at") < pl.col("since"))
    old = (pl.col("since").is_not_null() & before).fill_null(False)
    return joined.select(prdtypecode=pl.when(old).then("now").otherwise("prdtypecode"), old=old)
