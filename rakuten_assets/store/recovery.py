"""What backup and restore ask of a database, whichever of the platform's three it is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from rakuten_assets.store.database import ROLE

# Where MLflow keeps the address of what it stored: absolute, so a restored platform elsewhere needs them changed.
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)

TABLES = text(
    "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)' ORDER BY 1, 2"
)


@dataclass(frozen=True)
class Snapshot:
    """One moment of a database: its name for `pg_dump --snapshot`, and the rows of each table at that moment."""

    id: str
    rows: Mapping[str, int]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of its own to the database at `url`, in one transaction, given back at once."""
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    with engine.begin() as connection:
        yield connection


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """The database as it is now, for as long as the block lasts, whatever others write meanwhile."""
    with connected(url) as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        exported = connection.scalar(text("SELECT pg_export_snapshot()"))
        yield Snapshot(str(exported), _rows(connection))


def rows(url: str) -> dict[str, int]:
    """Number of rows of each table; empty where there is none."""
    with connected(url) as connection:
        return _rows(connection)


def server_version(url: str) -> int:
    """The server's major version."""
    with connected(url) as connection:
        return int(str(connection.scalar(text("SHOW server_version_num")))) // 10_000


def make_role(url: str) -> None:
    """The application's role, which what is restored grants its rights to; its password comes with the migrations."""
    with connected(url) as connection:
        if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": ROLE}):
            connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))


def pictures(url: str) -> set[str]:
    """SHA-256 of every picture that the operational database refers to."""
    with connected(url) as connection:
        found = "SELECT sha256 FROM images UNION SELECT image FROM products WHERE image IS NOT NULL"
        return set(connection.scalars(text(found)))


def move(url: str, before: str, after: str) -> int:
    """Let MLflow's addresses below the root `before` lead below `after`; the result is how many did."""
    changed, before, after = 0, before.rstrip("/"), after.rstrip("/")
    with connected(url) as connection:
        known = {name for _, name in connection.execute(TABLES)}
        for table, column in ADDRESSES:
            if table in known:
                update = f"UPDATE {table} SET {column} = :after || substr({column}, length(:before) + 1)"
                below = f"{update} WHERE starts_with({column}, :before || '/')"
                changed += connection.execute(text(below), {"before": before, "after": after}).rowcount
    return changed


def _rows(connection: Connection) -> dict[str, int]:
    quote = connection.dialect.identifier_preparer.quote
    found = {}
    for schema, table in connection.execute(TABLES).all():
        name = table if schema == "public" else f"{schema}.{table}"
        counted = connection.scalar(text(f"SELECT count(*) FROM {quote(schema)}.{quote(table)}"))
        found[name] = int(counted or 0)
    return found
