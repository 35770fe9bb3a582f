"""Matrices of embeddings on disk: sparse or dense, with the products that their rows belong to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray


def save(folder: Path, matrix: Any, productids: pl.Series, known: pl.Series) -> None:
    """Write a matrix (rows x dimensions), the product of each row, and whether there was anything to encode."""
    from scipy.sparse import issparse, save_npz

    folder.mkdir(parents=True, exist_ok=True)
    if issparse(matrix):
        save_npz(folder / "vectors.npz", matrix, compressed=False)
    else:
        np.save(folder / "vectors.npy", matrix, allow_pickle=False)
    pl.DataFrame({"productid": productids, "known": known}).write_parquet(folder / "rows.parquet")


def load(folder: Path, productids: pl.Series) -> tuple[Any, NDArray[np.bool_]]:
    """The matrix, and which of its rows stand for something.

    Raises ValueError where its rows are not those of `productids`: it was made from another catalogue.
    """
    from scipy.sparse import load_npz

    sparse, dense = folder / "vectors.npz", folder / "vectors.npy"
    matrix = load_npz(sparse) if sparse.exists() else np.load(dense, allow_pickle=False)
    rows = pl.read_parquet(folder / "rows.parquet")
    if not rows["productid"].equals(productids):
        raise ValueError("The vectors are of other products than the splits: materialise them again.")
    return matrix, rows["known"].to_numpy()


def column(rows: Sequence[NDArray[np.float32]]) -> pl.Series:
    """Vectors as a column of a table."""
    # Polars makes an array type of vectors of one length, which would differ from that of an empty batch.
    return pl.Series("vector", rows).cast(pl.List(pl.Float32))


def matrix(column: pl.Series) -> NDArray[np.float32]:
    """A column of vectors of one length as a matrix (rows x dimensions)."""
    if column.is_empty():
        return np.empty((0, 0), np.float32)
    return column.explode().to_numpy().reshape(len(column), -1)
