import numpy as np
import pytest

from rakuten_assets.core.learners import VectorSettings, cross_fit
from rakuten_assets.core.linear import LinearClassifier, positions
from rakuten_assets.core.taxonomy import CODES


@pytest.fixture
def clouds():
    """Three categories as clouds of points."""
    rng = np.random.default_rng(0)
    codes = np.repeat([10, 40, 2905], 60)
    centres = {10: (3, 0), 40: (0, 3), 2905: (-3, -3)}
    return np.array([rng.normal(centres[code], 1.0) for code in codes], np.float32), codes


@pytest.fixture(params=["hinge", "squares", "logistic"])
def loss(request):
    return request.param


def test_the_categories_of_the_clouds_are_found(clouds, loss):
    vectors, codes = clouds
    model = LinearClassifier.fit(vectors, codes, np.ones(len(codes)), 1.0, 0.0, loss)
    right = np.array(CODES)[model.log_proba(vectors).argmax(1)] == codes
    assert right.mean() > 0.9


def test_a_category_that_was_never_seen_is_never_answered(clouds, loss):
    vectors, codes = clouds
    model = LinearClassifier.fit(vectors, codes, np.ones(len(codes)), 1.0, 0.0, loss)
    unseen = [at for at, code in enumerate(CODES) if code not in (10, 40, 2905)]
    assert np.exp(model.log_proba(vectors)[:, unseen]).max() < 1e-6


def test_two_categories_are_enough(clouds, loss):
    vectors, codes = clouds
    two = codes != 40
    model = LinearClassifier.fit(vectors[two], codes[two], np.ones(two.sum()), 1.0, 0.0, loss)
    assert (np.array(CODES)[model.log_proba(vectors[two]).argmax(1)] == codes[two]).mean() > 0.95


def test_one_category_is_answered_with_itself(clouds, loss):
    vectors, codes = clouds
    one = codes == 40
    model = LinearClassifier.fit(vectors[one], codes[one], np.ones(one.sum()), 1.0, 0.0, loss)
    assert (np.array(CODES)[model.log_proba(vectors).argmax(1)] == 40).all()


def test_out_of_fold_answers_come_from_models_that_never_saw_the_row(clouds):
    """A label that only one row has can be known to a model that saw it, and to no other."""
    vectors, codes = clouds
    codes = codes.copy()
    codes[0], vectors[0] = 2583, (50.0, 50.0)
    fitted = cross_fit(
        vectors, codes, np.ones(len(codes)), np.arange(len(codes)) % 4, VectorSettings(c=10.0, balance=1.0).fit
    )
    pool = positions(np.array([2583]))[0]
    assert fitted.classifier.log_proba(vectors[:1])[0].argmax() == pool
    assert fitted.log_proba[0].argmax() != pool


def test_a_ridge_regression_is_the_closed_form_of_weighted_squares(clouds):
    """Regularised as the machines are: half the squares of the weights, and `c` times those of the errors."""
    vectors, codes = clouds[0].astype(float), clouds[1]
    weights, c = np.where(codes == 40, 2.0, 1.0), 0.01
    model = LinearClassifier.fit(vectors, codes, weights, c, 0.0, "squares")
    shifted = vectors - np.average(vectors, axis=0, weights=weights)
    target = np.where(codes == 40, 1.0, -1.0)
    inverse = np.linalg.inv(shifted.T @ (weights[:, None] * shifted) + np.eye(2) / (2 * c))
    wanted = inverse @ shifted.T @ (weights * (target - np.average(target, weights=weights)))
    assert np.allclose(model.weights[:, positions(np.array([40]))[0]], wanted, atol=1e-5)


@pytest.mark.parametrize(("kind", "loss"), [("svm", "hinge"), ("ridge", "squares")])
def test_each_kind_makes_its_own_loss_small(clouds, kind, loss):
    vectors, codes = clouds
    ones = np.ones(len(codes))
    fitted = VectorSettings(kind, c=1.0, balance=0.0).fit(vectors, codes, ones)
    same = LinearClassifier.fit(vectors.astype(float), codes, ones, 1.0, 0.0, loss)
    assert np.array_equal(fitted.weights, same.weights)


def test_rows_of_weight_zero_teach_nothing(clouds):
    vectors, codes = clouds
    poisoned = np.where(np.arange(len(codes)) % 2, codes, 2583)
    weights = (poisoned == codes).astype(float)
    fitted = cross_fit(vectors, poisoned, weights, np.arange(len(codes)) % 4, VectorSettings(c=1.0, balance=0.0).fit)
    assert 2583 not in np.array(CODES)[fitted.classifier.log_proba(vectors).argmax(1)]


def test_a_classifier_comes_back_from_disk_as_it_was(clouds, tmp_path):
    vectors, codes = clouds
    model = LinearClassifier.fit(vectors, codes, np.ones(len(codes)), 1.0, 0.0)
    model.save(tmp_path / "m.safetensors")
    again = LinearClassifier.load(tmp_path / "m.safetensors")
    assert np.array_equal(again.log_proba(vectors), model.log_proba(vectors))
