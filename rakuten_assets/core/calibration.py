"""Confidence that can be believed: temperature scaling, and how to measure it."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Log-probability of a class that a model has never seen: small, and still finite for what reads it.
NEVER = -30.0


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
