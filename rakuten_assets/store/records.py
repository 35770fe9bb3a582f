"""What the store answers with: plain values that outlive their transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

Role = Literal["seller", "admin"]
Language = Literal["fr", "en"]

State = Literal["waiting", "proposed", "to_confirm", "confirmed", "accepted", "rejected", "withdrawn", "failed"]
STATES: tuple[State, ...] = (
    "waiting",  # to be classified
    "proposed",  # classified, and sure enough
    "to_confirm",  # classified, but a person must confirm it
    "confirmed",  # its seller confirmed or chose the category
    "accepted",  # an administrator did
    "rejected",  # sent back by an administrator, with a reason
    "withdrawn",  # taken back by its seller
    "failed",  # the prediction service refused it; a person must choose
)

Action = Literal["confirm", "choose", "missing", "rate", "accept", "fix", "reject", "skip", "change"]
"""What people say of a product: its seller the first four, administrators the others."""

REVIEW_REASONS = (
    *("low_confidence", "text_and_picture_disagree", "category_missing", "seller_disagrees", "failed"),
    "contradiction",  # another product with the same text has another category
)

Item = TypeVar("Item")


@dataclass(frozen=True)
class Actor:
    """Who acts. `session` is the hash of the session's token; the platform itself has neither it nor an id."""

    user_id: int | None
    email: str
    name: str
    role: Role | Literal["system", "nobody"]
    language: Language = "fr"
    session: str | None = None


SYSTEM = Actor(None, "", "system", "system")
NOBODY = Actor(None, "", "", "nobody")


@dataclass(frozen=True)
class Page(Generic[Item]):
    """A part of a list, newest first. `next` and `previous` are cursors, None where there is nothing more.

    `total` is counted up to a hundred, `capped` where there are more: counting on would cost more than the page.
    """

    items: Sequence[Item]
    next: str | None = None
    previous: str | None = None
    total: int = 0
    capped: bool = False


@dataclass(frozen=True)
class User:
    """An account, as administrators see it."""

    id: int
    email: str
    name: str
    role: Role
    language: Language
    created_at: datetime
    blocked_at: datetime | None
    blocked_reason: str
    last_sign_in_at: datetime | None


@dataclass(frozen=True)
class Session:
    """One place where somebody is signed in."""

    id: str
    kind: Literal["browser", "api"]
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    device: str


@dataclass(frozen=True)
class Draft:
    """A product as its seller describes it. `image` is a stored picture's SHA-256, `reference` the seller's own."""

    designation: str
    description: str = ""
    image: str | None = None
    reference: str = ""


@dataclass(frozen=True)
class Candidate:
    """One category that the model thinks of, and how sure it is, from 0 to 1."""

    code: int
    confidence: float


@dataclass(frozen=True)
class Predicted:
    """What the service answered for one product. `seconds` is how long it took."""

    model_version: str
    candidates: Sequence[Candidate]
    rests_on: str
    review: str | None
    seconds: float
    request_id: str = ""


@dataclass(frozen=True)
class PredictionRecord(Predicted):
    """A stored prediction, of the product's `revision`."""

    id: int = 0
    revision: int = 0
    created_at: datetime = datetime.min


@dataclass(frozen=True)
class Product:
    """A product as people see it. `category` is what it counts as now; `proposed` what the model said last."""

    id: int
    seller_id: int
    seller: str
    reference: str
    designation: str
    description: str
    image: str | None
    state: State
    revision: int
    proposed: int | None
    confidence: float | None
    category: int | None
    decided_by: str
    review: str | None
    reason: str
    rating: int | None
    created_at: datetime
    updated_at: datetime
    waiting_for_review: bool
    prediction: PredictionRecord | None = None


@dataclass(frozen=True)
class Feedback:
    """What a person said of a product: who, when, the category before and after, and why."""

    id: int
    product_id: int
    action: Action
    by: str
    role: Role
    at: datetime
    before: int | None
    after: int | None
    rating: int | None
    reason: str
    model_version: str | None


@dataclass(frozen=True)
class ProductFilter:
    """Which products a list holds; what is empty does not filter. `text` is a phrase or an id."""

    text: str = ""
    states: Sequence[State] = ()
    category: int | None = None
    seller_id: int | None = None
    seller: str = ""
    since: datetime | None = None
    until: datetime | None = None
    review: str | None = None


@dataclass(frozen=True)
class QueueItem:
    """A product that waits for a review, and who looks at it now."""

    product: Product
    priority: float
    claimed_by: str | None
    claimed_until: datetime | None


@dataclass(frozen=True)
class BulkResult:
    """How many products an action reached, and why it did not reach the others: product id and error code."""

    done: int
    refused: Sequence[tuple[int, str]] = ()


@dataclass(frozen=True)
class AuditLine:
    """One line of the audit log. `subject` is what was acted on (`product`, `user`, …) with its id."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    subject_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True)
class AuditFilter:
    """Which lines; what is empty does not filter."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    subject_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Job:
    """Work that must not be lost: a product's revision to classify, or an import to carry on with.

    `request_id` and `traceparent` are those of the request that it goes on with, where it had any.
    """

    id: int
    kind: Literal["classify", "import"]
    subject_id: int
    revision: int
    attempts: int
    draft: Draft | None = None
    request_id: str = ""
    traceparent: str = ""
    created_at: datetime = datetime.min


@dataclass(frozen=True)
class Backlog:
    """What waits in the outbox."""

    waiting: int
    oldest: datetime | None
    failing: int
    last_error: str


@dataclass(frozen=True)
class Import:
    """Many products at once, from a CSV and a ZIP. `state` is waiting, running, done or failed."""

    id: int
    seller_id: int
    name: str
    state: str
    total: int
    done: int
    refused: int
    error: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class ImportRow:
    """What became of one line: a product, or the code of an error with what it speaks of."""

    line: int
    reference: str
    product_id: int | None
    error: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelReport:
    """A model that the gate has judged. `report` holds its scores on the gold set (see `Models.record`)."""

    version: str
    number: str
    promoted: bool
    reason: str
    at: datetime
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Rate:
    """How people took the answers of one kind: of `decided` answers, `accepted` stood."""

    key: str
    decided: int
    accepted: int
    mean_confidence: float | None

    @property
    def acceptance(self) -> float | None:
        return self.accepted / self.decided if self.decided else None


@dataclass(frozen=True)
class Week:
    """Live quality of one week (its Monday): volumes, acceptance, confidence, drift of the predicted categories."""

    week: datetime
    predictions: int
    decided: int
    accepted: int
    mean_confidence: float | None
    drift: float | None


@dataclass(frozen=True)
class Numbers:
    """How the marketplace does: what waits, and how fast and how well decisions are made, over the last 30 days."""

    products: int
    waiting: int
    to_review: int
    decided: int
    accepted: int
    median_seconds_to_decision: float | None
    mean_rating: float | None


@dataclass(frozen=True)
class Retraining:
    """A person's wish for a retraining; `run_id` is Dagster's.

    `state` is asked, started, succeeded, refused (the gate sent the challenger away) or failed.
    """

    id: int
    by: str
    reason: str
    state: str
    run_id: str | None
    asked_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class DriftReport:
    """How far a window of `rows` predictions, `labelled` of them by people, was from what the champion learnt.

    `score` is the largest ratio of a part to what chance explains: from 1 on, it is drift. `parts` are its JSON rows
    (`name`, `kind`: data, prediction or concept, `value`, `limit`, `score`); `page` is the folder of its pages under
    the root.
    """

    id: int
    version: str
    last_prediction: int
    since: datetime
    until: datetime
    rows: int
    labelled: int
    score: float
    parts: Sequence[Mapping[str, Any]]
    page: str
    at: datetime


@dataclass(frozen=True)
class Notification:
    """News for people. `sent` are the channels that took it; without `done_at`, others still have to."""

    id: int
    key: str
    kind: str
    subject: str
    body: str
    link: str
    sent: Sequence[str]
    attempts: int
    done_at: datetime | None
    error: str
    at: datetime
