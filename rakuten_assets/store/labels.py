"""What production teaches: the answers of models and what people said of them, in the order in which it was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, func, null, select

from rakuten_assets.store.base import Verbs
from rakuten_assets.store.tables import FeedbackRow, PredictionRow, ProductRow

STATEMENTS = (
    *("id", "product_id", "revision", "user_id", "role", "action", "before", "after", "at"),
    *("predicted", "confidence", "model_version", "state", "designation", "description", "image"),
)
"""Of a statement: what the model had `predicted`; the texts and the picture, null where they were edited since."""

ANSWERS = (
    *("id", "product_id", "revision", "code", "confidence", "model_version", "at"),
    *("designation", "description", "image", "decided_by", "category"),
)
"""Of a prediction: what was said of which texts and picture, and the category that a person decided on, if one did."""

# What names a category, as opposed to a rating or a skip, which repeat it.
NAMING = ("confirm", "choose", "accept", "fix", "change")

# Beyond this the number makes no difference to anybody who did not ask for more.
COUNTED = 1_000

# So often a product may be labelled anew and still be counted with the others, in a time that does not grow.
REPEATED = 5


@dataclass(frozen=True)
class Waiting:
    """Products with labels that nothing was learnt from (counted up to a limit), and the last statement there is."""

    count: int
    last: int


@dataclass(frozen=True)
class Acceptance:
    """Of `decided` answers, people let so many stand."""

    decided: int
    accepted: int

    @property
    def rate(self) -> float:
        return self.accepted / self.decided if self.decided else float("nan")


class Labels(Verbs):
    """Reading what the platform learns from; nothing here changes anything."""

    def statements(self) -> Sequence[Row[Any]]:
        """All that people said of products, in the order in which they said it; the columns are `STATEMENTS`."""
        current = ProductRow.revision == FeedbackRow.revision
        query = (
            select(
                *(FeedbackRow.id, FeedbackRow.product_id, FeedbackRow.revision, FeedbackRow.user_id, FeedbackRow.role),
                *(FeedbackRow.action, FeedbackRow.before, FeedbackRow.after, FeedbackRow.at),
                *(PredictionRow.code, PredictionRow.confidence, PredictionRow.model_version, ProductRow.state),
                *(case((current, column), else_=null()) for column in _draft()),
            )
            .join(ProductRow, ProductRow.id == FeedbackRow.product_id)
            .outerjoin(PredictionRow, PredictionRow.id == FeedbackRow.prediction_id)
            .order_by(FeedbackRow.id)
        )
        with self._transaction() as session:
            return session.execute(query).all()

    def answers(self, version: str, after: int = 0, since: datetime | None = None) -> Sequence[Row[Any]]:
        """Answers of a model, after that one, that their products still rest on; the columns are `ANSWERS`."""
        query = (
            select(
                *(PredictionRow.id, PredictionRow.product_id, PredictionRow.revision, PredictionRow.code),
                *(PredictionRow.confidence, PredictionRow.model_version, PredictionRow.created_at),
                *_draft(),
                *(ProductRow.decided_by, ProductRow.category),
            )
            .join(ProductRow, ProductRow.prediction_id == PredictionRow.id)
            .where(PredictionRow.id > after, PredictionRow.model_version == version)
            .order_by(PredictionRow.id)
        )
        if since:
            query = query.where(PredictionRow.created_at >= since)
        with self._transaction() as session:
            return session.execute(query).all()

    def waiting(self, after: int, most: int = COUNTED) -> Waiting:
        """Products labelled beyond the statement `after`, counted up to `most`."""
        labelled = FeedbackRow.action.in_(NAMING) & FeedbackRow.after.is_not(None)
        # A product that is labelled again and again is one to learn from; of a flood, the newest are looked at.
        newest = select(FeedbackRow.product_id).where(FeedbackRow.id > after, labelled)
        seen = newest.order_by(FeedbackRow.id.desc()).limit(most * REPEATED).subquery()
        fresh = select(seen.c.product_id).distinct().limit(most)
        with self._transaction() as session:
            number = session.scalar(select(func.count()).select_from(fresh.subquery())) or 0
            return Waiting(number, session.scalar(select(func.max(FeedbackRow.id))) or 0)

    def acceptance(self, version: str, since: datetime, rows: int) -> tuple[Acceptance, Acceptance]:
        """How sellers took the first `rows` answers of a model that they decided on since then, and the last so many.

        The two do not overlap: where there are fewer than twice as many, both are empty. Administrators are not heard:
        they see what was doubtful.
        """
        stands = FeedbackRow.after == PredictionRow.code
        decided = (
            select(FeedbackRow.id, stands.label("stands"))
            .join(PredictionRow, PredictionRow.id == FeedbackRow.prediction_id)
            .where(PredictionRow.model_version == version, FeedbackRow.at >= since)
            .where(FeedbackRow.role == "seller", FeedbackRow.action.in_(("confirm", "choose")))
        )
        with self._transaction() as session:
            first = session.execute(decided.order_by(FeedbackRow.id).limit(rows)).all()
            last = session.execute(decided.order_by(FeedbackRow.id.desc()).limit(rows)).all()
        if len(first) < rows or len(last) < rows or first[-1].id >= last[-1].id:
            return Acceptance(0, 0), Acceptance(0, 0)
        return _acceptance(first), _acceptance(last)

    def last_answer(self) -> datetime | None:
        """When a model last answered."""
        with self._transaction() as session:
            newest = select(PredictionRow.created_at).order_by(PredictionRow.id.desc()).limit(1)
            return session.scalar(newest)


def _draft() -> tuple[Any, ...]:
    return ProductRow.designation, ProductRow.description, ProductRow.image


def _acceptance(rows: Sequence[Row[Any]]) -> Acceptance:
    return Acceptance(len(rows), sum(bool(row.stands) for row in rows))
