"""Every sentence that people read, in French and English, and their numbers and dates in the language's form.

The sentences lie in `webapp/words/*.py`, one file an area, each with `TEXTS: dict[key, (fr, en)]`. In a sentence

- `{name}` is filled in: a number or a date in the language's form, anything else as it is;
- `{share:%}` is a percentage, `{at:date}` a date without its time;
- `{code:id}` is a number that names something, without separators; `{codes:categories}` a list of categories;
- `{count:produit|produits}` is the one or the other word, by the language's rule for plurals.

French is typed with ordinary spaces; `texts` makes those before `: ; ! ?` and within « » unbreakable.
"""

import importlib
import pkgutil
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent

from rakuten_assets.core.taxonomy import CATEGORIES
from rakuten_assets.store.errors import Refused
from webapp import words

LANGUAGES = ("fr", "en")
LOCALES = {"fr": Locale("fr", "FR"), "en": Locale("en", "GB")}

# Where the marketplace is.
ZONE = ZoneInfo("Europe/Paris")

CATEGORY_NAMES = {
    "fr": {category.code: category.fr for category in CATEGORIES},
    "en": {category.code: category.en for category in CATEGORIES},
}

NO_BREAK, NARROW = "\u00a0", "\u202f"


def t(key: str, language: str, **params: Any) -> str:
    """The sentence `key` in the language, filled in with the parameters."""
    return _Sentence(language).vformat(texts()[key][LANGUAGES.index(language)], (), params)


def said(refused: Refused, language: str) -> str:
    """What the store refused, as a sentence; an error without one of its own is at least admitted."""
    key = f"error.{refused.code}"
    if "" in refused.params.values() and f"{key}.bare" in texts():
        key += ".bare"
    return t(key if key in texts() else "error.unknown", language, **{"code": refused.code} | refused.params)


def category(code: int | None, language: str) -> str:
    """What people call a category; a dash where there is none, the code itself where it is not known."""
    if code is None:
        return "–"
    return CATEGORY_NAMES[language].get(code, str(code))


def number(value: float, language: str) -> str:
    """A number with the language's separators, and at most two decimals."""
    return format_decimal(round(value, 2), locale=LOCALES[language])


def percent(share: float | None, language: str, digits: int = 0) -> str:
    """A share from 0 to 1 as a percentage; a dash where there is none.

    A share below 1 is never shown as 100 %: nothing is as sure as that.
    """
    if share is None:
        return "–"
    most = 1 - 10 ** -(digits + 2)
    shown = min(share, most) if share < 1 else share
    sign = f"{NARROW}%" if language == "fr" else "%"
    return format_percent(shown, format=f"#,##0{'.' if digits else ''}{'0' * digits}{sign}", locale=LOCALES[language])


def moment(at: datetime | None, language: str, *, seconds: bool = False) -> str:
    """A date with its time of day, in the marketplace's time zone."""
    form = f"d MMM y, HH:mm{':ss' if seconds else ''}"
    return format_datetime(at, form, tzinfo=ZONE, locale=LOCALES[language]) if at else "–"


def day(at: date | datetime | None, language: str) -> str:
    """A date, in the marketplace's time zone."""
    if at is None:
        return "–"
    local = at.astimezone(ZONE) if isinstance(at, datetime) else at
    return format_date(local, "medium", locale=LOCALES[language])


def ago(at: datetime, language: str) -> str:
    """How long ago it was, in words."""
    return format_timedelta(at - datetime.now(UTC), add_direction=True, locale=LOCALES[language])


@cache
def texts() -> Mapping[str, tuple[str, str]]:
    """All sentences, by key."""
    found: dict[str, tuple[str, str]] = {}
    for module in pkgutil.iter_modules(words.__path__):
        area = importlib.import_module(f"{words.__name__}.{module.name}").TEXTS
        found |= {key: (typeset(french), english) for key, (french, english) in area.items()}
    return found


def typeset(french: str) -> str:
    """French with its unbreakable spaces; what stands within braces is left alone."""
    parts = re.split(r"(\{[^}]*\})", french.replace("'", "\u2019"))
    return "".join(part if part.startswith("{") else _unbreakable(part) for part in parts)


def _unbreakable(text: str) -> str:
    text = re.sub(r" ([;!?])", NARROW + r"\1", text)
    text = re.sub(r" ([:»%])", NO_BREAK + r"\1", text)
    return text.replace("« ", "«" + NO_BREAK)


class _Sentence(Formatter):
    """Fills in a sentence of one language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if "|" in format_spec:
            one, many = format_spec.split("|")
            return one if LOCALES[self.language].plural_form(value) == "one" else many
        if format_spec.startswith("%"):
            return percent(value, self.language, int(format_spec[1:] or 0))
        if format_spec == "categories":
            return ", ".join(f"{category(code, self.language)} ({code})" for code in value)
        return self._plain(value, format_spec)

    def _plain(self, value: Any, format_spec: str) -> str:
        if isinstance(value, datetime) and format_spec != "date":
            return moment(value, self.language)
        if isinstance(value, date):
            return day(value, self.language)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value) if format_spec == "id" else number(value, self.language)
        return str(value)
