"""The sentences, in both languages."""

import ast
import importlib
import pkgutil
import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from string import Formatter

import pytest

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import REVIEW_REASONS, STATES
from webapp import texts, words

ROOT = Path(texts.__file__).parents[1]


def test_every_sentence_is_there_in_both_languages():
    assert [key for key, both in texts.texts().items() if not all(each.strip() for each in both)] == []


def test_both_languages_fill_in_the_same():
    def filled(sentence):
        return {name for _, name, _, _ in Formatter().parse(sentence) if name}

    assert [key for key, (fr, en) in texts.texts().items() if filled(fr) != filled(en)] == []


def test_no_key_is_there_twice():
    areas = [
        importlib.import_module(f"webapp.words.{each.name}").TEXTS for each in pkgutil.iter_modules(words.__path__)
    ]
    counted = Counter(key for area in areas for key in area)
    assert [key for key, number in counted.items() if number > 1] == []


def test_french_has_its_spaces_where_they_belong():
    wrong = re.compile(r"(?<![\u202f\s])[;!?](?!\S)|\w:(?=\s)|[\w.]»|«\w| [:;!?»]|« |\w'\w")
    found = {key: fr for key, (fr, _) in texts.texts().items() if wrong.search(re.sub(r"\{[^}]*\}", "x", fr))}
    assert found == {}


def test_every_refusal_of_the_store_and_the_web_app_has_its_sentence():
    assert [code for code in _codes() if f"error.{code}" not in texts.texts()] == []


def test_every_action_in_the_audit_log_has_its_words():
    from rakuten_assets.store import records

    people = [f"product_{action}" for action in records.Action.__args__]
    assert [each for each in people + _actions() if f"action.{each}" not in texts.texts()] == []


@pytest.mark.parametrize(
    ("prefix", "names"),
    [("state", STATES), *((area, REVIEW_REASONS) for area in ("review", "desk.why", "decision.because"))],
)
def test_states_and_reasons_have_their_words(prefix, names):
    assert [name for name in names if f"{prefix}.{name}" not in texts.texts()] == []


def test_every_category_has_a_name_in_both_languages():
    assert all(set(texts.CATEGORY_NAMES[language]) == set(CODES) for language in texts.LANGUAGES)
    assert texts.category(2583, "fr") == "Autour de la piscine"
    assert texts.category(None, "fr") == "–"


def test_a_refused_category_lists_the_allowed_ones_by_name():
    refused = Refused("invalid", "category_not_allowed", code=9999, allowed=[10, 2583])
    assert texts.said(refused, "fr") == (
        "La catégorie 9999 n’est pas autorisée. Catégories autorisées\u00a0: "
        "Livre occasion (10), Autour de la piscine (2583)."
    )


def test_a_refusal_nobody_has_a_sentence_for_is_admitted():
    assert texts.said(Refused("invalid", "quite_new"), "en") == "The request was refused (quite_new)."


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("fr", 0, "0 résultat"),
        ("fr", 1, "1 résultat"),
        ("fr", 2, "2 résultats"),
        ("en", 0, "0 results"),
        ("en", 1, "1 result"),
        ("en", 1000, "1,000 results"),
        ("fr", 1000, "1\u202f000 résultats"),
    ],
)
def test_numbers_and_plurals_are_the_languages(language, count, said):
    assert texts.t("pager.total", language, count=count) == said


def test_moments_are_the_marketplaces():
    at = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)
    assert texts.moment(at, "fr") == "15 juil. 2026, 00:30"
    assert texts.moment(at, "en") == "15 Jul 2026, 00:30"
    assert texts.day(date(2026, 7, 14), "fr") == "14 juil. 2026"
    assert texts.moment(None, "fr") == "–"


def test_nothing_below_certainty_is_shown_as_100_percent():
    assert texts.percent(0.999, "fr") == "99\u202f%"
    assert texts.percent(1, "en") == "100%"
    assert texts.percent(0.1234, "en", 1) == "12.3%"
    assert texts.percent(None, "en") == "–"


def _calls(folder, name):
    """The arguments of all calls of `name` in the code of a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
                yield [each.value if isinstance(each, ast.Constant) else None for each in node.args]


def _codes():
    calls = [call for folder in ("rakuten_assets/store", "webapp") for call in _calls(folder, "Refused")]
    assert len(calls) > 30
    return sorted({str(call[1]) for call in calls if len(call) > 1 and call[1]})


def _actions():
    written = [call[2] for call in _calls("rakuten_assets/store", "write") if len(call) > 4 and call[2]]
    assert len(written) > 12
    return written
