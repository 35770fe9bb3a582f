"""Products as they were delivered, and what was set aside at the door."""

import dagster as dg
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import batches, counts, per_batch, whole
from rakuten_assets.core.deliveries import deliveries, read_batch, read_quarantine
from rakuten_assets.core.taxonomy import NAMES
from rakuten_assets.resources import DataRoot


@per_batch("raw", kinds={"polars", "parquet"})
def products(context: dg.AssetExecutionContext, data: DataRoot) -> dg.MaterializeResult[pl.DataFrame]:
    """Accepted products of one batch, one row each: their text, their category if known, their picture's hash."""
    table = read_batch(data.path, context.partition_key)
    return dg.MaterializeResult(value=table, metadata={"rows": len(table), **_overview(table)})


def _overview(table: pl.DataFrame) -> dict[str, dg.MetadataValue | float | int]:
    sizes = table["prdtypecode"].drop_nulls().value_counts(sort=True)
    named = {f"{code} {NAMES[code]}": count for code, count in sizes.iter_rows()}
    spread = {
        "classes": len(sizes),
        "largest_to_smallest_class": sizes["count"].max() / sizes["count"].min(),
        "class_entropy_bits": sizes["count"].entropy(base=2),
        "class_histogram": plots.bars(named, "Products by category"),
        "class_sizes": plots.boxes(sizes["count"].to_list(), "Sizes of the categories", "products"),
    }
    return {
        "without_label": table["prdtypecode"].null_count(),
        "without_picture": table["image"].null_count(),
        "missing_descriptions_percent": round(100 * table["description"].is_null().mean(), 2),
        "distinct_titles": table["designation"].n_unique(),
        "distinct_descriptions": table["description"].n_unique(),
        **(spread if len(sizes) else {}),
    }


@whole("raw", kinds={"polars", "parquet"}, deps=[products])
def quarantine(data: DataRoot) -> dg.MaterializeResult[pl.DataFrame]:
    """Everything that was delivered and not accepted, with its file, line and reason; nothing is lost."""
    table = read_quarantine(data.path)
    arrived = deliveries(data.path)
    reasons = counts(table["reason"])
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "deliveries": len(arrived),
            "by_reason": plots.table(_by_reason(table)),
            "examples": plots.table(table.group_by("reason", maintain_order=True).head(3)),
            **({"reasons": plots.bars(reasons, "Set aside, by reason", plots.WARNING)} if reasons else {}),
        },
    )


def _by_reason(table: pl.DataFrame) -> pl.DataFrame:
    return table.group_by("delivery", "kind", "reason").len("count").sort("count", descending=True)


__all__ = ["batches", "products", "quarantine"]
