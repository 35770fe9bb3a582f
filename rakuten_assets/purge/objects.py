"""A person's data below the data root: what is found there, and how it goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

from rakuten_assets.backup.files import parallel, stored
from rakuten_assets.core.feedback import FIRST_ID, REVISIONS
from rakuten_assets.core.storage import read, read_parquet, write_parquet
from rakuten_assets.purge.needles import Needles
from rakuten_assets.settings import Settings
from rakuten_assets.store.purging import Person

# Tables whose rows are products, by these columns.
NUMBERED, COUNTED = "productid", "product_id"


@dataclass(frozen=True)
class Change:
    """What happens to a file: it is `deleted`, `rows` of it go, or the model that it is a part of is `made anew`."""

    name: str
    what: str


def needles(settings: Settings, person: Person) -> Needles:
    """What is the person's alone, in the database and in all tables below the root.

    What the platform made of their texts (cleaned, translated, cut) stands in their rows; what stands in others' as
    well tells nothing.
    """
    theirs, others = set(person.texts), set[str]()
    pictures, shown = set(person.pictures), set[str]()
    tables = [name for name in stored(settings) if _is_table(name)]
    for name in tables:
        table = read_parquet(settings.root / name)
        if (mine := _numbered(table, person)) is None:
            continue
        for column in table.iter_columns():
            if column.dtype != pl.String:
                continue
            # Hashes of pictures are no texts.
            mixed = (pictures, shown) if column.name in ("image", "sha256") else (theirs, others)
            mixed[0].update(column.filter(mine).drop_nulls())
            if mine.any() or name.startswith("deliveries/") or column.name in ("image", "sha256"):
                mixed[1].update(column.filter(~mine).drop_nulls())
    return Needles(person.email, person.name, frozenset(theirs - others), frozenset(pictures - shown))


def changes(settings: Settings, person: Person, found: Needles) -> list[Change]:
    """What is to be done to which file."""

    def one(name: str) -> Change | None:
        return _change(settings.root, name, person, found)

    answers = parallel(one, sorted(stored(settings)), settings.root)
    return [change for _, change in answers if change is not None]


def apply(settings: Settings, planned: Sequence[Change], person: Person, found: Needles) -> None:
    """Carry out the changes, but for those of models (see `purge.models`)."""
    for change in planned:
        path = settings.root / change.name
        if change.what == DELETED:
            path.unlink(missing_ok=True)
        elif change.what != ANEW:
            table = read_parquet(path)
            write_parquet(path, _without(table, _rows(table, person, found), found))


DELETED, ANEW = "deleted", "made anew"


def remaining(settings: Settings, found: Needles) -> list[str]:
    """Names of the files that still hold something of the person."""
    answers = parallel(lambda name: found.in_file(name, read(settings.root / name)), sorted(stored(settings)))
    return [name for name, there in answers if there]


def _change(root: UPath, name: str, person: Person, found: Needles) -> Change | None:
    if name.startswith(tuple(f"{folder}/" for folder in person.folders)):
        return Change(name, DELETED)
    if name.startswith("images/"):
        return Change(name, DELETED) if name.rpartition("/")[2].removesuffix(".jpg") in found.pictures else None
    data = read(root / name)
    if name.startswith("models/"):
        return Change(name, ANEW) if found.in_file(name, data) else None
    if name.endswith(".parquet"):
        table = read_parquet(root / name)
        gone = _rows(table, person, found)
        other = _without(table, gone, found)
        return Change(name, f"{int(gone.sum())} rows") if not other.equals(table) else None
    return Change(name, DELETED) if found.in_file(name, data) else None


def _is_table(name: str) -> bool:
    return name.endswith(".parquet") and name.startswith(("assets/", "deliveries/"))


def _numbered(table: pl.DataFrame, person: Person) -> pl.Series | None:
    """Which rows are of the person's products; None where the table's rows are no products."""
    if NUMBERED in table.columns:
        own = (table[NUMBERED] - FIRST_ID) // REVISIONS
        return ((table[NUMBERED] >= FIRST_ID) & own.is_in(list(person.products))).fill_null(False)
    if COUNTED in table.columns:
        return table[COUNTED].is_in(list(person.products)).fill_null(False)
    return None


def _rows(table: pl.DataFrame, person: Person, found: Needles) -> pl.Series:
    """Which rows go."""
    numbered = _numbered(table, person)
    own = numbered if numbered is not None else found.in_table(table)
    if "sha256" in table.columns:
        own = own | table["sha256"].is_in(list(found.pictures)).fill_null(False)
    return own


def _without(table: pl.DataFrame, gone: pl.Series, found: Needles) -> pl.DataFrame:
    """The table without those rows; where others' rows quote the person, something else stands there."""
    left = table.filter(~gone)
    texts = [column.name for column in left.iter_columns() if column.dtype == pl.String]
    return left.with_columns(found.redacted(left[name]).alias(name) for name in texts if found.among(left[name]).any())
