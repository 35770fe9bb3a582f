"""Texts in other languages into French, each paid for once."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import polars as pl
from upath import UPath

from rakuten_assets.core.storage import read_parquet, write_parquet

TARGET = "fr"

# A killed run loses, and pays again for, at most this many texts.
CHUNK = 500


class Translator(Protocol):
    """Turns texts of one language into French; `name` stands in the cache's keys and in the table."""

    name: str

    def translate(self, texts: Sequence[str], source: str) -> list[str]:
        """One French text for each of `texts`, in order; raises where it cannot."""
        ...


class TranslatorUnavailable(RuntimeError):
    """A translator cannot work for a whole language, so that trying text by text is pointless."""


@dataclass(frozen=True)
class Translation:
    """One row per product, and how many rows each fate befell; `reasons` are the distinct failures."""

    table: pl.DataFrame
    translated: int
    from_cache: int
    kept: int
    failed: int
    reasons: tuple[str, ...] = ()


def translate(texts: pl.DataFrame, translator: Translator, cache: "TranslationCache | None" = None) -> Translation:
    """All texts in French: French is left alone, a distinct text is sent once, a failed one stays as it is.

    Parameters
    ----------
    texts
        `productid`, `light` and `language`; a text that is null or empty, or of no language, is left alone.
    cache
        Where translations are kept between calls; without one they are forgotten.

    Returns
    -------
    Translation
        Its table has `productid`, `translated`, `translator` (null where the text is the original) and
        `translation_failed`, in the order of `texts`. Failures are not cached: the next run tries again.
    """
    foreign = pl.col("language").fill_null(TARGET).ne(TARGET) & pl.col("light").fill_null("").ne("")
    keys = [
        cache_key(translator.name, source, text) if wanted else None
        for source, text, wanted in texts.select("language", "light", foreign.alias("wanted")).iter_rows()
    ]
    keyed = texts.with_columns(key=pl.Series(keys, dtype=pl.String))
    distinct = keyed.drop_nulls("key").unique("key", maintain_order=True)
    cached = cache.get_many(distinct["key"].to_list()) if cache else {}
    fresh: dict[str, str] = {}
    reasons: set[str] = set()
    for (source,), rows in distinct.filter(~pl.col("key").is_in(list(cached))).group_by(
        "language", maintain_order=True
    ):
        for answers in _answers(translator, str(source), rows, reasons):
            fresh |= answers
            if cache:
                cache.put_many(answers)
    return _assemble(keyed, translator.name, cached, fresh, tuple(sorted(reasons)))


def _answers(translator: Translator, source: str, rows: pl.DataFrame, reasons: set[str]) -> Iterator[dict[str, str]]:
    """Key → French, chunk by chunk; the rest is given up where a whole chunk failed: the service is down."""
    for chunk in rows.iter_slices(CHUNK):
        answers = _ask(translator, source, chunk["light"].to_list(), reasons)
        if not answers:
            return
        yield {key: answers[text] for key, text in chunk.select("key", "light").iter_rows() if text in answers}


def _ask(translator: Translator, source: str, texts: list[str], reasons: set[str]) -> dict[str, str]:
    """Text → French for those that worked: all at once, or one by one where one spoils the batch."""
    try:
        return dict(zip(texts, _checked(translator.translate(texts, source), texts), strict=True))
    except Exception as failure:  # whatever a client library raises: the original is kept, and the row says so
        if len(texts) == 1 or isinstance(failure, TranslatorUnavailable):
            reasons.add(f"{source}: {type(failure).__name__}: {failure}")
            return {}
    singles = (_ask(translator, source, [text], reasons) for text in texts)
    return {text: french for single in singles for text, french in single.items()}


def _checked(answers: Sequence[str], texts: Sequence[str]) -> Sequence[str]:
    if len(answers) != len(texts) or not all(isinstance(answer, str) and answer.strip() for answer in answers):
        raise ValueError("the translator left out a text")
    return answers


def _assemble(
    keyed: pl.DataFrame,
    name: str,
    cached: Mapping[str, str],
    fresh: Mapping[str, str],
    reasons: tuple[str, ...],
) -> Translation:
    french = {**cached, **fresh}
    found = pl.Series([french.get(key) if key else None for key in keyed["key"]], dtype=pl.String)
    table = keyed.select(
        "productid",
        translated=found.fill_null(keyed["light"]),
        translator=pl.when(found.is_not_null()).then(pl.lit(name)),
        translation_failed=pl.col("key").is_not_null() & found.is_null(),
    )
    return Translation(
        table,
        translated=sum(key in fresh for key in keyed["key"]),
        from_cache=sum(key in cached for key in keyed["key"]),
        kept=keyed["key"].null_count(),
        failed=int(table["translation_failed"].sum()),
        reasons=reasons,
    )


def cache_key(translator: str, source: str, text: str) -> str:
    """What a translation is filed under: who translated what from which language."""
    return sha256("\0".join((translator, source, text)).encode()).hexdigest()


class TranslationCache:
    """Translations by content, in Parquet files that are only ever added: writers cannot harm each other.

    A file gets its name once it is whole, so a killed writer leaves nothing that is read. Files are read
    once each, the ones that others have added since as well.
    """

    def __init__(self, root: UPath | Path | str) -> None:
        self.root = UPath(root)
        self._known: dict[str, str] = {}
        self._read: set[str] = set()

    def get_many(self, keys: Sequence[str]) -> dict[str, str]:
        """The translations that are known of `keys`."""
        for path in self.root.glob("*.parquet") if keys else ():
            if path.name not in self._read:
                self._known.update(read_parquet(path).select("key", "text").iter_rows())
                self._read.add(path.name)
        return {key: self._known[key] for key in keys if key in self._known}

    def put_many(self, translations: Mapping[str, str]) -> None:
        """Adds one file with `translations`, key → French; nothing where there are none."""
        if not translations:
            return
        name = f"{uuid4().hex}.parquet"
        table = pl.DataFrame({"key": list(translations), "text": list(translations.values())})
        write_parquet(self.root / name, table)
        self._known.update(translations)
        self._read.add(name)


class GlossaryTranslator:
    """Replaces the product words it knows by their French ones and keeps the rest; needs no download."""

    name = "glossary"

    def translate(self, texts: Sequence[str], source: str) -> list[str]:
        """`texts` with known phrases in French, the longest first, and capitals kept."""
        glossary = _glossary(source)
        return [_in_french(text, glossary) for text in texts]


@dataclass(frozen=True)
class _Glossary:
    french: dict[str, str]
    longest: dict[str, int]  # first word → the most words that a phrase beginning with it has


@cache
def _glossary(source: str) -> _Glossary:
    """Of one language, `french` by lower-case phrase; none for a language that the glossary lacks."""
    content = (files("rakuten_assets.core") / "glossary.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(content.splitlines(), delimiter="\t")
    french = {
        phrase.replace("-", " "): row[TARGET] for row in rows for phrase in (row.get(source) or "").split("|") if phrase
    }
    longest: dict[str, int] = {}
    for phrase in french:
        words = WORD.findall(phrase)
        longest[words[0]] = max(len(words), longest.get(words[0], 0))
    return _Glossary(french, longest)


WORD = re.compile(r"\w+")
WORDS_AND_REST = re.compile(r"(\w+)")


def _in_french(text: str, glossary: _Glossary) -> str:
    parts = WORDS_AND_REST.split(text)  # rest, word, rest, word, … rest
    words = [word.lower() for word in parts[1::2]]
    at = 0
    while at < len(words):
        at += _replace(parts, words, at, glossary)
    return "".join(parts)


def _replace(parts: list[str], words: list[str], at: int, glossary: _Glossary) -> int:
    """Puts the longest phrase at word `at` into French, in place; how many words that took."""
    for count in range(glossary.longest.get(words[at], 0), 0, -1):
        first, end = 2 * at + 1, 2 * (at + count)
        phrase = "".join(parts[first:end]).lower().replace("-", " ") if count > 1 else words[at]
        if phrase in glossary.french:
            parts[first:end] = [_like(parts[first], glossary.french[phrase]), *[""] * (2 * count - 2)]
            return count
    return 1


def _like(original: str, french: str) -> str:
    if original.isupper() and len(original) > 1:
        return french.upper()
    return french[0].upper() + french[1:] if original[0].isupper() else french


class MarianTranslator:
    """A Marian model for each source language, from the hub or a folder, loaded when first needed.

    Parameters
    ----------
    model
        A hub name or a folder, where `{source}` stands for the language's code.
    batch_size, device, beams
        How many pieces go through the model together, where, and how many beams it searches.
    """

    # About 100 tokens: the models were trained on sentences and lose the end of anything much longer.
    PIECE = 400
    ANSWER = 256

    def __init__(
        self,
        model: str = "Helsinki-NLP/opus-mt-{source}-fr",
        batch_size: int = 16,
        device: str = "cpu",
        beams: int = 1,
    ) -> None:
        self.model, self.batch_size, self.device, self.beams = model, batch_size, device, beams
        self.name = f"marian:{model}"
        self._loaded: dict[str, tuple[Any, Any]] = {}

    def translate(self, texts: Sequence[str], source: str) -> list[str]:
        """`texts` sentence by sentence in French; raises `TranslatorUnavailable` where there is no model."""
        pieces = [list(blocks(text, self.PIECE)) for text in texts]
        flat = sorted({piece for parts in pieces for piece in parts}, key=len)  # alike in length: little padding
        french: dict[str, str] = {}
        for start in range(0, len(flat), self.batch_size):
            batch = flat[start : start + self.batch_size]
            french.update(zip(batch, self._generate(batch, source), strict=True))
        return [" ".join(french[piece] for piece in parts) for parts in pieces]

    def _generate(self, batch: list[str], source: str) -> list[str]:
        import torch

        tokenizer, model = self._load(source)
        inputs = tokenizer(batch, return_tensors="pt", padding=True, truncation=True).to(self.device)
        with torch.inference_mode():
            tokens = model.generate(**inputs, num_beams=self.beams, max_new_tokens=self.ANSWER)
        return [str(text) for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def _load(self, source: str) -> tuple[Any, Any]:
        if source not in self._loaded:
            try:
                self._loaded[source] = _marian(self.model.format(source=source), self.device)
            except (OSError, ImportError) as failure:
                raise TranslatorUnavailable(f"no Marian model for {source!r}: {failure}") from failure
        return self._loaded[source]


def _marian(name: str, device: str) -> tuple[Any, Any]:
    from transformers import AutoTokenizer, MarianMTModel

    model: Any = MarianMTModel.from_pretrained(name)
    return AutoTokenizer.from_pretrained(name), model.to(device).eval()


class GoogleTranslator:
    """Google Cloud Translation, block after block; needs the extra `google` and Google's credentials."""

    name = "google"

    # The service refuses requests of more than 5,000 characters.
    BLOCK = 4_900

    def __init__(self, client: Any = None) -> None:
        self.client = client or _google_client()

    def translate(self, texts: Sequence[str], source: str) -> list[str]:
        """`texts` in French, each put together again from its translated blocks."""
        return [" ".join(self._block(block, source) for block in blocks(text, self.BLOCK)) for text in texts]

    def _block(self, block: str, source: str) -> str:
        answer = self.client.translate(block, target_language=TARGET, source_language=source, format_="text")
        return str(answer["translatedText"])


def _google_client() -> Any:
    try:
        from google.cloud import translate_v2
    except ImportError as missing:
        raise ImportError("GoogleTranslator needs a library: pip install 'rakuten-assets[google]'") from missing
    return translate_v2.Client()


SENTENCE_ENDS = (". ", "! ", "? ", "; ")


def blocks(text: str, limit: int) -> Iterator[str]:
    """`text` in pieces of at most `limit` characters, each ending with a sentence or a word if it can."""
    rest = text.strip()
    while len(rest) > limit:
        cut = max(rest.rfind(end, 0, limit + 1) for end in SENTENCE_ENDS) + 1
        if cut < limit // 2:
            cut = rest.rfind(" ", 0, limit + 1)
        cut = cut if cut > 0 else limit
        yield rest[:cut].rstrip()
        rest = rest[cut:].lstrip()
    if rest:
        yield rest
