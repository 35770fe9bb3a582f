import random
from io import BytesIO

import numpy as np
import pytest

from rakuten_assets.core.classifier import ProductClassifier, prepare_picture
from rakuten_assets.core.embeddings import HandmadeFeatures, TfidfEncoder
from rakuten_assets.core.fusion import Fusion
from rakuten_assets.core.image_models import ImageModel, KernelMap
from rakuten_assets.core.images import BadPicture
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets.core.preparation import PreparationSettings
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample_pictures import draw_picture, encode
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
    seen = LinearClassifier.fit(kernel.transform(vectors), codes, ones, 1.0, 0.0)
    return ProductClassifier(text, ImageModel(HandmadeFeatures(), kernel, seen), Fusion("stack-xgboost"))


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


def test_a_classifier_comes_back_from_disk_as_it_was(classifier, products, tmp_path):
    version = classifier.save(tmp_path / "model")
    again = ProductClassifier.load(tmp_path / "model")
    assert again.version == version
    new, old = again.predict_log_proba(products), classifier.predict_log_proba(products)
    assert np.abs(np.exp(new.stacked) - np.exp(old.stacked)).max() < 1e-9


def test_the_version_is_the_content(classifier, tmp_path):
    assert classifier.save(tmp_path / "a") == classifier.save(tmp_path / "b")


def test_the_folder_holds_nothing_that_can_run_code(classifier, tmp_path):
    classifier.save(tmp_path)
    kinds = {file.suffix for file in tmp_path.rglob("*") if file.is_file()}
    assert kinds <= {".json", ".parquet", ".safetensors", ".ubj", ""}


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
    from dataclasses import replace

    translating = replace(classifier, text_view="translated")
    english = Product("Round swimming pool with ladder and pool cover, garden, blue, for the whole family")
    found = translating.predict_log_proba([english]).text - classifier.predict_log_proba([english]).text
    assert np.abs(found).max() > 1e-3


def test_pictures_of_any_shape_are_prepared_to_one():
    picture = draw_picture(random.Random(0), 10).resize((300, 120))
    buffer = BytesIO()
    picture.save(buffer, "JPEG")
    assert prepare_picture(buffer.getvalue(), PreparationSettings()).size == (224, 224)
