import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from rakuten_assets.core.calibration import NEVER
from rakuten_assets.core.embeddings import TfidfEncoder
from rakuten_assets.core.explain_image import log_odds
from rakuten_assets.core.explain_text import explain_text
from rakuten_assets.core.forest import ForestClassifier, _sound
from rakuten_assets.core.learners import VectorSettings, cross_fit, with_students
from rakuten_assets.core.linear import positions
from rakuten_assets.core.rebalance import rebalanced
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_models import TextModel, TextSettings, as_rows
from rakuten_assets.core.text_networks import TextNetworkSettings

WORDS = {10: "roman poche livre", 40: "manette console jeu", 2583: "piscine pompe bâche"}


@pytest.fixture(scope="module")
def shelf():
    """Texts of three categories, which a word or two tells apart."""
    rng = np.random.default_rng(0)
    codes = np.repeat(list(WORDS), 40)
    noise = ["neuf", "lot", "de", "pour", "avec", "grand", "petit", "bleu"]
    texts = [
        f"{rng.choice(WORDS[code].split())} {' '.join(rng.choice(noise, 3))} {rng.choice(WORDS[code].split())}"
        for code in codes
    ]
    return texts, codes


@pytest.fixture(scope="module")
def encoder(shelf):
    return TfidfEncoder.fit(shelf[0])


SETTINGS = {
    "svm": TextSettings("svm"),
    "logistic": TextSettings("logistic", VectorSettings(c=3.0)),
    "forest": TextSettings("forest", VectorSettings(trees=30)),
    "fasttext": TextSettings("fasttext", network=TextNetworkSettings(kind="fasttext", epochs=12)),
}


@pytest.fixture(scope="module", params=SETTINGS)
def model(request, shelf, encoder):
    settings, (texts, codes) = SETTINGS[request.param], shelf
    rows = as_rows(texts) if settings.reads_texts else encoder.transform(texts)
    learn = settings.learner((texts[::5], codes[::5]))
    return TextModel(encoder, learn(rows, codes, np.ones(len(codes))))


def answers(model, texts):
    return np.array(CODES)[model.log_proba(texts).argmax(1)]


def test_every_kind_of_text_model_learns_to_tell_categories_apart(model, shelf):
    unseen = ["livre de poche grand", "console avec manette", "bâche pour piscine"]
    assert answers(model, unseen).tolist() == list(WORDS)
    assert np.allclose(np.exp(model.log_proba(unseen)).sum(1), 1)


def test_a_category_that_no_row_had_is_not_answered_by_any_kind(model):
    others = [at for at, code in enumerate(CODES) if code not in WORDS]
    assert np.exp(model.log_proba(["roman"])[:, others]).max() < 1e-6


def test_every_kind_comes_back_from_disk_as_it_was_without_pickle(model, shelf, tmp_path):
    model.save(tmp_path)
    again = TextModel.load(tmp_path)
    assert again.kind == model.kind
    assert np.allclose(again.log_proba(shelf[0]), model.log_proba(shelf[0]), atol=1e-5)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or not file.read_bytes().startswith(b"\x80"), file


def test_the_word_that_decides_is_the_one_that_explains(model):
    found = explain_text(model, "grand piscine bleu", positions(np.array([2583]))[0])
    assert max(found.words, key=lambda word: word.contribution).text == "piscine"
    assert [word.text for word in found.words] == ["grand", "piscine", "bleu"]


def test_an_explanation_by_hiding_adds_up_to_the_log_odds_of_a_long_text_too(shelf, encoder):
    texts, codes = shelf
    learn = SETTINGS["forest"].learner()
    model = TextModel(encoder, learn(encoder.transform(texts), codes, np.ones(len(codes))))
    text = "piscine " + "pour avec " * 100
    found = explain_text(model, text, 24)
    assert len(found.words) == 201
    assert found.logit == pytest.approx(log_odds(model.log_proba([text]), 24)[0], abs=1e-6)


@pytest.mark.parametrize("kind", ["svm", "forest"])
def test_out_of_fold_opinions_are_of_models_that_never_saw_the_row(kind, shelf, encoder):
    texts, codes = shelf
    lonely = codes.copy()
    lonely[0] = 2905
    settings = SETTINGS[kind]
    fitted = cross_fit(
        encoder.transform(texts), lonely, np.ones(len(codes)), np.arange(len(codes)) % 4, settings.learner()
    )
    assert fitted.log_proba[0, CODES.index(2905)] < -10
    assert fitted.classifier.scale != 1.0


def test_a_scale_sharpens_without_changing_the_order(shelf, encoder):
    texts, codes = shelf
    vectors = encoder.transform(texts)
    forest = ForestClassifier.fit(vectors, codes, np.ones(len(codes)), trees=10)
    sharper = replace(forest, scale=5.0)
    assert (sharper.log_proba(vectors).max(1) >= forest.log_proba(vectors).max(1)).all()
    assert (sharper.log_proba(vectors).argmax(1) == forest.log_proba(vectors).argmax(1)).all()
    assert forest.log_proba(vectors[:0]).shape == (0, 27)
    assert forest.log_proba(vectors).min() >= NEVER - 5


def test_a_forest_folder_with_code_in_it_is_refused(tmp_path, shelf, encoder):
    """A model folder may come from anywhere: loading it must not be able to run code."""
    script = f"""
import skops.io, pathlib
class Evil:
    def __reduce__(self): return (print, ("ran",))
skops.io.dump(Evil(), {str(tmp_path / "forest.skops")!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    texts, codes = shelf
    ForestClassifier.fit(encoder.transform(texts), codes, np.ones(len(codes)), trees=2).save(tmp_path / "good")
    (tmp_path / "good" / "forest.skops").write_bytes((tmp_path / "forest.skops").read_bytes())
    with pytest.raises(Exception, match=r"(?i)untrusted"):
        ForestClassifier.load(tmp_path / "good")


@pytest.mark.parametrize("harm", ["a circle", "no such feature"])
def test_a_damaged_forest_is_refused(harm, shelf, encoder):
    texts, codes = shelf
    tree = (
        ForestClassifier.fit(encoder.transform(texts), codes, np.ones(len(codes)), trees=1).forest.estimators_[0].tree_
    )
    features = encoder.transform(texts).shape[1]
    assert _sound(tree, features)
    parts = {name: getattr(tree, name).copy() for name in ("children_left", "children_right", "feature")}
    parts["children_left" if harm == "a circle" else "feature"][0] = 0 if harm == "a circle" else -99
    assert not _sound(SimpleNamespace(node_count=tree.node_count, **parts), features)


def test_no_model_of_an_unknown_kind():
    with pytest.raises(ValueError, match="no kind"):
        TextSettings("oracle")


@pytest.fixture
def uneven():
    rng = np.random.default_rng(0)
    codes = np.array([10] * 100 + [40] * 20 + [2583] * 3)
    return csr_matrix(rng.random((len(codes), 6))), codes, rng.random(len(codes))


@pytest.mark.parametrize(
    ("method", "sizes"),
    [
        ("none", (100, 20, 3)),
        ("over", (100, 41, 41)),
        ("under", (82, 20, 3)),
        ("smote", (100, 41, 3)),
        ("smote-under", (96, 41, 3)),
    ],
)
def test_rare_classes_get_more_rows_and_frequent_ones_fewer(uneven, method, sizes):
    vectors, codes, weights = rebalanced(*uneven, method)
    assert tuple((codes == code).sum() for code in (10, 40, 2583)) == sizes
    assert vectors.shape[0] == len(codes) == len(weights)


def test_rows_keep_their_weights_and_made_up_ones_weigh_one(uneven):
    _, codes, weights = rebalanced(*uneven, "smote")
    assert np.array_equal(weights[: len(uneven[1])], uneven[2])
    assert (weights[len(uneven[1]) :] == 1).all()
    _, codes, weights = rebalanced(*uneven, "over")
    assert set(weights[codes == 2583]) <= set(uneven[2][uneven[1] == 2583])


@pytest.mark.parametrize("method", ["adasyn", "tomek"])
def test_other_ways_change_rows_too(uneven, method):
    vectors, codes, weights = rebalanced(*uneven, method)
    assert len(codes) != len(uneven[1])
    assert vectors.shape[0] == len(codes) == len(weights)


def test_a_student_learns_the_surest_of_each_category_from_its_teacher(shelf, encoder):
    texts, codes = shelf
    vectors, labels = encoder.transform(texts), np.asarray(codes)
    taught = []

    def learn(rows, codes, weights):
        taught.append((rows.shape[0], codes, weights))
        return VectorSettings().fit(rows, codes, weights)

    few, rest = np.arange(0, 120, 4), np.setdiff1d(np.arange(120), np.arange(0, 120, 4))
    student = with_students(learn, vectors[rest], 0.5)(vectors[few], labels[few], np.ones(len(few)))
    (teachers, _, _), (rows, said, weights) = taught
    assert teachers == len(few)
    assert rows == len(said) == len(weights) > len(few)
    assert set(said[len(few) :]) == set(WORDS)
    assert abs(rows - len(few) - len(rest) / 2) <= len(WORDS)
    assert (weights[: len(few)] == 1).all()
    assert (weights[len(few) :] < 1).all()
    right = np.array(CODES)[student.log_proba(vectors[rest]).argmax(1)] == labels[rest]
    assert right.mean() > 0.9


def test_without_unlabelled_rows_the_teacher_stays(shelf, encoder):
    texts, codes = shelf
    vectors, labels = encoder.transform(texts), np.asarray(codes)
    alone = VectorSettings().fit(vectors, labels, np.ones(len(labels)))
    same = with_students(VectorSettings().fit, vectors[:0], 0.5)(vectors, labels, np.ones(len(labels)))
    assert (same.log_proba(vectors) == alone.log_proba(vectors)).all()
