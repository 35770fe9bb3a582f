"""What was planted in a sample catalogue is found again, and little else."""

from typing import Any

import pytest
from upath import UPath

from rakuten_assets.core.deliveries import ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.core.sample_truth import compare, find

PRODUCTS = 700

Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("defects")
    truth = write_sample(folder / "sample", PRODUCTS, seed=0)
    root = UPath(folder / "root")
    ingest(folder / "sample", root)
    return {row["kind"]: row for row in compare(truth, find(root)).iter_rows(named=True)}


# Of seven copies of a kind one may be missed: in the long run, 1 of 150 recompressed ones is, 1 of 10 cropped ones.
@pytest.mark.parametrize(
    ("kind", "recall", "precision"),
    [
        ("missing_description", 1, 1),
        ("html", 1, 1),
        ("script", 1, None),
        ("exact_text_duplicates", 1, 1),
        ("contradictory_texts", 1, 1),
        ("exact_image_duplicates", 1, 1),
        ("near_image_duplicates/recompressed", 0.85, None),
        ("near_image_duplicates/resized", 0.85, None),
        ("near_image_duplicates/colour_shifted", 0.85, None),
        ("near_image_duplicates/cropped", 0.6, None),
        ("near_image_duplicates_across_classes", 0.8, None),
        ("blurred", 0.9, 0.2),
        ("red_tinted", 0.9, 0.5),
        ("bordered", 0.9, 0.5),
        ("broken_images/zero_byte", 1, 1),
        ("broken_images/truncated", 1, 1),
        ("broken_images/not_jpeg", 1, 1),
        ("broken_images/too_large", 1, 1),
        ("missing_images", 1, 1),
        ("language/fr", 0.95, 0.95),
        ("language/en", 0.9, 0.9),
        ("language/de", 0.8, 0.8),
    ],
)
def test_planted_defects_are_found(rows: Rows, kind: str, recall: float, precision: float | None) -> None:
    assert rows[kind]["planted"] > 0
    assert rows[kind]["recall"] >= recall
    assert precision is None or rows[kind]["precision"] >= precision


def test_hardly_a_picture_is_taken_for_another(rows: Rows) -> None:
    assert rows["near_image_duplicates/all"]["false_alarms"] <= 0.01 * PRODUCTS


def test_every_kind_of_defect_is_counted(rows: Rows) -> None:
    assert all(row["found"] <= row["planted"] for row in rows.values())
    assert sum(row["false_alarms"] is None for row in rows.values()) == 6
