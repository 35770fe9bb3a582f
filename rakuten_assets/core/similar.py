"""The known products that are most like a given one: by what their texts say and by what their pictures show."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets.core.embeddings import TextEncoder, TfidfEncoder

Matrix = NDArray[np.float32]

# Dimensions of the reduced vectors. Chosen on validation rows of the sample: half as many lose a sixth of the
# neighbours' agreement in category; 85,000 products take 130 MB, and each comparison reads them all.
TEXT_DIMENSIONS = 256
IMAGE_DIMENSIONS = 128

# A projection is fitted on so many vectors of so many terms (see `spaced`): the directions of a catalogue are seen in
# a part of it, and memory and time do not grow with it.
LEARNT_FROM = 20_000
TERMS = 20_000

# Vectors projected at once, and queries compared with all products at once: bounds what is in memory.
CHUNK = 4096
QUERIES = 128

PRODUCTS = {"productid": pl.Int64, "designation": pl.String, "prdtypecode": pl.Int32, "image": pl.String}
"""What is known of each product that can be found; `image` is its picture's sha256, null where it has none."""


@dataclass(frozen=True)
class SimilarProduct:
    """A known product, its category, and its likeness to the product asked about: a cosine, 1 for the same."""

    productid: int
    designation: str
    code: int
    image: str | None
    similarity: float


@dataclass(frozen=True)
class Projection:
    """From an encoder's vectors to few dimensions: the chosen `columns` (all where None) less `mean`, times `axes`."""

    axes: Matrix
    mean: Matrix
    columns: NDArray[np.int32] | None = None

    @classmethod
    def of_texts(cls, vectors: Any, encoder: TextEncoder) -> Self:
        """Fitted on vectors of texts (rows x dimensions) that `encoder` gave."""
        if isinstance(encoder, TfidfEncoder):
            return cls.latent_semantic(vectors, encoder.words)
        return cls.principal(vectors, TEXT_DIMENSIONS)

    @classmethod
    def latent_semantic(cls, vectors: Any, words: slice, dimensions: int = TEXT_DIMENSIONS) -> Self:
        """Fitted on sparse vectors (rows x terms), on the most frequent of the terms in the columns `words`.

        Deerwester et al. 1990, "Indexing by Latent Semantic Analysis".
        """
        from sklearn.decomposition import TruncatedSVD

        vectors = vectors[:, words]
        often = np.argsort(-np.bincount(vectors.indices, minlength=vectors.shape[1]), kind="stable")[:TERMS]
        columns = np.sort(often).astype(np.int32)
        chosen = vectors[:, columns]
        # Fewer than either side of the matrix, or the method has no room.
        size = max(1, min(dimensions, *(side - 1 for side in chosen.shape)))
        axes = _whitened(TruncatedSVD(size, random_state=0).fit(chosen))
        return cls(axes, np.zeros(len(columns), np.float32), columns + np.int32(words.start))

    @classmethod
    def principal(cls, vectors: Matrix, dimensions: int = IMAGE_DIMENSIONS) -> Self:
        """Fitted on dense vectors (rows x d): their principal components."""
        from sklearn.decomposition import PCA

        size = min(dimensions, *vectors.shape)
        fitted = PCA(size, svd_solver="randomized", random_state=0).fit(vectors)
        return cls(_whitened(fitted), fitted.mean_.astype(np.float32))

    def transform(self, vectors: Any) -> Matrix:
        """Rows of length 1 (rows x dimensions); zeros where a vector is zero or says nothing that is known."""
        parts = [self._transform(vectors[at : at + CHUNK]) for at in range(0, vectors.shape[0], CHUNK)]
        return np.concatenate(parts or [np.empty((0, self.axes.shape[1]), np.float32)])

    def _transform(self, vectors: Any) -> Matrix:
        if self.columns is not None:
            vectors = vectors[:, self.columns]
        found = np.asarray(vectors @ self.axes - self.mean @ self.axes, np.float32)
        found[np.asarray(abs(vectors).sum(1)).ravel() == 0] = 0
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 1e-6)

    def save(self, file: Path) -> None:
        from safetensors.numpy import save_file

        chosen = {} if self.columns is None else {"columns": self.columns}
        save_file({"axes": self.axes, "mean": self.mean, **chosen}, str(file))

    @classmethod
    def load(cls, file: Path) -> Self:
        from safetensors.numpy import load_file

        return cls(**load_file(str(file)))


@dataclass(frozen=True)
class Side:
    """One modality of the known products: unit vectors (products x dimensions), zeros where a product lacks it."""

    projection: Projection
    known: Matrix

    def save(self, folder: Path, name: str) -> None:
        self.projection.save(folder / f"{name}.safetensors")
        np.save(folder / f"{name}.npy", self.known, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self | None:
        """Mapped, not read: the processes that serve one folder share its pages."""
        if not (folder / f"{name}.npy").exists():
            return None
        known = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return cls(Projection.load(folder / f"{name}.safetensors"), known)


@dataclass(frozen=True)
class SimilarProducts:
    """Known products (`PRODUCTS`) with the vectors of their texts and of their pictures, a row a product."""

    products: pl.DataFrame
    text: Side | None
    image: Side | None

    def nearest(self, text_vectors: Any, image_vectors: Any, count: int = 5) -> list[list[SimilarProduct]]:
        """The `count` nearest known products of each query, the nearest first.

        The vectors are the encoders' own (queries x dimensions), a row of zeros where a query lacks a modality, None
        where all do (where both are None there are no queries). Likeness is the mean cosine over the modalities that
        the query has; a product that lacks one counts 0 there. A query that has nothing to compare finds nothing.
        """
        pairs = ((self.text, text_vectors), (self.image, image_vectors))
        units = [side.projection.transform(rows) if side and rows is not None else None for side, rows in pairs]
        return [
            [self._product(at, float(scores[at])) for at in _best(scores, count)] for scores in self._likeness(*units)
        ]

    def agreement(self, text: Matrix | None, image: Matrix | None, codes: NDArray[np.int64], count: int = 5) -> float:
        """Share of the `count` nearest that are of the query's own category; NaN where no query finds anything.

        The queries are unit vectors (queries x dimensions) as a `Projection` gives them, with their category codes.
        """
        known = self.products["prdtypecode"].to_numpy()
        rows = zip(self._likeness(text, image), codes, strict=True)
        shares = [float((known[_best(scores, count)] == code).mean()) for scores, code in rows if len(scores)]
        return float(np.mean(shares)) if shares else float("nan")

    def _likeness(self, text: Matrix | None, image: Matrix | None) -> Iterator[Matrix]:
        """Mean cosines of each query's unit vectors with all products; empty where it has nothing to compare."""
        pairs = [
            (side.known, rows) for side, rows in ((self.text, text), (self.image, image)) if side and rows is not None
        ]
        for at in range(0, len(pairs[0][1]) if pairs else 0, QUERIES):
            parts = [(known, rows[at : at + QUERIES]) for known, rows in pairs]
            total = np.sum([rows @ np.asarray(known).T for known, rows in parts], axis=0)
            heard = np.sum([rows.any(axis=1) for _, rows in parts], axis=0)
            for scores, modalities in zip(total, heard, strict=True):
                yield scores / np.float32(modalities) if modalities else scores[:0]

    def _product(self, at: int, similarity: float) -> SimilarProduct:
        productid, designation, code, image = self.products.row(at)
        return SimilarProduct(productid, designation or "", code, image, similarity)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.products.write_parquet(folder / "products.parquet")
        for name, side in (("text", self.text), ("image", self.image)):
            if side is not None:
                side.save(folder, name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(pl.read_parquet(folder / "products.parquet"), Side.load(folder, "text"), Side.load(folder, "image"))


def _whitened(fitted: Any) -> Matrix:
    """The axes of a decomposition, scaled so that each spreads the rows alike.

    Otherwise what all products have in common outweighs what tells them apart: half as many neighbours share a
    category. Jégou and Chum 2012, "Negative Evidences and Co-occurrences in Image Retrieval: the Benefit of PCA and
    Whitening".
    """
    spread = fitted.singular_values_
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-6 * spread[0])
    # Of the order of one, whatever the number of rows.
    return np.ascontiguousarray((fitted.components_ * (scale * spread[0])[:, None]).T, np.float32)


def _best(row: Matrix, count: int) -> NDArray[np.intp]:
    """Positions of the largest numbers, the largest first."""
    few = np.argpartition(-row, count - 1)[:count] if count < len(row) else np.arange(len(row))
    few.sort()
    return few[np.argsort(-row[few], kind="stable")]


def spaced(rows: int) -> slice:
    """At most `LEARNT_FROM` of so many rows, evenly spaced."""
    return slice(None, None, -(-rows // LEARNT_FROM) or 1)
