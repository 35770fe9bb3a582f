import socket

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rakuten_assets.core import language

SENTENCES = {
    "fr": "Chaise de jardin en bois avec deux coussins et une petite table",
    "en": "Wooden garden chair with two soft cushions and a small table",
    "de": "Gartenstuhl aus Holz mit zwei weichen Kissen und einem kleinen Tisch",
    "es": "Silla de jardín de madera con dos cojines suaves y una mesa pequeña",
    "it": "Sedia da giardino in legno con due cuscini morbidi e un piccolo tavolo",
    "nl": "Houten tuinstoel met twee zachte kussens en een kleine tafel",
}


def one(text: str) -> str:
    return str(language.detect([text]).item())


@pytest.mark.parametrize(("code", "sentence"), SENTENCES.items())
def test_each_likely_language_is_recognised_in_any_case(code: str, sentence: str) -> None:
    assert language.detect([sentence, sentence.upper(), sentence.lower()]).to_list() == [code] * 3


def test_the_likely_languages_are_those_that_sellers_write_in() -> None:
    assert set(language.LIKELY) == set(SENTENCES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PS4",
        "The wooden chair",  # English, but too short to tell
        "12345 67890 12345 67890 12345 67890",
        "これは木製の庭用の椅子と小さなテーブルのセットです",  # none of the likely ones
        "qwrtz plkjh vbnmx ztrwq kjhgf",
    ],
)
def test_what_is_too_short_or_doubtful_is_french(text: str) -> None:
    assert one(text) == "fr"


@pytest.mark.parametrize(
    "text",
    [
        "Cadeira de jardim em madeira com duas almofadas macias e uma mesa pequena",  # Portuguese
        "Cadira de jardí de fusta amb dos coixins tous i una taula petita",  # Catalan
        "Trästol för trädgården med två mjuka kuddar och ett litet bord",  # Swedish
    ],
)
def test_relatives_are_taken_for_a_likely_language(text: str) -> None:
    assert one(text) in language.LIKELY


@settings(deadline=None)
@given(st.lists(st.text()))
def test_any_texts_get_one_likely_language_each(texts: list[str]) -> None:
    found = language.detect(pl.Series(texts, dtype=pl.String))

    assert len(found) == len(texts)
    assert set(found) <= set(language.LIKELY)


def test_detection_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    language._model.cache_clear()

    assert one(SENTENCES["de"]) == "de"
