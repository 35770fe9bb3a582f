"""The review queue: products that a person must judge, the least certain and the rarest first."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rakuten_assets.store import audit
from rakuten_assets.store.base import Verbs, allowed_code, clean, must_be, page
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.products import CONTRADICTED, MAX_COMMENT, changed, filtered, own, record, say, view
from rakuten_assets.store.records import SYSTEM, Actor, BulkResult, Page, Product, ProductFilter, QueueItem
from rakuten_assets.store.tables import Claim, PredictionRow, ProductRow, Skip, User

# Long enough to think, short enough that a closed lid does not keep a product from the others.
CLAIMED, SKIPPED = timedelta(minutes=10), timedelta(hours=1)

# Of a list, at once.
MAX_BULK = 500

# Two who reach for the same product: one of them reaches again.
TRIES = 5

RANK: ColumnElement[float] = -ProductRow.review_priority  # type: ignore[assignment]
WAITS = ProductRow.review_priority.is_not(None)


class Reviews(Verbs):
    """What administrators do."""

    def queue(
        self, actor: Actor, filter: ProductFilter | None = None, cursor: str | None = None, size: int = 25
    ) -> Page[QueueItem]:
        """Products that wait for a review, the most pressing first."""
        must_be(actor, "admin")
        with self._transaction() as session:
            query = filtered(session, _queue(), filter or ProductFilter())
            rows, ends = page(session, query, [RANK, ProductRow.id], cursor, size, newest_first=False)
            claims = _claims(session, [row[2].id for row in rows])
            return Page([_item(row[2], row[3], claims) for row in rows], **ends)

    def next(self, actor: Actor) -> QueueItem | None:
        """Claim what is most pressing and nobody looks at; what the actor holds already comes first."""
        must_be(actor, "admin")
        for _ in range(TRIES):
            with self._transaction() as session:
                row = _held(session, actor) or _free(session, actor)
                if row is None:
                    return None
                if _claim(session, actor, row.id):
                    return _whole_item(session, row)
        return None

    def claim(self, actor: Actor, id: int) -> QueueItem:
        """Claim this product."""
        must_be(actor, "admin")
        with self._transaction() as session:
            row = own(session, actor, id)
            if not _claim(session, actor, id):
                raise Refused("conflict", "claimed", by=_holder(session, id))
            return _whole_item(session, row)

    def release(self, actor: Actor, id: int) -> None:
        """Let others have it."""
        must_be(actor, "admin")
        with self._transaction() as session:
            session.execute(delete(Claim).where(Claim.product_id == id, Claim.user_id == actor.user_id))

    def accept(self, actor: Actor, id: int, code: int | None = None, reason: str = "") -> Product:
        """The category stands, or `code` does."""
        with self._transaction() as session:
            row = _reviewable(session, actor, id)
            code = code if code is not None else row.category if row.category is not None else row.proposed
            if code is None:
                raise Refused("invalid", "category_needed")
            stands = allowed_code(code) in (row.category, row.proposed)
            _judge(session, actor, row, "accept" if stands else "fix", code, reason)
            return view(session, row)

    def reject(self, actor: Actor, id: int, reason: str) -> Product:
        """Send it back to its seller, who reads the reason."""
        with self._transaction() as session:
            row = _reviewable(session, actor, id)
            if not reason.strip():
                raise Refused("invalid", "reason_needed")
            _judge(session, actor, row, "reject", None, reason)
            return view(session, row)

    def skip(self, actor: Actor, id: int) -> None:
        """Leave it to others; for a while it does not come back to the actor."""
        with self._transaction() as session:
            row = _reviewable(session, actor, id)
            until = _now() + SKIPPED
            skip = insert(Skip).values(product_id=id, user_id=actor.user_id, until=until)
            session.execute(skip.on_conflict_do_update(index_elements=["product_id", "user_id"], set_={"until": until}))
            session.execute(delete(Claim).where(Claim.product_id == id, Claim.user_id == actor.user_id))
            say(session, actor, row, "skip", row.category)

    def change_category(self, actor: Actor, id: int, code: int, reason: str = "") -> Product:
        """Another category, whatever was decided before."""
        must_be(actor, "admin")
        with self._transaction() as session:
            row = own(session, actor, id)
            _judge(session, actor, row, "change", allowed_code(code), reason)
            return view(session, row)

    def bulk(
        self,
        actor: Actor,
        ids: list[int],
        action: Literal["accept", "fix", "reject"],
        code: int | None = None,
        reason: str = "",
    ) -> BulkResult:
        """The same judgement of many products; each by itself, so one that is refused keeps no other back."""
        must_be(actor, "admin")
        if len(ids) > MAX_BULK:
            raise Refused("invalid", "too_many_at_once", most=MAX_BULK)
        if action == "fix" and code is None:
            raise Refused("invalid", "category_needed")
        refused = []
        for id in dict.fromkeys(ids):
            try:
                if action == "reject":
                    self.reject(actor, id, reason)
                else:
                    self.accept(actor, id, code if action == "fix" else None, reason)
            except Refused as error:
                refused.append((id, error.code))
        return BulkResult(len(dict.fromkeys(ids)) - len(refused), refused)

    def contradicted(self, ids: list[int]) -> int:
        """Ask for a review of products whose label contradicts another's of the same text; how many are new.

        What an administrator has judged stands: they saw it.
        """
        asked = 0
        for id in ids:
            with self._transaction() as session:
                row = session.get(ProductRow, id, with_for_update=True)
                if row is None or row.state == "withdrawn" or row.decided_by != "seller":
                    continue
                if row.review_priority is not None:
                    continue
                row.review, row.review_priority = "contradiction", CONTRADICTED
                audit.write(session, SYSTEM, "product_contradicted", "product", id)
                changed(session, row)
                asked += 1
        return asked


def _judge(session: Session, actor: Actor, row: ProductRow, action: str, code: int | None, reason: str) -> None:
    reason = clean(reason, MAX_COMMENT)
    say(session, actor, row, action, code, reason)
    row.state = "accepted" if code is not None else "rejected"
    row.category, row.decided_by, row.decided_at, row.reason = code, "admin", _now(), reason
    row.review_priority = None
    session.execute(delete(Claim).where(Claim.product_id == row.id))
    session.execute(delete(Skip).where(Skip.product_id == row.id))
    changed(session, row)


def _reviewable(session: Session, actor: Actor, id: int) -> ProductRow:
    """The product, unless another administrator looks at it, or there is nothing to judge."""
    must_be(actor, "admin")
    row = own(session, actor, id)
    if row.state == "withdrawn":
        raise Refused("conflict", "withdrawn")
    if row.state == "waiting":
        raise Refused("conflict", "not_classified_yet")
    claim = session.get(Claim, id)
    if claim and claim.user_id != actor.user_id and claim.until > _now():
        raise Refused("conflict", "claimed", by=_holder(session, id))
    return row


def _queue() -> Select[Any]:
    query = select(RANK.label("rank"), ProductRow.id, ProductRow, User.name)
    return query.join(User, User.id == ProductRow.seller_id).where(WAITS)


def _held(session: Session, actor: Actor) -> ProductRow | None:
    query = select(ProductRow).join(Claim, Claim.product_id == ProductRow.id)
    return session.scalar(query.where(Claim.user_id == actor.user_id, Claim.until > _now(), WAITS).limit(1))


def _free(session: Session, actor: Actor) -> ProductRow | None:
    """The most pressing product that nobody holds, locked; what others are about to claim is passed over."""
    held = select(Claim).where(Claim.product_id == ProductRow.id, Claim.until > _now()).exists()
    skipped = select(Skip).where(Skip.product_id == ProductRow.id, Skip.user_id == actor.user_id, Skip.until > _now())
    query = select(ProductRow).where(WAITS, ~held, ~skipped.exists()).order_by(RANK, ProductRow.id).limit(1)
    return session.scalar(query.with_for_update(skip_locked=True))


def _claim(session: Session, actor: Actor, id: int) -> bool:
    """Whether the claim is the actor's now: another's counts until it ends."""
    until = _now() + CLAIMED
    row = insert(Claim).values(product_id=id, user_id=actor.user_id, until=until)
    mine = row.on_conflict_do_update(
        index_elements=[Claim.product_id],
        set_={"user_id": actor.user_id, "until": until},
        where=(Claim.user_id == actor.user_id) | (Claim.until < _now()),
    )
    return session.scalar(mine.returning(Claim.product_id)) is not None


def _claims(session: Session, ids: list[int]) -> dict[int, tuple[str, datetime]]:
    query = select(Claim.product_id, User.name, Claim.until).join(User, User.id == Claim.user_id)
    rows = session.execute(query.where(Claim.product_id.in_(ids), Claim.until > _now()))
    return {id: (name, until) for id, name, until in rows}


def _holder(session: Session, id: int) -> str:
    return _claims(session, [id]).get(id, ("", _now()))[0]


def _whole_item(session: Session, row: ProductRow) -> QueueItem:
    name = session.get_one(User, row.seller_id).name
    said = session.get(PredictionRow, row.prediction_id) if row.prediction_id else None
    return _item(row, name, _claims(session, [row.id]), said)


def _item(
    row: ProductRow, seller: str, claims: dict[int, tuple[str, datetime]], said: PredictionRow | None = None
) -> QueueItem:
    by, until = claims.get(row.id, (None, None))
    return QueueItem(record(row, seller, said), row.review_priority or 0.0, by, until)


def _now() -> datetime:
    return datetime.now(UTC)
