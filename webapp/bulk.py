"""Many products at once: a CSV of texts and a ZIP of the pictures that it names, taken in line by line.

The files are looked at when they come, so that what is wrong with them as a whole is said at once; the worker then
makes the products. What is wrong with a line is kept as its error and stops no other line.
"""

import csv
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, NamedTuple, Protocol
from uuid import uuid4

from upath import UPath

from rakuten_assets.core.products import MAX_DESCRIPTION
from rakuten_assets.core.storage import write
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Draft, Import, ImportRow
from webapp import metrics, pictures
from webapp.settings import WebSettings

COLUMNS = ("designation", "description", "image", "reference")
NEEDED = "designation"

# 2,000 texts as long as the catalogue's longest are 24 MB.
MAX_CSV = 30_000_000

# 2,000 pictures of 250 KB; the guard in front of the web app lets no larger body through.
MAX_ZIP = 500_000_000

# What a ZIP may unpack to; nothing of it is unpacked but the pictures that lines name, one after the other.
MAX_UNPACKED = 2_000_000_000
MAX_MEMBERS = 10_000

# Of its table of contents, which is read as a whole; 10,000 names as long as file systems allow would have 3 MB.
MAX_CONTENTS = 4_000_000

# Pictures hardly shrink in a ZIP; above this ratio a member of some size is a bomb.
MAX_RATIO, RATIO_MATTERS_FROM = 100, 1_000_000

TABLE, ARCHIVE = "products.csv", "pictures.zip"

# Decoders for others are rarely used, and rarely looked at.
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

# How an archive ends: this record, perhaps with a comment behind it, and in front of it a pointer in huge archives.
END, END_BYTES, LONGEST_COMMENT = b"PK\5\6", 22, 0xFFFF
HUGE_END, HUGE_END_BYTES = b"PK\6\7", 20

BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Receiver(pictures.Keeper, Protocol):
    """What takes in an import."""

    @property
    def settings(self) -> WebSettings: ...


class Line(NamedTuple):
    """One record of the table, numbered as a spreadsheet does: the header is 1. `torn`: it has not a field a column."""

    number: int
    fields: Mapping[str, str]
    torn: bool = False

    @property
    def reference(self) -> str:
        return self.fields.get("reference", "").strip()


def receive(app: Receiver, actor: Actor, name: str, table: IO[bytes], archive: IO[bytes] | None) -> Import:
    """Keep the files and have the worker take them in; raises `Refused` where they cannot be used as a whole."""
    lines = read_table(_whole(table))
    if len(lines) > app.settings.import_products:
        raise Refused("invalid", "import_too_many", most=app.settings.import_products, count=len(lines))
    if archive is not None:
        _check_size(archive, MAX_ZIP, "import_zip_too_large")
        Pictures.of(archive)
    # Without its row in the database, what lies here is of no import, and is found by nobody.
    folder = f"imports/{uuid4().hex}"
    for file, source in ((ARCHIVE, archive), (TABLE, table)):
        if source is not None:
            source.seek(0)
            write(app.root / folder / file, source)
    return app.store.imports.start(actor, _plain(name), folder)


def read_table(data: bytes) -> list[Line]:
    """The records of a CSV, UTF-8 with or without a byte order mark; raises `Refused` where it is none."""
    if len(data) > MAX_CSV:
        raise Refused("invalid", "import_csv_too_large", most=MAX_CSV // 1_000_000)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("invalid", "import_not_utf8") from error
    if "\0" in text:
        raise Refused("invalid", "import_not_csv")
    header, *records = _records(text) or [[]]
    columns = [name.strip().lower() for name in header]
    if NEEDED not in columns or len(set(columns)) < len(columns) or not set(columns) <= set(COLUMNS):
        raise Refused("invalid", "import_columns", columns=", ".join(COLUMNS))
    lines = [
        Line(number, dict(zip(columns, record, strict=False)), len(record) != len(columns))
        for number, record in enumerate(records, 2)
        if any(record)
    ]
    if not lines:
        raise Refused("invalid", "import_empty")
    return lines


def _records(text: str) -> list[list[str]]:
    """All records; the separator is whichever the header has more of."""
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_DESCRIPTION))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise Refused("invalid", "import_not_csv") from error


@dataclass(frozen=True)
class Pictures:
    """The pictures in a ZIP, by the names under which lines may call them."""

    archive: zipfile.ZipFile
    members: Mapping[str, zipfile.ZipInfo]

    @classmethod
    def of(cls, file: IO[bytes]) -> "Pictures":
        """Raises `Refused` where the archive is damaged, or would unpack to too much."""
        if _contents_size(file) > MAX_CONTENTS:
            raise Refused("invalid", "import_zip_members", most=MAX_MEMBERS)
        try:
            archive = zipfile.ZipFile(file)
            members = [member for member in archive.infolist() if not member.is_dir()]
        except (*BROKEN, ValueError, OSError, UnicodeError) as error:
            raise Refused("invalid", "import_not_zip") from error
        if len(members) > MAX_MEMBERS:
            raise Refused("invalid", "import_zip_members", most=MAX_MEMBERS)
        if sum(member.file_size for member in members) > MAX_UNPACKED:
            raise Refused("invalid", "import_zip_bomb")
        return cls(archive, _named(members))

    def read(self, name: str) -> bytes:
        """The bytes of a picture; raises `Refused` where there is none, or it cannot be trusted."""
        member = self.members.get(name.replace("\\", "/")) or self.members.get(PurePosixPath(name).name)
        if member is None:
            raise Refused("invalid", "picture_missing", name=_plain(name))
        if _escapes(member) or stat.S_ISLNK(member.external_attr >> 16) or member.compress_type not in COMPRESSIONS:
            raise Refused("invalid", "picture_unsafe", name=_plain(name))
        bomb = member.file_size > max(RATIO_MATTERS_FROM, MAX_RATIO * member.compress_size)
        if bomb or member.file_size > pictures.MAX_BYTES:
            raise Refused("invalid", "picture_too_large", most=pictures.MAX_BYTES // 1_000_000)
        return self._unpacked(member)

    def _unpacked(self, member: zipfile.ZipInfo) -> bytes:
        """No further than the member says that it is long: its header may lie."""
        try:
            with self.archive.open(member) as stream:
                return stream.read(pictures.MAX_BYTES + 1)
        except BROKEN as error:
            raise Refused("invalid", "bad_picture", reason="damaged in the archive") from error


def _contents_size(file: IO[bytes]) -> int:
    """How long the archive's table of contents is, before anybody reads it; raises `Refused` where it has none."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - LONGEST_COMMENT - END_BYTES - HUGE_END_BYTES))
    tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_BYTES or tail[max(0, at - HUGE_END_BYTES) :].startswith(HUGE_END):
        raise Refused("invalid", "import_not_zip")
    return int.from_bytes(tail[at + 12 : at + 16], "little")


def _named(members: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """By path, and by the file's name alone where it is the only one: archives often wrap all in one folder."""
    paths = {member.filename: member for member in members}
    names: dict[str, list[zipfile.ZipInfo]] = {}
    for member in members:
        names.setdefault(PurePosixPath(member.filename).name, []).append(member)
    return {name: found[0] for name, found in names.items() if len(found) == 1} | paths


def _escapes(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    return name.is_absolute() or ".." in name.parts or bool(re.match(r"[A-Za-z]:|.*\\", member.filename))


class Carrying:
    """An import as the worker carries it out; one that was begun before goes on behind what was dealt with."""

    def __init__(self, app: pictures.Keeper, started: Import, actor: Actor, folder: str) -> None:
        """Raises `Refused` where the files cannot be used, FileNotFoundError where they are gone."""
        self._app, self._actor, self._id = app, actor, started.id
        self.lines = read_table((app.root / folder / TABLE).read_bytes())
        archive = app.root / folder / ARCHIVE
        self._pictures = Pictures.of(archive.open("rb")) if archive.exists() else None

    def left(self, dealt_with: set[int]) -> Iterator[Line]:
        """The lines that are still to be dealt with."""
        return (line for line in self.lines if line.number not in dealt_with)

    def deal_with(self, line: Line) -> None:
        """A line becomes a product, or an error that says why not."""
        try:
            draft = self._draft(line)
            self._app.store.imports.add_product(self._actor, self._id, line.number, draft)
            metrics.SUBMISSIONS.labels("bulk").inc()
        except Refused as refused:
            self._app.store.imports.add_error(
                self._id, line.number, line.reference[:100], refused.code, _kept(refused.params)
            )

    def close(self) -> None:
        if self._pictures is not None:
            self._pictures.archive.close()

    def _draft(self, line: Line) -> Draft:
        if line.torn:
            raise Refused("invalid", "line_fields")
        fields, image = line.fields, None
        if name := fields.get("image", "").strip():
            if self._pictures is None:
                raise Refused("invalid", "picture_missing", name=_plain(name))
            picture = self._pictures.read(name)
            image = pictures.keep(self._app, picture)
            metrics.PICTURES.labels("bulk").inc(len(picture))
        return Draft(fields[NEEDED], fields.get("description", ""), image, line.reference)


def remove(root: UPath, folder: str) -> None:
    """Delete an import's files; its products have their own."""
    for name in (TABLE, ARCHIVE):
        (root / folder / name).unlink(missing_ok=True)


def said(row: ImportRow, language: str) -> str:
    """Why a line became no product, as a sentence; empty where it became one."""
    from webapp import texts

    if not row.error:
        return ""
    return texts.said(Refused("invalid", row.error, **row.detail), language)


def _whole(table: IO[bytes]) -> bytes:
    _check_size(table, MAX_CSV, "import_csv_too_large")
    table.seek(0)
    return table.read()


def _check_size(file: IO[bytes], most: int, code: str) -> None:
    if file.seek(0, io.SEEK_END) > most:
        raise Refused("invalid", code, most=most // 1_000_000)


def _plain(name: str) -> str:
    """A file's name, fit to be shown: no folders, no control characters, not endless."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter if letter.isprintable() else "?" for letter in last)[:100] or "?"


def _kept(params: Mapping[str, object]) -> dict[str, str | int | float]:
    return {name: value for name, value in params.items() if isinstance(value, str | int | float)}
