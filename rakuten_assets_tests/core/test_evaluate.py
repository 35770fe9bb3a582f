import numpy as np
import pytest
from sklearn.metrics import f1_score

from rakuten_assets.core.evaluate import confusion_matrix, confusions, difference, judge, regressions, score
from rakuten_assets.core.linear import positions
from rakuten_assets.core.taxonomy import CODES


def answers(labels, right, seed=0):
    """Log-probabilities of a model that is right on a share of the rows."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(labels)) < right, labels, (labels + 1) % len(CODES))
    return np.log(np.full((len(labels), len(CODES)), 0.01) + 0.73 * np.eye(len(CODES))[said])


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(0, len(CODES), 600)


def test_the_difference_is_that_of_scikit_learn_and_lies_in_its_interval(labels):
    new, old = answers(labels, 0.9).argmax(1), answers(labels, 0.6, seed=2).argmax(1)
    found = difference(new, old, labels)
    expected = f1_score(labels, new, average="weighted") - f1_score(labels, old, average="weighted")
    assert found.value == pytest.approx(expected)
    assert 0 < found.low < found.value < found.high


def test_rows_without_an_answer_are_left_out_of_a_score(labels):
    log_proba = answers(labels, 1.0)
    log_proba[:100] = np.nan
    found = score(log_proba, labels)
    assert (found.n, found.weighted_f1) == (500, 1.0)


def test_no_rows_have_no_score_rather_than_a_zero(labels):
    assert score(np.full((600, 27), np.nan), labels) is None


@pytest.mark.parametrize(
    ("challenger", "champion", "promoted", "word"),
    [
        (0.9, None, True, "no champion"),
        (0.9, 0.7, True, "promoted"),
        (0.7, 0.9, False, "refused"),
    ],
)
def test_the_better_model_is_the_champion_afterwards(labels, challenger, champion, promoted, word):
    old = None if champion is None else answers(labels, champion, seed=3)
    verdict = judge(answers(labels, challenger), old, labels)
    assert verdict.promoted is promoted
    assert word in verdict.reason


def broken(labels):
    return np.full((len(labels), len(CODES)), np.nan)


@pytest.mark.parametrize(
    ("challenger", "champion"),
    [
        (broken, lambda labels: answers(labels, 0.5)),
        (lambda labels: answers(labels, 0.9), broken),
        (lambda labels: answers(labels, 0.9), lambda labels: answers(labels[:10], 0.5)),
    ],
    ids=["the challenger answers nothing", "the champion answers nothing", "other rows"],
)
def test_models_that_cannot_be_compared_are_refused(labels, challenger, champion):
    verdict = judge(challenger(labels), champion(labels), labels)
    assert not verdict.promoted
    assert "refused" in verdict.reason


def test_an_empty_gold_set_promotes_nothing():
    assert not judge(np.empty((0, 27)), None, np.empty(0, int)).promoted


def test_a_challenger_that_skips_a_row_is_refused(labels):
    partly = answers(labels, 1.0)
    partly[0] = np.nan
    assert not judge(partly, None, labels).promoted


def test_the_largest_losses_come_first(labels):
    worse = answers(labels, 1.0)
    worse[labels == 5] = answers(np.full((labels == 5).sum(), 6), 1.0)
    table = regressions(worse, answers(labels, 1.0), labels)
    assert table["code"][0] == CODES[5]
    assert table["change"][0] == pytest.approx(-1.0)


def test_the_documents_confusions_are_counted():
    truth = positions(np.array([10, 10, 2403, 40]))
    said = positions(np.array([2403, 10, 10, 2403]))
    table = confusions(np.log(np.eye(27)[said] + 1e-9), truth)
    assert table.row(0)[1:] == (3, 2)


def test_the_confusion_matrix_has_truth_down():
    matrix = confusion_matrix(np.array([1]), np.array([0]))
    assert matrix[0, 1] == 1
    assert matrix.sum() == 1
