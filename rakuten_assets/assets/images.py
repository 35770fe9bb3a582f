"""From pictures as they were sent to pictures that a model can learn from."""

from functools import partial
from typing import Any

import dagster as dg
import polars as pl
from PIL.Image import Image

from rakuten_assets import plots
from rakuten_assets.assets.common import ahead, per_batch, threads, whole
from rakuten_assets.core import duplicates, images
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.preparation import PreparationSettings, Quality, Treatments, prepare
from rakuten_assets.resources import DataRoot, Preparation

# Groups and treated pictures shown in the UI: enough to judge by eye, few enough to load at once.
SHOWN = 8

PREPARED = {
    "sha256": pl.String,
    **dict.fromkeys(Treatments._fields, pl.Boolean),
    **{f"{name}_{when}": pl.Float64 for name in Quality._fields for when in ("before", "after")},
}


@per_batch("images", kinds={"polars", "parquet"})
def image_fingerprints(products: pl.DataFrame, data: DataRoot) -> dg.MaterializeResult[pl.DataFrame]:
    """Identity and quality of each product's picture: hashes, sharpness, colour balance, usable area."""
    owned = products.select("productid", "image").drop_nulls()
    distinct = owned["image"].unique(maintain_order=True)
    table = images.fingerprints((partial(read_picture, data.path, name) for name in distinct), threads())
    table = owned.join(table, left_on="image", right_on="sha256", how="left", maintain_order="left")
    table = table.rename({"image": "sha256"})
    return dg.MaterializeResult(
        value=table, metadata={"rows": len(table), "distinct_pictures": len(distinct), **_quality(table)}
    )


def _quality(table: pl.DataFrame) -> dict[str, Any]:
    if table.is_empty():
        return {}
    means = {name: float(table[name].to_numpy().mean()) for name in ("saturation", "brightness", "red_dominance")}
    return {
        **{f"mean_{name}": round(value, 4) for name, value in means.items()},
        "sharpness": plots.histogram(table["sharpness"].log1p(), "Sharpness", "log variance of Laplacian"),
        "usable_area": plots.histogram(table["usable_area"], "Usable area", "share of the frame"),
    }


@whole("images", kinds={"polars", "parquet"})
def deduplicated_images(
    products: pl.DataFrame, image_fingerprints: pl.DataFrame, data: DataRoot
) -> dg.MaterializeResult[pl.DataFrame]:
    """One row a picture with its duplicate cluster, whether it is kept, and its weight in training."""
    labelled = image_fingerprints.join(
        products.select("productid", "prdtypecode"), on="productid", how="left", maintain_order="left"
    )
    found = duplicates.deduplicate(labelled)
    return dg.MaterializeResult(
        value=found.table,
        metadata={
            "rows": len(found.table),
            "exact": found.exact,
            "near": found.near,
            "kept": int(found.table["kept"].sum()),
            "reduced_weight": int((found.table["sample_weight"].is_between(0, 1, closed="none")).sum()),
            "gallery": plots.gallery(_largest_clusters(found.table, data)),
        },
    )


def _largest_clusters(table: pl.DataFrame, data: DataRoot) -> list[list[bytes | Image]]:
    near = table.filter(pl.col("kind") == "near")["cluster_id"].unique()
    groups = table.filter(pl.col("cluster_id").is_in(near.implode())).group_by("cluster_id", maintain_order=True)
    chosen = groups.agg(pl.col("sha256").unique(maintain_order=True).head(SHOWN)).head(SHOWN)
    return [[read_picture(data.path, name) for name in row] for row in chosen["sha256"]]


@per_batch("images", kinds={"polars", "parquet", "pillow"})
def prepared_images(
    image_fingerprints: pl.DataFrame, data: DataRoot, preparation: Preparation
) -> dg.MaterializeResult[pl.DataFrame]:
    """What is done to each picture before a model sees it, and its quality before and after.

    The treatment is a function of the picture and the settings, so the pixels are made anew where they are
    needed, at training and at serving alike, and never drift apart from a stored copy.
    """
    distinct = image_fingerprints["sha256"].unique(maintain_order=True)
    settings = preparation.settings
    rows = ahead(lambda name: images.prepared_quality(read_picture(data.path, name), settings), distinct)
    table = pl.DataFrame(list(rows), schema=PREPARED)
    return dg.MaterializeResult(
        value=table,
        metadata={"rows": len(table), **_treatments(table), **_before_after(table, data, settings)},
    )


def _treatments(table: pl.DataFrame) -> dict[str, int]:
    return {name: int(table[name].sum()) for name in Treatments._fields}


def _before_after(table: pl.DataFrame, data: DataRoot, settings: PreparationSettings) -> dict[str, Any]:
    if table.is_empty():
        return {}
    rows: list[list[bytes | Image]] = []
    for name in table.filter(pl.any_horizontal(*Treatments._fields))["sha256"].head(SHOWN):
        original = read_picture(data.path, name)
        rows.append([original, prepare(images.open_rgb(original), settings)])
    title = "Red dominance before and after"
    return {
        "red_dominance": plots.compare(
            table["red_dominance_before"], table["red_dominance_after"], title, "red / (red + green + blue)"
        ),
        "sharpness": plots.compare(
            table["sharpness_before"].log1p(),
            table["sharpness_after"].log1p(),
            "Sharpness before and after",
            "log variance of Laplacian",
        ),
        "treated": plots.gallery(rows),
    }
