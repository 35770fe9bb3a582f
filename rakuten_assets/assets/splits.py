"""Which products are learnt from, which are chosen on, and which only report."""

import json

import dagster as dg
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import BATCHES, counts, whole
from rakuten_assets.core.feedback import follow, is_live, moved_categories, version
from rakuten_assets.core.splits import LIVE_GOLD, assign_splits
from rakuten_assets.core.taxonomy import NAMES


@whole("features", kinds={"polars", "parquet"})
def splits(
    context: dg.AssetExecutionContext,
    products: pl.DataFrame,
    cleaned_text: pl.DataFrame,
    duplicate_texts: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
    human_labels: pl.DataFrame,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Train, validation or gold for each product, frozen by the hash of its duplicate group."""
    if not products["productid"].equals(cleaned_text["productid"]):
        raise dg.Failure("A batch arrived while this was being read: products and texts differ. Run it again.")
    texts = products.select("productid").with_columns(cleaned_text["text_key"], live=is_live(pl.col("productid")))
    pictures = deduplicated_images.select("productid", "cluster_id", image_weight="sample_weight")
    rows = texts.join(pictures, on="productid", how="left", maintain_order="left")
    placed = assign_splits(rows)
    moved = moved_categories(teaching(human_labels, placed))
    known = labelled(products.select("productid", "prdtypecode"), human_labels, moved)
    placed = placed.with_columns(known["prdtypecode", "role", "old", "not_learnt"])
    rows = rows.with_columns(judged(placed))
    table = placed.drop("role").with_columns(
        rows["prdtypecode"], rows["image_weight"].fill_null(0.0), text_weight=_text_weight(rows)
    )
    sizes = counts(table["split"].drop_nulls())
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "set_aside": int(table["split"].null_count()),
            "labels_of_people": len(human_labels),
            "labels_version": version(human_labels),
            "moved_categories": plots.table(_named(moved)),
            "moved_with_their_category": int(table["old"].sum()),
            "labels_used": plots.table(_used(table)),
            "not_learnt": plots.table(table["not_learnt"].drop_nulls().value_counts(sort=True)),
            "repeated_texts": sum(len(ids) - 1 for ids in duplicate_texts["productids"]),
            "batches": json.dumps(list(context.instance.get_dynamic_partitions(BATCHES))),
            **sizes,
            "splits": plots.bars(sizes, "Products by split"),
            "classes": plots.table(_by_class(table)),
        },
    )


def teaching(people: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Labels of people that may say something about other products: not those that only report, nor held back."""
    reporting = placed.filter(pl.col("split") == LIVE_GOLD)["productid"].implode()
    return people.filter(~pl.col("productid").is_in(reporting) & pl.col("set_aside").is_null())


def labelled(products: pl.DataFrame, people: pl.DataFrame, moved: pl.DataFrame) -> pl.DataFrame:
    """`products` (`productid`, `prdtypecode`) with what people say: the label that counts, and `not_learnt`, why none.

    What came through the web app has the label that people gave it last. A label from before its category moved went
    with it (`old`), whoever gave it: it teaches, and judges nothing.
    """
    own = people.select("productid", "label", "role", "at", "set_aside")
    rows = products.join(own, on="productid", how="left", maintain_order="left")
    live = is_live(pl.col("productid"))
    said = pl.when(live).then(pl.col("label").cast(pl.Int32)).otherwise(pl.col("prdtypecode"))
    rows = rows.with_columns(prdtypecode=said)
    now = follow(rows.select("prdtypecode", "at"), moved)
    why = (
        pl.when(live & pl.col("label").is_null())
        .then(pl.lit("its label was taken back"))
        .when(pl.col("set_aside").is_not_null())
        .then(pl.col("set_aside"))
        .otherwise(pl.lit(None, pl.String))
    )
    rows = rows.with_columns(now).with_columns(not_learnt=why)
    counts = pl.when(pl.col("not_learnt").is_null()).then("prdtypecode")
    return rows.select("productid", "role", "old", "not_learnt", prdtypecode=counts)


def judged(placed: pl.DataFrame) -> pl.Series:
    """The labels (`prdtypecode`) that count on their side of the split (`split`, `role`, `old`).

    A seller's word teaches, and a label that went with its category does; only what an administrator has said of a
    product itself, or its delivery, judges models.
    """
    gold, live = pl.col("split").is_in(["gold", LIVE_GOLD]), pl.col("split") == LIVE_GOLD
    unfit = (gold & pl.col("old")) | (live & (pl.col("role").fill_null("") != "admin"))
    return placed.select(prdtypecode=pl.when(~unfit.fill_null(False)).then("prdtypecode")).to_series()


def _named(moved: pl.DataFrame) -> pl.DataFrame:
    names = {code: f"{code} {name}" for code, name in NAMES.items()}
    return moved.with_columns(
        pl.col("code", "to").replace_strict(names, return_dtype=pl.String), pl.col("since").dt.to_string()
    )


def _used(table: pl.DataFrame) -> pl.DataFrame:
    """Labelled products of the web app by split."""
    live = table.filter(is_live(pl.col("productid")) & pl.col("prdtypecode").is_not_null())
    return live["split"].drop_nulls().value_counts(sort=True)


def _text_weight(rows: pl.DataFrame) -> pl.Series:
    """Weight of a text in training: repeats in a category count once, contradictory ones share one."""
    first = pl.struct("text_key", "prdtypecode").is_first_distinct()
    categories = pl.col("prdtypecode").drop_nulls().n_unique().over("text_key").clip(1)
    weight = pl.when(first & (pl.col("text_key") != "")).then(1.0 / categories).otherwise(0.0)
    return rows.with_columns(pl.col("text_key").fill_null("")).select(text_weight=weight).to_series()


def _by_class(table: pl.DataFrame) -> pl.DataFrame:
    return (
        table.drop_nulls(["prdtypecode", "split"])
        .pivot("split", index="prdtypecode", values="productid", aggregate_function="len", sort_columns=True)
        .sort("prdtypecode")
    )
