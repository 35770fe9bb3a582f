"""Live quality: how people took the answers, by category, version and week."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.base import Verbs, must_be
from rakuten_assets.store.models import Models
from rakuten_assets.store.records import Actor, Numbers, Rate, Week
from rakuten_assets.store.tables import PredictionRow, ProductRow

# What people thought of models so long ago says little about today's.
LOOKED_BACK = timedelta(days=90)
MONTH = timedelta(days=30)

# A share is never taken for zero, whose logarithm is none.
SMALLEST = 1e-3

# With fewer predictions a week's shares are chance.
ENOUGH = 50

DECIDED = ProductRow.decided_by != ""
ACCEPTED = ProductRow.category == PredictionRow.code


class Quality(Verbs):
    """Rates of acceptance: an answer is accepted where a person decided, and decided as the model did."""

    def by_category(self, actor: Actor, version: str | None = None) -> list[Rate]:
        """By the category that was answered."""
        return self._rates(actor, PredictionRow.code, version)

    def by_version(self, actor: Actor) -> list[Rate]:
        """By the model that answered."""
        return self._rates(actor, PredictionRow.model_version, None)

    def calibration(self, actor: Actor, version: str | None = None) -> list[Rate]:
        """By the answer's confidence, in ten bins: key "0.9" is 0.9 and more."""
        bins = func.least(func.floor(PredictionRow.confidence * 10), 9) / 10
        return self._rates(actor, bins, version)

    def weeks(self, actor: Actor, count: int = 12) -> list[Week]:
        """The last weeks, the oldest first.

        `drift` is the population stability index of the week's answers against the categories that the champion
        learnt from: below 0.1 is stable, above 0.25 is another population.
        """
        must_be(actor, "admin")
        since = datetime.now(UTC) - timedelta(weeks=count)
        week = func.date_trunc("week", PredictionRow.created_at)
        query = _answers(week, PredictionRow.code).where(PredictionRow.created_at >= since)
        with self._transaction() as session:
            rows = session.execute(query.group_by(week, PredictionRow.code)).all()
        reference = self._reference()
        return [_week(at, [row for row in rows if row[0] == at], reference) for at in sorted({row[0] for row in rows})]

    def numbers(self, actor: Actor) -> Numbers:
        """The marketplace's numbers of the last 30 days."""
        must_be(actor, "admin")
        since = datetime.now(UTC) - MONTH
        seconds = func.extract("epoch", ProductRow.decided_at - ProductRow.created_at)
        decided = select(
            func.count().filter(DECIDED),
            func.count().filter(DECIDED & (ProductRow.category == ProductRow.proposed)),
            func.percentile_cont(0.5).within_group(seconds).filter(DECIDED),
            func.avg(ProductRow.rating),
        ).where(ProductRow.created_at >= since)
        with self._transaction() as session:
            number, accepted, median, rating = session.execute(decided).one()
            return Numbers(
                products=_number(session),
                waiting=_number(session, ProductRow.state == "waiting"),
                to_review=_number(session, ProductRow.review_priority.is_not(None)),
                decided=number,
                accepted=accepted,
                median_seconds_to_decision=None if median is None else float(median),
                mean_rating=None if rating is None else float(rating),
            )

    def _rates(self, actor: Actor, key: Any, version: str | None) -> list[Rate]:
        must_be(actor, "admin")
        since = datetime.now(UTC) - LOOKED_BACK
        query = _answers(key).where(DECIDED, PredictionRow.created_at >= since).group_by(key).order_by(key)
        if version:
            query = query.where(PredictionRow.model_version == version)
        with self._transaction() as session:
            rows = session.execute(query)
            return [Rate(str(key), decided, accepted, confidence) for key, _, decided, accepted, confidence in rows]

    def _reference(self) -> dict[int, float]:
        champion = Models(self._engine).champion()
        shares = champion.report.get("shares") if champion else None
        return dict(zip(CODES, shares, strict=True)) if shares else {}


def _number(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).select_from(ProductRow).where(*conditions)) or 0


def _answers(*keys: ColumnElement[Any] | Any) -> Select[Any]:
    """Predictions that their products still rest on: how many, decided, accepted, mean confidence, by `keys`."""
    decided = func.count().filter(DECIDED)
    accepted = func.count().filter(DECIDED & ACCEPTED)
    query = select(*keys, func.count(), decided, accepted, func.avg(PredictionRow.confidence))
    return query.join(ProductRow, ProductRow.prediction_id == PredictionRow.id)


def _week(at: datetime, rows: list[Any], reference: dict[int, float]) -> Week:
    predictions = sum(row[2] for row in rows)
    counts = Counter({row[1]: row[2] for row in rows})
    return Week(
        week=at,
        predictions=predictions,
        decided=sum(row[3] for row in rows),
        accepted=sum(row[4] for row in rows),
        mean_confidence=sum(row[2] * row[5] for row in rows) / predictions,
        drift=_stability(counts, reference) if reference and predictions >= ENOUGH else None,
    )


def _stability(counts: Counter[int], reference: dict[int, float]) -> float:
    """The population stability index (Siddiqi 2006) of counts against shares."""
    total = counts.total()
    pairs = [(max(counts[code] / total, SMALLEST), max(reference.get(code, 0), SMALLEST)) for code in CODES]
    return sum((now - then) * math.log(now / then) for now, then in pairs)
