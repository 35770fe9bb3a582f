import random
from collections import Counter
from io import BytesIO

import polars as pl
import pytest
from PIL import Image

from rakuten_assets.core import images, language, simulate
from rakuten_assets.core.sample import CLASS_COUNTS
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.simulate import Bias, concepts, disturb_picture, shift_classes, week
from rakuten_assets.core.simulate_texts import disturb_text, invented
from rakuten_assets.core.text import visible_text

TOTAL = sum(CLASS_COUNTS.values())
SHARES = {code: count / TOTAL for code, count in CLASS_COUNTS.items()}
TITLE = "Piscine ronde tubulaire avec bâche"
DESCRIPTION = '<p class="piscine">Une piscine d&#39;&eacute;t&eacute;</p><script>var piscine = 1;</script>'


@pytest.fixture(scope="module")
def rows():
    codes = [code for code, share in SHARES.items() for _ in range(max(round(600 * share), 4))]
    listings = [write_listing(random.Random(at), code) for at, code in enumerate(codes)]
    return pl.DataFrame(
        {
            "productid": range(len(codes)),
            "designation": [each.title for each in listings],
            "description": [each.description for each in listings],
            "prdtypecode": codes,
        }
    )


@pytest.fixture(scope="module")
def french():
    listings = (write_listing(random.Random(seed), 2583) for seed in range(200))
    return [each for each in listings if each.language == "fr"]


@pytest.fixture(scope="module")
def jpeg():
    return encode(draw_picture(random.Random(3), 2583))


def test_the_same_word_always_becomes_the_same_new_word():
    one, other = invented("piscine et jardin"), invented("jardin, piscine")
    assert one.split()[0] == other.split()[1] != "piscine"
    assert invented(TITLE, seed=1) != invented(TITLE, seed=2)


def test_new_words_keep_capitals_and_leave_small_words_and_numbers():
    assert invented("PISCINE").isupper()
    assert invented("Piscine")[0].isupper()
    assert invented("de la 4500 cm pour") == "de la 4500 cm pour"


def test_most_but_not_all_content_words_are_replaced(french):
    words = sorted({word for each in french for word in each.title.lower().split() if word.isalpha() and len(word) > 4})
    assert 0.5 < sum(invented(word) != word for word in words) / len(words) < 0.9


def test_new_vocabulary_leaves_the_language_french(french):
    texts = [" ".join(disturb_text(each.title, "", random.Random(1), "vocabulary")) for each in french]
    assert (language.detect(texts) == "fr").mean() > 0.8


def test_other_languages_look_like_them(french):
    drawn = [
        disturb_text(each.title, each.description or "", random.Random(at), "languages")
        for at, each in enumerate(french)
    ]
    spoken = Counter(language.detect([visible_text(f"{title}\n{text}") for title, text in drawn]).to_list())
    assert spoken["fr"] < 0.2 * len(french)
    assert min(spoken["en"], spoken["de"]) > 0.2 * len(french)


@pytest.mark.parametrize("kind", ["vocabulary", "languages"])
def test_markup_stays_and_a_word_with_entities_is_one_word(kind):
    _, text = disturb_text(TITLE, DESCRIPTION, random.Random(0), kind)
    assert '<p class="piscine">' in text
    assert "<script>var piscine = 1;</script>" in text
    seen = visible_text(text)
    assert "Une piscine" not in seen
    # Were the entities left in, "d&#39;&eacute;t&eacute;" would be five words, "eacute" among them.
    assert "&" not in seen
    assert "été" in seen


def test_without_a_kind_both_kinds_come():
    drawn = {disturb_text(TITLE, "", random.Random(seed))[1] != "" for seed in range(20)}
    assert drawn == {True, False}  # only another language adds a sentence


def test_a_disturbed_picture_is_a_darker_softer_smaller_jpeg(jpeg):
    bad = disturb_picture(jpeg, random.Random(1))
    before, after = images.fingerprint(jpeg), images.fingerprint(bad)
    assert Image.open(BytesIO(bad)).format == "JPEG"
    assert (after.width, after.height) == (before.width, before.height)
    assert after.brightness < 0.7 * before.brightness
    assert after.sharpness < 0.5 * before.sharpness
    assert len(bad) < 0.5 * len(jpeg)


def test_a_picture_that_cannot_be_read_cannot_be_disturbed():
    with pytest.raises(images.BadPicture):
        disturb_picture(b"no picture", random.Random(1))


@pytest.mark.parametrize("seed", range(5))
def test_a_few_categories_become_more_frequent_with_the_level(rows, seed):
    codes = rows["prdtypecode"].to_list()
    plain = Counter(codes)

    def gained(level):
        drawn = Counter(codes[at] for week in range(5) for at in shift_classes(codes, level, seed, 200, week))
        gains = sorted((drawn[code] / 1000 - plain[code] / len(codes) for code in plain), reverse=True)
        return sum(gains[: simulate.FAVOURITES])

    assert gained(0.0) < 0.1
    assert gained(0.3) > gained(0.15) > gained(0.0)


def test_a_week_draws_no_product_twice_while_there_are_enough(rows):
    codes = rows["prdtypecode"].to_list()
    assert len(set(shift_classes(codes, 0.3, 1, 300).tolist())) == 300
    assert len(shift_classes(codes, 0.3, 1, 2 * len(codes))) == 2 * len(codes)
    assert len(shift_classes([10, 10, 10], 0.3, 1, 3)) == 3


@pytest.mark.parametrize("seed", range(10))
def test_moved_concepts_make_up_the_level_and_grow_with_it(seed):
    moves = [concepts(SHARES, level, seed) for level in (0.0, 0.1, 0.2, 0.3)]
    assert moves[0] == {}
    for fewer, more in zip(moves, moves[1:], strict=False):
        assert fewer.items() <= more.items()
    for level, moved in zip((0.0, 0.1, 0.2, 0.3), moves, strict=True):
        assert sum(SHARES[code] for code in moved) == pytest.approx(level, abs=0.035)
        assert not moved.keys() & set(moved.values())
        assert set(moved.values()) <= SHARES.keys()


def test_concepts_of_a_tiny_catalogue_leave_a_category_to_move_to():
    assert len(concepts({10: 0.05, 60: 0.05}, 0.3, 1)) <= 1
    assert concepts({10: 1.0}, 0.3, 1) == {}


def test_a_week_without_bias_is_a_plain_sample(rows):
    known = {row[0]: row for row in rows.iter_rows()}
    offers = list(week(rows, Bias(0.0), 100))
    assert len({offer.productid for offer in offers}) == 100
    for offer in offers:
        _, designation, description, code = known[offer.productid]
        assert (offer.designation, offer.description, offer.code) == (designation, description or "", code)
        assert (offer.disturbance, offer.degraded, offer.picture()) == (None, False, None)


def test_a_week_disturbs_as_many_products_as_the_level_says(rows, jpeg):
    offers = list(week(rows, Bias(0.3, seed=2), 400, picture=lambda productid: jpeg))
    disturbed = [offer for offer in offers if offer.disturbance]
    assert len(disturbed) / len(offers) == pytest.approx(0.3, abs=0.07)
    assert {offer.disturbance for offer in disturbed} == {"vocabulary", "languages"}
    assert all(offer.degraded for offer in disturbed)
    assert disturbed[0].picture() == disturbed[0].picture() != jpeg
    assert next(offer for offer in offers if not offer.disturbance).picture() == jpeg


def test_a_picture_that_is_broken_already_stays_so(rows):
    offers = week(rows, Bias(0.3, seed=2), 50, picture=lambda productid: b"no picture")
    assert {offer.picture() for offer in offers} == {b"no picture"}


def test_the_labels_of_a_week_have_the_new_meaning(rows):
    moved = concepts(_shares(rows), 0.3, 5)
    truth = dict(rows.select("productid", "prdtypecode").iter_rows())
    offers = list(week(rows, Bias(0.3, seed=5, vocabulary=False, languages=False, pictures=False), 400))
    assert all(offer.code == moved.get(truth[offer.productid], truth[offer.productid]) for offer in offers)
    assert any(offer.code != truth[offer.productid] for offer in offers)
    assert not any(offer.disturbance or offer.degraded for offer in offers)


def test_a_week_is_the_same_each_time_and_another_week_is_another(rows):
    bias = Bias(0.2, seed=7)
    texts = [[offer.designation for offer in week(rows, bias, 50, number)] for number in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_each_kind_of_bias_can_be_left_out(rows, jpeg):
    bias = Bias(0.3, vocabulary=False, pictures=False, classes=False, concepts=False)
    offers = list(week(rows, bias, 200, picture=lambda productid: jpeg))
    truth = dict(rows.select("productid", "prdtypecode").iter_rows())
    assert {offer.disturbance for offer in offers} == {None, "languages"}
    assert all(offer.picture() == jpeg and offer.code == truth[offer.productid] for offer in offers)


@pytest.mark.parametrize("level", [-0.1, 0.31, float("nan")])
def test_a_level_beyond_the_story_is_refused(level):
    with pytest.raises(ValueError, match="level of bias"):
        Bias(level)


def _shares(rows):
    counts = Counter(rows["prdtypecode"].to_list())
    return {code: count / len(rows) for code, count in counts.items()}
