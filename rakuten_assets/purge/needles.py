"""What tells a person's data, wherever it lies: e-mail, name, texts, and the hashes of pictures."""

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property

import polars as pl

# What is written instead of a person's words.
PURGED = "[purged]"

# A shorter text is found in others' as well: it tells nobody.
TELLING = 12


@dataclass(frozen=True)
class Needles:
    """Words that are one person's alone."""

    email: str
    name: str
    texts: frozenset[str]
    pictures: frozenset[str]

    @cached_property
    def patterns(self) -> list[str]:
        """All of them, also as JSON writes them; the longest first, since the shorter may be a part of it."""
        # One word may be anybody's: `seller` is in every line.
        names = {self.name} if " " in self.name.strip() else set()
        texts = {text for text in self.texts if len(text) >= TELLING}
        words = {self.email, *names, *texts, *self.pictures}
        written = {json.dumps(word, ensure_ascii=ascii)[1:-1] for word in words for ascii in (True, False)}
        return sorted(words | written, key=lambda word: (-len(word), word))

    @cached_property
    def _bytes(self) -> list[str]:
        return [pattern.encode().decode("latin-1") for pattern in self.patterns]

    def among(self, values: pl.Series) -> pl.Series:
        """Whether each of the strings has a needle in it."""
        return values.str.contains_any(self.patterns).fill_null(False)

    def redacted(self, values: pl.Series) -> pl.Series:
        """The strings, with something else in each needle's place."""
        return values.str.replace_many(self.patterns, [PURGED] * len(self.patterns), leftmost=True)

    def in_file(self, name: str, data: bytes) -> bool:
        """Whether a file has a needle in it, also where it is a table or compressed."""
        if self._in_bytes(data):
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

    def _in_bytes(self, data: bytes) -> bool:
        # The searching of Polars, over bytes as letters: all needles in one pass.
        return bool(pl.Series([data.decode("latin-1")]).str.contains_any(self._bytes).item())
