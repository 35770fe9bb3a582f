"""Products as they were delivered, and what was set aside at the door."""

from typing import Any

import dagster as dg
import numpy as np
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


def _overview(table: pl.DataFrame) -> dict[str, Any]:
    return {
        "without_label": table["prdtypecode"].null_count(),
        "without_picture": table["image"].null_count(),
        "missing_descriptions_percent": round(100 * table["description"].null_count() / max(len(table), 1), 2),
        "distinct_titles": table["designation"].n_unique(),
        "distinct_descriptions": table["description"].n_unique(),
        **_classes(counts(table["prdtypecode"].drop_nulls())),
    }


def _classes(sizes: dict[str, int]) -> dict[str, Any]:
    """What the documents say of the classes: their number, imbalance, spread and entropy."""
    if not sizes:
        return {}
    ordered = np.array(list(sizes.values()), np.float64)
    shares = ordered / ordered.sum()
    return {
        "classes": len(sizes),
        "largest_to_smallest_class": float(ordered[0] / ordered[-1]),
        "standard_deviation_of_classes": float(ordered.std(ddof=1)) if len(ordered) > 1 else 0.0,
        "class_entropy_bits": float(-(shares * np.log2(shares)).sum()),
        "class_histogram": plots.bars(
            {f"{code} {NAMES[int(code)]}": count for code, count in sizes.items()}, "Products by category"
        ),
        "class_sizes": plots.boxes(list(sizes.values()), "Sizes of the categories", "products"),
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
