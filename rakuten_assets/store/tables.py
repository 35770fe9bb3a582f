"""The operational database: what people and the platform did, row by row."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from rakuten_assets.store.records import STATES

# Alembic needs names to drop what has none of its own.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Longer texts of a product are stored whole, and found by their beginning.
SEARCHED = 5_000


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        str: Text,
    }


def _id() -> Mapped[int]:
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def _now() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())


class User(Base):
    """An account. A person who asked to be forgotten leaves a row without a name, which history refers to."""

    __tablename__ = "users"
    id: Mapped[int] = _id()
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str]
    language: Mapped[str] = mapped_column(server_default="fr")
    created_at: Mapped[datetime] = _now()
    blocked_at: Mapped[datetime | None]
    blocked_reason: Mapped[str] = mapped_column(server_default="")
    last_sign_in_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("role IN ('seller', 'admin')", "role"),
        CheckConstraint("language IN ('fr', 'en')", "language"),
        CheckConstraint("email = lower(email)", "lower"),
    )


class SessionRow(Base):
    """A sign-in. The token itself is only in the person's hands; here is its SHA-256."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    device: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = _now()
    last_seen_at: Mapped[datetime] = _now()
    expires_at: Mapped[datetime] = mapped_column(index=True)


class SignInFailure(Base):
    """Failed sign-ins by the hash of the e-mail that was typed, whether or not there is such an account."""

    __tablename__ = "sign_in_failures"
    email_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]


class Image(Base):
    """A stored picture: the object store has its bytes under this name."""

    __tablename__ = "images"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    created_at: Mapped[datetime] = _now()


class ProductRow(Base):
    """A submitted product, and where it stands. `review_priority` is set while it waits for a review."""

    __tablename__ = "products"
    id: Mapped[int] = _id()
    seller_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    submission_key: Mapped[str]
    reference: Mapped[str] = mapped_column(server_default="")
    designation: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    image: Mapped[str | None] = mapped_column(ForeignKey("images.sha256"), index=True)
    state: Mapped[str] = mapped_column(server_default="waiting")
    revision: Mapped[int] = mapped_column(server_default=text("1"))
    prediction_id: Mapped[int | None] = mapped_column(BigInteger)
    proposed: Mapped[int | None]
    confidence: Mapped[float | None]
    category: Mapped[int | None]
    decided_by: Mapped[str] = mapped_column(server_default="")
    decided_at: Mapped[datetime | None]
    review: Mapped[str | None]
    review_priority: Mapped[float | None]
    reason: Mapped[str] = mapped_column(server_default="")
    rating: Mapped[int | None]
    created_at: Mapped[datetime] = _now()
    updated_at: Mapped[datetime] = _now()
    words: Mapped[Any] = mapped_column(
        TSVECTOR,
        Computed(f"to_tsvector('french', designation || ' ' || left(description, {SEARCHED}))", persisted=True),
        deferred=True,
    )
    __table_args__ = (
        # The same submission sent twice, as after a lost answer, is one product.
        UniqueConstraint("seller_id", "submission_key"),
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in STATES)})", "state"),
        CheckConstraint("rating BETWEEN 1 AND 5", "rating"),
        Index("ix_products_seller", "seller_id", "id"),
        Index("ix_products_seller_state", "seller_id", "state", "id"),
        Index("ix_products_state", "state", "id"),
        Index("ix_products_category", "category", "id"),
        Index("ix_products_created", "created_at", "id"),
        Index("ix_products_words", "words", postgresql_using="gin"),
        Index(
            "ix_products_queue",
            text("(-review_priority)"),
            "id",
            postgresql_where=text("review_priority IS NOT NULL"),
        ),
        Index(
            "ix_products_queue_category",
            "category",
            text("(-review_priority)"),
            "id",
            postgresql_where=text("review_priority IS NOT NULL"),
        ),
    )


class PredictionRow(Base):
    """What a model said of a product, once and for all. `candidates` holds [code, confidence], best first."""

    __tablename__ = "predictions"
    id: Mapped[int] = _id()
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    revision: Mapped[int]
    model_version: Mapped[str]
    code: Mapped[int]
    confidence: Mapped[float]
    candidates: Mapped[list[Any]]
    rests_on: Mapped[str]
    review: Mapped[str | None]
    seconds: Mapped[float]
    request_id: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    __table_args__ = (
        # A worker that was killed after its answer was written does not write a second one.
        UniqueConstraint("product_id", "revision", "model_version"),
        Index("ix_predictions_version", "model_version", "code"),
    )


class FeedbackRow(Base):
    """What a person said of a product: the labels that the platform learns from. Never changed, only added to."""

    __tablename__ = "feedback"
    id: Mapped[int] = _id()
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    prediction_id: Mapped[int | None] = mapped_column(ForeignKey("predictions.id"), index=True)
    revision: Mapped[int]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str]
    action: Mapped[str]
    before: Mapped[int | None]
    after: Mapped[int | None]
    rating: Mapped[int | None]
    reason: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class Claim(Base):
    """Who looks at a product now, so that nobody else does. An old claim counts for nothing."""

    __tablename__ = "review_claims"
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    until: Mapped[datetime]


class Skip(Base):
    """A product that an administrator would rather not judge; the others still may."""

    __tablename__ = "review_skips"
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    until: Mapped[datetime]


class OutboxRow(Base):
    """Work to be done, written together with its cause, and deleted together with its result.

    `request_id` and `traceparent` (as W3C's header has it) say whose request it goes on with, in logs and traces.
    """

    __tablename__ = "outbox"
    id: Mapped[int] = _id()
    kind: Mapped[str]
    subject_id: Mapped[int] = mapped_column(BigInteger)
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = _now()
    error: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = _now()
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    __table_args__ = (UniqueConstraint("kind", "subject_id"), Index("ix_outbox_next", "next_at", "id"))


class ImportRow(Base):
    """Many products at once: the files lie in the object store until all lines are dealt with."""

    __tablename__ = "imports"
    id: Mapped[int] = _id()
    seller_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str]
    folder: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(server_default="waiting")
    total: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str] = mapped_column(server_default="")
    created_at: Mapped[datetime] = _now()
    finished_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_imports_seller", "seller_id", "id"),)


class ImportLine(Base):
    """What became of a line: a product, or an error. Written with the product, so it is dealt with once."""

    __tablename__ = "import_lines"
    import_id: Mapped[int] = mapped_column(ForeignKey("imports.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(server_default="")
    product_id: Mapped[int | None] = mapped_column(ForeignKey("products.id"))
    error: Mapped[str] = mapped_column(server_default="")
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))


class AuditRow(Base):
    """Who did what, when. The application's role may add lines and read them, and nothing else."""

    __tablename__ = "audit_log"
    id: Mapped[int] = _id()
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str]
    subject: Mapped[str]
    subject_id: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    request_id: Mapped[str] = mapped_column(server_default="")
    __table_args__ = (
        Index("ix_audit_log_user", "user_id", "id"),
        Index("ix_audit_log_action", "action", "id"),
        Index("ix_audit_log_subject", "subject", "subject_id", "id"),
    )


class ModelRow(Base):
    """A model that the gate has judged, with its scores on the gold set of that day."""

    __tablename__ = "models"
    version: Mapped[str] = mapped_column(String(16), primary_key=True)
    number: Mapped[str]
    promoted: Mapped[bool]
    reason: Mapped[str]
    report: Mapped[dict[str, Any]]
    at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class RetrainingRow(Base):
    """A retraining that somebody asked for; a sensor starts it, and writes what became of it."""

    __tablename__ = "retrainings"
    id: Mapped[int] = _id()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="asked")
    run_id: Mapped[str | None]
    asked_at: Mapped[datetime] = _now()
    changed_at: Mapped[datetime] = _now()
    __table_args__ = (CheckConstraint("state IN ('asked', 'started', 'succeeded', 'refused', 'failed')", "state"),)


class DriftReportRow(Base):
    """How far a window of predictions was from what the champion learnt: the score, its parts, and the page.

    `last_prediction` is where the window ended, and the next one begins.
    """

    __tablename__ = "drift_reports"
    id: Mapped[int] = _id()
    version: Mapped[str]
    last_prediction: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime]
    until: Mapped[datetime]
    rows: Mapped[int]
    labelled: Mapped[int]
    score: Mapped[float]
    parts: Mapped[list[Any]]
    page: Mapped[str]
    at: Mapped[datetime] = _now()


class NotificationRow(Base):
    """News for people, written once by its `key`, and kept until every channel has taken it."""

    __tablename__ = "notifications"
    id: Mapped[int] = _id()
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    link: Mapped[str] = mapped_column(server_default="")
    sent: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = _now()
    done_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime] = _now()
    __table_args__ = (Index("ix_notifications_due", "next_at", "id", postgresql_where=text("done_at IS NULL")),)
