"""Reading delivered CSV tables record by record, with line numbers, past whatever is broken in them."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PRODUCT_COLUMNS = ("", "designation", "description", "productid", "imageid")
LABEL_COLUMNS = ("", "prdtypecode")


class DeliveryError(ValueError):
    """A delivery that is refused as a whole; the message is a sentence for the person who sent it."""


class Record(NamedTuple):
    """One record of a CSV file and the physical line it starts on."""

    line: int
    fields: list[str]


class BrokenRecord(NamedTuple):
    """A record that cannot be read, and the index that its line starts with, if it does."""

    line: int
    row: int | None
    reason: str
    detail: str


def read_table(path: Path, columns: tuple[str, ...]) -> tuple[list[Record], list[BrokenRecord]]:
    """All records of a CSV file after its header: those with a field for each column, and the broken ones.

    Raises DeliveryError if the header names other columns.
    """
    data = path.read_bytes()
    try:
        text, valid = data.decode("utf-8-sig"), True
    except UnicodeDecodeError:
        text, valid = data.decode("utf-8-sig", "surrogateescape"), False
    header, *lines = text.split("\n")
    _check_header(path.name, header, columns)
    good: list[Record] = []
    broken: list[BrokenRecord] = []
    for record in _records(lines, len(columns)):
        if isinstance(record, BrokenRecord):
            broken.append(record)
        elif not valid and any(_UNDECODED.search(field) for field in record.fields):
            row = _leading_index(record.fields[0])
            broken.append(BrokenRecord(record.line, row, "not_utf8", "bytes that are not UTF-8"))
        else:
            good.append(record)
    return good, broken


def _check_header(name: str, header: str, columns: tuple[str, ...]) -> None:
    try:
        found = next(csv.reader([header], strict=True), [])
    except csv.Error:
        found = [header]
    if tuple(found) != columns:
        raise DeliveryError(
            f"{name} should have the columns {', '.join(map(repr, columns))}; "
            f"it has {', '.join(map(ascii, found))[:200] or 'none'}."
        )


_UNDECODED = re.compile("[\udc80-\udcff]")
_RECORD_START = re.compile(r'"?(\d{1,18})"?,')
_IDS_AT_THE_END = re.compile(r",\d+,\d+\s*$")


class _Lines(Iterator[str]):
    """Lines that know how far they have been read."""

    def __init__(self, lines: list[str]) -> None:
        self.lines, self.at = lines, 0

    def __next__(self) -> str:
        if self.at == len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1] + "\n"

    def skip_to_record(self, start: int) -> None:
        self.at = start
        while self.at < len(self.lines) and not _RECORD_START.match(self.lines[self.at]):
            self.at += 1


def _records(lines: list[str], width: int) -> Iterator[Record | BrokenRecord]:
    """Records in order; after a torn one, reading goes on at the next line that starts like a record."""
    feed = _Lines(lines)
    reader = csv.reader(feed, strict=True)
    while True:
        start = feed.at
        try:
            fields = next(reader)
            fault = _shape_fault(fields, width, lines[start : feed.at])
            torn = feed.at > start + 1
        except StopIteration:
            return
        except csv.Error as error:
            fault, torn = _quoting_fault(error, lines[start]), True
        line = start + 2
        if fault is None:
            if fields:
                yield Record(line, fields)
            continue
        yield BrokenRecord(line, _leading_index(lines[start]), *fault)
        if torn:
            feed.skip_to_record(start + 1)
            reader = csv.reader(feed, strict=True)


def _shape_fault(fields: list[str], width: int, lines: list[str]) -> tuple[str, str] | None:
    if fields and len(fields) != width:
        return "wrong_field_count", f"{len(fields)} fields where {width} are expected"
    # A quote never closed makes one record of two: the first line ends like a whole row, and another follows.
    if len(lines) > 1 and _IDS_AT_THE_END.search(lines[0]) and any(map(_RECORD_START.match, lines[1:])):
        return "broken_quoting", "a quote is not closed on its row"
    return None


def _quoting_fault(error: csv.Error, line: str) -> tuple[str, str]:
    if len(line) > csv.field_size_limit():
        return "field_too_long", f"a field of more than {csv.field_size_limit()} characters"
    if "\r" in line.rstrip("\r"):
        return "carriage_return", "a carriage return inside a text without quotes"
    return "broken_quoting", str(error)


def _leading_index(line: str) -> int | None:
    start = _RECORD_START.match(line + ",")
    return int(start[1]) if start else None
