"""The audit log: written by every verb in its own transaction, read by administrators, rewritten by nobody."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rakuten_assets.store.base import Verbs, must_be, page
from rakuten_assets.store.records import Actor, AuditFilter, AuditLine, Page
from rakuten_assets.store.tables import AuditRow, User
from rakuten_assets.telemetry import REQUEST as REQUEST

STREAMED = 1_000


def write(session: Session, actor: Actor, action: str, subject: str, subject_id: object, **detail: Any) -> None:
    """Add a line. `detail` holds codes and numbers, never what a seller wrote."""
    session.add(
        AuditRow(
            user_id=actor.user_id,
            action=action,
            subject=subject,
            subject_id=str(subject_id),
            detail={name: value for name, value in detail.items() if value is not None},
            request_id=REQUEST.get(),
        )
    )


class Audit(Verbs):
    """Who did what, when."""

    def page(
        self, actor: Actor, filter: AuditFilter | None = None, cursor: str | None = None, size: int = 50
    ) -> Page[AuditLine]:
        """Lines, the newest first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            rows, ends = page(session, _lines(filter or AuditFilter()), [AuditRow.id], cursor, size)
            return Page([_line(row) for row in rows], **ends)

    def export(self, actor: Actor, filter: AuditFilter | None = None) -> Iterator[AuditLine]:
        """All lines, the newest first, as they are read: a long log never lies in memory as a whole."""
        must_be(actor, "admin")
        with self._transaction() as session:
            write(session, actor, "audit_exported", "audit", "")
        return self._stream(filter or AuditFilter())

    def _stream(self, filter: AuditFilter) -> Iterator[AuditLine]:
        with self._transaction() as session:
            query = _lines(filter).order_by(AuditRow.id.desc()).execution_options(yield_per=STREAMED)
            for row in session.execute(query):
                yield _line(row)


def _lines(filter: AuditFilter) -> Select[Any]:
    query = select(AuditRow.id, AuditRow, User.email).outerjoin(User, User.id == AuditRow.user_id)
    if filter.actor:
        query = query.where(User.email.icontains(filter.actor.strip(), autoescape=True))
    for column, value in (
        (AuditRow.action, filter.action),
        (AuditRow.subject, filter.subject),
        (AuditRow.subject_id, filter.subject_id),
    ):
        if value:
            query = query.where(column == value)
    if filter.since:
        query = query.where(AuditRow.at >= filter.since)
    if filter.until:
        query = query.where(AuditRow.at < filter.until)
    return query


def _line(row: Any) -> AuditLine:
    _, line, email = row
    return AuditLine(
        line.id, line.at, email or "system", line.action, line.subject, line.subject_id, line.detail, line.request_id
    )
