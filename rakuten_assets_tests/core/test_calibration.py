import numpy as np
import pytest

from rakuten_assets.core.calibration import (
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    reliability,
)


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_the_temperature_undoes_over_and_under_confidence(factor):
    rng = np.random.default_rng(0)
    honest = rng.normal(size=(4000, 5))
    labels = np.array([rng.choice(5, p=row) for row in np.exp(log_softmax(honest))])
    assert fit_temperature(honest / factor, labels) == pytest.approx(factor, rel=0.15)


@pytest.mark.parametrize(
    ("confidence", "correct", "error"),
    [
        ([0.5, 0.5], [True, False], 0.0),
        ([1.0, 1.0], [True, False], 0.5),
        ([0.9, 0.9, 0.1, 0.1], [True, True, False, False], 0.1),
    ],
)
def test_calibration_error_is_the_distance_of_confidence_from_accuracy(confidence, correct, error):
    assert expected_calibration_error(np.array(confidence), np.array(correct)) == pytest.approx(error)


def test_no_rows_have_no_calibration_error():
    assert np.isnan(expected_calibration_error(np.empty(0), np.empty(0, bool)))


def test_the_bins_hold_every_row():
    confidence = np.linspace(0, 1, 101)
    assert sum(rows for _, _, rows, _ in reliability(confidence, confidence > 0.5)) == 101
