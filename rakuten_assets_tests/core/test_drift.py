import json
import random
import socket
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from rakuten_assets.core.classifier import ProductClassifier, prepare_picture
from rakuten_assets.core.drift import Part, combine
from rakuten_assets.core.drift_concept import FEWEST_LABELS, concept
from rakuten_assets.core.drift_features import COLUMNS, features
from rakuten_assets.core.drift_page import answers_page, page
from rakuten_assets.core.drift_reference import (
    CONSTANT_LIMIT,
    MINIMUM,
    REFERENCE_ROWS,
    WINDOW_ROWS,
    Limits,
    Reference,
    TooFew,
)
from rakuten_assets.core.embeddings import HandmadeFeatures, TfidfEncoder
from rakuten_assets.core.fusion import Fusion
from rakuten_assets.core.image_models import ImageModel, KernelMap
from rakuten_assets.core.linear import LinearClassifier
from rakuten_assets.core.preparation import PreparationSettings
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample import CLASS_COUNTS
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.similar import PRODUCTS, Projection, Side, SimilarProducts
from rakuten_assets.core.simulate import concepts
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_models import TextModel

WORDS = {10: "livre de poche roman", 60: "console de jeu manette", 2583: "piscine ronde tubulaire bâche"}


def table(rows, seed, shift=0.0):
    """Features of so many products; a share `shift` of them dark, of unseen words, English, of another category."""
    rng = np.random.default_rng(seed)
    hit = rng.random(rows) < shift
    points = rng.normal(size=(rows, 4)) + 1.5 * hit[:, None]
    return pl.DataFrame(
        {
            "text_length": rng.lognormal(5, 1, rows),
            "unseen_words": np.where(hit, rng.beta(5, 5, rows), rng.beta(1, 15, rows)),
            "language": np.where(hit, "en", rng.choice(["fr", "en", "de"], rows, p=[0.8, 0.15, 0.05])),
            "html": rng.random(rows) < 0.3,
            "brightness": rng.beta(8, 3, rows) * np.where(hit, 0.4, 1),
            "category": np.where(hit, "60", rng.choice(["10", "60", "2583"], rows, p=[0.5, 0.2, 0.3])),
            "confidence": rng.beta(6, 2, rows),
            **{f"text_{at + 1}": column for at, column in enumerate(points.T)},
        }
    )


@pytest.fixture(autouse=True)
def _fewer_draws(limits, monkeypatch):
    """Enough where a test needs limits of its own, in a fifth of the time; those of `limits` are drawn in full."""
    monkeypatch.setattr("rakuten_assets.core.drift_reference.DRAWS", 40)


@pytest.fixture(scope="module")
def reference():
    return Reference.of(table(900, 0))


@pytest.fixture(scope="module")
def limits(reference):
    return reference.limits(300)


def scores(parts):
    return {part.name: part.score for part in parts}


def test_windows_without_drift_are_rarely_flagged(reference, limits):
    found = [combine(reference.compare(table(300, seed), limits)) for seed in range(1, 61)]
    assert sum(each.found for each in found) <= 2
    # Neither is the limit out of reach.
    assert max(each.score for each in found) > 0.5


def test_a_changed_share_of_the_products_is_found(reference, limits):
    found = [combine(reference.compare(table(300, seed, shift=0.2), limits)) for seed in range(1, 21)]
    assert all(each.found for each in found)
    more = combine(reference.compare(table(300, 1, shift=0.5), limits))
    assert more.score > found[0].score


def test_the_score_says_what_has_changed(reference, limits):
    window = table(300, 5)
    dark = combine(reference.compare(window.with_columns(pl.col("brightness") * 0.5), limits))
    assert dark.parts[0].name == "brightness"
    assert dark.parts[0].kind == "data"
    moved = combine(reference.compare(window.with_columns(category=pl.lit("60")), limits))
    assert moved.parts[0].name == "category"
    assert moved.parts[0].kind == "prediction"
    points = [pl.col(f"text_{at}") + 1 for at in range(1, 5)]
    assert combine(reference.compare(window.with_columns(points), limits)).parts[0].name == "text_embedding"


def test_a_value_over_its_limit_has_a_score_over_one(reference, limits):
    parts = [part for shift in (0.0, 0.1, 0.3) for part in reference.compare(table(300, 9, shift), limits)]
    assert all((part.value >= part.limit) == (part.score >= 1) for part in parts)
    assert {part.score >= 1 for part in parts} == {True, False}


def test_the_same_window_has_the_same_score(reference):
    window, limits = table(3 * WINDOW_ROWS, 3), reference.limits(WINDOW_ROWS)
    assert reference.compare(window, limits) == reference.compare(window, limits)
    assert reference.limits(200) == reference.limits(200)


@pytest.mark.parametrize("rows", [0, 1, MINIMUM - 1])
def test_too_few_rows_say_nothing(reference, rows):
    with pytest.raises(TooFew, match=f"{rows} rows"):
        reference.compare(table(rows, 1))
    with pytest.raises(TooFew):
        Reference.of(table(rows, 1))


def test_both_sides_are_cut_so_that_flags_do_not_grow_with_their_size():
    reference = Reference.of(table(2 * REFERENCE_ROWS, 1))
    assert len(reference.rows) == REFERENCE_ROWS
    limits = reference.limits(50 * WINDOW_ROWS)
    assert limits.rows == WINDOW_ROWS
    # A difference that nobody would act on, and that any test would find in so many rows.
    window = table(50 * WINDOW_ROWS, 2, shift=0.005)
    assert not combine(reference.compare(window, limits)).found


def test_limits_of_another_size_are_not_used(reference, limits):
    window = table(200, 4)
    wrong = replace(limits, highest=1e-9)
    assert reference.compare(window, wrong) == reference.compare(window)


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_gaps_do_not_poison_the_score(reference, limits, gap):
    window = table(300, 1)
    holes = pl.Series(np.arange(300) % 7 == 0)
    numbers = ("text_length", "brightness", "confidence", "text_1")
    window = window.with_columns(pl.when(holes).then(pl.lit(gap, pl.Float64)).otherwise(pl.col(numbers)).name.keep())
    window = window.with_columns(category=pl.when(holes).then(None).otherwise("category"))
    found = combine(reference.compare(window, limits))
    assert len(found.parts) == 8
    assert all(np.isfinite([part.value, part.limit, part.score]).all() for part in found.parts)
    assert not found.found


def test_a_column_that_is_missing_or_null_on_either_side_has_no_part(reference, limits):
    window = table(300, 1)
    absent = window.drop("brightness", "text_3").with_columns(confidence=pl.lit(None, pl.Float64), html=None)
    assert set(scores(reference.compare(absent, limits))) == {"text_length", "unseen_words", "language", "category"}
    lacking = Reference.of(table(400, 2).drop("language").with_columns(brightness=pl.lit(None, pl.Float64)))
    assert set(scores(lacking.compare(window))) == set(limits.means) - {"language", "brightness"}


def test_a_column_that_is_nearly_null_has_no_part():
    rare = pl.when(pl.int_range(pl.len()) % 20 == 0).then("brightness").alias("brightness")
    reference = Reference.of(table(1500, 1).with_columns(rare))
    assert "brightness" not in reference.limits(300).means
    assert "brightness" in reference.limits(1000).means


def test_a_constant_column_is_quiet_until_it_changes():
    constant = {"html": pl.lit(False), "brightness": pl.lit(0.5), "text_1": pl.lit(0.0)}
    reference = Reference.of(table(400, 1).with_columns(**constant))
    limits = reference.limits(300)
    calm = reference.compare(table(300, 2).with_columns(**constant), limits)
    assert scores(calm)["html"] == scores(calm)["brightness"] == 0
    assert all(np.isfinite(part.score) for part in calm)
    assert not combine(calm).found
    html = {**constant, "html": pl.int_range(pl.len()) % 3 == 0}
    changed = reference.compare(table(300, 2).with_columns(**html), limits)
    assert scores(changed)["html"] > 1
    assert next(part.limit for part in changed if part.name == "html") == pytest.approx(CONSTANT_LIMIT)


def test_identical_vectors_are_no_drift():
    still = {f"text_{at}": pl.lit(0.3) for at in range(1, 5)}
    reference = Reference.of(table(400, 1).with_columns(**still))
    parts = reference.compare(table(300, 2).with_columns(**still))
    assert scores(parts)["text_embedding"] == pytest.approx(0, abs=1e-3)


def test_categories_that_the_reference_never_saw_are_drift(reference, limits):
    window = table(300, 1).with_columns(
        language=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("xx")).otherwise("language")
    )
    found = combine(reference.compare(window, limits))
    assert found.parts[0].name == "language"
    assert found.found


def test_a_reference_of_nothing_but_constants_has_limits():
    reference = Reference.of(pl.DataFrame({"html": [False] * 300}))
    assert not combine(reference.compare(pl.DataFrame({"html": [False] * 200}))).found
    assert combine(reference.compare(pl.DataFrame({"html": [False, True] * 100}))).found


def test_a_part_limit_is_in_its_own_unit():
    limits = Limits(300, {"html": 0.2}, {"html": 0.1}, highest=3.0)
    part = limits.part("html", 0.125)
    assert part.limit == pytest.approx(0.125)
    assert part.score == pytest.approx(1)


def test_parts_of_all_kinds_are_one_finding():
    data = [Part("html", "data", 0.1, 0.2, 0.5), Part("unseen_words", "data", 0.84, 0.12, 2.31)]
    people = [Part("moved_categories", "concept", 1.0, 2.6, 0.4, "10 -> 60, 3 of 9")]
    found = combine(data, people)
    assert found.found
    assert found.score == 2.31
    assert found.summary == "drift 2.31: unseen_words (data) 0.84 over 0.12"
    assert [row["name"] for row in json.loads(json.dumps(found.as_rows()))] == [
        "unseen_words",
        "html",
        "moved_categories",
    ]
    assert combine(people).summary == "no drift 0.40: moved_categories (concept) 1 within 2.6 (10 -> 60, 3 of 9)"


def test_without_parts_there_is_no_drift():
    assert combine([]).score == 0
    assert not combine([]).found
    assert combine([], []).as_rows() == []
    assert combine([]).summary == "no drift: nothing to compare"


# --- concepts

SHARES = {code: count / sum(CLASS_COUNTS.values()) for code, count in CLASS_COUNTS.items()}


@cache
def labels(seed, moved=0.0, rows=200, error=0.05):
    """Answers whose confidence is right, with what people say of them."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(6, 0.8, rows)
    said = rng.choice(CODES, rows, p=list(SHARES.values()))
    # Wrong answers crowd in one other category, as confusions do.
    following = dict(zip(CODES, [*CODES[1:], CODES[0]], strict=True))
    truth = [
        code if right else following[code] for code, right in zip(said, rng.random(rows) < confidence, strict=True)
    ]
    now = concepts(SHARES, moved, seed)
    meant = [now.get(code, code) for code in truth]
    people = np.where(rng.random(rows) < error, rng.choice(CODES, rows), meant)
    return pl.DataFrame({"code": said, "confidence": confidence, "label": people})


def test_people_who_err_are_no_drift():
    assert sum(combine(concept(labels(seed))).found for seed in range(100)) <= 1


def test_a_tenth_of_the_labels_moved_is_seen_within_two_weeks():
    pairs = [(labels(2 * seed, 0.1), labels(2 * seed + 1, 0.1)) for seed in range(40)]
    # Each week by itself has other moves here, so that a pair is two chances.
    seen = [any(combine(concept(week)).found for week in pair) for pair in pairs]
    assert np.mean(seen) >= 0.95


def test_the_likeliest_move_is_named():
    plain = labels(3)
    moved = plain.with_columns(label=pl.when(pl.col("label") == 2583).then(10).otherwise("label"))
    named = {part.name: part for part in concept(moved)}["moved_categories"]
    assert named.kind == "concept"
    assert named.score > 1
    assert named.detail.startswith("2583 -> 10, ")


def test_scattered_disagreement_is_lost_agreement():
    found = combine(concept(labels(4, error=0.35)))
    assert found.found
    assert found.parts[0].name == "agreement_lost"
    assert found.parts[0].value > found.parts[0].limit > 0


def test_answers_that_are_better_than_promised_are_no_drift():
    plain = labels(5)
    assert not combine(concept(plain.with_columns(label="code"))).found


def test_few_labels_have_no_part():
    assert concept(labels(1)[: FEWEST_LABELS - 1]) == []
    gaps = labels(1).with_columns(label=pl.when(pl.int_range(pl.len()) < 30).then("label"))
    assert concept(gaps) == []
    assert concept(labels(1)[:0]) == []


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_confidences_at_either_end_give_finite_parts(confidence):
    certain = labels(1).with_columns(confidence=pl.lit(confidence))
    for error in (0.0, 0.05):
        assert all(np.isfinite(part.score) for part in concept(certain, reviewer_error=error))


def test_codes_may_be_strings_as_in_the_features():
    assert concept(labels(1).with_columns(pl.col("code").cast(pl.String))) == concept(labels(1))


def test_one_mistake_of_a_certain_champion_is_no_drift():
    rows = pl.DataFrame({"code": [10] * 100, "confidence": [1.0] * 100, "label": [60] + [10] * 99})
    assert not combine(concept(rows, reviewer_error=0.0)).found


# --- features


def drawn(code, seed):
    return encode(draw_picture(random.Random(seed), code))


@pytest.fixture(scope="module")
def products():
    return [
        Product(f"{words} {n}", f"<p>Vendu en l'état, lot {n}</p>", drawn(code, n))
        for code, words in WORDS.items()
        for n in range(8)
    ]


@pytest.fixture(scope="module")
def classifier(products):
    codes = np.repeat(list(WORDS), 8)
    texts = [f"{product.designation}\nVendu en l'état" for product in products]
    encoder, ones = TfidfEncoder.fit(texts), np.ones(len(codes))
    text = TextModel(encoder, LinearClassifier.fit(encoder.transform(texts), codes, ones, 1.0, 0.0))
    vectors = HandmadeFeatures().transform([prepare_picture(each.image, PreparationSettings()) for each in products])
    kernel = KernelMap.fit(vectors, 1.0)
    image = ImageModel(
        HandmadeFeatures(), kernel, LinearClassifier.fit(kernel.transform(vectors), codes, ones, 1.0, 0.0)
    )
    words, looks = Projection.of_texts(encoder.transform(texts), encoder), Projection.principal(vectors)
    known = SimilarProducts(
        pl.DataFrame(schema=PRODUCTS),
        Side(words, words.transform(encoder.transform(texts))),
        Side(looks, looks.transform(vectors)),
    )
    return ProductClassifier(text, image, Fusion("stack-xgboost"), similar=known)


def test_features_are_one_row_a_product_in_order(classifier, products):
    found = features(iter(products), classifier)
    assert len(found) == len(products)
    assert found.columns[: len(COLUMNS)] == list(COLUMNS)
    assert [name for name in found.columns if name.startswith("image_")] == [f"image_{at}" for at in range(1, 17)]
    assert found["title_length"].to_list() == [len(product.designation) for product in products]
    assert found["html"].all()
    assert found["has_picture"].all()
    assert found.null_count().sum_horizontal().item() == 0


def test_features_say_what_the_classifier_answers(classifier, products):
    mixed = [*products[::5], Product("piscine"), Product(image=products[0].image), Product("", "manette")]
    found, answers = features(mixed, classifier), classifier.predict(mixed)
    assert found["category"].to_list() == [str(answer.code) for answer in answers]
    assert found["confidence"].to_list() == pytest.approx([answer.confidence for answer in answers])


def test_features_do_not_depend_on_the_chunk(classifier, products, monkeypatch):
    together = features(products, classifier)
    monkeypatch.setattr("rakuten_assets.core.drift_features.CHUNK", 5)
    assert features(products, classifier)["category"].to_list() == together["category"].to_list()
    assert features(products, classifier).select("text_1", "image_1", "unseen_words").to_numpy() == pytest.approx(
        together.select("text_1", "image_1", "unseen_words").to_numpy(), abs=1e-5
    )


def test_what_is_missing_is_null(classifier, products):
    found = features([Product("piscine ronde"), Product(image=products[0].image), Product()], classifier)
    assert found["has_picture"].to_list() == [False, True, False]
    assert found["sharpness"].is_null().to_list() == [True, False, True]
    assert found["image_1"].is_null().to_list() == [True, False, True]
    assert found["text_1"].is_null().to_list() == [False, True, True]
    assert found["unseen_words"].is_null().to_list() == [False, True, True]
    assert found["category"].is_null().to_list() == [False, False, True]


@pytest.mark.parametrize("broken", [b"", b"no picture", "truncated"])
def test_a_broken_picture_counts_as_none(classifier, products, broken):
    data = products[0].image[:2000] if broken == "truncated" else broken
    found = features([replace(products[0], image=data)], classifier)
    assert found["has_picture"].to_list() == [False]
    assert found.row(0) == features([replace(products[0], image=None)], classifier).row(0)


def test_unseen_words_are_a_share_of_the_words(classifier):
    found = features([Product("piscine ronde"), Product("piscine blorgu"), Product("blorgu zartrois")], classifier)
    assert found["unseen_words"].to_list() == [0, 0.5, 1]


def test_an_encoder_without_vocabulary_has_no_unseen_words(classifier):
    class Lengths:
        def transform(self, texts):
            return classifier.text_model.encoder.transform(texts)

    other = replace(classifier, text_model=replace(classifier.text_model, encoder=Lengths()))
    assert features([Product("piscine blorgu")], other)["unseen_words"].to_list() == [None]


def test_a_classifier_without_known_products_or_pictures_has_fewer_columns(classifier, products):
    plain = features(products[:2], replace(classifier, similar=None, image_model=None))
    assert plain.columns == list(COLUMNS)
    assert plain["category"].null_count() == 0
    assert features([], classifier).schema == features(products[:1], classifier).schema


# --- pages


def test_the_page_shows_the_columns_with_their_values_and_limits(reference, limits, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    window = table(300, 1, shift=0.3)
    html = page(reference, window, reference.compare(window, limits))
    assert html.strip().startswith("<!DOCTYPE html>")
    assert "unseen_words" in html
    assert "text_1" not in html


def test_the_page_of_another_catalogue_has_the_columns_that_both_have(reference):
    window = table(300, 1).select("text_length", "html").with_columns(pl.lit("a secret title").alias("designation"))
    html = page(reference, window, reference.compare(window))
    assert "secret" not in html
    with pytest.raises(ValueError, match="None of the parts"):
        page(reference, window, [])


@pytest.mark.filterwarnings("error::sklearn.exceptions.UndefinedMetricWarning")
def test_the_page_of_answers_needs_enough_of_them(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", _no_network)
    html = answers_page(labels(1))
    assert html is not None
    assert html.strip().startswith("<!DOCTYPE html>")
    assert answers_page(labels(1)[:10]) is None


def _no_network(*arguments):
    raise AssertionError("Evidently called somebody.")
