import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rakuten_assets.core import parity
from rakuten_assets.core.calibration import Calibration
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.classifier_files import folder_hash


@pytest.fixture(scope="module")
def stored(platform):
    """The folder of the champion, as the lineage left it."""
    return Path(str(platform.settings.root / platform.registry.get("champion").folder))


@pytest.fixture(scope="module")
def classifier(stored):
    return ProductClassifier.load(stored)


def written(folder):
    return json.loads((folder / "parity" / "examples.json").read_text())


def test_a_trained_classifier_answers_its_own_examples_as_where_it_was_trained(stored, classifier):
    assert parity.largest_gap(stored, classifier) < 1e-9


def test_the_examples_are_of_every_kind(stored):
    rows = written(stored)
    kinds = {(bool(row["designation"]), row["image"] is not None) for row in rows}
    assert kinds == {(True, False), (False, True), (True, True)}
    assert {Path(row["image"]).suffix for row in rows if row["image"]} == {".jpg", ".png"}
    assert len(rows) >= 8
    assert all(np.isfinite(row["log_proba"]).all() for row in rows)
    texts = " ".join(row["designation"] + row["description"] for row in rows)
    assert "<p>" in texts
    assert "&nbsp;" in texts
    assert any(ord(letter) > 127 for letter in texts)


def test_a_classifier_that_answers_otherwise_is_found_out(stored, classifier):
    hotter = replace(classifier, fusion=replace(classifier.fusion, calibrations=(Calibration(0.5),) * 3))
    assert parity.largest_gap(stored, hotter) > 0.01


def test_pictures_that_are_prepared_otherwise_are_found_out(stored, classifier):
    smaller = replace(classifier, preparation=replace(classifier.preparation, size=96))
    assert parity.largest_gap(stored, smaller) > 1e-4


def test_an_answer_that_is_missing_here_is_no_match(stored, classifier):
    assert parity.largest_gap(stored, replace(classifier, image_model=None)) == float("inf")


def test_the_examples_are_no_part_of_the_version(stored, classifier, tmp_path):
    version = classifier.save(tmp_path)
    parity.write_examples(tmp_path, classifier)
    assert folder_hash(tmp_path) == version
    (tmp_path / "fusion" / "fusion.json").write_text("{}")
    assert folder_hash(tmp_path) != version


def test_a_folder_without_examples_cannot_be_compared(classifier, tmp_path):
    with pytest.raises(ValueError, match="no worked examples"):
        parity.largest_gap(tmp_path, classifier)


def test_a_model_of_texts_alone_has_examples_with_texts_alone_to_answer(classifier, tmp_path):
    reader = replace(classifier, image_model=None)
    parity.write_examples(tmp_path, reader)
    assert all(row["designation"] for row in written(tmp_path))
    assert parity.largest_gap(tmp_path, reader) == 0
