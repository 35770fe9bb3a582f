"""What production teaches: people's words as labels, and the products that they labelled as a delivery."""

from typing import Any

import dagster as dg
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import counts, number, register_batches, whole
from rakuten_assets.core import feedback as core
from rakuten_assets.core.deliveries import hand_in
from rakuten_assets.postgres import lock
from rakuten_assets.resources import DataRoot, Operations
from rakuten_assets.settings import Settings

# Deliveries of labelled products are called this, and so begin their batches.
FEEDBACK = "feedback"


@whole("feedback", kinds={"postgres", "parquet"}, io_manager_key="snapshots")
def feedback(operations: Operations) -> dg.MaterializeResult[pl.DataFrame]:
    """All that sellers and administrators ever said of products, as it stands in the operational database."""
    table = pl.DataFrame(operations.store.labels.statements(), schema=core.STATEMENTS, orient="row")
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "last_statement": core.last(table),
            "edited_since": table["designation"].null_count(),
            **({"actions": plots.bars(counts(table["action"]), "What people did")} if len(table) else {}),
        },
        data_version=dg.DataVersion(core.version(table)),
    )


@whole("feedback", kinds={"polars", "parquet"})
def labelled_products(
    context: dg.AssetExecutionContext, feedback: pl.DataFrame, data: DataRoot
) -> dg.MaterializeResult[None]:
    """Products that people decided on and no delivery holds yet, handed in as a delivery of their own."""
    labels = core.labels(feedback)
    rows = core.to_hand_in(labels).select("productid", "designation", "description", "image", prdtypecode="label")
    # The catalogue has null where nothing was written.
    rows = rows.with_columns(pl.col("description").replace("", None))
    with lock("deliveries"):
        delivery = hand_in(data.path, FEEDBACK, rows, batch_size=Settings().batch_size)
    register_batches(context.instance, data.path)
    return dg.MaterializeResult(
        metadata={
            "labelled": len(labels),
            "handed_in": delivery.accepted if delivery else 0,
            "delivery": delivery.id if delivery else "nothing new",
            "last_statement": core.last(feedback),
        }
    )


@whole("feedback", kinds={"polars", "parquet"}, io_manager_key="snapshots")
def human_labels(
    context: dg.AssetExecutionContext,
    feedback: pl.DataFrame,
    products: pl.DataFrame,
    cleaned_text: pl.DataFrame,
    operations: Operations,
) -> dg.MaterializeResult[pl.DataFrame]:
    """What people say that products are, with who, when, and what they counted as before; and why some do not count."""
    keys = cleaned_text.select("productid", "text_key").with_columns(products["prdtypecode"])
    learnt = keys.filter(~core.is_live(pl.col("productid")))["prdtypecode"].drop_nulls().len()
    labels = core.labels(feedback).filter(pl.col("productid").is_in(products["productid"].implode()))
    table = core.set_aside(labels, keys, learnt)
    doubtful = table.filter(pl.col("set_aside") == core.CONTRADICTS)["product_id"].to_list()
    asked = operations.store.reviews.contradicted(doubtful)
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "used": int(table["set_aside"].is_null().sum()),
            "corrections": int((table["label"] != table["predicted"]).sum()),
            "contradictory": len(doubtful),
            "reviews_asked_for": asked,
            "held_back": int((table["set_aside"] == core.CAPPED).sum()),
            "handed_in_to": number(context.instance, "labelled_products", "last_statement"),
            "accounts": plots.table(core.by_account(table, learnt)),
            "newest": plots.table(_newest(table)),
        },
        data_version=dg.DataVersion(core.version(table)),
    )


def _newest(table: pl.DataFrame) -> pl.DataFrame:
    """The labels that came last, without the products' texts."""
    shown: list[Any] = ["productid", "label", "previous", "reviewer", "role", "at", "set_aside"]
    return table.sort("statement", descending=True).select(shown).with_columns(pl.col("at").dt.to_string()).head(20)
