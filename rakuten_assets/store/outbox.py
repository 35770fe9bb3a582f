"""The outbox: work that was written together with its cause, so that no crash forgets it."""

import math
import random
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs
from rakuten_assets.store.products import changed
from rakuten_assets.store.records import SYSTEM, Backlog, Draft, Job, Predicted
from rakuten_assets.store.tables import OutboxRow, PredictionRow, ProductRow

# A service that is down is asked again after 1, 2, 4 … seconds, and at least so often.
SLOWEST = 30

# How rare a category is changes slowly, and costs a walk through an index.
RARITY_SECONDS = 60

# What nobody could classify is looked at first.
UNCLASSIFIED = 20.0


class Outbox(Verbs):
    """What a worker does: take jobs, and give each its result or another try."""

    _counts: tuple[float, dict[int, int]] = (-math.inf, {})

    def take(self, count: int, lease_seconds: int = 60, kind: str | None = None) -> list[Job]:
        """At most `count` jobs that are due, the oldest first. What is not dealt with in time is due again."""
        now = datetime.now(UTC)
        due = select(OutboxRow.id).where(OutboxRow.next_at <= now)
        if kind:
            due = due.where(OutboxRow.kind == kind)
        due = due.order_by(OutboxRow.next_at, OutboxRow.id).limit(count).with_for_update(skip_locked=True)
        leased = update(OutboxRow).where(OutboxRow.id.in_(due)).returning(OutboxRow)
        later = now + timedelta(seconds=lease_seconds)
        with self._transaction() as session:
            rows = session.scalars(leased.values(next_at=later, attempts=OutboxRow.attempts + 1)).all()
            drafts = _drafts(session, [row.subject_id for row in rows if row.kind == "classify"])
        return sorted((_job(row, drafts.get(row.subject_id)) for row in rows), key=lambda job: job.id)

    def classified(self, job: Job, predicted: Predicted) -> bool:
        """Keep the answer, propose its category, and end the job: all of it or nothing.

        False where the product has been changed or withdrawn in between: the answer is not its any more.
        """
        best = predicted.candidates[0]
        with self._transaction() as session:
            row = _current(session, job)
            if row is None:
                return False
            row.prediction_id = _keep(session, job, predicted)
            row.proposed, row.confidence = best.code, best.confidence
            if not row.decided_by:
                row.category = best.code
                row.state, row.review = ("to_confirm" if predicted.review else "proposed"), predicted.review
                row.review_priority = self._priority(session, predicted) if predicted.review else None
            elif row.category != best.code and row.decided_by == "seller":
                row.review, row.review_priority = "seller_disagrees", self._priority(session, predicted)
            row.updated_at = datetime.now(UTC)
            audit.write(
                session,
                SYSTEM,
                "product_classified",
                "product",
                row.id,
                code=best.code,
                confidence=round(best.confidence, 4),
                model=predicted.model_version,
                review=predicted.review,
            )
            changed(session, row)
            return True

    def refused(self, job: Job, code: str, text: str) -> bool:
        """The service does not take this product, however often it is asked: a person must choose. False as above."""
        with self._transaction() as session:
            row = _current(session, job)
            if row is None:
                return False
            row.updated_at = datetime.now(UTC)
            if not row.decided_by:
                row.state, row.review, row.reason, row.review_priority = "failed", "failed", text[:500], UNCLASSIFIED
            audit.write(session, SYSTEM, "product_not_classified", "product", row.id, code=code)
            changed(session, row)
            return True

    def retry(self, job: Job, error: str) -> None:
        """Try again later, and later still after each failure."""
        wait = min(2.0 ** min(job.attempts - 1, 10), SLOWEST) * random.uniform(0.75, 1.25)
        later = datetime.now(UTC) + timedelta(seconds=wait)
        with self._transaction() as session:
            row = same_job(update(OutboxRow), job)
            session.execute(row.values(next_at=later, error=error[:500]))

    def postpone(self, job: Job) -> None:
        """Go on with it as soon as others had their turn; this was no failure."""
        with self._transaction() as session:
            session.execute(same_job(update(OutboxRow), job).values(next_at=func.now(), attempts=0))

    def finish(self, job: Job) -> None:
        """It is done."""
        with self._transaction() as session:
            session.execute(same_job(delete(OutboxRow), job))

    def backlog(self) -> Backlog:
        """What waits."""
        failing = func.count().filter(OutboxRow.error != "")
        with self._transaction() as session:
            query = select(func.count(), func.min(OutboxRow.created_at), failing, func.max(OutboxRow.error))
            waiting, oldest, failed, error = session.execute(query).one()
        return Backlog(waiting, oldest, failed, error or "")

    def _priority(self, session: Session, predicted: Predicted) -> float:
        """Uncertainty times rarity: what a label teaches most about comes first (Settles 2009, section 3.1).

        The second best's share is in it, so that a toss between two comes before a vague favourite.
        """
        best, *others = predicted.candidates
        margin = best.confidence - (others[0].confidence if others else 0.0)
        counts = self._category_counts(session)
        rarity = math.log((sum(counts.values()) + 27) / (counts.get(best.code, 0) + 1))
        return (1 - best.confidence + 1 - margin) / 2 * rarity / math.log(27)

    def _category_counts(self, session: Session) -> dict[int, int]:
        taken_at, counts = self._counts
        if time.monotonic() - taken_at > RARITY_SECONDS:
            query = select(ProductRow.category, func.count()).where(ProductRow.category.is_not(None))
            counts = {code: number for code, number in session.execute(query.group_by(ProductRow.category))}  # noqa: C416
            self._counts = (time.monotonic(), counts)
        return counts


def _job(row: OutboxRow, draft: Draft | None) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]
        subject_id=row.subject_id,
        revision=row.revision,
        attempts=row.attempts,
        draft=draft,
        request_id=row.request_id or "",
        traceparent=row.traceparent or "",
        created_at=row.created_at,
    )


def _current(session: Session, job: Job) -> ProductRow | None:
    """The product as the job knows it, locked, with the job ended; None where it has changed since."""
    row = session.get(ProductRow, job.subject_id, with_for_update=True)
    session.execute(same_job(delete(OutboxRow), job))
    return row if row and row.revision == job.revision and row.state != "withdrawn" else None


def same_job(statement, job: Job):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - an update or a delete, as it came
    """The statement, for this job and not for one that an edit has put in its place."""
    return statement.where(OutboxRow.id == job.id, OutboxRow.revision == job.revision)


def _keep(session: Session, job: Job, predicted: Predicted) -> int:
    """The stored prediction's id; one that was stored before a crash is the same."""
    best = predicted.candidates[0]
    row = insert(PredictionRow).values(
        product_id=job.subject_id,
        revision=job.revision,
        model_version=predicted.model_version,
        code=best.code,
        confidence=best.confidence,
        candidates=[[each.code, each.confidence] for each in predicted.candidates],
        rests_on=predicted.rests_on,
        review=predicted.review,
        seconds=predicted.seconds,
        request_id=predicted.request_id,
    )
    key = (PredictionRow.product_id, PredictionRow.revision, PredictionRow.model_version)
    new = session.scalar(row.on_conflict_do_nothing(index_elements=list(key)).returning(PredictionRow.id))
    if new is not None:
        return new
    values = (job.subject_id, job.revision, predicted.model_version)
    same = (column == value for column, value in zip(key, values, strict=True))
    return session.scalars(select(PredictionRow.id).where(*same)).one()


def _drafts(session: Session, ids: list[int]) -> dict[int, Draft]:
    rows = session.scalars(select(ProductRow).where(ProductRow.id.in_(ids)))
    return {row.id: Draft(row.designation, row.description, row.image, row.reference) for row in rows}
