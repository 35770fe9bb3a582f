"""The image model: an encoder, and what decides by its vectors or by the picture itself, saved as one folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from rakuten_assets.core import image_features
from rakuten_assets.core.embeddings import HandmadeFeatures, ImageEncoder, load_image_encoder
from rakuten_assets.core.image_networks import ImageNetwork
from rakuten_assets.core.linear import Array, LinearClassifier

# Landmarks of the kernel map. With fewer pictures each is one and the kernel is exact; with more, the time
# and memory of training stay linear in the number of pictures.
LANDMARKS = 1500

# Vectors mapped at once: their kernel rows are in memory in double precision.
CHUNK = 4096


class Block(NamedTuple):
    """Columns of a vector that are compared by themselves, and how much that comparison weighs."""

    start: int
    end: int
    weight: float = 1.0


def blocks_of(encoder: ImageEncoder) -> tuple[Block, ...]:
    """The blocks of an encoder's vectors, for `KernelMap.fit`; none where all columns are of one kind."""
    if not isinstance(encoder, HandmadeFeatures):
        return ()
    weights = image_features.WEIGHTS
    return tuple(Block(at.start, at.stop, weights.get(name, 1.0)) for name, at in image_features.BLOCKS.items())


@dataclass(frozen=True)
class KernelMap:
    """Coordinates in which a linear classifier is a kernel machine with a mean of Gaussian kernels.

    Each block of columns has a kernel of its own, as wide as its own distances ask for: in one Gaussian over all
    columns the blocks with the largest distances decide. Gehler and Nowozin 2009, "On Feature Combination for
    Multiclass Object Classification", find such a mean as good as weights that are learnt. The coordinates are
    those of Williams and Seeger 2001, "Using the Nyström Method to Speed Up Kernel Machines". `landmarks` is m x d,
    `whitening` m x m, `gamma` has a number a block.
    """

    landmarks: NDArray[np.float32]
    whitening: NDArray[np.float64]
    gamma: Array
    blocks: tuple[Block, ...]

    @classmethod
    def fit(cls, vectors: NDArray[np.float32], width: float, seed: int = 0, blocks: Sequence[Block] = ()) -> Self:
        """Choose landmarks among `vectors` (rows x d); `width` is in units of each block's median squared distance.

        Without `blocks`, all columns are one.
        """
        rows = np.random.default_rng(seed).permutation(len(vectors))[:LANDMARKS]
        landmarks = vectors[rows]
        parts = tuple(blocks) or (Block(0, vectors.shape[1]),)
        kernel, gamma = np.zeros((len(landmarks), len(landmarks))), []
        for block, share in zip(parts, _shares(parts), strict=True):
            cut = landmarks[:, block.start : block.end]
            distances = _squared_distances(cut, *_in_double(cut))
            gamma.append(1.0 / (width * max(float(np.median(distances)), 1e-12)))
            kernel += share * np.exp(-gamma[-1] * distances)
        values, axes = np.linalg.eigh(kernel)
        return cls(landmarks, axes / np.sqrt(np.maximum(values, 1e-6)), np.array(gamma), parts)

    def transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Coordinates (rows x m) of `vectors` (rows x d)."""
        parts = [self._transform(vectors[at : at + CHUNK]) for at in range(0, len(vectors), CHUNK)]
        return np.concatenate(parts or [np.empty((0, len(self.landmarks)), np.float32)])

    def _transform(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        kernel = np.zeros((len(vectors), len(self.landmarks)))
        for block, share, gamma, right in zip(self.blocks, _shares(self.blocks), self.gamma, self._right, strict=True):
            kernel += share * np.exp(-gamma * _squared_distances(vectors[:, block.start : block.end], *right))
        return np.asarray(kernel @ self.whitening, np.float32)

    @cached_property
    def _right(self) -> list[tuple[Array, Array]]:
        """The landmarks' side of the distances, computed once: for one picture it cost more than all the rest."""
        return [_in_double(self.landmarks[:, block.start : block.end]) for block in self.blocks]

    def save(self, file: Path) -> None:
        from safetensors.numpy import save_file

        tensors: dict[str, NDArray[Any]] = {
            "landmarks": self.landmarks,
            "whitening": np.ascontiguousarray(self.whitening),
            "gamma": self.gamma,
            "blocks": np.array(self.blocks, np.float64),
        }
        save_file(tensors, str(file))

    @classmethod
    def load(cls, file: Path) -> Self:
        from safetensors.numpy import load_file

        tensors = load_file(str(file))
        # Maps that were saved before there were blocks have one.
        saved = tensors.get("blocks", np.array([[0, tensors["landmarks"].shape[1], 1]]))
        blocks = tuple(Block(int(start), int(end), float(weight)) for start, end, weight in saved)
        return cls(tensors["landmarks"], tensors["whitening"], tensors["gamma"], blocks)


@dataclass(frozen=True)
class ImageModel:
    """Log-probabilities of the 27 categories from a prepared picture.

    A linear classifier decides by the encoder's vectors in the coordinates of `kernel`; a network by the picture
    itself. The encoder's vectors are also what similar products are found by.
    """

    encoder: ImageEncoder
    kernel: KernelMap | None
    classifier: LinearClassifier | ImageNetwork

    @property
    def reads_pictures(self) -> bool:
        """Whether it decides by pictures; if not, by the encoder's vectors."""
        return isinstance(self.classifier, ImageNetwork)

    def log_proba(self, pictures: Sequence[Image]) -> Array:
        """Log-probabilities (rows x 27) of prepared pictures."""
        if isinstance(self.classifier, ImageNetwork):
            return self.classifier.log_proba(pictures)
        return self.from_vectors(self.encoder.transform(pictures))

    def from_vectors(self, vectors: NDArray[np.float32]) -> Array:
        """Log-probabilities (rows x 27) of the encoder's vectors (rows x d); TypeError where pictures are wanted."""
        if self.kernel is None or isinstance(self.classifier, ImageNetwork):
            raise TypeError("This image model decides by pictures, not by vectors.")
        return self.classifier.log_proba(self.kernel.transform(vectors))

    def save(self, folder: Path) -> None:
        self.encoder.save(folder / "encoder")
        if self.kernel is not None:
            self.kernel.save(folder / "kernel.safetensors")
        self.classifier.save(folder / ("network" if self.reads_pictures else "classifier.safetensors"))

    @classmethod
    def load(cls, folder: Path) -> Self:
        encoder = load_image_encoder(folder / "encoder")
        if (folder / "network").exists():
            return cls(encoder, None, ImageNetwork.load(folder / "network"))
        classifier = LinearClassifier.load(folder / "classifier.safetensors")
        return cls(encoder, KernelMap.load(folder / "kernel.safetensors"), classifier)


def _shares(blocks: Sequence[Block]) -> Array:
    """What each block's kernel is of the whole; together 1."""
    weights = np.array([block.weight for block in blocks])
    return np.asarray(weights / weights.sum())


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
