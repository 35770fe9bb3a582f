"""A linear classifier over the 27 categories: margins, and the probabilities they stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.calibration import NEVER, log_softmax
from rakuten_assets.core.taxonomy import CODES, INDEX

Array = NDArray[np.float64]

Loss = Literal["hinge", "squares", "logistic"]
"""Support vector machines by liblinear, ridge regressions, or logistic regressions by stochastic gradient descent."""


@dataclass(frozen=True)
class LinearClassifier:
    """One-against-rest margins with one scale; `weights` is features x 27, `bias` is 27."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: float = 1.0

    @classmethod
    def fit(
        cls,
        vectors: Any,
        codes: NDArray[np.int64],
        row_weights: Array,
        c: float,
        balance: float,
        loss: Loss = "hinge",
    ) -> Self:
        """Fit on `vectors` (rows x features, dense or sparse) with the inverse `c` of the regularisation.

        `balance` from 0 (as delivered) to 1 (each class weighs the same) lifts the rare classes.
        A category without rows gets no margin and so no probability.
        """
        if len(np.unique(codes)) == 1:
            return cls._of_one_category(vectors.shape[1], int(codes[0]))
        machine = _machine(loss, c, vectors.shape[0])
        machine.fit(vectors, codes, sample_weight=row_weights * class_weights(codes, balance))
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


def _machine(loss: Loss, c: float, rows: int) -> Any:
    if loss == "hinge":
        from sklearn.svm import LinearSVC

        return LinearSVC(C=c, tol=1e-3, dual="auto", random_state=0)
    if loss == "squares":
        from sklearn.linear_model import RidgeClassifier

        # The machine's objective with squares of all rows, not of those within the margin alone: one factorisation
        # is for all classes.
        return RidgeClassifier(alpha=1 / (2 * c))
    from sklearn.linear_model import SGDClassifier

    # The same objective as a machine's of this C: there the regularisation is divided by the rows, here it is not.
    return SGDClassifier(loss="log_loss", alpha=1 / (c * rows), max_iter=50, early_stopping=False, random_state=0)


def both_sides(coef: Array, intercept: Array) -> tuple[Array, Array]:
    """A row a class: of two classes scikit-learn keeps the second's alone, since the first's is its opposite."""
    coef = np.atleast_2d(coef)
    if len(coef) > 1:
        return coef, intercept
    return np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])


def positions(codes: NDArray[np.int64]) -> NDArray[np.intp]:
    """Class positions (0 to 26) of category codes."""
    return np.searchsorted(np.array(CODES), codes)


def class_weights(codes: NDArray[np.int64], balance: float) -> Array:
    """A factor for each row: 1 at a `balance` of 0, inverse to the size of its class at 1."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    weights = (len(codes) / (len(counts) * counts)) ** balance
    return np.asarray(weights[inverse])
