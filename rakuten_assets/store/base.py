"""What all verbs share: transactions, rights, pages, and the news that others listen for."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, Select, func, literal, select, tuple_
from sqlalchemy.orm import Session

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor

CHANNEL = "rakuten"

# What is there is counted no further: in a long list, the number costs more than the page, and helps nobody.
COUNTED = 100

# A page of a list; more at once helps neither people nor programs.
MAX_PAGE = 200

BIGGEST = 2**63 - 1


class Verbs:
    """Verbs on one part of the store: each is one transaction, and leaves nothing where it refuses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session


def must_be(actor: Actor, *roles: str) -> int:
    """The actor's id; raises `Refused` where the role is another."""
    if actor.role not in roles:
        raise Refused("forbidden", "forbidden")
    return actor.user_id or 0


def allowed_code(code: int) -> int:
    """The code of a category; raises `Refused` with those that there are."""
    if code not in CODES:
        raise Refused("invalid", "category_not_allowed", code=code, allowed=list(CODES))
    return code


def clean(text: str, most: int, code: str = "text_too_long", **params: Any) -> str:
    """The text without spaces around it; what PostgreSQL cannot hold, or nobody means, is refused."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused("invalid", "bad_text")
    text = text.strip()
    if len(text) > most:
        raise Refused("invalid", code, most=most, length=len(text), **params)
    return text


def announce(session: Session, kind: str, **about: Any) -> None:
    """Tell those who listen, once this transaction is done."""
    session.execute(select(func.pg_notify(CHANNEL, json.dumps({"kind": kind, **about}))))


def count(session: Session, query: Select[Any]) -> tuple[int, bool]:
    """How many rows there are, and whether they were counted to the end."""
    limited = (
        query.with_only_columns(literal(1), maintain_column_froms=True).order_by(None).limit(COUNTED + 1).subquery()
    )
    number = session.scalar(select(func.count()).select_from(limited)) or 0
    return min(number, COUNTED), number > COUNTED


def page(
    session: Session,
    query: Select[Any],
    order: Sequence[Any],
    cursor: str | None,
    size: int,
    newest_first: bool = True,
) -> tuple[list[Any], dict[str, Any]]:
    """Rows of `query` in the order of the columns `order` (the last of them unique), and its `Page`'s other fields.

    A page begins behind a row, never at a number of rows, so the last costs no more than the first. The query's
    first columns are those of `order`, and an index holds them.
    """
    backwards, start = _read(cursor, len(order))
    total, capped = count(session, query)
    ascending = backwards if newest_first else not backwards
    key: Any = tuple_(*order) if len(order) > 1 else order[0]
    if start:
        at: Any = tuple_(*(literal(value) for value in start)) if len(order) > 1 else literal(start[0])
        query = query.where(key > at if ascending else key < at)
    ordered = [column.asc() if ascending else column.desc() for column in order]
    size = max(1, min(size, MAX_PAGE))
    rows = list(session.execute(query.order_by(*ordered).limit(size + 1)))
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    before, behind = (more, bool(start)) if backwards else (bool(start), more)
    ends = {
        "previous": _write("<", rows[0][: len(order)]) if rows and before else None,
        "next": _write(">", rows[-1][: len(order)]) if rows and behind else None,
    }
    return rows, {**ends, "total": total, "capped": capped}


def _write(direction: str, values: Sequence[Any]) -> str:
    return direction + "_".join(repr(value) for value in values)


def _read(cursor: str | None, length: int) -> tuple[bool, list[float]]:
    """Whether a cursor leads backwards, and the row that it stands at."""
    if not cursor:
        return False, []
    if not re.fullmatch(r"[<>]-?\d{1,19}(\.\d{1,20})?(e-?\d{1,3})?(_-?\d{1,19})*", cursor):
        raise Refused("invalid", "bad_cursor")
    values = [float(part) if "." in part or "e" in part else int(part) for part in cursor[1:].split("_")]
    if len(values) != length or any(abs(value) > BIGGEST for value in values):
        raise Refused("invalid", "bad_cursor")
    return cursor[0] == "<", values
