"""A person's data below the data root: what is found there, and how it goes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from upath import UPath

from rakuten_assets.backup.files import parallel, stored
from rakuten_assets.core.classifier_files import COMPLETE
from rakuten_assets.core.feedback import FIRST_ID, REVISIONS
from rakuten_assets.core.storage import read, read_parquet, write, write_parquet
from rakuten_assets.core.taxonomy import CATEGORIES
from rakuten_assets.postgres import database_url
from rakuten_assets.purge.needles import Needles, besides, telling
from rakuten_assets.settings import Settings
from rakuten_assets.store.purging import Person, others_texts

# Tables whose rows are products, by these columns.
NUMBERED, COUNTED = "productid", "product_id"

# Columns of hashes of pictures.
PICTURES = ("image", "sha256")


@dataclass(frozen=True)
class Change:
    """What happens to a file: it is `deleted`, `rows` or `words` of it go, or its model is `made anew`."""

    name: str
    what: str


def needles(settings: Settings, person: Person) -> Needles:
    """What is the person's alone, in the database and in all tables below the root.

    What the platform made of their texts (cleaned, translated, cut) stands in their rows; what stands in others' as
    well, or in the names of categories, tells nothing.
    """
    theirs, pictures, shown = set(person.texts), set(person.pictures), set[str]()
    for column, mine in _columns(settings, person):
        # Hashes of pictures are no texts.
        picture = column.name in PICTURES
        (pictures if picture else theirs).update(column.filter(mine).drop_nulls())
        if picture:
            shown.update(column.filter(~mine).drop_nulls())
    # A name of one word is anybody's: `seller` is in every line.
    names = {person.name} if " " in person.name.strip() else set()
    alone = besides(telling(theirs) | names, _of_others(settings, person))
    return Needles(person.email, "".join(names & alone), alone - names, frozenset(pictures - shown))


def _columns(settings: Settings, person: Person) -> Iterator[tuple[pl.Series, pl.Series]]:
    """Every column of strings of every table of products, and which of its values are the person's."""
    for name in sorted(stored(settings)):
        if _is_table(name):
            table = read_parquet(settings.root / name)
            mine = _numbered(table, person)
            if mine is not None:
                yield from ((column, mine) for column in table.iter_columns() if column.dtype == pl.String)


def _of_others(settings: Settings, person: Person) -> Iterator[pl.Series]:
    """What others wrote, and what the platform made of it."""
    yield pl.Series([category.fr for category in CATEGORIES])
    for part in others_texts(database_url("rakuten", settings), person.user_id):
        yield pl.Series(part, dtype=pl.String)
    for column, mine in _columns(settings, person):
        if column.name not in PICTURES:
            yield column.filter(~mine).drop_nulls().unique()


def changes(settings: Settings, person: Person, found: Needles) -> list[Change]:
    """What is to be done to which file."""

    def one(name: str) -> Change | None:
        return _change(settings.root, name, person, found)

    names = sorted(stored(settings))
    answers = parallel(one, names, settings.root)
    found_in = {change.name: change for _, change in answers if change is not None}
    # A Bento is whole or not there, and is built again.
    bentos = {_bento(name) for name in found_in if name.startswith("bentos/")}
    found_in |= {name: Change(name, DELETED) for name in names if name.startswith("bentos/") and _bento(name) in bentos}
    return sorted(found_in.values(), key=_order)


def _order(change: Change) -> tuple[bool, bool, str]:
    """Markers first: without it, it is no Bento. Tables, which tell what is the person's, last: what breaks off is
    done by asking again."""
    return not change.name.endswith(f"/{COMPLETE}"), _is_table(change.name), change.name


def _bento(name: str) -> str:
    """The folder of a Bento's file: `bentos/<name>/<version>-<device>/<hash>`."""
    return "/".join(name.split("/")[:4])


def apply(settings: Settings, planned: Sequence[Change], person: Person, found: Needles) -> None:
    """Carry out the changes, but for those of models (see `purge.models`)."""
    for change in planned:
        path = settings.root / change.name
        if change.what == DELETED:
            path.unlink(missing_ok=True)
        elif change.what == REDACTED:
            write(path, found.redacted_file(read(path)))
        elif change.what != ANEW:
            table = read_parquet(path)
            write_parquet(path, _without(table, _rows(table, person, found), found))


DELETED, REDACTED, ANEW = "deleted", "words", "made anew"

# What was handed in: others' products stand beside, and nothing makes it again.
HANDED_IN = ("deliveries/", "imports/")


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
    if not found.in_file(name, data):
        return None
    if not name.startswith(HANDED_IN):
        return Change(name, DELETED)
    # What is compressed cannot be rewritten: the proof names it as left.
    return None if found.in_file(name, found.redacted_file(data)) else Change(name, REDACTED)


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
