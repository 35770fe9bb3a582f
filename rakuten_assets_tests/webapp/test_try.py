"""Anybody tries the classification (U8), and sees why; the drawing of an explanation keeps strangers' text harmless."""

import pytest

from rakuten_assets_tests.webapp.selling import sees
from serving.schemas import PictureExplanation, TextExplanation, Word
from webapp.explanation import picture_html, strong_places, strong_words, words_html


def explained(read, **contributions):
    """A text of which these words counted."""
    words, at = [], 0
    for word in read.split():
        start = read.index(word, at)
        at = start + len(word)
        words.append(Word(word=word, start=start, end=at, contribution=contributions.get(word, 0.0)))
    return TextExplanation(read=read, logit=1, base=0, elsewhere=0, words=words)


def heat(*regions, picture="QUJD"):
    return PictureExplanation(
        rows=len(regions), columns=len(regions[0]), regions=[*map(list, regions)], picture=picture
    )


async def test_where_the_service_is_down_the_page_says_so(user, sign_in, seller):
    await sign_in(user, seller)
    await user.open("/try")
    user.find("Titre").type("Piscine ronde")
    user.find("Classer").click()
    await sees(user, "Le service de classement ne répond pas en ce moment")


async def test_with_nothing_given_the_page_says_what_is_needed(user, sign_in, admin):
    await sign_in(user, admin)
    await user.open("/try")
    user.find("Classer").click()
    await sees(user, "Donnez un titre, une description ou une image")


def test_the_words_of_a_text_are_escaped():
    read = "<script>alert(1)</script> \"'><img src=x onerror=alert(1)> piscine"
    html = words_html(explained(read, piscine=2.0, **{"<script>alert(1)</script>": 1.0}), 2.0)
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_words_that_counted_more_are_marked_stronger_and_others_not():
    html = words_html(explained("piscine avec pompe neuve", piscine=2.0, pompe=1.0, neuve=-0.5), 2.0)
    assert '<mark class="why-for why-for-5" title="+2.00">piscine</mark> avec' in html
    assert '<mark class="why-for why-for-3" title="+1.00">pompe</mark>' in html
    assert '<mark class="why-against why-against-2" title="-0.50">neuve</mark>' in html


def test_an_endless_text_is_shown_by_its_beginning():
    html = words_html(explained(" ".join(f"mot{number}" for number in range(2000))), 1.0)
    assert "mot399" in html
    assert "mot400" not in html
    assert html.endswith("…</div>")


def test_a_words_places_count_together_in_what_is_said_of_it():
    found = explained("Piscine bleue piscine, rouge", **{"Piscine": 1.0, "piscine,": 1.5, "bleue": 2.0, "rouge": -1.0})
    assert strong_words(found.words) == (["piscine", "bleue"], ["rouge"])


def test_a_picture_that_is_no_base64_is_not_drawn():
    with pytest.raises(ValueError, match="base64"):
        picture_html(heat([1.0], picture='"><script>alert(1)</script>'), "")


def test_the_heat_map_is_warm_where_a_region_spoke_for_the_category():
    html = picture_html(heat([1.0, 0.0], [-0.5, 0.01]), 'Une "image"')
    assert html.count("<rect") == 2
    assert 'fill="#ff2d00" fill-opacity="0.60"' in html
    assert 'fill="#0057ff" fill-opacity="0.30"' in html
    assert 'alt="Une &quot;image&quot;"' in html


@pytest.mark.parametrize(
    ("regions", "places"),
    [
        (([9, 0, 0], [0, 0, 0], [0, 0, 0]), ["top_left"]),
        (([0, 0, 0], [0, 5, 0], [0, 0, 4]), ["middle_centre", "bottom_right"]),
        (([-1, -1, -1], [0, 0, 0], [-3, 0, 0]), []),
    ],
)
def test_the_places_that_counted_are_said_in_words(regions, places):
    assert strong_places(heat(*regions)) == places
