"""What tells a person's data, wherever it lies: e-mail, name, texts, and the hashes of pictures."""

import gzip
import html
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import polars as pl

# What is written instead of a person's words.
PURGED = "[purged]"

# A shorter text is found in others' as well: it tells nobody.
TELLING = 12

# An e-mail or a name that is a part of another one is somebody else's. A line's end, as JSON writes it, is no letter.
STARTS, ENDS = r"(?:(?<![\w.+%-])|(?<=\\[nrt]))", r"(?![\w@-]|\.\w)"


def forms(word: str) -> set[str]:
    """A word as it stands in texts, in JSON, in CSV and in HTML."""
    said = {json.dumps(word, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return said | {word, word.replace('"', '""'), html.escape(word), html.escape(word, quote=False)}


def telling(words: Iterable[str]) -> frozenset[str]:
    """Those of the words that are looked for: a short one, or one without a space, is anybody's."""
    return frozenset(word for word in words if len(word) >= TELLING and " " in word.strip())


@dataclass(frozen=True)
class Needles:
    """Words that are one person's alone; capitals make no difference. `name` is empty where it is anybody's."""

    email: str
    name: str
    texts: frozenset[str]
    pictures: frozenset[str]

    @cached_property
    def patterns(self) -> list[str]:
        """The texts and pictures as they may be written, the longest first: a shorter one may be a part of it."""
        return _sorted(form for word in (*telling(self.texts), *self.pictures) for form in forms(word))

    @cached_property
    def who(self) -> list[str]:
        """E-mail and name as they may be written."""
        return _sorted(form for word in (self.email, self.name) if word for form in forms(word))

    @cached_property
    def _in_bytes(self) -> tuple[list[str], list[str]]:
        return _bytes(self.patterns), _bytes(self.who)

    def among(self, values: pl.Series) -> pl.Series:
        """Whether each of the strings has a needle in it."""
        return _among(values, self.patterns, self.who)

    def redacted(self, values: pl.Series) -> pl.Series:
        """The strings, with something else in each needle's place."""
        return _redacted(values, self.patterns, self.who)

    def redacted_file(self, data: bytes) -> bytes:
        """A file of text with something else in each needle's place; the rest stays byte for byte."""
        values = pl.Series([data.decode("latin-1")])
        return str(_redacted(values, *self._in_bytes).item()).encode("latin-1")

    def in_file(self, name: str, data: bytes) -> bool:
        """Whether a file has a needle in it, also where it is a table or compressed."""
        # The searching of Polars, over bytes as letters: all needles in one pass.
        if _among(pl.Series([data.decode("latin-1")]), *self._in_bytes).item():
            return True
        if name.endswith(".parquet"):
            return bool(self.in_table(pl.read_parquet(io.BytesIO(data))).any())
        if data[:2] == b"\x1f\x8b":
            return self.in_file(name.removesuffix(".gz"), gzip.decompress(data))
        if data[:4] == b"PK\x03\x04" and not name.endswith(".npz"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                return any(self.in_file(member, archive.read(member)) for member in archive.namelist())
        return False

    def in_table(self, table: pl.DataFrame) -> pl.Series:
        """Whether each row has a needle in any of its strings."""
        found = pl.repeat(False, len(table), eager=True)
        for column in table.iter_columns():
            if column.dtype == pl.String:
                found = found | self.among(column)
            elif column.dtype == pl.List(pl.String):
                found = found | self.among(column.list.join("\n"))
        return found


def besides(words: Iterable[str], others: Iterable[pl.Series]) -> frozenset[str]:
    """Those of the words that none of the other texts holds, not even as a part."""
    written = {word: {_lower(form) for form in forms(word)} for word in words}
    patterns, there = _sorted(form for each in written.values() for form in each), set[str]()
    for values in others:
        parts = values.str.extract_many(_series(patterns), ascii_case_insensitive=True, overlapping=True)
        there.update(_lower(part) for part in parts.explode().drop_nulls().unique())
    return frozenset(word for word, each in written.items() if not each & there)


def _lower(word: str) -> str:
    """Without capitals, as the searching takes them: those of ASCII."""
    return word.encode().lower().decode()


def _sorted(words: Iterable[str]) -> list[str]:
    return sorted(set(words), key=lambda word: (-len(word), word))


def _bytes(words: Sequence[str]) -> list[str]:
    """The words in UTF-8 and, where it has their letters, in Windows' own encoding; each byte as a letter."""
    encoded = {word.encode() for word in words}
    for word in words:
        with suppress(UnicodeEncodeError):
            encoded.add(word.encode("cp1252"))
    return _sorted(word.decode("latin-1") for word in encoded)


def _among(values: pl.Series, texts: list[str], who: list[str]) -> pl.Series:
    found = values.str.contains_any(_series(texts), ascii_case_insensitive=True).fill_null(False)
    # Few have what looks like it, and only these are looked at closely.
    close = values.str.contains_any(who, ascii_case_insensitive=True).fill_null(False) & ~found
    exact = _exact(who)
    hits = [number for number in close.arg_true() if exact.search(values[number])]
    return found.scatter(hits, True) if hits else found


def _redacted(values: pl.Series, texts: list[str], who: list[str]) -> pl.Series:
    exact = _exact(who)
    instead = _series([PURGED] * len(texts))
    replaced = values.str.replace_many(_series(texts), instead, leftmost=True, ascii_case_insensitive=True)
    return pl.Series(values.name, [value and exact.sub(PURGED, value) for value in replaced], pl.String)


def _series(words: list[str]) -> pl.Series:
    """As Polars takes them, also where there are none."""
    return pl.Series(words, dtype=pl.String)


def _exact(who: list[str]) -> re.Pattern[str]:
    return re.compile(f"{STARTS}(?:{'|'.join(map(re.escape, who))}){ENDS}", re.IGNORECASE)
