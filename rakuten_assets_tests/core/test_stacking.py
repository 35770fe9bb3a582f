from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from rakuten_assets.core.calibration import expected_calibration_error, log_softmax
from rakuten_assets.core.stacking import ENOUGH_TO_STACK, Combination, Strategy
from rakuten_assets.core.taxonomy import CODES

STRATEGIES = get_args(Strategy)
LEARNT = [name for name in STRATEGIES if name not in ("max", "vote", "pool")]
CLASSES = len(CODES)


def opinions_on(labels, rng, sureness=(1.5, 1.0, 0.8)):
    """Calibrated log-probabilities (models x rows x 27) of models that are the better the surer they are."""
    right = np.eye(CLASSES)[labels]
    noisy = [2 * sure * right + rng.normal(size=right.shape) for sure in sureness]
    return np.stack([log_softmax(2 * sure * part) for sure, part in zip(sureness, noisy, strict=True)])


def accuracy(log_proba, labels):
    return (log_proba.argmax(1) == labels).mean()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, CLASSES, n) for name, n in (("train", 2000), ("test", 2000))}
    return {name: (opinions_on(found, rng), found) for name, found in labels.items()}


@pytest.fixture(scope="module", params=STRATEGIES)
def combination(request, rows):
    fitted = Combination.fit(request.param, *rows["train"])
    assert fitted.method == request.param
    return fitted


def test_three_opinions_are_better_than_the_best_of_them(combination, rows):
    opinions, labels = rows["test"]
    assert accuracy(combination.log_proba(opinions), labels) > max(accuracy(each, labels) for each in opinions) + 0.02


def test_confidence_can_be_believed(combination, rows):
    opinions, labels = rows["test"]
    found = combination.log_proba(opinions)
    assert np.allclose(np.exp(found).sum(1), 1)
    assert expected_calibration_error(np.exp(found.max(1)), found.argmax(1) == labels) < 0.05


def test_a_combination_comes_back_from_disk_as_it_was(combination, rows, tmp_path):
    combination.save(tmp_path)
    again = Combination.load(tmp_path)
    opinions, _ = rows["test"]
    assert again.method == combination.method
    assert np.allclose(again.log_proba(opinions), combination.log_proba(opinions), atol=1e-12)
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} <= {".json", ".safetensors", ".ubj"}


def test_an_answer_does_not_depend_on_who_else_is_asked_about(combination, rows):
    opinions, _ = rows["test"]
    assert np.allclose(combination.log_proba(opinions[:, :1]), combination.log_proba(opinions)[:1], atol=1e-6)


def test_a_class_that_no_row_has_stays_in_its_column_and_is_never_the_answer(rows):
    opinions, labels = rows["train"]
    known = (labels != 0) & (labels != 13)
    for strategy in ("stack-logistic", "stack-kernel", "stack-svm", "vote-stack"):
        fitted = Combination.fit(strategy, opinions[:, known], labels[known])
        found = fitted.log_proba(rows["test"][0])
        assert found.shape == rows["test"][0][0].shape
        assert np.isfinite(found).all()
        assert not np.isin(found.argmax(1), (0, 13)).any()
        assert accuracy(found[rows["test"][1] > 13], rows["test"][1][rows["test"][1] > 13]) > 0.5


@pytest.mark.parametrize("strategy", ["vote-by-class", "stack-logistic", "stack-xgboost"])
def test_the_same_rows_give_the_same_answer(strategy, rows):
    once, again = (Combination.fit(strategy, *rows["train"]).log_proba(rows["test"][0]) for _ in range(2))
    assert (once == again).all()


@pytest.mark.parametrize("strategy", LEARNT)
def test_too_few_rows_are_pooled_and_that_is_said(strategy, rows):
    opinions, labels = rows["train"]
    few = slice(ENOUGH_TO_STACK - 1)
    fitted = Combination.fit(strategy, opinions[:, few], labels[few])
    pooled = Combination.fit("pool", opinions[:, few], labels[few])
    assert fitted.method.startswith("pool")
    assert "nothing was stacked" in fitted.method
    assert np.allclose(fitted.log_proba(opinions), pooled.log_proba(opinions))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_rows_every_model_counts_the_same(strategy, rows):
    opinions, _ = rows["test"]
    fitted = Combination.fit(strategy, opinions[:, :0], np.empty(0, np.intp))
    assert np.allclose(fitted.log_proba(opinions), fitted.log_proba(opinions[::-1]))


def test_a_model_that_knows_nothing_does_no_harm(rows):
    (opinions, labels), (asked, truth) = rows["train"], rows["test"]
    noise = [log_softmax(4 * np.random.default_rng(1).normal(size=part[:1].shape)[0]) for part in (opinions, asked)]
    with_it, asked_too = np.stack([*opinions, noise[0]]), np.stack([*asked, noise[1]])
    for strategy in ("vote", "pool", "stack-logistic"):
        fitted = Combination.fit(strategy, with_it, labels)
        alone = Combination.fit(strategy, opinions, labels)
        found, usual = fitted.log_proba(asked_too), alone.log_proba(asked)
        assert accuracy(found, truth) > accuracy(usual, truth) - 0.01
        assert fitted.vote[3] == fitted.vote.min()
        assert fitted.pool[3] < 0.05
    equal = Combination.unfitted("vote", 4).log_proba(asked_too)
    assert (
        accuracy(equal, truth) < accuracy(Combination.fit("vote", with_it, labels).log_proba(asked_too), truth) - 0.02
    )


def test_hardly_any_weights_vote_better(rows):
    opinions, labels = rows["train"]

    def right(weights):
        return accuracy(np.tensordot(weights, np.exp(opinions), 1), labels)

    others = [right(weights) for weights in np.random.default_rng(0).dirichlet(np.ones(3), 200)]
    assert right(Combination.fit("vote", opinions, labels).vote) >= np.quantile(others, 0.95)


def test_the_pool_has_the_likeliest_weights_of_all(rows):
    opinions, labels = rows["train"]
    fitted = Combination.fit("pool", opinions, labels)

    def likelihood(weights):
        pooled = replace(fitted, pool=weights).pooled(opinions)
        return pooled[np.arange(len(labels)), labels].mean()

    best = likelihood(fitted.pool)
    near = np.random.default_rng(0).normal(scale=0.1, size=(50, 3))
    assert best >= max(likelihood(fitted.pool + step) for step in near)


def split_experts(rng, n):
    """Two models, each of which knows one half of the classes and is sure and wrong about the other."""
    labels = rng.integers(0, CLASSES, n)
    right, wrong = np.eye(CLASSES)[labels], np.eye(CLASSES)[rng.integers(0, CLASSES, n)]
    low = (labels < 13)[:, None]
    opinions = [np.where(knows, 4 * right, 4 * wrong) + 0.5 * rng.normal(size=right.shape) for knows in (low, ~low)]
    return log_softmax(opinions[0]), log_softmax(opinions[1]), labels


def test_trust_by_class_finds_out_who_knows_what():
    rng = np.random.default_rng(0)
    first, second, labels = split_experts(rng, 3000)
    *asked, truth = split_experts(rng, 2000)
    by_class, common = (Combination.fit(name, np.stack([first, second]), labels) for name in ("vote-by-class", "vote"))
    trust = by_class.learnt["trust"]
    assert (trust[0, :13] > trust[1, :13]).all()
    assert (trust[0, 13:] < trust[1, 13:]).all()
    found, usual = (accuracy(each.log_proba(np.stack(asked)), truth) for each in (by_class, common))
    assert found > usual + 0.1


@pytest.mark.parametrize("strategy", ["stack-logistic", "stack-kernel", "stack-xgboost", "vote-stack", "blend"])
def test_a_stacker_learns_what_both_models_confuse(strategy):
    """Both give class 5 the second place wherever it is the truth: no weight of theirs can say so."""
    rng = np.random.default_rng(0)

    def asked(n):
        labels = rng.choice([4, 5], n)
        seen = 3 * np.eye(CLASSES)[np.full(n, 4)] + 2 * np.eye(CLASSES)[np.where(labels == 5, 5, 6)]
        return np.stack([log_softmax(seen + 0.3 * rng.normal(size=seen.shape)) for _ in range(2)]), labels

    opinions, labels = asked(1500)
    others, truth = asked(500)
    assert accuracy(Combination.fit("pool", opinions, labels).log_proba(others), truth) < 0.7
    assert accuracy(Combination.fit(strategy, opinions, labels).log_proba(others), truth) > 0.95


def test_opinions_that_call_the_truth_impossible_break_nothing(rows):
    opinions, labels = (part.copy() for part in rows["train"])
    opinions[:, np.arange(5), labels[:5]] = -np.inf
    for strategy in ("vote", "pool", "vote-by-class", "stack-xgboost"):
        assert np.isfinite(Combination.fit(strategy, opinions, labels).log_proba(opinions)).all()


def test_one_opinion_or_a_missing_one_is_refused(rows):
    opinions, labels = (part.copy() for part in rows["train"])
    with pytest.raises(ValueError, match="two opinions"):
        Combination.fit("vote", opinions[:1], labels)
    opinions[1, 7] = np.nan
    with pytest.raises(ValueError, match="all of them"):
        Combination.fit("vote", opinions, labels)
