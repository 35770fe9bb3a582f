from typing import get_args

import numpy as np
import pytest

from rakuten_assets.core.calibration import log_softmax
from rakuten_assets.core.fusion import Fusion, Opinions, Strategy
from rakuten_assets.core.taxonomy import CODES

STRATEGIES = get_args(Strategy)
LEARNT = [name for name in STRATEGIES if name not in ("max", "vote", "pool")]


def opinions_on(labels, rng, text_sureness=1.5, image_sureness=1.0):
    """Opinions that favour the right answer, the text more than the image; some of each are missing."""
    right = np.eye(len(CODES))[labels]
    text, image = (
        log_softmax(rng.normal(size=right.shape) + 2 * sureness * right) for sureness in (text_sureness, image_sureness)
    )
    fate = rng.integers(0, 4, len(labels))
    text[fate == 1], image[fate == 2] = np.nan, np.nan
    return Opinions(text, image)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, len(CODES), n) for name, n in (("train", 3000), ("validation", 2000))}
    return {name: (opinions_on(found, rng), found) for name, found in labels.items()}


@pytest.fixture(scope="module", params=STRATEGIES)
def fusion(request, rows):
    fitted = Fusion.fit(request.param, *rows["train"], *rows["validation"])
    assert fitted.method == request.param
    return fitted


def accuracy(log_proba, labels):
    return (log_proba.argmax(1) == labels).mean()


def test_two_opinions_are_better_than_either(fusion, rows):
    opinions, labels = rows["validation"]
    both = opinions.has_text & opinions.has_image
    fused = accuracy(fusion.log_proba(opinions[both]), labels[both])
    assert fused > max(accuracy(opinions.text[both], labels[both]), accuracy(opinions.image[both], labels[both]))


def test_one_opinion_alone_is_the_answer(fusion, rows):
    opinions, _ = rows["validation"]
    for only, part in ((~opinions.has_image, opinions.text), (~opinions.has_text, opinions.image)):
        assert (fusion.log_proba(opinions[only]).argmax(1) == part[only].argmax(1)).all()


def test_too_few_rows_are_pooled_rather_than_stacked(rows):
    (opinions, labels), validation = rows["train"], rows["validation"]
    fitted = Fusion.fit("stack-xgboost", opinions[:500], labels[:500], *validation)
    text, image = fitted.pool_weights
    assert text > image > 0
    assert "nothing was stacked" in fitted.method


def test_answers_are_probabilities(fusion, rows):
    answers = np.exp(fusion.log_proba(rows["validation"][0]))
    assert np.isfinite(answers).all()
    assert np.allclose(answers.sum(1), 1)


def test_a_fusion_comes_back_from_disk_as_it_was(fusion, rows, tmp_path):
    fusion.save(tmp_path)
    again = Fusion.load(tmp_path)
    opinions, _ = rows["validation"]
    assert np.allclose(again.log_proba(opinions), fusion.log_proba(opinions), atol=1e-12)


@pytest.mark.parametrize("strategy", LEARNT)
def test_two_classes_are_told_apart(strategy):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 3000)
    opinions = opinions_on(labels, rng)
    fitted = Fusion.fit(strategy, opinions, labels, opinions, labels)
    assert accuracy(fitted.log_proba(opinions), labels) > 0.8


def test_a_fusion_that_learnt_nothing_pools_and_comes_back_from_disk(rows, tmp_path):
    opinions, _ = rows["validation"]
    unfitted = Fusion("stack-xgboost")
    assert unfitted.pool_weights == (1.0, 1.0)
    unfitted.save(tmp_path)
    again = Fusion.load(tmp_path)
    assert (again.log_proba(opinions) == unfitted.log_proba(opinions)).all()
    assert again.method.startswith("pool")


def test_confidence_is_fitted_for_each_kind_of_evidence(rows):
    """The text says it three times as surely as it knows; where it decides alone, its confidence is taken back."""
    (opinions, labels), (watched, answers) = rows["train"], rows["validation"]
    boasted = [Opinions(log_softmax(3 * part.text), part.image) for part in (opinions, watched)]
    modest = Fusion.fit("pool", opinions, labels, watched, answers).calibrations
    boasting = Fusion.fit("pool", boasted[0], labels, boasted[1], answers).calibrations
    assert boasting[0].factor == pytest.approx(modest[0].factor / 3, rel=0.05)
    assert boasting[1] == modest[1]


def test_what_an_answer_rests_on_is_said():
    nothing, something = np.full((1, 27), np.nan), np.zeros((1, 27))
    cases = {"text": (something, nothing), "image": (nothing, something), "both": (something, something)}
    assert {name: Opinions(*pair).rests_on for name, pair in cases.items()} == {n: [n] for n in cases}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_class_that_is_missing_from_the_training_rows_breaks_nothing(strategy, rows):
    opinions, labels = rows["train"]
    known = labels > 2
    fitted = Fusion.fit(strategy, opinions[known], labels[known], *rows["validation"])
    assert np.isfinite(fitted.log_proba(opinions)).all()
