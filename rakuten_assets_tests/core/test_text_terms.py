import pytest

from rakuten_assets.core.text_terms import SIZES, opening, opening_spans, writing, writing_spans

TEXTS = ["Housse PVC, 3 m²\nÉtanche", "JOUET en bois", "ABc  d", "", "a", " x ", "Ünïcode 12-34", "İÀ"]


def test_writing_is_the_shape_of_a_text():
    assert {"Aa AA", " 0 a", "Aa"} <= set(writing("Housse PVC, 3 m²"))
    assert set(writing("Housse PVC 3")) == set(writing("Lampe LED 7")) != set(writing("lampe led 7"))


@pytest.mark.parametrize("text", TEXTS)
def test_the_places_of_terms_are_those_of_the_terms(text):
    assert sorted(span.term for span in writing_spans(text)) == sorted(writing(text))
    for spans in (writing_spans(text), opening_spans(text)):
        assert all(0 <= span.first <= span.last < len(text) for span in spans)


def test_a_term_stands_where_it_was_read():
    text = "Housse de piscine"
    found = {span.term: text[span.first : span.last + 1] for span in writing_spans(text)}
    assert found["Aa a"] == "Housse de"
    assert max(map(len, found)) == SIZES[-1]


def test_a_title_is_known_by_its_first_words_and_its_last():
    assert opening("housse de piscine ronde") == [
        "1 housse",
        "2 de",
        "3 piscine",
        "-1 ronde",
        "1-2 housse de",
        "-2-1 piscine ronde",
    ]
    assert opening("livre") == ["1 livre", "-1 livre"]
    assert opening("") == []
