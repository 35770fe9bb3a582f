"""Products: what sellers submit, what becomes of it, and what people say of it."""

from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import SpanKind
from sqlalchemy import Select, delete, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from rakuten_assets import telemetry
from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.store import audit
from rakuten_assets.store.base import BIGGEST, COUNTED, Verbs, allowed_code, announce, clean, must_be, page
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import (
    STATES,
    Actor,
    Candidate,
    Draft,
    Feedback,
    Page,
    PredictionRecord,
    Product,
    ProductFilter,
    State,
)
from rakuten_assets.store.tables import Claim, FeedbackRow, Image, OutboxRow, PredictionRow, ProductRow, User

MAX_REFERENCE, MAX_KEY, MAX_COMMENT = 100, 100, 2_000

# What a person contradicts is looked at before what a model is merely unsure of.
CONTRADICTED = 10.0

# The history of one product on one screen.
REMEMBERED = 100


class Products(Verbs):
    """What a seller may do with their products, and what anybody may see of them."""

    def __init__(self, engine: Any, text_only: bool = False) -> None:
        """`text_only`: a product without a picture is taken."""
        super().__init__(engine)
        self._text_only = text_only

    def add_image(self, sha256: str, width: int, height: int, size: int) -> None:
        """Note a picture that the object store holds; a known one is as if it had come today."""
        row = insert(Image).values(sha256=sha256, width=width, height=height, size=size)
        with self._transaction() as session:
            # Its new sender has as many days to submit it as the first one had.
            session.execute(row.on_conflict_do_update(index_elements=["sha256"], set_={"created_at": func.now()}))

    def submit(self, actor: Actor, draft: Draft, key: str) -> Product:
        """Store a product to be classified. The same `key` again is the same product, and changes nothing."""
        with self._transaction() as session:
            product = submit(session, actor, self.checked(draft), key)
            return view(session, product)

    def edit(self, actor: Actor, id: int, draft: Draft, revision: int) -> Product:
        """Change a product that is still as the actor saw it; another text or picture is classified anew."""
        draft = self.checked(draft)
        with self._transaction() as session:
            row = own(session, actor, id)
            if row.revision != revision:
                raise Refused("conflict", "changed_meanwhile", revision=row.revision)
            if row.state == "withdrawn":
                raise Refused("conflict", "withdrawn")
            before = (row.designation, row.description, row.image)
            row.designation, row.description, row.image = draft.designation, draft.description, draft.image
            changed = before != (draft.designation, draft.description, draft.image)
            if changed or row.reference != draft.reference:
                row.reference, row.updated_at = draft.reference, _now()
                audit.write(session, actor, "product_edited", "product", id, revision=row.revision + changed)
            if changed or row.state == "rejected":
                _classify_anew(session, row)
            _flushed(session)
            return view(session, row)

    def withdraw(self, actor: Actor, id: int) -> None:
        """Take a product back: nobody reviews or classifies it any more."""
        with self._transaction() as session:
            row = own(session, actor, id)
            if row.state == "withdrawn":
                return
            row.state, row.review_priority, row.updated_at = "withdrawn", None, _now()
            session.execute(delete(OutboxRow).where(OutboxRow.kind == "classify", OutboxRow.subject_id == id))
            session.execute(delete(Claim).where(Claim.product_id == id))
            audit.write(session, actor, "product_withdrawn", "product", id)
            changed(session, row)

    def get(self, actor: Actor, id: int) -> Product:
        """One product with its last prediction; another seller's is not found."""
        with self._transaction() as session:
            return view(session, own(session, actor, id, lock=False))

    def many(self, actor: Actor, ids: list[int]) -> list[Product]:
        """Those of the products that there are and that the actor may see, in the order of `ids`."""
        wanted = _visible(actor).where(ProductRow.id.in_([id for id in ids if 0 < id <= BIGGEST]))
        with self._transaction() as session:
            found = {row[1].id: record(row[1], row[2]) for row in session.execute(wanted)}
        return [found[id] for id in ids if id in found]

    def counts(self, actor: Actor) -> dict[State, int]:
        """How many products are in each state, counted up to a hundred."""
        mine = [] if actor.role == "admin" else [ProductRow.seller_id == must_be(actor, "seller")]
        limited = {
            state: select(literal(1)).where(ProductRow.state == state, *mine).limit(COUNTED).subquery()
            for state in STATES
        }
        parts = [select(literal(state), func.count()).select_from(rows) for state, rows in limited.items()]
        with self._transaction() as session:
            return {state: number for state, number in session.execute(union_all(*parts))}  # noqa: C416

    def decide(self, actor: Actor, id: int, code: int) -> Product:
        """Its seller confirms the proposed category, or chooses another."""
        allowed_code(code)
        with self._transaction() as session:
            row = _decidable(session, actor, id)
            agrees = code == row.proposed
            say(session, actor, row, "confirm" if agrees else "choose", code)
            row.state, row.category, row.decided_by, row.decided_at = "confirmed", code, "seller", _now()
            if agrees or row.proposed is None:
                row.review_priority = None
            else:
                _to_review(row, "seller_disagrees")
            changed(session, row)
            return view(session, row)

    def no_category(self, actor: Actor, id: int, comment: str = "") -> Product:
        """Its seller says that no category fits: a person will look at it."""
        with self._transaction() as session:
            row = _decidable(session, actor, id)
            say(session, actor, row, "missing", None, clean(comment, MAX_COMMENT))
            row.state, row.category, row.decided_by = "to_confirm", None, ""
            _to_review(row, "category_missing")
            changed(session, row)
            return view(session, row)

    def rate(self, actor: Actor, id: int, rating: int, comment: str = "") -> Product:
        """Its seller says how good the prediction was, from 1 to 5."""
        if not 1 <= rating <= 5:
            raise Refused("invalid", "bad_rating")
        with self._transaction() as session:
            row = own(session, actor, id)
            must_be(actor, "seller")
            if row.prediction_id is None:
                raise Refused("conflict", "not_classified_yet")
            row.rating = rating
            say(session, actor, row, "rate", row.category, clean(comment, MAX_COMMENT), rating)
            changed(session, row)
            return view(session, row)

    def history(self, actor: Actor, id: int) -> tuple[list[PredictionRecord], list[Feedback]]:
        """All that models and people said of a product, the newest first."""
        with self._transaction() as session:
            own(session, actor, id, lock=False)
            predicted = session.scalars(
                select(PredictionRow)
                .where(PredictionRow.product_id == id)
                .order_by(PredictionRow.id.desc())
                .limit(REMEMBERED)
            )
            said = session.execute(
                select(FeedbackRow, User.name, PredictionRow.model_version)
                .join(User, User.id == FeedbackRow.user_id)
                .outerjoin(PredictionRow, PredictionRow.id == FeedbackRow.prediction_id)
                .where(FeedbackRow.product_id == id)
                .order_by(FeedbackRow.id.desc())
                .limit(REMEMBERED)
            )
            return [_prediction(row) for row in predicted], [_feedback(*row) for row in said]

    def checked(self, draft: Draft) -> Draft:
        """The draft as it is stored; raises `Refused` where something is missing, too long or unreadable."""
        designation = clean(draft.designation, MAX_DESIGNATION, field="designation")
        if not designation:
            raise Refused("invalid", "title_missing")
        if draft.image is None and not self._text_only:
            raise Refused("invalid", "image_missing")
        description = clean(draft.description, MAX_DESCRIPTION, field="description")
        return Draft(designation, description, draft.image, clean(draft.reference, MAX_REFERENCE, field="reference"))

    def list(
        self, actor: Actor, filter: ProductFilter | None = None, cursor: str | None = None, size: int = 25
    ) -> Page[Product]:
        """Products, the newest first: a seller's own, or everybody's for an administrator."""
        with self._transaction() as session:
            query = filtered(session, _visible(actor), filter or ProductFilter())
            rows, ends = page(session, query, [ProductRow.id], cursor, size)
            return Page([record(row[1], row[2]) for row in rows], **ends)


def submit(session: Session, actor: Actor, draft: Draft, key: str) -> ProductRow:
    """The product of a checked draft, with its outbox row, in the caller's transaction."""
    seller = must_be(actor, "seller", "admin")
    key = clean(key, MAX_KEY, field="key")
    if not key:
        raise Refused("invalid", "key_missing")
    values = {"seller_id": seller, "submission_key": key, **vars(draft)}
    try:
        new = session.scalar(
            insert(ProductRow)
            .values(**values)
            .on_conflict_do_nothing(index_elements=[ProductRow.seller_id, ProductRow.submission_key])
            .returning(ProductRow.id)
        )
    except IntegrityError as error:
        raise Refused("invalid", "image_unknown") from error
    if new is None:
        same = select(ProductRow).where(ProductRow.seller_id == seller, ProductRow.submission_key == key)
        return session.scalars(same).one()
    row = session.get_one(ProductRow, new)
    enqueue(session, "classify", row.id, row.revision)
    audit.write(session, actor, "product_submitted", "product", row.id, picture=row.image is not None)
    changed(session, row)
    return row


def enqueue(session: Session, kind: str, subject_id: int, revision: int = 0) -> None:
    """Have a worker do it, as a part of the request that is being answered; what waited for the subject is replaced."""
    with telemetry.span(f"outbox enqueue {kind}", SpanKind.PRODUCER):
        begun = {"request_id": audit.REQUEST.get() or None, "traceparent": telemetry.traceparent() or None}
        again = {"revision": revision, "attempts": 0, "next_at": func.now(), "error": "", **begun}
        job = insert(OutboxRow).values(kind=kind, subject_id=subject_id, revision=revision, **begun)
        session.execute(job.on_conflict_do_update(index_elements=["kind", "subject_id"], set_=again))


def own(session: Session, actor: Actor, id: int, lock: bool = True) -> ProductRow:
    """The product, if the actor may see it, locked until the transaction ends."""
    row = session.get(ProductRow, id, with_for_update=lock or None) if 0 < id <= BIGGEST else None
    if row is None or (actor.role == "seller" and row.seller_id != actor.user_id):
        raise Refused("not_found", "product_not_found", id=id)
    return row


def say(
    session: Session,
    actor: Actor,
    row: ProductRow,
    action: str,
    after: int | None,
    reason: str = "",
    rating: int | None = None,
) -> None:
    """Keep what a person said, as feedback to learn from and as a line of the audit log."""
    session.add(
        FeedbackRow(
            product_id=row.id,
            prediction_id=row.prediction_id,
            revision=row.revision,
            user_id=actor.user_id,
            role=actor.role,
            action=action,
            before=row.category,
            after=after,
            rating=rating,
            reason=reason,
        )
    )
    audit.write(session, actor, f"product_{action}", "product", row.id, before=row.category, after=after, rating=rating)
    row.updated_at = _now()


def changed(session: Session, row: ProductRow) -> None:
    """Tell the open pages, and the worker, that a product is not as it was."""
    _flushed(session)
    announce(session, "product", product_id=row.id, seller_id=row.seller_id, state=row.state)


def view(session: Session, row: ProductRow) -> Product:
    """A product as people see it, with its last prediction."""
    session.flush()
    session.refresh(row)
    seller = session.get_one(User, row.seller_id).name
    said = session.get(PredictionRow, row.prediction_id) if row.prediction_id else None
    return record(row, seller, said)


def record(row: ProductRow, seller: str, said: PredictionRow | None = None) -> Product:
    return Product(
        id=row.id,
        seller_id=row.seller_id,
        seller=seller,
        reference=row.reference,
        designation=row.designation,
        description=row.description,
        image=row.image,
        state=row.state,  # type: ignore[arg-type]
        revision=row.revision,
        proposed=row.proposed,
        confidence=row.confidence,
        category=row.category,
        decided_by=row.decided_by,
        review=row.review,
        reason=row.reason,
        rating=row.rating,
        created_at=row.created_at,
        updated_at=row.updated_at,
        waiting_for_review=row.review_priority is not None,
        prediction=_prediction(said) if said else None,
    )


def filtered(session: Session, query: Select[Any], filter: ProductFilter) -> Select[Any]:
    """The query, for products that the filter lets through; a number is an id, where there is such a product."""
    if text := clean(filter.text, 200):
        by_id = query.where(ProductRow.id == int(text)) if _is_id(text) else None
        if by_id is not None and session.execute(by_id).first():
            query = by_id
        else:
            query = query.where(ProductRow.words.bool_op("@@")(func.websearch_to_tsquery("french", text)))
    if filter.states:
        query = query.where(ProductRow.state.in_(filter.states))
    if filter.category is not None:
        query = query.where(ProductRow.category == filter.category)
    if filter.seller_id is not None:
        query = query.where(ProductRow.seller_id == filter.seller_id)
    if seller := clean(filter.seller, 200):
        named = User.email.icontains(seller, autoescape=True) | User.name.icontains(seller, autoescape=True)
        query = query.where(ProductRow.seller_id.in_(select(User.id).where(named)))
    if filter.since:
        query = query.where(ProductRow.created_at >= filter.since)
    if filter.until:
        query = query.where(ProductRow.created_at < filter.until)
    if filter.review:
        query = query.where(ProductRow.review == filter.review)
    return query


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= BIGGEST


def _visible(actor: Actor) -> Select[Any]:
    query = select(ProductRow.id, ProductRow, User.name).join(User, User.id == ProductRow.seller_id)
    if must_be(actor, "seller", "admin") and actor.role == "seller":
        query = query.where(ProductRow.seller_id == actor.user_id)
    return query


def _decidable(session: Session, actor: Actor, id: int) -> ProductRow:
    must_be(actor, "seller")
    row = own(session, actor, id)
    if row.state == "withdrawn":
        raise Refused("conflict", "withdrawn")
    if row.state == "accepted":
        raise Refused("conflict", "already_decided")
    return row


def _to_review(row: ProductRow, why: str) -> None:
    row.review = why
    row.review_priority = CONTRADICTED + 1 - (row.confidence or 0)


def _classify_anew(session: Session, row: ProductRow) -> None:
    row.revision += 1
    row.state, row.reason, row.rating = "waiting", "", None
    row.proposed = row.confidence = row.category = row.review = row.review_priority = row.prediction_id = None
    row.decided_by, row.decided_at = "", None
    enqueue(session, "classify", row.id, row.revision)
    session.execute(delete(Claim).where(Claim.product_id == row.id))
    changed(session, row)


def _flushed(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise Refused("invalid", "image_unknown") from error


def _prediction(row: PredictionRow) -> PredictionRecord:
    return PredictionRecord(
        model_version=row.model_version,
        candidates=[Candidate(code, confidence) for code, confidence in row.candidates],
        rests_on=row.rests_on,
        review=row.review,
        seconds=row.seconds,
        request_id=row.request_id,
        id=row.id,
        revision=row.revision,
        created_at=row.created_at,
    )


def _feedback(row: FeedbackRow, name: str, version: str | None) -> Feedback:
    return Feedback(
        row.id,
        row.product_id,
        row.action,  # type: ignore[arg-type]
        name,
        row.role,  # type: ignore[arg-type]
        row.at,
        row.before,
        row.after,
        row.rating,
        row.reason,
        version,
    )


def _now() -> datetime:
    return datetime.now(UTC)
