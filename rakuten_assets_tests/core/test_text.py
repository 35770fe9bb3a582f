import time
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from rakuten_assets.core import text

SCHEMA = {"productid": pl.Int64, "designation": pl.String, "description": pl.String}


def catalogue(*rows: tuple[str | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame([(number, *row) for number, row in enumerate(rows)], schema=SCHEMA, orient="row")


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("", ""),
        ("  une \n\t chaise\u00a0bleue ", "une chaise bleue"),
        ("<p>une <b>chaise</b></p><br/>bleue", "une chaise bleue"),
        ('<a href="x" title="a > b">chaise</a>', "chaise"),
        ("<a title=l'eau>chaise</a> d'été", "chaise d'été"),
        ('<a href="x>chaise</a> bleue', "chaise bleue"),
        ("<P CLASS=x>a</P >b", "a b"),
        ("a<script>var b = '<i>c</i>';</script>d", "a d"),
        ("a<SCRIPT type='x'>b</SCRIPT >c", "a c"),
        ("a<script>never closed", "a"),
        ("a<!-- never closed", "a"),
        ("a<style>p > b { c }</style>d", "a d"),
        ("<scripture>a</scripture>", "a"),
        ("a<!-- <b>b</b> -->c<!doctype html><?php d ?>e", "a c e"),
        ("<![CDATA[une chaise]]>", "une chaise"),
        ("3 < 5", "3 < 5"),
        ("a<b", "a<b"),
        ("<3 et 5 > 4", "<3 et 5 > 4"),
        ("&lt;b&gt; n'est pas une balise", "<b> n'est pas une balise"),
        ("D&D, AT&T & co", "D&D, AT&T & co"),
        ("&eacute;t&#233; &#xE9;t&eacute", "été été"),
        ("&amp;eacute;t&amp;#233;", "été"),
        ("R&amp;D", "R&D"),
        ("l\x92\x9cuf", "l’œuf"),
        ("cafe\u0301", "café"),
        ("a\x00b\x07c\u200bd\u00ade", "abcde"),
        ("demi\ud83d", "demi"),
    ],
)
def test_visible_text_is_what_a_reader_sees(raw: str, seen: str) -> None:
    assert text.visible_text(raw) == seen


@settings(deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from("<>&;/!-'\"= aé\u0301\u00ad\n"))))
def test_any_text_becomes_composed_words_with_one_space_between(raw: str) -> None:
    seen = text.visible_text(raw)

    assert seen == " ".join(seen.split(" ")).strip()
    assert "  " not in seen
    assert not any(unicodedata.category(letter) == "Cc" for letter in seen)
    assert seen == unicodedata.normalize("NFC", seen)


@pytest.mark.parametrize(
    "unit",
    ["<", "<a ", "<!-- ", "<!-- >", '<a ="<b>"', "<script>", "<script ", "&", "&#", "&amp;", "]]>", " <"],
)
def test_a_hundred_thousand_hostile_characters_cost_next_to_nothing(unit: str) -> None:
    start = time.perf_counter()
    text.visible_text(unit * (100_000 // len(unit)))
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("light", "classic"),
    [
        ("Chaises de jardin en résine", "chaise jardin resine"),
        ("LIVRES NEUFS, très rares !", "livre neuf rare"),
        ("Lot de 4 coussins 40x40 cm, 2,5 kg", "lot coussin"),
        ("The wooden chairs of our garden", "wooden chair garden"),
        ("Der Tisch und die Bank", "tisch bank"),
        ("El libro de los niños", "libro ninos"),
        ("Il gioco della famiglia", "gioco famiglia"),
        ("Het spel voor een gezin", "spel gezin"),
        ("l'eau d'une piscine qu'on aime", "eau piscine aimer"),
        ("Cœur d'œuf, maïs, 2 dés, 3 m²", "coeur oeuf mais de"),
        ("Elle ferait un cadeau, ayant servi", "cadeau servir"),
        ("12 345 %", ""),
    ],
)
def test_the_classic_view_keeps_folded_lemmas_of_words_that_say_something(light: str, classic: str) -> None:
    assert text.clean(catalogue((light, None)))["classic"].item() == classic


def test_the_light_view_puts_title_and_description_on_a_line_each_in_their_own_letters() -> None:
    row = text.clean(catalogue(("Chaise <b>Été</b>", "En r&eacute;sine"))).row(0, named=True)

    assert row["light"] == "Chaise Été\nEn résine"
    assert row["html"]
    assert (row["title_length"], row["description_length"]) == (10, 9)


@pytest.mark.parametrize(
    ("title", "description", "light", "missing"),
    [
        (None, None, "", True),
        ("", "<br>", "", True),
        ("Chaise", None, "Chaise", True),
        (None, "Bleue", "Bleue", False),
    ],
)
def test_a_product_may_lack_either_text(title: str | None, description: str | None, light: str, missing: bool) -> None:
    row = text.clean(catalogue((title, description))).row(0, named=True)

    assert (row["light"], row["missing_description"]) == (light, missing)
    assert (row["text_key"] is None) == (light == "")


@pytest.mark.parametrize(
    ("description", "html"),
    [
        ("sans rien", False),
        ("3 < 5 & D&D", False),
        ("a<br>b", True),
        ("&eacute;", True),
        ("a<!-- b -->", True),
    ],
)
def test_markup_is_noticed(description: str, html: bool) -> None:
    assert text.clean(catalogue(("Chaise", description)))["html"].item() == html


def test_no_products_are_cleaned_into_no_rows() -> None:
    assert text.clean(catalogue()).schema == text.clean(catalogue(("Chaise", "<b>Bleue</b>"))).schema
    assert text.clean(catalogue()).is_empty()


def test_columns_without_any_text_are_cleaned_too() -> None:
    nothing = pl.DataFrame({"productid": [1, 2], "designation": [None, None], "description": [None, None]})

    assert text.clean(nothing)["light"].to_list() == ["", ""]


words = st.sampled_from(["Chaises", "<b>été</b>", "&eacute;", "cafe\u0301", "3 < 5", "\u00ad", "D&D", "<!-- x"])
raws = st.none() | st.lists(words).map(" ".join)


@settings(deadline=None)
@given(st.lists(st.tuples(raws, raws), max_size=6))
def test_a_product_is_cleaned_alike_alone_and_among_others(rows: list[tuple[str | None, str | None]]) -> None:
    products = catalogue(*rows)
    alone = [text.clean(one) for one in products.iter_slices(1)]

    assert_frame_equal(text.clean(products), pl.concat([text.clean(catalogue()), *alone]))


@settings(deadline=None)
@given(st.lists(st.tuples(raws, raws), max_size=6))
def test_the_views_are_those_of_the_whole_cleaning(rows: list[tuple[str | None, str | None]]) -> None:
    products = catalogue(*rows)
    assert_frame_equal(text.views(products), text.clean(products).select("productid", "light", "classic"))


def test_texts_that_differ_only_in_case_or_markup_share_their_key() -> None:
    keys = text.clean(catalogue(("Chaise bleue", None), ("CHAISE", "<p>bleue</p>"), ("Chaise rouge", None)))[
        "text_key"
    ].to_list()

    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


def test_duplicate_texts_tell_contradictions_from_repeats() -> None:
    texts = pl.DataFrame(
        {
            "productid": [5, 1, 2, 3, 4, 6, 7, 8],
            "text_key": ["a", "a", "b", "b", "c", None, None, "b"],
            "prdtypecode": [10, 10, 50, 40, 60, 10, 40, None],
        }
    )

    assert text.duplicate_texts(texts).to_dicts() == [
        {"text_key": "a", "productids": [1, 5], "categories": [10], "contradictory": False},
        {"text_key": "b", "productids": [2, 3, 8], "categories": [40, 50], "contradictory": True},
    ]


def test_the_vocabulary_of_a_long_running_service_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "VOCABULARY_LIMIT", 3)
    vocabulary = text._Vocabulary()

    assert [vocabulary[word] for word in ("chaises", "livres", "jouets", "chaises", "piscines")] == [
        "chaise", "livre", "jouet", "chaise", "piscine",
    ]  # fmt: skip
    assert len(vocabulary) <= 3
