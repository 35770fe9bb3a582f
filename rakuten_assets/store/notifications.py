"""News for people: written once where something happens, kept until every channel has taken them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs, must_be
from rakuten_assets.store.records import SYSTEM, Actor, Notification
from rakuten_assets.store.tables import NotificationRow

SHOWN = 50

# The first retry comes soon; a server that is down for a day is asked a few times an hour.
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=30), timedelta(minutes=15)


class Notifications(Verbs):
    """What people are told, and whether it reached them."""

    def add(self, key: str, kind: str, subject: str, body: str, link: str = "") -> bool:
        """Tell people this; False where they were told it under the same `key` already."""
        row = insert(NotificationRow).values(key=key, kind=kind, subject=subject, body=body, link=link)
        with self._transaction() as session:
            new = session.scalar(row.on_conflict_do_nothing(index_elements=["key"]).returning(NotificationRow.id))
            if new is not None:
                audit.write(session, SYSTEM, "people_notified", "notification", new, kind=kind)
            return new is not None

    def due(self, most: int = 20) -> list[Notification]:
        """What is to be sent now, the oldest first."""
        waits = NotificationRow.done_at.is_(None) & (NotificationRow.next_at <= func.now())
        with self._transaction() as session:
            rows = session.scalars(select(NotificationRow).where(waits).order_by(NotificationRow.id).limit(most))
            return [_notification(row) for row in rows]

    def tried(self, id: int, sent: Sequence[str], failed: Sequence[str], error: str = "") -> None:
        """The channels `sent` have taken it; where others `failed`, they are tried again later."""
        with self._transaction() as session:
            row = session.get_one(NotificationRow, id, with_for_update=True)
            row.sent = sorted({*row.sent, *sent})
            row.attempts, row.error = row.attempts + 1, error
            if failed:
                row.next_at = datetime.now(UTC) + min(FIRST_DELAY * 2 ** min(row.attempts - 1, 10), LONGEST_DELAY)
            else:
                row.done_at = datetime.now(UTC)

    def history(self, actor: Actor) -> list[Notification]:
        """The last ones, the newest first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            rows = session.scalars(select(NotificationRow).order_by(NotificationRow.id.desc()).limit(SHOWN))
            return [_notification(row) for row in rows]


def _notification(row: NotificationRow) -> Notification:
    return Notification(
        row.id,
        row.key,
        row.kind,
        row.subject,
        row.body,
        row.link,
        row.sent,
        row.attempts,
        row.done_at,
        row.error,
        row.at,
    )
