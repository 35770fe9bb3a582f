"""Routes of the API: products, what people say of them, and predictions that nobody stores."""

from collections.abc import Sequence
from dataclasses import replace
from threading import BoundedSemaphore
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import AwareDatetime, Field
from starlette.concurrency import run_in_threadpool

from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store import records
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Draft, ProductFilter, State
from serving.client import ServiceRefused, ServiceUnavailable
from serving.schemas import ItemPrediction
from webapp import api_models as models
from webapp import metrics, pictures
from webapp.api_base import (
    BIGGEST,
    App,
    Asker,
    Body,
    Code,
    Cursor,
    Id,
    Language,
    Size,
    Text,
    Unavailable,
    errors,
    language,
)
from webapp.api_bodies import PIXEL, POOL, EditIn, ProductIn, Raw, RawBody, SubmissionIn, described
from webapp.app import Application
from webapp.settled import Settled

router = APIRouter()
products = APIRouter(prefix="/products", tags=["products"])
predictions = APIRouter(tags=["predictions"])

# Each holds a thread while the prediction service takes its time; more would leave none for the others.
PREDICTING = BoundedSemaphore(16)

TOP = 5

# Refusals of the prediction service that have a sentence here.
SAID = ("bad_picture", "nothing_to_classify", "overloaded")

EXAMPLE = {**POOL, "image": PIXEL}


class DecisionIn(Body):
    code: Code


class CommentIn(Body):
    comment: Text = Field("", description="What it is, in the seller's words.", examples=["Un pneu de voiture"])


class RatingIn(Body):
    rating: int = Field(ge=1, le=5, examples=[4])
    comment: Text = Field("", examples=["Presque"])


class CategoryIn(Body):
    code: Code
    reason: Text = Field("", examples=["C'est une piscine"])


def chosen(
    text: Annotated[Text, Query(description="Words of title and description, or an id.", max_length=200)] = "",
    state: Annotated[list[State] | None, Query(description="One or several states.")] = None,
    category: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="prdtypecode")] = None,
    seller_id: Annotated[int | None, Query(ge=1, le=BIGGEST)] = None,
    seller: Annotated[Text, Query(description="Part of the seller's e-mail or name.", max_length=200)] = "",
    since: Annotated[AwareDatetime | None, Query(description="Submitted at or after.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Submitted before.")] = None,
    review: Annotated[Text | None, Query(description="Why it is to be reviewed.", max_length=50)] = None,
) -> ProductFilter:
    """Which products a list holds."""
    return ProductFilter(text, tuple(state or ()), category, seller_id, seller, since, until, review)


Filter = Annotated[ProductFilter, Depends(chosen)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Any text that is this submission's alone: sent again, it makes no second product.",
        min_length=1,
        max_length=100,
    ),
]


# The one route that is no plain function: while it waits, a thread would be held for each seller who does.
@products.post("", status_code=201, responses=errors(400, 413, 415), openapi_extra=described(SubmissionIn, EXAMPLE))
async def submit(
    app: App,
    asker: Asker,
    body: RawBody,
    request: Request,
    response: Response,
    language: Language,
    key: Key = None,
    wait: Annotated[int, Query(ge=0, le=30, description="Seconds to wait for the category.")] = 0,
) -> models.Product:
    """Submit a product.

    It is stored at once and classified as soon as the prediction service has its turn; until then its state is
    `waiting`. With `wait`, the answer comes when it is classified, or after so many seconds.
    """
    product = await run_in_threadpool(_submit, app, asker, body, key or uuid4().hex)
    if wait and product.state == "waiting":
        settled: Settled = request.state.settled
        product = await settled.product(lambda: app.store.products.get(asker, product.id), product.id, wait)
    response.headers["Location"] = f"/api/v1/products/{product.id}"
    return models.Product.of(product, language)


@products.get("", responses=errors())
def list_products(
    app: App, asker: Asker, language: Language, filter: Filter, cursor: Cursor = None, size: Size = 25
) -> models.Paged[models.Product]:
    """Products, the newest first: a seller's own, or everybody's for administrators."""
    page = app.store.products.list(asker, filter, cursor, size)
    return models.Paged[models.Product].of(page, lambda each: models.Product.of(each, language))


@products.get("/{id}", responses=errors(404))
def get_product(id: Id, app: App, asker: Asker, language: Language) -> models.Product:
    """One product, with what the model says of it."""
    return models.Product.of(app.store.products.get(asker, id), language)


@products.patch(
    "/{id}",
    responses=errors(400, 404, 409, 413, 415),
    openapi_extra=described(EditIn, {"revision": 1, "designation": "Piscine ronde 366 cm"}),
)
def edit_product(id: Id, app: App, asker: Asker, body: RawBody, language: Language) -> models.Product:
    """Change a product; what is not named stays. Another text or picture is classified anew."""
    changed = body.parsed(EditIn)
    known = app.store.products.get(asker, id)
    draft = Draft(known.designation, known.description, known.image, known.reference)
    said = changed.model_dump(include={"designation", "description", "reference"}, exclude_none=True)
    picture = body.picture(changed.image)
    if picture is not None:
        said["image"] = pictures.keep(app, picture)
    return models.Product.of(app.store.products.edit(asker, id, replace(draft, **said), changed.revision), language)


@products.delete("/{id}", status_code=204, responses=errors(404))
def withdraw_product(id: Id, app: App, asker: Asker) -> Response:
    """Take a product back: it is neither classified nor reviewed any more."""
    app.store.products.withdraw(asker, id)
    return Response(status_code=204)


@products.get("/{id}/history", responses=errors(404))
def get_history(id: Id, app: App, asker: Asker, language: Language) -> models.History:
    """All that models and people said of a product, the newest first."""
    predicted, said = app.store.products.history(asker, id)
    return models.History(
        predictions=[models.Prediction.of(each, language) for each in predicted],
        feedback=[models.Feedback.of(each, language) for each in said],
    )


@products.post("/{id}/decision", responses=errors(404, 409))
def decide(id: Id, body: DecisionIn, app: App, asker: Asker, language: Language) -> models.Product:
    """Its seller confirms the proposed category, or chooses another."""
    return models.Product.of(app.store.products.decide(asker, id, body.code), language)


@products.post("/{id}/no-category", responses=errors(404, 409))
def no_category(id: Id, body: CommentIn, app: App, asker: Asker, language: Language) -> models.Product:
    """Its seller says that none of the categories fits: an administrator will look at it."""
    return models.Product.of(app.store.products.no_category(asker, id, body.comment), language)


@products.post("/{id}/rating", responses=errors(404, 409))
def rate(id: Id, body: RatingIn, app: App, asker: Asker, language: Language) -> models.Product:
    """Its seller says how good the prediction was, from 1 to 5."""
    return models.Product.of(app.store.products.rate(asker, id, body.rating, body.comment), language)


@products.post("/{id}/category", tags=["review"], responses=errors(404, 409))
def change_category(id: Id, body: CategoryIn, app: App, asker: Asker, language: Language) -> models.Product:
    """Another category, whatever was decided before (administrators)."""
    changed = app.store.reviews.change_category(asker, id, body.code, body.reason)
    return models.Product.of(changed, language)


@predictions.post("/predictions", responses=errors(400, 413, 415, 429), openapi_extra=described(ProductIn, EXAMPLE))
def predict(app: App, asker: Asker, body: RawBody, language: Language) -> models.Answer:
    """What the model says of a product, without storing anything. Text or picture may be missing, not both."""
    asked = body.parsed(ProductIn)
    for text, most in ((asked.designation, MAX_DESIGNATION), (asked.description, MAX_DESCRIPTION)):
        if len(text) > most:
            raise Refused("invalid", "text_too_long", most=most, length=len(text))
    data = body.picture(asked.image)
    # The picture as it would be kept, so that the answer is the one that a submission would get.
    picture = pictures.clean(data).data if data is not None else None
    answer = _predicted(app, asked, picture)
    found = [records.Candidate(each.code, each.confidence) for each in answer.categories]
    return models.Answer(
        model_version=answer.model_version,
        candidates=models.candidates_of(found, language),
        rests_on=answer.rests_on,
        review=answer.review.code if answer.review else None,
    )


@predictions.get("/categories")
def categories(request: Request) -> Sequence[models.Category]:
    """All categories, ascending; nobody needs to sign in for them."""
    return [models.Category.of(code, language(request)) for code in CODES]


def _submit(app: Application, asker: Actor, body: Raw, key: str) -> records.Product:
    said = body.parsed(SubmissionIn)
    picture = body.picture(said.image)
    image = pictures.keep(app, picture) if picture is not None else None
    metrics.PICTURES.labels("api").inc(len(picture or b""))
    draft = Draft(said.designation, said.description, image, said.reference)
    product = app.store.products.submit(asker, draft, key)
    metrics.SUBMISSIONS.labels("api").inc()
    return product


def _predicted(app: Application, asked: ProductIn, picture: bytes | None) -> ItemPrediction:
    if not PREDICTING.acquire(blocking=False):
        raise Refused("too_many", "busy")
    try:
        return app.client.predict(asked.designation, asked.description, picture, TOP)
    except ServiceUnavailable as error:
        raise Unavailable("service_down") from error
    except ServiceRefused as error:
        code = error.code if error.code in SAID else "not_classifiable"
        raise Refused("too_many" if error.status == 429 else "invalid", code) from error
    finally:
        PREDICTING.release()


router.include_router(products)
router.include_router(predictions)
