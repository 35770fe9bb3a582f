"""A linear classifier over the 27 categories: margins, and the probabilities they stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, fit_temperature, log_softmax
from rakuten_assets.core.taxonomy import CODES, INDEX

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LinearClassifier:
    """One-against-rest margins with one scale; `weights` is features x 27, `bias` is 27."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: float = 1.0

    @classmethod
    def fit(cls, vectors: Any, codes: NDArray[np.int64], row_weights: Array, c: float, balance: float) -> Self:
        """Fit support vector machines (liblinear) on `vectors` (rows x features, dense or sparse).

        `balance` from 0 (as delivered) to 1 (each class weighs the same) lifts the rare classes.
        A category without rows gets no margin and so no probability.
        """
        from sklearn.svm import LinearSVC

        if len(np.unique(codes)) == 1:
            return cls._of_one_category(vectors.shape[1], int(codes[0]))
        machine = LinearSVC(C=c, tol=1e-3, dual="auto", random_state=0)
        machine.fit(vectors, codes, sample_weight=row_weights * _class_weights(codes, balance))
        weights = np.zeros((vectors.shape[1], len(CODES)), np.float32)
        bias = np.full(len(CODES), NEVER, np.float32)
        at = [INDEX[int(code)] for code in machine.classes_]
        coef, intercept = both_sides(machine.coef_, machine.intercept_)
        weights[:, at], bias[at] = coef.T, intercept
        return cls(weights, bias)

    @classmethod
    def _of_one_category(cls, features: int, code: int) -> Self:
        """What one category alone can teach: to answer with it."""
        bias = np.full(len(CODES), NEVER, np.float32)
        bias[INDEX[code]] = 0
        return cls(np.zeros((features, len(CODES)), np.float32), bias)

    def margins(self, vectors: Any) -> Array:
        """Distances from each class's border (rows x 27)."""
        return np.asarray(vectors @ self.weights, dtype=np.float64) + self.bias

    def log_proba(self, vectors: Any) -> Array:
        """Log-probabilities (rows x 27)."""
        return log_softmax(self.scale * self.margins(vectors))

    def scaled(self, margins: Array, codes: NDArray[np.int64]) -> Self:
        """The same classifier with its scale fitted to margins on rows that it was not trained on."""
        return type(self)(self.weights, self.bias, fit_temperature(margins, positions(codes)))

    def save(self, file: Path) -> None:
        from safetensors.numpy import save_file

        file.parent.mkdir(parents=True, exist_ok=True)
        scale = np.array([self.scale])
        save_file({"weights": self.weights, "bias": self.bias, "scale": scale}, str(file))

    @classmethod
    def load(cls, file: Path) -> Self:
        from safetensors.numpy import load_file

        tensors = load_file(str(file))
        return cls(tensors["weights"], tensors["bias"], float(tensors["scale"][0]))


def both_sides(coef: Array, intercept: Array) -> tuple[Array, Array]:
    """A row a class: of two classes scikit-learn keeps the second's alone, since the first's is its opposite."""
    if len(coef) > 1:
        return coef, intercept
    return np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])


def positions(codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Class positions (0 to 26) of category codes."""
    return np.searchsorted(np.array(CODES), codes)


def _class_weights(codes: NDArray[np.int64], balance: float) -> Array:
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    weights = (len(codes) / (len(counts) * counts)) ** balance
    return np.asarray(weights[inverse])


@dataclass(frozen=True)
class CrossFit:
    """A classifier fitted on all rows, and for each row the log-probabilities of one that never saw its fold."""

    classifier: LinearClassifier
    log_proba: Array


def cross_fit(
    vectors: Any,
    codes: NDArray[np.int64],
    row_weights: Array,
    folds: NDArray[np.int64],
    *,
    c: float,
    balance: float,
) -> CrossFit:
    """Fit on all rows, and once without each fold; rows of weight 0 are predicted and never learnt from.

    The out-of-fold margins also fit the scale: the margins on rows that were trained on are too sure.
    """

    def fit(rows: NDArray[np.bool_]) -> LinearClassifier:
        # liblinear reads double precision; made here, its copy is of the chosen rows alone.
        return LinearClassifier.fit(vectors[rows].astype(np.float64), codes[rows], row_weights[rows], c, balance)

    # One after the other: liblinear copies the vectors twice, which bounds what fits into memory, and draws from
    # one random state a process, so that two threads at once would make the result a matter of luck.
    learn, parts = row_weights > 0, np.unique(folds)
    whole, *others = [fit(learn), *(fit(learn & (folds != part)) for part in parts)]
    margins = np.full((len(codes), len(CODES)), NEVER)
    for part, other in zip(parts, others, strict=True):
        margins[folds == part] = other.margins(vectors[folds == part])
    fitted = whole.scaled(margins[learn], codes[learn])
    return CrossFit(fitted, log_softmax(fitted.scale * margins))
