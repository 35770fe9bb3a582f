"""Forgetting a person everywhere, and the proof: nothing of theirs is found by looking through everything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any

import polars as pl

from rakuten_assets.backup.backup import BACKUP, vault
from rakuten_assets.backup.databases import DATABASES
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.postgres import application_url, database_url, lock
from rakuten_assets.purge import models, objects
from rakuten_assets.purge.needles import Needles
from rakuten_assets.settings import Settings
from rakuten_assets.store import purging
from rakuten_assets.store.purging import FORGOTTEN, Person
from rakuten_assets.store.store import Store


@dataclass(frozen=True)
class Plan:
    """What would go: rows by table, changes of files, and values of all tables that quote them."""

    person: Person
    needles: Needles
    files: Sequence[objects.Change]
    quoted: Mapping[str, int]


@dataclass(frozen=True)
class Purged:
    """What went, and where something of the person is still found: by table and column, and by file."""

    plan: Plan
    models: Sequence[tuple[str, str]]
    searched_values: int
    searched_files: int
    left: Sequence[str]


def plan(settings: Settings, who: str) -> Plan:
    """What is this person's, by e-mail or number; raises BackupError where there is no such account."""
    application_url(settings)
    person = purging.find(database_url("rakuten", settings), who)
    if person is None or _is_forgotten(person):
        raise BackupError(f"There is no account {who}, or it was purged already.")
    found = _alone(settings, objects.needles(settings, person), person)
    quoted = {str(place): len(rows) for place, rows in _quoting(settings, found, person)}
    return Plan(person, found, objects.changes(settings, person, found), quoted)


def purge(settings: Settings, who: str) -> Purged:
    """Forget the person, and look whether anything was left.

    Waits for backups and deliveries. What broke off is done by asking again: the account's rows, which tell what is
    theirs, are the last to go.
    """
    with lock(BACKUP, settings), lock("deliveries", settings):
        planned = plan(settings, who)
        person, found = planned.person, planned.needles
        if settings.backup_root:
            # First: a backup that is restored later must know, whatever becomes of the rest.
            vault(settings, recipients=False).note_purge(person.user_id, _born(person))
        made = models.make_anew(settings, planned.files, found)
        _redact(settings, found, person)
        # Whoever asks again after a break finds the person's words in tables and rows: these go last. So do pictures
        # of former revisions, which only deliveries still know; none that a catalogue shows.
        objects.apply(settings, planned.files, person, found)
        _tell(settings, person)
        purging.forget(database_url("rakuten", settings), replace(person, pictures=found.pictures))
        values, left = _proof(settings, found)
        files = objects.remaining(settings, found)
    return Purged(planned, made, values, len(objects.stored(settings)), [*left, *files])


def purge_again(settings: Settings, noted: Sequence[Mapping[str, Any]]) -> list[Purged]:
    """Forget those who were purged and whom an older backup has brought back; the result is what came of each."""
    url, again = database_url("rakuten", settings), []
    for each in noted:
        person = purging.find(url, str(each["user_id"]))
        if person and _born(person) == each["created_at"] and not _is_forgotten(person):
            again.append(purge(settings, str(person.user_id)))
    return again


def _is_forgotten(person: Person) -> bool:
    return person.email == f"{FORGOTTEN}-{person.user_id}"


def _born(person: Person) -> str:
    """When the account was made, whatever the server's time zone: tells it from another of the same number."""
    return person.created_at.astimezone(UTC).isoformat()


def _tell(settings: Settings, person: Person) -> None:
    """Administrators hear that models still have learnt from what is gone."""
    store = Store(application_url(settings))
    subject = f"Account {person.user_id} was purged: retrain"
    body = "Its texts and pictures are gone. What models have learnt from them stays until the next training."
    store.notifications.add(f"purged:{person.user_id}", "purged", subject, body)
    store.close()


def _alone(settings: Settings, found: Needles, person: Person) -> Needles:
    """Without pictures that others' products or a catalogue's show."""
    shared = purging.shared_pictures(database_url("rakuten", settings), found.pictures, person.user_id)
    return replace(found, pictures=found.pictures - shared)


@dataclass(frozen=True)
class Place:
    """A column of one of the databases."""

    database: str
    column: purging.Column

    def __str__(self) -> str:
        return f"{self.database}: {self.column.table}.{self.column.name}"


def _quoting(settings: Settings, found: Needles, person: Person) -> Iterator[tuple[Place, dict[str, tuple[str, str]]]]:
    """Columns in which others' rows quote the person, with what stands where and what is to stand there instead."""
    for database in DATABASES:
        url, besides = database_url(database, settings), person if database == "rakuten" else None
        for column in purging.columns(url):
            changed: dict[str, tuple[str, str]] = {}
            for part in purging.values(url, column, besides):
                table = pl.DataFrame(part, schema={"at": pl.String, "value": pl.String}, orient="row")
                hits = table.filter(found.among(table["value"]))
                texts = zip(hits["value"], found.redacted(hits["value"]), strict=True)
                changed |= dict(zip(hits["at"], texts, strict=True))
            if changed:
                yield Place(database, column), changed


def _redact(settings: Settings, found: Needles, person: Person) -> None:
    # Column by column: a row that was rewritten stands elsewhere.
    for place, changed in _quoting(settings, found, person):
        purging.rewrite(database_url(place.database, settings), place.column, changed)


def _proof(settings: Settings, found: Needles) -> tuple[int, list[str]]:
    """How many values of all tables were looked at, and the columns in which something was found."""
    looked, left = 0, []
    for database in DATABASES:
        url = database_url(database, settings)
        for column in purging.columns(url):
            hit = False
            for part in purging.values(url, column):
                looked += len(part)
                hit = hit or bool(found.among(pl.Series([value for _, value in part], dtype=pl.String)).any())
            if hit:
                left.append(str(Place(database, column)))
    return looked, left
