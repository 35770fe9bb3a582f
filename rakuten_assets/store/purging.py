"""Forgetting a person: what the operational database holds of an account, and how it goes.

The account's row stays, without a name: the audit log and what others did refer to it. A line of the log says what
was done, when, and by the account of that number; who that was is written nowhere any more.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text

from rakuten_assets.store.recovery import connected

FORGOTTEN = "forgotten"
"""What the account's row is called from then on, with its number."""

# In this order: what refers to a row goes before it.
OF_PRODUCTS = (
    ("import_lines", "product_id = ANY(:products) OR import_id = ANY(:imports)"),
    ("review_claims", "product_id = ANY(:products) OR user_id = :user"),
    ("review_skips", "product_id = ANY(:products) OR user_id = :user"),
    ("outbox", "kind = 'classify' AND subject_id = ANY(:products) OR kind = 'import' AND subject_id = ANY(:imports)"),
    ("feedback", "product_id = ANY(:products)"),
    ("predictions", "product_id = ANY(:products)"),
    ("products", "seller_id = :user"),
    ("imports", "seller_id = :user"),
    ("sessions", "user_id = :user"),
    ("sign_in_failures", "email_hash = :email_hash"),
    ("images", "sha256 = ANY(:pictures)"),
)

# Rows that `forget` sees to, which are told apart by numbers: nobody replaces words in them.
OWN = {
    **dict(OF_PRODUCTS),
    "feedback": "product_id = ANY(:products) OR user_id = :user",
    "retrainings": "user_id = :user",
    "users": "true",
}

# What a person wrote or was told beyond products: the row tells others something, and loses its words.
WORDS = (
    ("feedback", "reason = ''", "user_id = :user AND reason <> ''"),
    ("retrainings", "reason = ''", "user_id = :user AND reason <> ''"),
    ("audit_log", "detail = detail - 'reason'", "subject = 'user' AND subject_id = CAST(:user AS text)"),
)


@dataclass(frozen=True)
class Person:
    """What tells a person's data from others': the account, the products' numbers, texts, and own pictures' SHA-256."""

    user_id: int
    email: str
    name: str
    created_at: datetime
    products: Sequence[int] = ()
    imports: Sequence[int] = ()
    folders: Sequence[str] = ()
    texts: frozenset[str] = frozenset()
    pictures: frozenset[str] = frozenset()
    rows: Mapping[str, int] = field(default_factory=dict)
    """How many rows of which table go."""


def find(url: str, who: str) -> Person | None:
    """The person with that e-mail or number, and all that is theirs in the database; None where nobody is."""
    with connected(url) as connection:
        by = "id = CAST(:who AS bigint)" if who.isdecimal() else "email = lower(:who)"
        user = connection.execute(
            text(f"SELECT id, email, name, created_at FROM users WHERE {by}"), {"who": who.strip()}
        ).one_or_none()
        if user is None:
            return None
        values = {"user": user.id}
        own = connection.execute(
            text("SELECT id, designation, description, reference FROM products WHERE seller_id = :user"), values
        ).all()
        said = connection.scalars(
            text(
                "SELECT reason FROM feedback WHERE user_id = :user AND reason <> '' UNION "
                "SELECT reason FROM retrainings WHERE user_id = :user UNION "
                "SELECT name FROM imports WHERE seller_id = :user UNION "
                "SELECT device FROM sessions WHERE user_id = :user"
            ),
            values,
        )
        imports = connection.execute(text("SELECT id, folder FROM imports WHERE seller_id = :user"), values).all()
        pictures = connection.scalars(
            text(
                "SELECT image FROM products WHERE seller_id = :user AND image IS NOT NULL EXCEPT "
                "SELECT image FROM products WHERE seller_id <> :user"
            ),
            values,
        )
        person = Person(
            user.id,
            user.email,
            user.name,
            user.created_at,
            [row.id for row in own],
            [row.id for row in imports],
            [row.folder for row in imports],
            frozenset({value for row in own for value in row[1:] if value} | set(said)),
            frozenset(pictures),
        )
        counted = {
            table: int(connection.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}"), _values(person)) or 0)
            for table, where in OF_PRODUCTS
        }
        return replace(person, rows=counted)


def others_texts(url: str, user_id: int, size: int = 2_000) -> Iterator[list[str]]:
    """What everybody else wrote or is called, in parts."""
    query = text(
        "SELECT designation FROM products WHERE seller_id <> :user UNION ALL "
        "SELECT description FROM products WHERE seller_id <> :user UNION ALL "
        "SELECT reference FROM products WHERE seller_id <> :user UNION ALL "
        "SELECT reason FROM feedback WHERE user_id <> :user UNION ALL "
        "SELECT reason FROM retrainings WHERE user_id <> :user UNION ALL "
        "SELECT name FROM imports WHERE seller_id <> :user UNION ALL "
        "SELECT device FROM sessions WHERE user_id <> :user UNION ALL "
        "SELECT name FROM users WHERE id <> :user"
    )
    with connected(url) as connection:
        result = connection.execution_options(yield_per=size).execute(query, {"user": user_id})
        for part in result.partitions():
            yield [row[0] for row in part if row[0]]


def shared_pictures(url: str, pictures: frozenset[str], user_id: int) -> frozenset[str]:
    """Those of the pictures that products of others show."""
    with connected(url) as connection:
        found = text("SELECT DISTINCT image FROM products WHERE seller_id <> :user AND image = ANY(:pictures)")
        return frozenset(connection.scalars(found, {"user": user_id, "pictures": list(pictures)}))


def forget(url: str, person: Person) -> None:
    """Delete what is the person's, and leave the account's row without a name; in one transaction.

    Connects as the owner: the application's role may neither delete what was said nor touch the audit log.
    """
    values = _values(person)
    with connected(url) as connection:
        for table, where in OF_PRODUCTS:
            connection.execute(text(f"DELETE FROM {table} WHERE {where}"), values)
        # The log's own lock, which keeps everybody from rewriting it, is lifted for this transaction alone.
        connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER locked"))
        for table, change, where in WORDS:
            connection.execute(text(f"UPDATE {table} SET {change} WHERE {where}"), values)
        connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER locked"))
        connection.execute(
            text(
                "UPDATE users SET email = :nobody, name = '', password_hash = '', blocked_reason = '', "
                "blocked_at = coalesce(blocked_at, now()), last_sign_in_at = NULL WHERE id = :user"
            ),
            values | {"nobody": f"{FORGOTTEN}-{person.user_id}"},
        )
        connection.execute(
            text(
                "INSERT INTO audit_log (action, subject, subject_id, detail) "
                "VALUES ('user_purged', 'user', CAST(:user AS text), "
                "jsonb_build_object('products', CAST(:count AS int)))"
            ),
            {"user": person.user_id, "count": len(person.products)},
        )


def unused_pictures(url: str, days: int) -> list[str]:
    """SHA-256 of the pictures that were taken in so many days ago and that no product shows."""
    with connected(url) as connection:
        query = text(
            "SELECT sha256 FROM images WHERE created_at < now() - CAST(:age AS interval) "
            "AND NOT EXISTS (SELECT 1 FROM products WHERE image = sha256)"
        )
        return list(connection.scalars(query, {"age": timedelta(days=days)}))


def drop_pictures(url: str, pictures: Sequence[str], days: int) -> list[str]:
    """Forget those pictures that still no product shows and nobody has sent again; the result is which went."""
    with connected(url) as connection:
        query = text(
            "DELETE FROM images WHERE sha256 = ANY(:pictures) AND created_at < now() - CAST(:age AS interval) "
            "AND NOT EXISTS (SELECT 1 FROM products WHERE image = sha256) RETURNING sha256"
        )
        return list(connection.scalars(query, {"pictures": list(pictures), "age": timedelta(days=days)}))


def known_pictures(url: str, pictures: Sequence[str]) -> list[str]:
    """Those of the pictures that the web app has taken in."""
    with connected(url) as connection:
        query = text("SELECT sha256 FROM images WHERE sha256 = ANY(:pictures)")
        return list(connection.scalars(query, {"pictures": list(pictures)}))


def rename_model(url: str, before: str, after: str) -> None:
    """Let the report of a model speak of the same model under its new version."""
    with connected(url) as connection:
        copied = "number, promoted, reason, report, at"
        connection.execute(
            text(
                f"INSERT INTO models (version, {copied}) SELECT :after, {copied} FROM models WHERE version = :before "
                "ON CONFLICT DO NOTHING"
            ),
            {"before": before, "after": after},
        )


def _values(person: Person) -> dict[str, Any]:
    return {
        "user": person.user_id,
        "products": list(person.products),
        "imports": list(person.imports),
        "pictures": list(person.pictures),
        "email_hash": hashlib.sha256(person.email.encode()).hexdigest(),
    }


@dataclass(frozen=True)
class Column:
    """A column that may hold texts; `kind` is PostgreSQL's name of its type."""

    table: str
    name: str
    kind: str


def columns(url: str) -> list[Column]:
    """All columns of all tables that could hold a person's words, those that are computed from others left out."""
    query = text(
        "SELECT quote_ident(table_name), quote_ident(column_name), udt_name FROM information_schema.columns "
        "JOIN information_schema.tables USING (table_schema, table_name) "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER' "
        "AND udt_name IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', '_text', '_varchar') ORDER BY 1, 2"
    )
    with connected(url) as connection:
        return [Column(*row) for row in connection.execute(query)]


def values(
    url: str, column: Column, besides: Person | None = None, size: int = 2_000
) -> Iterator[list[tuple[str, str]]]:
    """Every value of a column as text, with where it stands (`ctid`), in parts: a long table never lies in memory.

    `besides`: without the rows of the operational database that `forget` sees to.
    """
    own = OWN.get(column.table, "false") if besides else "false"
    query = text(
        f"SELECT CAST(ctid AS text), {_as_text(column)} FROM {column.table} "
        f"WHERE {column.name} IS NOT NULL AND NOT coalesce({own}, false)"
    )
    with connected(url) as connection:
        result = connection.execution_options(yield_per=size).execute(query, _values(besides) if besides else {})
        for part in result.partitions():
            yield [(row[0], row[1]) for row in part]


def rewrite(url: str, column: Column, changed: Mapping[str, tuple[str, str]]) -> None:
    """Give the values at those places (`ctid`) another text, where they are still what they were: (before, after)."""
    locked = column.table == "audit_log"
    with connected(url) as connection:
        if locked:
            connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER locked"))
        change = text(
            f"UPDATE {column.table} SET {column.name} = {_typed(column)} "
            f"WHERE ctid = CAST(:at AS tid) AND {_as_text(column)} = :before"
        )
        for at, (before, after) in changed.items():
            connection.execute(change, {"at": at, "before": before, "after": after})
        if locked:
            connection.execute(text("ALTER TABLE audit_log ENABLE TRIGGER locked"))


def _as_text(column: Column) -> str:
    return f"encode({column.name}, 'escape')" if column.kind == "bytea" else f"CAST({column.name} AS text)"


def _typed(column: Column) -> str:
    return "decode(:after, 'escape')" if column.kind == "bytea" else f"CAST(:after AS {column.kind})"
