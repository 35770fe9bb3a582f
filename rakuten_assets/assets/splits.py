"""Which products are learnt from, which are chosen on, and which only report."""

import json

import dagster as dg
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import BATCHES, counts, whole
from rakuten_assets.core.splits import assign_splits


@whole("features", kinds={"polars", "parquet"})
def splits(
    context: dg.AssetExecutionContext,
    products: pl.DataFrame,
    cleaned_text: pl.DataFrame,
    duplicate_texts: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
) -> dg.MaterializeResult[pl.DataFrame]:
    """Train, validation or gold for each product, frozen by the hash of its duplicate group."""
    if not products["productid"].equals(cleaned_text["productid"]):
        raise dg.Failure("A batch arrived while this was being read: products and texts differ. Run it again.")
    rows = (
        products.select("productid", "prdtypecode")
        .with_columns(cleaned_text["text_key"])
        .join(
            deduplicated_images.select("productid", "cluster_id", image_weight="sample_weight"),
            on="productid",
            how="left",
            maintain_order="left",
        )
    )
    table = assign_splits(rows).with_columns(
        rows["prdtypecode"], rows["image_weight"].fill_null(0.0), text_weight=_text_weight(rows)
    )
    sizes = counts(table["split"].drop_nulls())
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "set_aside": int(table["split"].null_count()),
            "repeated_texts": sum(len(ids) - 1 for ids in duplicate_texts["productids"]),
            "batches": json.dumps(list(context.instance.get_dynamic_partitions(BATCHES))),
            **sizes,
            "splits": plots.bars(sizes, "Products by split"),
            "classes": plots.table(_by_class(table)),
        },
    )


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
