"""Routes of the API: the review queue."""

from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import Field

from webapp import api_models as models
from webapp.api_base import BIGGEST, App, Asker, Body, Code, Cursor, Id, Language, Size, Text, errors
from webapp.api_products import Filter

router = APIRouter(prefix="/review", tags=["review"])


class AcceptIn(Body):
    code: Code | None = Field(None, description="Another category than the one that it counts as now.")
    reason: Text = ""


class RejectIn(Body):
    reason: Text = Field(description="Its seller reads it.", examples=["La photo ne montre pas le produit."])


class BulkIn(Body):
    ids: list[Annotated[int, Field(ge=1, le=BIGGEST)]] = Field(min_length=1, max_length=500, examples=[[1, 2]])
    action: Literal["accept", "fix", "reject"] = Field(examples=["accept"])
    code: Code | None = Field(None, description="The category, to fix.")
    reason: Text = Field("", description="The reason, to reject.")


@router.get("/queue", responses=errors())
def queue(
    app: App, asker: Asker, language: Language, filter: Filter, cursor: Cursor = None, size: Size = 25
) -> models.Paged[models.QueueItem]:
    """Products that wait for a review, the most pressing first."""
    page = app.store.reviews.queue(asker, filter, cursor, size)
    return models.Paged[models.QueueItem].of(page, lambda each: models.QueueItem.of(each, language))


@router.post("/next", responses=errors())
def next_one(app: App, asker: Asker, language: Language) -> models.QueueItem | None:
    """Claim, for ten minutes, the most pressing product that nobody looks at; null where there is none."""
    found = app.store.reviews.next(asker)
    return models.QueueItem.of(found, language) if found else None


@router.post("/{id}/claim", responses=errors(404, 409))
def claim(id: Id, app: App, asker: Asker, language: Language) -> models.QueueItem:
    """Claim this product for ten minutes."""
    return models.QueueItem.of(app.store.reviews.claim(asker, id), language)


@router.delete("/{id}/claim", status_code=204, responses=errors())
def release(id: Id, app: App, asker: Asker) -> Response:
    """Let others have it."""
    app.store.reviews.release(asker, id)
    return Response(status_code=204)


@router.post("/{id}/accept", responses=errors(404, 409))
def accept(id: Id, body: AcceptIn, app: App, asker: Asker, language: Language) -> models.Product:
    """The category stands, or `code` does."""
    return models.Product.of(app.store.reviews.accept(asker, id, body.code, body.reason), language)


@router.post("/{id}/reject", responses=errors(404, 409))
def reject(id: Id, body: RejectIn, app: App, asker: Asker, language: Language) -> models.Product:
    """Send it back to its seller, with a reason."""
    return models.Product.of(app.store.reviews.reject(asker, id, body.reason), language)


@router.post("/{id}/skip", status_code=204, responses=errors(404, 409))
def skip(id: Id, app: App, asker: Asker) -> Response:
    """Leave it to others."""
    app.store.reviews.skip(asker, id)
    return Response(status_code=204)


@router.post("/bulk", responses=errors())
def bulk(body: BulkIn, app: App, asker: Asker) -> models.BulkResult:
    """The same judgement of many products; one that is refused keeps no other back."""
    result = app.store.reviews.bulk(asker, body.ids, body.action, body.code, body.reason)
    refused = [models.Refusal(product_id=id, code=code) for id, code in result.refused]
    return models.BulkResult(done=result.done, refused=refused)
