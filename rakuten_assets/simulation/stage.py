"""What the story is played on: a delivery that the first champion learns from, and products that come after it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from rakuten_assets.core.delivery_files import find_files
from rakuten_assets.core.products import picture_name
from rakuten_assets.core.sample import FILES, FIRST_IMAGE_ID, Progress, write_sample
from rakuten_assets.core.taxonomy import CODES

# Of somebody's own catalogue, what the first champion learns from; the rest comes week by week.
LEARNT = 0.6


@dataclass(frozen=True)
class Stage:
    """`delivery` is a folder to ingest; `stream` has `productid`, `designation`, `description` and the true
    `prdtypecode`; `picture` reads a product's JPEG, None where products are texts alone.
    """

    delivery: Path
    stream: pl.DataFrame
    picture: Callable[[int], bytes | None] | None


def invented(folder: Path, products: int, stream: int, seed: int, progress: Progress | None = None) -> Stage:
    """A sample catalogue of `products`, and `stream` more of the same kind, of which the truth is known."""
    delivery, later = folder / "delivery", folder / "stream"
    write_sample(delivery, products, seed, progress=progress)
    truth = write_sample(later, stream, seed, first_id=products + 1, progress=progress)
    names = FILES["challenge"]
    # The catalogue has products without a usable picture, and so has what comes after it.
    without = {each for ids in truth.broken_images.values() for each in ids} | set(truth.missing_images)
    rows = pl.read_csv(later / names.products).with_columns(
        prdtypecode=pl.col("productid").replace_strict(truth.code, return_dtype=pl.Int64)
    )
    pictures = later / names.images

    def picture(productid: int) -> bytes | None:
        if productid in without:
            return None
        return (pictures / picture_name(FIRST_IMAGE_ID + productid, productid)).read_bytes()

    return Stage(delivery, _stream(rows), picture)


def own(source: Path, folder: Path, seed: int) -> Stage:
    """The texts of a labelled catalogue in the challenge's format, dealt out to the delivery and the stream."""
    files = find_files(source.resolve())
    if files.labels is None:
        raise ValueError(f"{source} has no labels: a story needs to know the truth.")
    # The index is the first column, and without a name.
    products, labels = (pl.read_csv(table, infer_schema=False) for table in (files.products, files.labels))
    index = products.columns[0]
    rows = products.join(labels.rename({labels.columns[0]: index}), on=index, how="inner", maintain_order="left")
    known = pl.col("prdtypecode").is_in([str(code) for code in CODES])
    rows = rows.filter(known & (pl.col("designation").fill_null("").str.strip_chars() != ""))
    rows = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    size = round(LEARNT * len(rows))
    delivery = folder / "delivery"
    delivery.mkdir(parents=True, exist_ok=True)
    first, names = rows.head(size), FILES["challenge"]
    first.select(pl.col(index).alias(""), *products.columns[1:]).write_csv(delivery / names.products)
    first.select(pl.col(index).alias(""), "prdtypecode").write_csv(delivery / names.labels)
    later = rows.tail(len(rows) - size).with_columns(pl.col("productid", "prdtypecode").cast(pl.Int64))
    return Stage(delivery, _stream(later), None)


def _stream(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("productid", "designation", "description", "prdtypecode")
