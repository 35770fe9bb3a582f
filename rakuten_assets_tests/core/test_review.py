import numpy as np
import pytest

from rakuten_assets.core.calibration import log_softmax
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.taxonomy import CODES, INDEX


def sure(code, confidence):
    """Log-probabilities (27): so sure of one category, the rest shared by the others."""
    row = np.full(len(CODES), (1 - confidence) / (len(CODES) - 1))
    row[INDEX[code]] = confidence
    return np.log(row)


def answered(code, right):
    """Validation rows that answer `code`, from a confidence of 0.40 upwards in steps of 0.01, and their labels."""
    rows = np.stack([sure(code, 0.4 + 0.01 * step) for step in range(len(right))])
    return rows, np.where(right, INDEX[code], INDEX[code] - 1)


def fitted(*parts, **options):
    rows, labels = zip(*parts, strict=True)
    return ReviewThresholds.fit(np.concatenate(rows), np.concatenate(labels), **options)


def test_the_threshold_is_the_lowest_confidence_from_which_answers_are_right_often_enough():
    # 36 answers are right, and the less sure ones wrong: of the 39 surest, (36 + 1) / (39 + 2) can be expected to be.
    generous = fitted(answered(10, np.arange(40) >= 4), target=0.9)
    strict = fitted(answered(10, np.arange(50) >= 14), target=0.9)
    assert generous.threshold(10) == pytest.approx(0.41)
    assert strict.threshold(10) == pytest.approx(0.51)


def test_a_few_right_answers_promise_nothing():
    """Ten right answers are what a model that is right nine times in ten often gives."""
    assert fitted(answered(10, np.ones(10, bool)), least=5).threshold(10) > 1
    assert fitted(answered(10, np.ones(40, bool)), least=5).threshold(10) == pytest.approx(0.4)


def test_what_was_promised_holds_on_the_rows_it_was_fitted_on():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, len(CODES), 5000)
    log_proba = log_softmax(rng.normal(size=(5000, len(CODES))) * 2 + 7 * np.eye(len(CODES))[labels])
    thresholds = ReviewThresholds.fit(log_proba, labels, target=0.95)
    alone = np.array([thresholds.reason(row) is None for row in log_proba])
    answers = log_proba.argmax(1)
    assert 0.2 < alone.mean() < 1
    for at in range(len(CODES)):
        assert (labels[alone & (answers == at)] == at).mean() >= 0.95


def test_a_category_with_few_rows_takes_the_common_threshold():
    few, many = answered(60, np.zeros(29, bool)), answered(10, np.arange(50) >= 14)
    thresholds = fitted(few, many)
    assert set(thresholds.by_code) == {10}
    assert thresholds.threshold(60) == thresholds.threshold(2905) == thresholds.common


def test_with_hardly_any_rows_at_all_half_is_enough():
    assert fitted(answered(10, np.zeros(29, bool))).threshold(10) == 0.5


def test_a_category_that_is_never_right_is_always_looked_at():
    review = fitted(answered(10, np.zeros(30, bool))).reason(sure(10, 1 - 1e-15))
    assert review.code == "low_confidence"
    assert "right less than 95% of the time" in review.text


def test_equal_confidences_stand_or_fall_together():
    rows = np.stack([sure(10, 0.8)] * 40)
    labels = np.where(np.arange(40) < 30, INDEX[10], INDEX[40])
    assert ReviewThresholds.fit(rows, labels).threshold(10) > 1


@pytest.mark.parametrize(("confidence", "code"), [(0.59, "low_confidence"), (0.61, None)])
def test_low_confidence_means_a_review(confidence, code):
    review = ReviewThresholds(common=0.9, by_code={2583: 0.6}).reason(sure(2583, confidence))
    assert (review and review.code) == code


def test_the_sentence_names_the_category_and_the_numbers():
    review = ReviewThresholds(common=0.9).reason(sure(2583, 0.7123))
    assert review.text == "The model is 71.2% sure of 'Pools and spas', which needs 90% to go without a review."


def test_certainty_is_not_claimed_where_there_is_none():
    assert "99.9% sure" in ReviewThresholds(common=2.0).reason(sure(10, 0.9999)).text


MISSING = np.full(len(CODES), np.nan)


@pytest.mark.parametrize(
    ("text", "image", "code"),
    [
        (sure(10, 0.8), sure(1281, 0.6), "text_and_picture_disagree"),
        (sure(10, 0.8), sure(10, 0.6), None),
        (sure(10, 0.8), sure(1281, 0.45), None),
        (sure(10, 0.45), sure(1281, 0.8), None),
        (sure(10, 0.8), MISSING, None),
        (MISSING, sure(1281, 0.8), None),
        (sure(10, 0.8), None, None),
        (None, None, None),
    ],
)
def test_two_sure_opinions_that_differ_are_a_reason(text, image, code):
    review = ReviewThresholds().reason(sure(10, 0.95), text, image)
    assert (review and review.code) == code
    if code:
        assert review.text == "The text says 'Used books' (80% sure), the picture says 'Board games' (60% sure)."


def test_no_answer_at_all_is_looked_at():
    assert ReviewThresholds().reason(MISSING).text.startswith("There is no answer")


def test_thresholds_come_back_from_disk_as_they_were(tmp_path):
    thresholds = fitted(answered(10, np.arange(50) >= 14), target=0.8)
    thresholds.save(tmp_path / "review.json")
    assert ReviewThresholds.load(tmp_path / "review.json") == thresholds


def test_a_folder_from_before_there_were_thresholds_takes_one_half(tmp_path):
    assert ReviewThresholds.load(tmp_path / "review.json").threshold(10) == 0.5
