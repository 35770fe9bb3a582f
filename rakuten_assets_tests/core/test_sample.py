"""The sample catalogue: repeatable, in the challenge's format, and true about what was planted in it."""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rakuten_assets.core.sample import CLASS_COUNTS, Truth, class_counts, write_sample
from rakuten_assets.core.sample_words import LANGUAGE_SHARES, WORDS, lexicon, neighbours
from rakuten_assets.core.taxonomy import CODES

PRODUCTS = 300
NOTHING = hashlib.sha256(b"").hexdigest()


class Sample:
    """A written sample, read back."""

    def __init__(self, folder: Path, truth: Truth) -> None:
        self.folder, self.truth = folder, truth
        products = pl.read_csv(folder / "X_train_update.csv")
        labels = pl.read_csv(folder / "Y_train_CVw08PX.csv")
        self.table = products.join(labels, on="", validate="1:1")
        self.rows = {row["productid"]: row for row in self.table.iter_rows(named=True)}

    def text(self, product: int) -> tuple[str, str | None]:
        return self.rows[product]["designation"], self.rows[product]["description"]

    def label(self, product: int) -> int:
        return self.rows[product]["prdtypecode"]

    def picture(self, product: int) -> Path:
        name = f"image_{self.rows[product]['imageid']}_product_{product}.jpg"
        return self.folder / "images" / "image_train" / name


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    return Sample(folder, write_sample(folder, PRODUCTS, seed=5))


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("texts")
    return Sample(folder, write_sample(folder, 4000, seed=0, pictures=False))


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_sample(tmp_path / name, 60, seed, unlabelled=5)
    one, again, other = (digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert not set(one.values()) & {digest for digest in other.values() if digest != NOTHING}


def test_the_tables_have_the_columns_of_the_challenge(sample: Sample) -> None:
    header = (sample.folder / "X_train_update.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.replace('"', "") == ",designation,description,productid,imageid"
    assert sample.table[""].to_list() == list(range(PRODUCTS))
    assert sample.table["productid"].n_unique() == sample.table["imageid"].n_unique() == PRODUCTS


def test_a_new_delivery_has_its_own_names_and_ids(tmp_path: Path) -> None:
    first = write_sample(tmp_path / "a", 60, seed=1)
    second = write_sample(tmp_path / "b", 60, seed=1, prefix="new", first_id=61)
    products = pl.read_csv(tmp_path / "b" / "New_X_train.csv")
    assert pl.read_csv(tmp_path / "b" / "New_y_train.csv").columns == ["", "prdtypecode"]
    assert not set(first.code) & set(products["productid"])
    assert set(second.code) == set(products["productid"])
    assert len(list((tmp_path / "b" / "images").glob("image_*.jpg"))) == 60 - len(second.missing_images)


def test_unlabelled_products_follow_the_labelled_ones(tmp_path: Path) -> None:
    truth = write_sample(tmp_path, 60, seed=1, unlabelled=7)
    test = pl.read_csv(tmp_path / "X_test_update.csv")
    assert test[""].to_list() == list(range(60, 67))
    assert test["productid"].to_list() == list(range(61, 68))
    assert len(list((tmp_path / "images" / "image_test").iterdir())) == 7
    assert set(test["productid"]) <= set(truth.code)


def test_progress_ends_at_the_number_of_pictures(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    truth = write_sample(tmp_path, 30, progress=lambda done, total: told.append((done, total)))
    pictures = 30 - len(truth.missing_images)
    assert told == [(done, pictures) for done in range(1, pictures + 1)]


@pytest.mark.parametrize("products", [1, 20, 600, 4000, 84916])
def test_classes_are_as_unequal_as_in_the_challenge(products: int) -> None:
    counts = class_counts(products)
    assert sum(counts.values()) == products
    assert min(counts.values()) >= (10 if products >= 600 else 0)
    if products == 84916:
        assert counts == CLASS_COUNTS


def test_the_shares_are_the_reports(texts: Sample) -> None:
    truth, described = texts.truth, texts.table["description"].drop_nulls()
    assert len(truth.missing_description) / 4000 == pytest.approx(0.35, abs=0.03)
    assert described.str.contains(r"<\w|&\w+;").mean() == pytest.approx(0.5, abs=0.05)
    assert len(truth.html_title) / 4000 == pytest.approx(0.0117, abs=0.006)
    for language, share in LANGUAGE_SHARES.items():
        found = sum(written == language for written in truth.language.values())
        assert found / 4000 == pytest.approx(share, abs=0.025), language
    assert len(truth.exact_text_duplicates) / 4000 == pytest.approx(0.014, abs=0.002)
    assert len(truth.contradictory_texts) >= 5
    assert len(truth.missing_images) == 80
    assert all(len(broken) == 5 for broken in truth.broken_images.values())
    assert all(len(planted) >= 5 for planted in truth.near_image_duplicates.values())


def test_lengths_are_those_of_listings(texts: Sample) -> None:
    titles = texts.table["designation"].str.len_chars()
    described = texts.table["description"].drop_nulls().str.len_chars()
    assert titles.is_between(30, 100).mean() > 0.75
    assert 200 < titles.max() < 300
    assert (described < 1000).mean() > 0.8
    assert described.max() > 3000


def test_the_texts_are_neither_trivial_nor_random(tmp_path: Path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.svm import LinearSVC

    truth = write_sample(tmp_path, 1500, seed=1, pictures=False)
    table = Sample(tmp_path, truth).table
    words = TfidfVectorizer(sublinear_tf=True).fit_transform(
        (table["designation"] + " " + table["description"].fill_null("")).str.replace_all(r"<[^>]+>", " ")
    )
    labels = table["prdtypecode"].to_numpy()
    model = LinearSVC().fit(words[:1200], labels[:1200])
    assert 0.68 < f1_score(labels[1200:], model.predict(words[1200:]), average="weighted") < 0.9


def test_duplicate_texts_are_those_of_the_truth(texts: Sample) -> None:
    groups = texts.table.group_by("designation", "description").agg("productid", "prdtypecode").rows(named=True)
    found = {tuple(sorted(group["productid"])) for group in groups if len(group["productid"]) > 1}
    truth = texts.truth
    assert found == {tuple(sorted(g)) for g in truth.exact_text_duplicates + truth.contradictory_texts}
    assert all(texts.label(one) == texts.label(other) for one, other in truth.exact_text_duplicates)
    assert all(texts.label(one) != texts.label(other) for one, other in truth.contradictory_texts)


def test_text_defects_are_those_of_the_truth(texts: Sample) -> None:
    rows, truth = texts.table, texts.truth
    both = pl.col("designation") + " " + pl.col("description").fill_null("")
    marked = rows.filter(both.str.contains(r"<\w|&#?\w+;"))["productid"]
    scripted = rows.filter(pl.col("description").str.contains("<script|<style"))["productid"]
    assert rows.filter(pl.col("description").is_null())["productid"].to_list() == truth.missing_description
    assert marked.to_list() == truth.html
    assert scripted.to_list() == truth.script


def test_only_the_mislabelled_are_labelled_as_what_they_are_not(texts: Sample) -> None:
    wrong = {product for product in texts.rows if texts.label(product) != texts.truth.code[product]}
    assert wrong == set(texts.truth.mislabelled)
    assert len(wrong) / 4000 == pytest.approx(0.02, abs=0.005)


def test_no_product_has_two_planted_defects(texts: Sample) -> None:
    planted = list(planted_products(texts.truth))
    assert len(planted) == len(set(planted))


def test_the_truth_survives_its_file(sample: Sample) -> None:
    assert Truth.load(sample.folder / "truth.json") == sample.truth


def test_pictures_are_there_but_for_the_missing_ones(sample: Sample) -> None:
    absent = [product for product in sample.rows if not sample.picture(product).exists()]
    assert sorted(absent) == sorted(sample.truth.missing_images)


def test_every_sound_picture_is_a_jpeg_of_the_challenges_size(sample: Sample) -> None:
    odd = {*chain(*sample.truth.broken_images.values()), *sample.truth.missing_images}
    thumbnails = {copy for _, copy in sample.truth.near_image_duplicates["resized"]}
    across = {copy for _, copy in sample.truth.near_image_duplicates_across_classes}
    for product in set(sample.rows) - odd:
        with Image.open(sample.picture(product)) as image:
            sizes = {(320, 320)} if product in thumbnails else {(500, 500)}
            assert image.format == "JPEG"
            assert image.size in sizes | ({(320, 320)} if product in across else set())


def test_broken_pictures_are_broken_as_the_truth_says(sample: Sample) -> None:
    broken = sample.truth.broken_images
    for product in broken["zero_byte"]:
        assert sample.picture(product).stat().st_size == 0
    for product in broken["truncated"]:
        with pytest.raises(OSError, match="truncated"):
            Image.open(sample.picture(product)).load()
    for product in broken["not_jpeg"]:
        assert format_of(sample.picture(product)) != "JPEG"
    for product in broken["too_large"]:
        with Image.open(sample.picture(product)) as image:
            assert image.width == 30_000


def test_exact_copies_have_the_same_bytes_and_no_other_pictures_do(sample: Sample) -> None:
    by_bytes: dict[bytes, set[int]] = {}
    broken = set(chain(*sample.truth.broken_images.values()))
    for product in set(sample.rows) - broken - set(sample.truth.missing_images):
        by_bytes.setdefault(sample.picture(product).read_bytes(), set()).add(product)
    found = {tuple(sorted(group)) for group in by_bytes.values() if len(group) > 1}
    assert found == {tuple(sorted(group)) for group in sample.truth.exact_image_duplicates}


def test_near_copies_look_alike_and_unrelated_pictures_do_not(texts: Sample, sample: Sample) -> None:
    near = sample.truth.near_image_duplicates
    across = sample.truth.near_image_duplicates_across_classes
    pairs = [pair for group in near.values() for pair in group] + across
    assert np.median([np.sum(fingerprint(sample, a) != fingerprint(sample, b)) for a, b in pairs]) <= 6
    assert all(sample.label(one) == sample.label(other) for group in near.values() for one, other in group)
    assert all(sample.label(other) in neighbours(sample.label(one)) for one, other in across)
    unrelated = np.array([fingerprint(sample, product) for product in plain_products(sample)])
    signs = unrelated.astype(np.int16) * 2 - 1
    distances = (64 - signs @ signs.T)[np.triu_indices(len(signs), 1)] / 2
    assert (distances <= 12).mean() < 0.001


def test_flawed_pictures_differ_from_sound_ones(sample: Sample) -> None:
    sound = [pixels(sample, product) for product in plain_products(sample)]
    blurred = [pixels(sample, product) for product in sample.truth.blurred]
    assert np.percentile([sharpness(image) for image in sound], 1) > 10 * max(map(sharpness, blurred))
    assert max(map(redness, sound)) < 1.15
    assert min(redness(pixels(sample, product)) for product in sample.truth.red_tinted) >= 1.15
    for product in sample.truth.bordered:
        assert 0.1 < used_area(pixels(sample, product)) < 0.3


def test_every_category_has_words_in_every_language() -> None:
    assert set(WORDS) == set(CODES)
    for code in CODES:
        counts = [len(lexicon(code, language).nouns) for language in LANGUAGE_SHARES]
        assert counts == sorted(counts, reverse=True), code
        assert min(counts) >= 5, code
        assert neighbours(code)


def planted_products(truth: Truth) -> Iterator[int]:
    groups = truth.exact_text_duplicates + truth.contradictory_texts + truth.exact_image_duplicates
    groups += truth.near_image_duplicates_across_classes + list(truth.broken_images.values())
    groups += [pair for pairs in truth.near_image_duplicates.values() for pair in pairs]
    groups += [truth.blurred, truth.red_tinted, truth.bordered, truth.missing_images, truth.mislabelled]
    return chain(*groups)


def plain_products(sample: Sample) -> list[int]:
    return sorted(set(sample.rows) - set(planted_products(sample.truth)))


def pixels(sample: Sample, product: int) -> NDArray[np.uint8]:
    return np.asarray(Image.open(sample.picture(product)).convert("RGB"))


def fingerprint(sample: Sample, product: int) -> NDArray[np.bool_]:
    grey = Image.open(sample.picture(product)).convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    waves = cv2.dct(np.asarray(grey, dtype=np.float32))[:8, :8]
    return (waves >= np.median(waves)).ravel()


def sharpness(image: NDArray[np.uint8]) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def redness(image: NDArray[np.uint8]) -> float:
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    return float(red / max(green, blue))


def used_area(image: NDArray[np.uint8]) -> float:
    """The share of the frame that a box around everything but the ground takes."""
    rows, columns = np.nonzero(np.abs(image.astype(int) - image[2, 2]).max(axis=2) > 24)
    return float((np.ptp(rows) + 1) * (np.ptp(columns) + 1) / image[..., 0].size)


def format_of(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.format
    except UnidentifiedImageError:
        return None


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
