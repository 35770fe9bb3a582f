"""What the API answers with."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rakuten_assets.store import records
from rakuten_assets.store.records import Action, State
from webapp import texts

Item = TypeVar("Item")
Row = TypeVar("Row")


class Out(BaseModel):
    """An answer, made from a record of the store."""

    model_config = ConfigDict(from_attributes=True)


class Paged(Out, Generic[Item]):
    """A part of a list. `next` and `previous` are cursors, null where there is nothing more."""

    items: Sequence[Item]
    next: str | None
    previous: str | None
    total: int = Field(description="How many there are; 1000 and `capped` where there are more.")
    capped: bool

    @classmethod
    def of(cls, page: records.Page[Row], item: Callable[[Row], Item]) -> Self:
        return cls(
            items=[item(each) for each in page.items],
            next=page.next,
            previous=page.previous,
            total=page.total,
            capped=page.capped,
        )


class Category(Out):
    """A category: its `prdtypecode`, and what it is called."""

    code: int
    name: str

    @classmethod
    def of(cls, code: int, language: str) -> Self:
        return cls(code=code, name=texts.category(code, language))


class Candidate(Category):
    """A category that the model thinks of, and how sure it is, from 0 to 1."""

    confidence: float


class Prediction(Out):
    """What a model said of a product."""

    model_version: str
    candidates: Sequence[Candidate] = Field(description="The likeliest categories, best first.")
    rests_on: str = Field(description="text, image or both")
    review: str | None = Field(description="Why a person must look at it; null where nobody must.")
    seconds: float = Field(description="How long the prediction service took.")
    revision: int = Field(description="The product's revision that it speaks of.")
    created_at: datetime

    @classmethod
    def of(cls, record: records.PredictionRecord, language: str) -> Self:
        candidates = candidates_of(record.candidates, language)
        return cls(**{**vars(record), "candidates": candidates})


class Product(Out):
    """A product and where it stands."""

    id: int
    seller: str
    reference: str
    designation: str
    description: str
    image: str | None = Field(description="Path of its picture, which takes the same token; `size=thumb` is small.")
    state: State
    revision: int = Field(description="Counts the changes; an edit names the one that it changes.")
    proposed: Category | None = Field(description="What the model said last.")
    confidence: float | None
    category: Category | None = Field(description="What the product counts as now.")
    decided_by: str = Field(description="seller, admin, or nobody yet")
    review: str | None = Field(description="Why a person must look at it.")
    waiting_for_review: bool
    reason: str = Field(description="Why it was rejected, or could not be classified.")
    rating: int | None
    created_at: datetime
    updated_at: datetime
    prediction: Prediction | None = Field(description="The last prediction; null in lists, and while it is waiting.")

    @classmethod
    def of(cls, record: records.Product, language: str) -> Self:
        changed = {
            "image": f"/pictures/{record.id}" if record.image else None,
            "proposed": category_of(record.proposed, language),
            "category": category_of(record.category, language),
            "prediction": Prediction.of(record.prediction, language) if record.prediction else None,
        }
        return cls(**{**vars(record), **changed})


class Feedback(Out):
    """What a person said of a product."""

    action: Action
    by: str
    role: str
    at: datetime
    before: Category | None
    after: Category | None
    rating: int | None
    reason: str
    model_version: str | None

    @classmethod
    def of(cls, record: records.Feedback, language: str) -> Self:
        codes = {"before": category_of(record.before, language), "after": category_of(record.after, language)}
        return cls(**{**vars(record), **codes})


class History(Out):
    """All that models and people said of a product, the newest first."""

    predictions: Sequence[Prediction]
    feedback: Sequence[Feedback]


class Answer(Out):
    """What the model says of a product that nobody stores."""

    model_version: str
    candidates: Sequence[Candidate]
    rests_on: Literal["text", "image", "both"]
    review: str | None


class QueueItem(Out):
    """A product that waits for a review, and who looks at it now."""

    product: Product
    priority: float
    claimed_by: str | None
    claimed_until: datetime | None

    @classmethod
    def of(cls, record: records.QueueItem, language: str) -> Self:
        return cls(**{**vars(record), "product": Product.of(record.product, language)})


class Refusal(Out):
    """A product that a bulk action did not reach, and why."""

    product_id: int
    code: str


class BulkResult(Out):
    done: int
    refused: Sequence[Refusal]


class Import(Out):
    """Many products at once. `done` lines became products, `refused` ones did not."""

    id: int
    name: str
    state: str = Field(description="waiting, running, done or failed")
    total: int
    done: int
    refused: int
    error: str
    created_at: datetime
    finished_at: datetime | None


class ImportRow(Out):
    """What became of one line of the CSV: a product, or the reason why not."""

    line: int = Field(description="Number of the record as in a spreadsheet: the header is 1.")
    reference: str
    product_id: int | None
    code: str = Field(description="A word for programs; empty where there is a product.")
    error: str = Field(description="A sentence for people; empty where there is a product.")

    @classmethod
    def of(cls, record: records.ImportRow, language: str) -> Self:
        from webapp.bulk import said

        sentence = said(record, language)
        return cls(
            line=record.line,
            reference=record.reference,
            product_id=record.product_id,
            code=record.error,
            error=sentence,
        )


class User(Out):
    """An account."""

    id: int
    email: str
    name: str
    role: Literal["seller", "admin"]
    language: str
    created_at: datetime
    blocked_at: datetime | None
    blocked_reason: str
    last_sign_in_at: datetime | None


class Me(Out):
    """Who asks."""

    id: int
    email: str
    name: str
    role: str
    language: str

    @classmethod
    def of(cls, actor: records.Actor) -> Self:
        return cls(id=actor.user_id or 0, email=actor.email, name=actor.name, role=actor.role, language=actor.language)


class SignedIn(Out):
    """A new session. Send `Authorization: Bearer TOKEN` with everything else."""

    token: str
    token_type: Literal["bearer"] = "bearer"
    hours: int = Field(description="How long it lasts.")
    me: Me


class Ended(Out):
    """How many sessions were ended."""

    sessions: int


class AuditLine(Out):
    """One line of the audit log."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    subject_id: str
    detail: Mapping[str, Any]
    request_id: str


class ModelReport(Out):
    """A model that the gate has judged, with its scores on the gold set."""

    version: str
    number: str
    promoted: bool
    reason: str
    at: datetime
    report: Mapping[str, Any]


class Models(Out):
    """The model that answers, and those that were judged, the newest first."""

    champion: ModelReport | None
    history: Sequence[ModelReport]


class Rate(Out):
    """How people took the answers of one kind: of `decided` answers, `accepted` stood."""

    key: str
    decided: int
    accepted: int
    acceptance: float | None
    mean_confidence: float | None


class Week(Out):
    """Live quality of one week, from its Monday."""

    week: datetime
    predictions: int
    decided: int
    accepted: int
    mean_confidence: float | None
    drift: float | None


class Quality(Out):
    """How people took the model's answers."""

    by_category: Sequence[Rate]
    by_version: Sequence[Rate]
    calibration: Sequence[Rate]
    weeks: Sequence[Week]


class Numbers(Out):
    """How the marketplace does, over the last 30 days."""

    products: int
    waiting: int
    to_review: int
    decided: int
    accepted: int
    median_seconds_to_decision: float | None
    mean_rating: float | None


class Retraining(Out):
    """A wish for a retraining: asked, started, succeeded or failed. `run_id` is Dagster's."""

    id: int
    by: str
    reason: str
    state: str
    run_id: str | None
    asked_at: datetime
    changed_at: datetime


def category_of(code: int | None, language: str) -> Category | None:
    return None if code is None else Category.of(code, language)


def candidates_of(found: Sequence[records.Candidate], language: str) -> list[Candidate]:
    return [
        Candidate(code=each.code, name=texts.category(each.code, language), confidence=each.confidence)
        for each in found
    ]
