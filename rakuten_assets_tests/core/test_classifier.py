import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from threading import Barrier

import numpy as np
import polars as pl
import pytest
from upath import UPath

from rakuten_assets.core import classifier_files
from rakuten_assets.core.classifier import Outdated, ProductClassifier, prepare_picture
from rakuten_assets.core.embeddings import HandmadeFeatures, TfidfEncoder
from rakuten_assets.core.fusion import Fusion
from rakuten_assets.core.image_models import ImageModel, KernelMap
from rakuten_assets.core.images import BadPicture
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets.core.preparation import PreparationSettings
from rakuten_assets.core.products import Product
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.similar import PRODUCTS, Projection, Side, SimilarProducts
from rakuten_assets.core.text_models import TextModel

WORDS = {10: "livre de poche roman", 60: "console de jeu manette", 2583: "piscine ronde tubulaire bâche"}


def drawn(code, seed):
    return encode(draw_picture(random.Random(seed), code))


@pytest.fixture(scope="module")
def products():
    return [
        Product(f"{words} {n}", f"<p>Vendu en l'état, lot {n}</p>", drawn(code, n))
        for code, words in WORDS.items()
        for n in range(12)
    ]


@pytest.fixture(scope="module")
def codes():
    return np.repeat(list(WORDS), 12)


@pytest.fixture(scope="module")
def classifier(products, codes):
    texts = [f"{product.designation}\nVendu en l'état" for product in products]
    encoder = TfidfEncoder.fit(texts)
    ones = np.ones(len(codes))
    text = TextModel(encoder, LinearClassifier.fit(encoder.transform(texts), codes, ones, 1.0, 0.0))
    pictures = [prepare_picture(product.image, PreparationSettings()) for product in products]
    vectors = HandmadeFeatures().transform(pictures)
    kernel = KernelMap.fit(vectors, 1.0)
    words, looks = Projection.of_texts(encoder.transform(texts), encoder), Projection.principal(vectors)
    known = SimilarProducts(
        pl.DataFrame(
            {"productid": range(len(codes)), "designation": texts, "prdtypecode": codes, "image": None}, schema=PRODUCTS
        ),
        Side(words, words.transform(encoder.transform(texts))),
        Side(looks, looks.transform(vectors)),
    )
    seen = LinearClassifier.fit(kernel.transform(vectors), codes, ones, 1.0, 0.0)
    image = ImageModel(HandmadeFeatures(), kernel, seen)
    review = ReviewThresholds(common=0.7, by_code={10: 0.8})
    return ProductClassifier(text, image, Fusion("stack-xgboost"), review=review, similar=known)


def test_a_raw_product_lands_in_its_category(classifier, products, codes):
    answers = classifier.predict(products)
    assert np.mean([answer.code == code for answer, code in zip(answers, codes, strict=True)]) > 0.9
    assert answers[0].categories[0].name == "Livre occasion"


def test_the_categories_come_best_first_with_falling_confidence(classifier, products):
    scores = [category.confidence for category in classifier.predict(products[:1], top=27)[0].categories]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("product", "rests_on"),
    [
        (Product("piscine ronde"), "text"),
        (Product("", "piscine ronde"), "text"),
        (Product(image=drawn(2583, 3)), "image"),
        (Product("<br>", "&nbsp;", drawn(2583, 3)), "image"),
        (Product("piscine ronde", image=drawn(2583, 3)), "both"),
    ],
)
def test_a_product_is_judged_by_what_it_has(classifier, product, rests_on):
    answer = classifier.predict([product])[0]
    assert answer.rests_on == rests_on
    assert 0 < answer.confidence <= 1


def test_a_product_with_nothing_has_no_answer(classifier, products):
    answer = classifier.predict_log_proba([Product(), products[0]])
    assert np.isnan(answer.stacked[0]).all()
    assert np.isfinite(answer.stacked[1]).all()


def test_an_answer_does_not_depend_on_who_else_asks(classifier, products):
    together = classifier.predict_log_proba(products)
    alone = classifier.predict_log_proba(products[7:8])
    for name in ("text", "image", "stacked"):
        gap = np.abs(np.exp(getattr(together, name)[7]) - np.exp(getattr(alone, name)[0])).max()
        assert gap < 1e-6


def test_a_pool_changes_who_computes_and_nothing_else(classifier, products):
    mixed = [*products[:5], Product("piscine"), Product(image=drawn(10, 3)), Product()]
    alone = classifier.predict_log_proba(mixed)
    with ThreadPoolExecutor(2) as pool:
        together = classifier.predict_log_proba(mixed, pool)
    for name in ("text", "image", "stacked"):
        assert np.array_equal(getattr(together, name), getattr(alone, name), equal_nan=True)


def test_a_pool_sees_to_the_pictures_while_the_texts_are_read(classifier, products):
    class Watched(ThreadPoolExecutor):
        asked = 0

        def map(self, work, items):
            type(self).asked = len(items)
            return super().map(work, items)

    with Watched(2) as pool:
        classifier.predict_log_proba([*products[:3], Product("piscine")], pool)
    assert Watched.asked == 3


def test_a_picture_that_cannot_be_read_is_said_so_from_a_pool_as_well(classifier, products):
    with ThreadPoolExecutor(2) as pool, pytest.raises(BadPicture):
        classifier.predict_log_proba([products[0], Product("piscine", image=b"no picture")], pool)


class Together(HandmadeFeatures):
    """An encoder that wants all pictures at once, as a network does."""

    one_by_one = False

    def transform(self, pictures):
        self.together = len(pictures)
        return super().transform(pictures)


def test_an_encoder_that_wants_its_pictures_together_gets_them_together(classifier, products):
    encoder = Together()
    network = replace(classifier, image_model=replace(classifier.image_model, encoder=encoder))
    with ThreadPoolExecutor(2) as pool:
        answer = network.predict_log_proba([*products[:4], Product("piscine")], pool)
    assert encoder.together == 4
    assert np.array_equal(answer.image[:4], classifier.predict_log_proba(products[:4]).image)
    assert network.similar_to(products[0]) == classifier.similar_to(products[0])


def test_similar_products_are_found_by_what_a_product_has(classifier, products):
    pool = products[26]
    for product in (pool, Product(image=pool.image)):
        found = classifier.similar_to(product, 3)
        assert len(found) == 3
        assert found[0].productid == 26
    assert {near.code for near in classifier.similar_to(Product(pool.designation), 3)} == {2583}
    assert classifier.similar_to(Product("<br>")) == []


def test_a_classifier_without_known_products_says_so(classifier, products):
    with pytest.raises(ValueError, match="without known products"):
        replace(classifier, similar=None).similar_to(products[0])


def test_a_folder_from_before_there_were_reviews_and_known_products_still_answers(classifier, products, tmp_path):
    replace(classifier, similar=None).save(tmp_path)
    (tmp_path / "review.json").unlink()
    again = ProductClassifier.load(tmp_path)
    assert again.similar is None
    assert again.review.threshold(10) == 0.5
    assert again.predict(products[:1])[0].code == 10


def test_what_is_computed_of_the_landmarks_once_changes_no_number(classifier):
    kernel = classifier.image_model.kernel
    noise = np.random.default_rng(0).normal(size=(5, kernel.landmarks.shape[1])).astype(np.float32)
    vectors = kernel.landmarks[:5] + noise / 500
    exact, known = vectors.astype(np.float64), kernel.landmarks.astype(np.float64)
    distances = (exact**2).sum(1)[:, None] - 2 * exact @ known.T + (known**2).sum(1)[None, :]
    expected = np.exp(-kernel.gamma * np.maximum(distances, 0)) @ kernel.whitening
    assert expected.std() > 0.01
    for _ in range(2):
        assert np.array_equal(kernel.transform(vectors), expected.astype(np.float32))


def test_a_classifier_comes_back_from_disk_as_it_was(classifier, products, tmp_path):
    version = classifier.save(tmp_path / "model")
    again = ProductClassifier.load(tmp_path / "model")
    assert again.version == version
    new, old = again.predict_log_proba(products), classifier.predict_log_proba(products)
    assert np.abs(np.exp(new.stacked) - np.exp(old.stacked)).max() < 1e-9
    assert again.review == classifier.review
    assert again.similar_to(products[0]) == classifier.similar_to(products[0])


def test_a_classifier_of_an_earlier_version_says_that_it_must_be_trained_again(classifier, tmp_path):
    classifier.save(tmp_path)
    config = json.loads((tmp_path / "classifier.json").read_text())
    del config["format"]
    (tmp_path / "classifier.json").write_text(json.dumps(config))
    with pytest.raises(Outdated, match="train it again"):
        ProductClassifier.load(tmp_path)


def test_the_version_is_the_content(classifier, tmp_path):
    assert classifier.save(tmp_path / "a") == classifier.save(tmp_path / "b")


def test_the_folder_holds_nothing_that_can_run_code(classifier, tmp_path):
    classifier.save(tmp_path)
    kinds = {file.suffix for file in tmp_path.rglob("*") if file.is_file()}
    assert kinds <= {".json", ".parquet", ".safetensors", ".ubj", ".npy", ""}


def test_a_classifier_of_other_categories_is_refused(classifier, tmp_path):
    classifier.save(tmp_path)
    config = tmp_path / "classifier.json"
    config.write_text(config.read_text().replace("2905", "2906"))
    with pytest.raises(ValueError, match="other categories"):
        ProductClassifier.load(tmp_path)


def test_a_picture_that_cannot_be_read_is_said_so(classifier):
    with pytest.raises(BadPicture):
        classifier.predict([Product("piscine", image=b"no picture")])


def test_the_translated_view_translates(classifier, products):
    translating = replace(classifier, text_view="translated")
    english = Product("Round swimming pool with ladder and pool cover, garden, blue, for the whole family")
    found = translating.predict_log_proba([english]).text - classifier.predict_log_proba([english]).text
    assert np.abs(found).max() > 1e-3


def test_pictures_of_any_shape_are_prepared_to_one():
    picture = draw_picture(random.Random(0), 10).resize((300, 120))
    buffer = BytesIO()
    picture.save(buffer, "JPEG")
    assert prepare_picture(buffer.getvalue(), PreparationSettings()).size == (224, 224)


def test_a_folder_is_verified_by_its_content(classifier, tmp_path):
    version = classifier.save(tmp_path)
    classifier_files.verify(tmp_path, version)
    (tmp_path / "fusion" / "fusion.json").write_text("{}")
    with pytest.raises(ValueError, match=f"is not version {version}"):
        classifier_files.verify(tmp_path, version)


def stored(root):
    """A model folder under `root` with one file; its name."""
    (root / "models/a/1").mkdir(parents=True)
    (root / "models/a/1/weights").write_bytes(b"1")
    (root / "models/a/1/COMPLETE").write_text("")
    return "models/a/1"


def test_of_many_that_fetch_one_folder_at_once_all_have_it(tmp_path):
    root, cache, together = UPath("memory://race"), tmp_path / "cache", Barrier(8)
    name = stored(root)
    for number in range(50):
        (root / name / f"part {number}").write_bytes(bytes(number))

    def fetch(_):
        together.wait()
        return classifier_files.fetch(root, name, cache)

    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(fetch, range(8)))
    assert folders == {cache / name}
    assert len(list((cache / name).iterdir())) == 52
    assert [path.name for path in (cache / "models/a").iterdir()] == ["1"]


def test_what_is_in_the_way_and_no_whole_folder_is_no_model(tmp_path):
    root, cache = UPath("memory://blocked"), tmp_path / "cache"
    name = stored(root)
    (cache / name).mkdir(parents=True)
    (cache / name / "half").write_bytes(b"")
    with pytest.raises(OSError, match="not empty"):
        classifier_files.fetch(root, name, cache)
    assert [path.name for path in (cache / "models/a").iterdir()] == ["1"]
