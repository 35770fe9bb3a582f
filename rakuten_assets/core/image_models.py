"""The image model: an encoder, a kernel map and a linear classifier, saved as one folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from rakuten_assets.core.embeddings import ImageEncoder, load_image_encoder
from rakuten_assets.core.linear import Array, LinearClassifier

# Landmarks of the kernel map. With fewer pictures each is one and the kernel is exact; with more, the time
# and memory of training stay linear in the number of pictures.
LANDMARKS = 3000

# Vectors mapped at once: their kernel rows are in memory in double precision.
CHUNK = 4096


@dataclass(frozen=True)
class KernelMap:
    """Coordinates in which a linear classifier is a support vector machine with a Gaussian kernel.

    Williams and Seeger 2001, "Using the Nyström Method to Speed Up Kernel Machines". `landmarks` is m x d,
    `whitening` m x m, `centre` and `spread` d.
    """

    landmarks: NDArray[np.float32]
    whitening: NDArray[np.float64]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    gamma: float

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], gamma: float, seed: int = 0) -> Self:
        """Choose landmarks among `vectors` (rows x d); `gamma` is in units of 1 / d, after standardising."""
        centre, spread = vectors.mean(0), vectors.std(0) + np.float32(1e-6)
        scaled = (vectors - centre) / spread
        rows = np.random.default_rng(seed).permutation(len(scaled))[:LANDMARKS]
        landmarks, width = scaled[rows], gamma / vectors.shape[1]
        values, axes = np.linalg.eigh(_gaussian(landmarks, landmarks, width))
        whitening = axes / np.sqrt(np.maximum(values, 1e-6))
        return cls(landmarks, whitening, centre, spread, width)

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates (rows x m) of `vectors` (rows x d)."""
        parts = [self._transform(vectors[at : at + CHUNK]) for at in range(0, len(vectors), CHUNK)]
        return np.concatenate(parts or [np.empty((0, len(self.landmarks)), np.float32)])

    def _transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        scaled = (vectors - self.centre) / self.spread
        return np.asarray(_gaussian(scaled, self.landmarks, self.gamma) @ self.whitening, np.float32)

    def save(self, file: Path) -> None:
        from safetensors.numpy import save_file

        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in self._tensors()}
        save_file({**tensors, "gamma": np.array([self.gamma])}, str(file))

    @classmethod
    def load(cls, file: Path) -> Self:
        from safetensors.numpy import load_file

        tensors = load_file(str(file))
        return cls(*(tensors[name] for name in cls._tensors()), gamma=float(tensors["gamma"][0]))

    @staticmethod
    def _tensors() -> tuple[str, ...]:
        return ("landmarks", "whitening", "centre", "spread")


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


def _gaussian(left: NDArray[np.float32], right: NDArray[np.float32], gamma: float) -> NDArray[np.float64]:
    """Kernel matrix, in double precision: in single, the answer would depend on who else is in the batch."""
    left, right = left.astype(np.float64), right.astype(np.float64)
    distances = (left**2).sum(1)[:, None] - 2 * left @ right.T + (right**2).sum(1)[None, :]
    return np.exp(-gamma * np.maximum(distances, 0))
