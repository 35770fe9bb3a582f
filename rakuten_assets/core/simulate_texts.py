"""Texts as sellers of tomorrow may write them: in words that nobody knows yet, or in another language."""

import csv
import html
import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from random import Random
from typing import Literal

from rakuten_assets.core.text import SILENT

Disturbance = Literal["vocabulary", "languages"]
KINDS: tuple[Disturbance, ...] = ("vocabulary", "languages")

# Content words that a new vocabulary replaces; which ones is fixed, so that the others can still be understood.
REPLACED = 0.7

# The languages that other sellers write in: the commonest of the catalogue after French.
FOREIGN = ("en", "de")

# What sellers put before and behind such texts; without it the glossary's few hundred words leave many a text French.
TAGS = {
    "en": ("brand new with free shipping", "high quality for the home", "in very good condition"),
    "de": ("neu mit kostenlosem Versand", "hohe Qualität für das Haus", "in sehr gutem Zustand"),
}
SENTENCES = {
    "en": ("This product is brand new and will be shipped to you from our own warehouse.",),
    "de": ("Dieses Produkt ist neu und wird Ihnen direkt aus unserem Lager geliefert.",),
}
SMALL_WORDS = {
    "en": {"d'": "of ", "l'": "the ", "à": "to", "en": "in", "ce": "this", "vous": "you", "nous": "we"},
    "de": {"d'": "von ", "l'": "das ", "à": "zu", "en": "in", "ce": "dieses", "vous": "sie", "nous": "wir"},
}

# What a reader does not see. Only coarsely, for texts that were accepted: `core.text` finds it for good.
HIDDEN = re.compile(r"(<(script|style)\b.*?</\2\s*>|<[^>]*>)", re.IGNORECASE | re.DOTALL)

WORD = re.compile(r"[^\W\d_]+")
SHORTEST = 4

# Syllables of invented words: easy to say, and no language's own.
ONSETS = (*"bcdfgjlmnprstvz", "bl", "br", "ch", "cr", "dr", "fl", "gr", "pl", "pr", "qu", "tr")
NUCLEI = (*"aeiou", "ai", "au", "eu", "oi", "ou")
CODAS = ("", "", "", "l", "n", "r", "s", "x")


def disturb_text(
    designation: str, description: str, rng: Random, kind: Disturbance | None = None, seed: int = 0
) -> tuple[str, str]:
    """Title and description in new words or in another language, markup left alone; `kind` is drawn where None.

    `vocabulary` replaces most content words by invented ones, each always by the same for one `seed`, so that a model
    can learn them. `languages` replaces the French words that the glossary knows by English or German ones and puts a
    sentence of that language first, as sellers from abroad do.
    """
    kind = kind or rng.choice(KINDS)
    if kind == "vocabulary":
        title, text = (_visibly(part, lambda seen: invented(seen, seed)) for part in (designation, description))
        return title, text
    spoken = rng.choice(FOREIGN)
    title, text = (_visibly(part, lambda seen: _translated(seen, spoken)) for part in (designation, description))
    return f"{title} {rng.choice(TAGS[spoken])}".strip(), f"{rng.choice(SENTENCES[spoken])} {text}".strip()


def invented(text: str, seed: int = 0) -> str:
    """`text` with most of its content words replaced by invented ones, capitals kept."""
    return WORD.sub(lambda match: _like(match[0], _new_word(match[0].lower(), seed)), text)


@lru_cache(200_000)
def _new_word(word: str, seed: int) -> str:
    """The word that takes the place of `word`, of about its length; short and silent ones stay, and some others."""
    rng = Random(f"{seed}/{word}")
    if len(word) < SHORTEST or word in SILENT or rng.random() >= REPLACED:
        return word
    new = ""
    while len(new) < len(word):
        new += rng.choice(ONSETS) + rng.choice(NUCLEI) + rng.choice(CODAS)
    return new


def _translated(text: str, spoken: str) -> str:
    phrases, pattern = _from_french(spoken)
    return pattern.sub(lambda match: _like(match[0], phrases[match[0].lower()]), text)


@cache
def _from_french(spoken: str) -> tuple[dict[str, str], re.Pattern[str]]:
    """The glossary of `core.translate` the other way round, and what finds its phrases, the longest first."""
    content = (files("rakuten_assets.core") / "glossary.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(content.splitlines(), delimiter="\t")
    phrases: dict[str, str] = dict(SMALL_WORDS[spoken])
    for row in rows:
        if row.get(spoken):
            phrases.setdefault(row["fr"].lower(), str(row[spoken]).split("|")[0])
    longest = sorted(phrases, key=len, reverse=True)
    return phrases, re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})(?:\b|(?<='))", re.IGNORECASE)


def _visibly(text: str, change: Callable[[str], str]) -> str:
    """`text` with what a reader sees of it changed, tags and scripts as they are."""
    at, parts = 0, []
    for hidden in HIDDEN.finditer(text):
        parts += [_decoded(text[at : hidden.start()], change), hidden[0]]
        at = hidden.end()
    return "".join([*parts, _decoded(text[at:], change)])


def _decoded(text: str, change: Callable[[str], str]) -> str:
    """What `change` makes of a text, entities again where it had some: an entity stands in the middle of a word."""
    if "&" not in text:
        return change(text)
    return html.escape(change(html.unescape(text)), quote=False).encode("ascii", "xmlcharrefreplace").decode()


def _like(original: str, new: str) -> str:
    """`new` in capitals, or with a capital, as `original` is."""
    if original.isupper() and len(original) > 1:
        return new.upper()
    return new[:1].upper() + new[1:] if original[:1].isupper() else new
