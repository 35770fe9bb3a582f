"""Two whole systems beside the platform of the tests: each with its own PostgreSQL server and data root."""

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.backup import keys
from rakuten_assets.backup.backup import back_up
from rakuten_assets.backup.databases import DATABASES
from rakuten_assets.backup.files import stored
from rakuten_assets.backup.restore import restore
from rakuten_assets.core.storage import read
from rakuten_assets.postgres import application_url, database_url
from rakuten_assets.settings import Settings
from rakuten_assets.store.records import SYSTEM, Draft
from rakuten_assets.store.store import Store
from rakuten_assets_tests.conftest import HOME


@contextmanager
def environment(**values):
    """The settings' environment, as long as the block lasts."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield Settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Pair:
    """A key pair: the private key's file, and the public key."""

    identity: Path
    recipient: str


@pytest.fixture(scope="session")
def folder():
    made = HOME / "backup"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def pair(folder):
    return Pair(folder / "identity", keys.make(folder / "identity"))


@contextmanager
def system(folder, name, pair, backups):
    """A system of that name: commands and settings mean it, as long as the block lasts."""
    with environment(
        RAKUTEN_DATA_ROOT=str(folder / name / "data"),
        RAKUTEN_STATE_DIR=str(folder / name / "state"),
        RAKUTEN_BACKUP_ROOT=str(backups),
        RAKUTEN_BACKUP_RECIPIENT=pair.recipient,
    ) as settings:
        yield settings


@dataclass(frozen=True)
class Saved:
    """The platform of the tests, and the backup that was made of it."""

    settings: Settings
    made: object
    root: Path


@pytest.fixture(scope="session")
def saved(platform, folder, pair):
    root = folder / "backups"
    with environment(RAKUTEN_BACKUP_ROOT=str(root), RAKUTEN_BACKUP_RECIPIENT=pair.recipient) as settings:
        store = Store(application_url(settings), text_only=True)
        store.accounts.create(SYSTEM, "backed.up@example.org", "Backed Up", "une phrase assez longue", "seller")
        actor = store.accounts.sign_in("backed.up@example.org", "une phrase assez longue")[1]
        # Withdrawn: the worker of another test must not wait for it.
        product = store.products.submit(actor, Draft("Table à l'ancienne", "ça & « là » \t \\N"), "key")
        store.products.withdraw(actor, product.id)
        store.close()
        return Saved(settings, back_up(settings), root)


@dataclass(frozen=True)
class Second:
    """A second system, restored from the first one's backup, with what the restore said."""

    settings: Settings
    restored: object


@pytest.fixture(scope="module")
def second(saved, folder, pair, request):
    name = request.module.__name__.rpartition(".")[2]
    with system(folder, name, pair, folder / f"{name}-backups") as settings:
        yield Second(settings, restore(settings, str(saved.root), pair.identity))


def rows(settings):
    """Every row of every table of the three databases, as PostgreSQL writes it."""
    found = {}
    for database in DATABASES:
        engine = create_engine(database_url(database, settings))
        with engine.connect() as connection:
            tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
            for table in tables:
                values = connection.scalars(text(f'SELECT CAST(t AS text) FROM "{table}" t'))
                found[f"{database}.{table}"] = sorted(values)
        engine.dispose()
    return found


def objects(settings):
    """The bytes of every object."""
    return {name: read(settings.root / name) for name in stored(settings)}
