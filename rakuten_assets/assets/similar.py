"""The known products that a new one is compared with."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import numpy as np
import polars as pl

from rakuten_assets.assets import training
from rakuten_assets.assets.common import whole
from rakuten_assets.core import embeddings, vectors
from rakuten_assets.core.similar import CHUNK, PRODUCTS, Matrix, Projection, Side, SimilarProducts, spaced

# Gold products that the neighbours are judged on: with so many a share is certain to two points.
JUDGED = 2000


@whole("models", kinds={"scikitlearn"}, io_manager_key="folders")
def similar_products(
    text_embeddings: Path, image_embeddings: pl.DataFrame, splits: pl.DataFrame, products: pl.DataFrame
) -> Iterator[dg.MaterializeResult[Path]]:
    """Labelled train and validation products with short vectors, in which the nearest to a new one are found."""
    rows = training.rows(splits, splits["text_weight"] + splits["image_weight"])
    known = (rows.train | rows.validation) & (rows.weights > 0)
    table = splits.join(products, on="productid", how="left", maintain_order="left").select(*PRODUCTS)
    text, text_units = _texts(text_embeddings, splits["productid"], known)
    image, image_units = _pictures(image_embeddings, table["image"], known)
    similar = SimilarProducts(
        table.filter(known), Side(text, text_units[known]), Side(image, image_units[known]) if image else None
    )
    judged = np.flatnonzero(rows.gold)[:JUDGED]
    with TemporaryDirectory() as name:
        folder = Path(name)
        similar.save(folder)
        yield dg.MaterializeResult(
            value=folder,
            metadata={
                "rows": int(known.sum()),
                "text_dimensions": text_units.shape[1],
                "image_dimensions": image_units.shape[1],
                "megabytes": sum(file.stat().st_size for file in folder.iterdir()) / 1e6,
                "gold_same_category": similar.agreement(text_units[judged], image_units[judged], rows.codes[judged]),
                "by_chance": _chance(rows.codes[judged], rows.codes[known]),
            },
        )


def _texts(folder: Path, productids: pl.Series, known: np.ndarray) -> tuple[Projection, Matrix]:
    """A projection that known products taught, and what it makes of all of them (products x dimensions)."""
    matrix, some = vectors.load(folder, productids)
    encoder = embeddings.load_text_encoder(folder / "encoder")
    learnt = np.flatnonzero(known & some)
    projection = Projection.of_texts(matrix[learnt[spaced(len(learnt))]], encoder)
    units = projection.transform(matrix)
    units[~some] = 0
    return projection, units


def _pictures(table: pl.DataFrame, images: pl.Series, known: np.ndarray) -> tuple[Projection | None, Matrix]:
    """The same of pictures: `images` names each product's, `table` has the vector of each; nothing to learn: None."""
    at = _places(table, images)
    learnt = np.unique(at[known & (at >= 0)])
    if not len(learnt):
        return None, np.zeros((len(images), 0), np.float32)
    projection = Projection.principal(vectors.matrix(table["vector"].gather(learnt[spaced(len(learnt))])))
    # Part by part: all vectors as one matrix would be a second copy of them.
    parts = [projection.transform(vectors.matrix(part["vector"])) for part in table.iter_slices(CHUNK)]
    units = np.concatenate(parts)[at]
    units[at < 0] = 0
    return projection, units


def _places(table: pl.DataFrame, images: pl.Series) -> np.ndarray:
    """The row of `table` that each of `images` (sha256) has, -1 for none."""
    first = table.select("sha256").with_row_index("at").unique("sha256", keep="first")
    own = pl.DataFrame({"sha256": images}).join(first, on="sha256", how="left", maintain_order="left")
    return own["at"].cast(pl.Int64).fill_null(-1).to_numpy()


def _chance(asked: np.ndarray, known: np.ndarray) -> float:
    """Share of known products of a query's own category: what neighbours drawn by lot would reach."""
    return float(np.mean([(known == code).mean() for code in asked])) if len(asked) else float("nan")
