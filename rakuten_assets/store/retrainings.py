"""Retrainings that people ask for: a row that a sensor reads, so that who and why stay known."""

from datetime import UTC, datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs, clean, must_be
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.products import MAX_COMMENT
from rakuten_assets.store.records import SYSTEM, Actor, Retraining
from rakuten_assets.store.tables import RetrainingRow, User

SHOWN = 20
UNDER_WAY = ("asked", "started")


class Retrainings(Verbs):
    """Ask for a retraining, and see what became of it."""

    def ask(self, actor: Actor, reason: str) -> Retraining:
        """Ask for a retraining; one at a time."""
        user = must_be(actor, "admin")
        if not (reason := clean(reason, MAX_COMMENT)):
            raise Refused("invalid", "reason_needed")
        with self._transaction() as session:
            under_way = select(RetrainingRow.id).where(RetrainingRow.state.in_(UNDER_WAY)).limit(1)
            # Two who ask at once ask one after the other.
            session.execute(select(User.id).where(User.role == "admin").order_by(User.id).limit(1).with_for_update())
            if session.scalar(under_way):
                raise Refused("conflict", "already_asked")
            row = RetrainingRow(user_id=user, reason=reason)
            session.add(row)
            session.flush()
            audit.write(session, actor, "retraining_asked", "retraining", row.id)
            session.refresh(row)
            return _retraining(session, row)

    def under_way(self) -> Retraining | None:
        """The one that was asked for and has not ended."""
        found = self._last(select(RetrainingRow).where(RetrainingRow.state.in_(UNDER_WAY)).limit(1))
        return found[0] if found else None

    def mark(self, id: int, state: str, run_id: str | None = None) -> None:
        """What became of it: `started` as the Dagster run `run_id`, `succeeded`, `refused` or `failed`."""
        with self._transaction() as session:
            row = session.get_one(RetrainingRow, id, with_for_update=True)
            row.state, row.run_id, row.changed_at = state, run_id or row.run_id, datetime.now(UTC)
            audit.write(session, SYSTEM, f"retraining_{state}", "retraining", id, run=row.run_id)

    def _last(self, query: Select[tuple[RetrainingRow]]) -> list[Retraining]:
        with self._transaction() as session:
            return [_retraining(session, row) for row in session.scalars(query).all()]

    def list(self, actor: Actor) -> list[Retraining]:
        """The last ones, the newest first."""
        must_be(actor, "admin")
        return self._last(select(RetrainingRow).order_by(RetrainingRow.id.desc()).limit(SHOWN))


def _retraining(session: Session, row: RetrainingRow) -> Retraining:
    # At most twenty rows of a few administrators, whom the session remembers.
    name = session.get_one(User, row.user_id).name
    return Retraining(row.id, name, row.reason, row.state, row.run_id, row.asked_at, row.changed_at)
