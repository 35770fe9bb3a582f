"""What there is and what waits, in numbers: for those who watch the platform."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from rakuten_assets.store.base import Verbs
from rakuten_assets.store.drift import Drift
from rakuten_assets.store.models import SHOWN, report_of
from rakuten_assets.store.records import STATES, DriftReport, ModelReport
from rakuten_assets.store.tables import FeedbackRow, ModelRow, NotificationRow, OutboxRow, ProductRow, RetrainingRow

# Sellers' decisions that the acceptance is of: enough for a share, few enough to be of these days.
LAST = 200

RETRAININGS = ("asked", "started", "succeeded", "refused", "failed")


@dataclass(frozen=True)
class Waiting:
    """How much waits, since when the longest, and how much of it has failed before."""

    count: int
    oldest: datetime | None
    failing: int = 0


@dataclass(frozen=True)
class Numbers:
    """Everything at one moment. `feedback` is by role and action; `models` are the last judged, the newest first."""

    products: Mapping[str, int]
    outbox: Mapping[str, Waiting]
    reviews: Waiting
    decided: int
    accepted: int
    feedback: Mapping[tuple[str, str], int]
    retrainings: Mapping[str, int]
    notifications: Waiting
    drift: DriftReport | None
    models: Sequence[ModelReport]


class Figures(Verbs):
    """Reading numbers; no text of anybody is among them."""

    def read(self) -> Numbers:
        """All numbers; some tens of milliseconds with 100,000 products."""
        with self._transaction() as session:
            states, states_asked = _counts(session, ProductRow.state), _counts(session, RetrainingRow.state)
            waits = ProductRow.review_priority.is_not(None)
            reviews = session.execute(select(func.count(), func.min(ProductRow.created_at)).where(waits)).one()
            told = select(func.count(), func.min(NotificationRow.at), func.count().filter(NotificationRow.error != ""))
            models = session.scalars(select(ModelRow).order_by(ModelRow.at.desc()).limit(SHOWN))
            decided, accepted = _acceptance(session)
            return Numbers(
                products={state: states.get(state, 0) for state in STATES},
                outbox=_outbox(session),
                reviews=Waiting(*reviews),
                decided=decided,
                accepted=accepted,
                feedback=_feedback(session),
                retrainings={state: states_asked.get(state, 0) for state in RETRAININGS},
                notifications=Waiting(*session.execute(told.where(NotificationRow.done_at.is_(None))).one()),
                drift=Drift(self._engine).latest(),
                models=[report_of(row) for row in models],
            )


def _counts(session: Session, column: InstrumentedAttribute[str]) -> dict[str, int]:
    return {key: number for key, number in session.execute(select(column, func.count()).group_by(column))}  # noqa: C416


def _feedback(session: Session) -> dict[tuple[str, str], int]:
    keys = (FeedbackRow.role, FeedbackRow.action)
    return {
        (role, action): number for role, action, number in session.execute(select(*keys, func.count()).group_by(*keys))
    }


def _outbox(session: Session) -> dict[str, Waiting]:
    failing = func.count().filter(OutboxRow.error != "")
    query = select(OutboxRow.kind, func.count(), func.min(OutboxRow.created_at), failing).group_by(OutboxRow.kind)
    found = {kind: Waiting(*rest) for kind, *rest in session.execute(query)}
    return {kind: found.get(kind, Waiting(0, None)) for kind in ("classify", "import")}


def _acceptance(session: Session) -> tuple[int, int]:
    """Of the last decisions of sellers, how many let the answer stand: administrators are shown what is wrong."""
    mine: ColumnElement[bool] = (FeedbackRow.role == "seller") & FeedbackRow.action.in_(
        ("confirm", "choose", "missing")
    )
    last = select(FeedbackRow.action).where(mine).order_by(FeedbackRow.id.desc()).limit(LAST).subquery()
    stood = func.coalesce(func.sum(case((last.c.action == "confirm", 1), else_=0)), 0)
    decided, accepted = session.execute(select(func.count(), stood).select_from(last)).one()
    return int(decided), int(accepted)
