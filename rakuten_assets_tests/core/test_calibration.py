import numpy as np
import pytest

from rakuten_assets.core.calibration import (
    Calibration,
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


def test_a_row_that_is_too_sure_and_one_that_is_not_sure_enough_are_both_mended():
    """Scores whose top is boasted where it is high and shy where it is low: no temperature for all mends both."""
    rng = np.random.default_rng(0)
    honest = log_softmax(rng.normal(size=(20_000, 5)) * rng.uniform(0.2, 4, (20_000, 1)))
    labels = np.array([rng.choice(5, p=row) for row in np.exp(honest)])
    told = honest * np.exp(0.8 * np.exp(honest.max(1, keepdims=True)))
    learn, rest = slice(0, 10_000), slice(10_000, None)

    def error(log_proba):
        right = log_proba.argmax(1) == labels[rest]
        return expected_calibration_error(np.exp(log_proba.max(1)), right)

    fitted = Calibration.fit(told[learn], labels[learn])
    plain = Calibration(fit_temperature(told[learn], labels[learn]))
    assert error(fitted.log_proba(told[rest])) < error(plain.log_proba(told[rest])) / 2
    assert (fitted.log_proba(told).argmax(1) == told.argmax(1)).all()


def test_no_calibration_leaves_probabilities_as_they_are():
    scores = log_softmax(np.random.default_rng(0).normal(size=(7, 5)))
    assert Calibration().log_proba(scores) == pytest.approx(scores)
    assert Calibration(2.0, 0.1, 0.3).log_proba(np.empty((0, 5))).shape == (0, 5)
