"""The image model: an encoder, a kernel map and a linear classifier, saved as one folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from rakuten_assets.core.embeddings import ImageEncoder, load_image_encoder
from rakuten_assets.core.linear import Array, LinearClassifier

# Landmarks of the kernel map. With fewer pictures each is one and the kernel is exact; with more, the time
# and memory of training stay linear in the number of pictures.
LANDMARKS = 1500

# Vectors mapped at once: their kernel rows are in memory in double precision.
CHUNK = 4096


@dataclass(frozen=True)
class KernelMap:
    """Coordinates in which a linear classifier is a support vector machine with a Gaussian kernel.

    Williams and Seeger 2001, "Using the Nyström Method to Speed Up Kernel Machines". `landmarks` is m x d,
    `whitening` m x m.
    """

    landmarks: NDArray[np.float32]
    whitening: NDArray[np.float64]
    gamma: float

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], width: float, seed: int = 0) -> Self:
        """Choose landmarks among `vectors` (rows x d); `width` is in units of their median squared distance."""
        rows = np.random.default_rng(seed).permutation(len(vectors))[:LANDMARKS]
        landmarks = vectors[rows]
        distances = _squared_distances(landmarks, *_in_double(landmarks))
        gamma = 1.0 / (width * max(float(np.median(distances)), 1e-12))
        values, axes = np.linalg.eigh(np.exp(-gamma * distances))
        return cls(landmarks, axes / np.sqrt(np.maximum(values, 1e-6)), gamma)

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates (rows x m) of `vectors` (rows x d)."""
        parts = [self._transform(vectors[at : at + CHUNK]) for at in range(0, len(vectors), CHUNK)]
        return np.concatenate(parts or [np.empty((0, len(self.landmarks)), np.float32)])

    def _transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        kernel = np.exp(-self.gamma * _squared_distances(vectors, *self._right))
        return np.asarray(kernel @ self.whitening, np.float32)

    @cached_property
    def _right(self) -> tuple[Array, Array]:
        """The landmarks' side of the distances, computed once: for one picture it cost more than all the rest."""
        return _in_double(self.landmarks)

    def save(self, file: Path) -> None:
        from safetensors.numpy import save_file

        tensors: dict[str, NDArray[Any]] = {
            "landmarks": self.landmarks,
            "whitening": np.ascontiguousarray(self.whitening),
            "gamma": np.array([self.gamma]),
        }
        save_file(tensors, str(file))

    @classmethod
    def load(cls, file: Path) -> Self:
        from safetensors.numpy import load_file

        tensors = load_file(str(file))
        return cls(tensors["landmarks"], tensors["whitening"], float(tensors["gamma"][0]))


@dataclass(frozen=True)
class ImageModel:
    """Log-probabilities of the 27 categories from a prepared picture."""

    encoder: ImageEncoder
    kernel: KernelMap
    classifier: LinearClassifier

    def log_proba(self, pictures: Sequence[Image]) -> Array:
        """Log-probabilities (rows x 27) of prepared pictures."""
        return self.from_vectors(self.encoder.transform(pictures))

    def from_vectors(self, vectors: NDArray[np.float32]) -> Array:
        """Log-probabilities (rows x 27) of the encoder's vectors (rows x d)."""
        return self.classifier.log_proba(self.kernel.transform(vectors))

    def save(self, folder: Path) -> None:
        self.encoder.save(folder / "encoder")
        self.kernel.save(folder / "kernel.safetensors")
        self.classifier.save(folder / "classifier.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(
            load_image_encoder(folder / "encoder"),
            KernelMap.load(folder / "kernel.safetensors"),
            LinearClassifier.load(folder / "classifier.safetensors"),
        )


def _squared_distances(vectors: NDArray[np.float32], right: Array, right_squares: Array) -> Array:
    """Between `vectors` (rows x d) and what `_in_double` made of others (m x d): rows x m."""
    left, left_squares = _in_double(vectors)
    distances = left_squares[:, None] - 2 * left @ right.T + right_squares[None, :]
    return np.maximum(distances, 0)


def _in_double(vectors: NDArray[np.float32]) -> tuple[Array, Array]:
    """`vectors` (m x d) and their squared lengths (m), in double precision.

    In single precision, an answer would depend on who else is in the batch.
    """
    exact = vectors.astype(np.float64)
    return exact, (exact**2).sum(1)
