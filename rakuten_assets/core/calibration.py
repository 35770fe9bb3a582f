"""Confidence that can be believed: temperature scaling, with a temperature that may depend on it, and its measure."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Log-probability of a class that a model has never seen: small, and still finite for what reads it.
NEVER = -30.0

# Log of the most by which a calibration sharpens a row. Only a model that knows nothing would ask for more.
SHARPEST = 5.0


def log_softmax(scores: Array) -> Array:
    """Row-wise log of the softmax of `scores` (rows x classes)."""
    from scipy.special import log_softmax as scipy_log_softmax

    return np.asarray(scipy_log_softmax(np.asarray(scores, dtype=np.float64), axis=1))


def fit_temperature(scores: Array, labels: NDArray[np.intp]) -> float:
    """Factor that makes softmax(factor * scores) most likely to give `labels` (class positions).

    Guo et al. 2017, "On Calibration of Modern Neural Networks", with the factor's inverse as temperature.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_factor: float) -> float:
        return float(-log_softmax(np.exp(log_factor) * scores)[rows, labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 4.0), method="bounded").x))


@dataclass(frozen=True)
class Calibration:
    """Scores as log-probabilities that are as sure as they are right; the likeliest class stays what it is.

    After a common temperature, each row is sharpened by exp(`shift` + `slope` times its own confidence): one
    temperature for all leaves the sure answers of a margin classifier too sure and the unsure ones too unsure. After
    Tomani, Cremers and Buettner 2022, "Parameterized Temperature Scaling".
    """

    factor: float = 1.0
    shift: float = 0.0
    slope: float = 0.0

    @classmethod
    def fit(cls, scores: Array, labels: NDArray[np.intp]) -> Self:
        """The calibration that makes `labels` (class positions) likeliest, on rows that nothing was learnt from."""
        from scipy.optimize import minimize

        plain, rows = cls(fit_temperature(scores, labels)), np.arange(len(labels))
        scaled = plain.log_proba(scores)

        def loss(found: Array) -> float:
            return float(-cls(1.0, *found).log_proba(scaled)[rows, labels].mean())

        shift, slope = minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxiter": 200}).x
        return cls(plain.factor, float(shift), float(slope))

    def log_proba(self, scores: Array) -> Array:
        """Log-probabilities (rows x classes) from `scores` (rows x classes)."""
        scaled = log_softmax(self.factor * scores)
        confidence = np.exp(scaled.max(axis=1, keepdims=True)) if len(scaled) else np.empty((0, 1))
        return log_softmax(scaled * np.exp(np.clip(self.shift + self.slope * confidence, -SHARPEST, SHARPEST)))


def expected_calibration_error(confidence: Array, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equal-width bins, weighted by their rows (0 to 1)."""
    if not len(confidence):
        return float("nan")
    return float(sum(row[3] * abs(row[0] - row[1]) for row in reliability(confidence, correct, bins)))


def reliability(confidence: Array, correct: NDArray[np.bool_], bins: int = 15) -> list[tuple[float, float, int, float]]:
    """(mean confidence, accuracy, rows, share of rows) of each bin that has rows: the reliability diagram."""
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    inside = [place == position for position in range(bins)]
    return [
        (float(confidence[rows].mean()), float(correct[rows].mean()), int(rows.sum()), float(rows.mean()))
        for rows in inside
        if rows.any()
    ]
