"""The routes that classify, explain and compare products."""

import asyncio
import base64
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from opentelemetry.trace import SpanKind
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rakuten_assets import telemetry
from rakuten_assets.core import explain as explaining
from rakuten_assets.core.explain_image import PictureExplanation
from rakuten_assets.core.explain_text import TextExplanation
from rakuten_assets.core.images import BadPicture
from rakuten_assets.core.products import CategoryScore
from rakuten_assets.core.taxonomy import CODES, NAMES
from serving import metrics, schemas
from serving.documentation import BOOK, POOL, body, document, example_picture
from serving.errors import Refused
from serving.live import Live
from serving.reading import picture, product, read_body, read_json

logger = logging.getLogger("bentoml.rakuten")

Result = TypeVar("Result")

# Where explanations and searches are computed, and how many of them may wait.
ASIDE = ThreadPoolExecutor(1, thread_name_prefix="aside")
MOST_ASIDE = 16

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.Error, "description": text}
    for status, text in {
        400: "Not JSON, or not a form",
        408: "Too slow",
        413: "Too large",
        415: "Neither JSON nor a form",
        422: "It cannot be classified; the sentence says why",
        429: "Too many products are waiting",
        503: "No model is loaded",
    }.items()
}

DESCRIPTION = """Puts products into the 27 categories of Rakuten France, by title, description and picture.
Text or picture may be missing, not both. Every refusal is a sentence."""

app = FastAPI(
    title="Rakuten product classifier",
    version="1",
    description=DESCRIPTION,
    openapi_url="/docs.json",
    docs_url=None,
    redoc_url=None,
    openapi_tags=[{"name": name} for name in ("predict", "understand", "health", "admin")],
)

PRODUCT_EXAMPLE = {**POOL, "image": example_picture()}


@app.post(
    "/predict",
    tags=["predict"],
    responses=ERRORS,
    openapi_extra=body(schemas.PredictIn, {**PRODUCT_EXAMPLE, "top": 3}, form=True),
)
async def predict(request: Request) -> schemas.Prediction:
    """The likeliest categories of one product."""
    asked, image = await read_body(request, schemas.PredictIn)
    answer = await live(request).predict(product(asked, image), asked.top)
    return schemas.Prediction(**dict(answer), request_id=request_id(request))


@app.post(
    "/predict_batch",
    tags=["predict"],
    responses=ERRORS,
    openapi_extra=body(schemas.BatchIn, {"products": [PRODUCT_EXAMPLE, BOOK], "top": 2}),
)
async def predict_batch(request: Request) -> schemas.BatchPrediction:
    """The likeliest categories of up to 64 products; one that cannot be classified does not stop the others."""
    asked = await read_json(request, schemas.BatchIn)
    live(request).required()
    predictions = await predict_each(live(request), asked.products, asked.top, asked.origins)
    return schemas.BatchPrediction(request_id=request_id(request), predictions=predictions)


@app.post(
    "/explain",
    tags=["understand"],
    responses=ERRORS,
    openapi_extra=body(schemas.ExplainIn, PRODUCT_EXAMPLE, form=True),
)
async def explain(request: Request) -> schemas.Explanation:
    """Which words and which regions of the picture carried the decision."""
    asked, image = await read_body(request, schemas.ExplainIn)
    if asked.code is not None and asked.code not in NAMES:
        raise Refused(422, "no_such_category", f"There is no category {asked.code}.")
    chosen, classifier = product(asked, image), live(request).required().classifier
    found = await aside(lambda: explaining.explain(classifier, chosen, asked.code))
    return explanation(found, request_id(request))


@app.post(
    "/similar",
    tags=["understand"],
    responses=ERRORS,
    openapi_extra=body(schemas.SimilarIn, {**PRODUCT_EXAMPLE, "count": 3}, form=True),
)
async def similar(request: Request) -> schemas.SimilarProducts:
    """The known products that are nearest to this one."""
    asked, image = await read_body(request, schemas.SimilarIn)
    chosen, classifier = product(asked, image), live(request).required().classifier
    if classifier.similar is None:
        raise Refused(422, "no_known_products", "This model was stored without known products to compare with.")
    nearest = await aside(lambda: classifier.similar_to(chosen, asked.count))
    products = [
        schemas.SimilarProduct(
            productid=each.productid,
            designation=each.designation,
            code=each.code,
            name=NAMES[each.code],
            similarity=each.similarity,
            image=each.image,
        )
        for each in nearest
    ]
    return schemas.SimilarProducts(request_id=request_id(request), model_version=classifier.version, products=products)


@app.get("/model", tags=["understand"], responses={503: ERRORS[503]})
async def model(request: Request) -> schemas.ModelInfo:
    """Which model answers, and the categories that it knows."""
    models = live(request)
    challenger = models.challenger.version if models.challenger else None
    categories = [schemas.Named(code=code, name=NAMES[code]) for code in CODES]
    return schemas.ModelInfo(version=models.required().version, challenger=challenger, categories=categories)


def live(request: Request) -> Live:
    """The models of this process."""
    found: Live = request.app.state.live
    return found


def request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("request_id", ""))


async def predict_each(
    models: Live, products: Sequence[schemas.ProductIn], top: int, origins: Sequence[schemas.Origin] = ()
) -> list[schemas.ItemPrediction | schemas.ItemError]:
    """An answer for each product, or why it has none; in the logs and the trace of its origin, where it has one."""

    async def one(asked: schemas.ProductIn) -> schemas.ItemPrediction | schemas.ItemError:
        try:
            return await models.predict(product(asked, picture(asked.image)), top)
        except Refused as error:
            metrics.REFUSED.labels(error.code).inc()
            return schemas.ItemError(error=error.message, code=error.code)

    async def of(asked: schemas.ProductIn, origin: schemas.Origin) -> schemas.ItemPrediction | schemas.ItemError:
        # Each is a task of its own, so no other product sees this id.
        telemetry.REQUEST.set(origin.request_id)
        with telemetry.span("predict", SpanKind.SERVER, telemetry.going_on(origin.traceparent)):
            answer = await one(asked)
            said = answer.model_version if isinstance(answer, schemas.ItemPrediction) else answer.code
            logger.info("A product of a batch of %s: %s", len(products), said)
            return answer

    if len(origins) == len(products):
        return list(await asyncio.gather(*map(of, products, origins)))
    return list(await asyncio.gather(*map(one, products)))


async def aside(work: Callable[[], Result]) -> Result:
    """Work for one product that is no prediction, one after the other, so that predictions keep their threads."""
    # Its own count of what waits: a request more than these would time out before its turn came.
    if ASIDE._work_queue.qsize() >= MOST_ASIDE:
        raise Refused(429, "overloaded", f"{MOST_ASIDE} such requests are waiting already: try again in a second.")
    try:
        return await asyncio.get_running_loop().run_in_executor(ASIDE, work)
    except BadPicture as error:
        raise Refused(422, "bad_picture", f"The image cannot be used: {error}.") from error
    except ValueError as error:
        raise Refused(422, "nothing_to_classify", str(error)) from error


def explanation(found: explaining.Explanation, request: str) -> schemas.Explanation:
    """An explanation as it goes over the wire."""
    text, image = found.text_opinion, found.image_opinion
    return schemas.Explanation(
        request_id=request,
        model_version=found.model_version,
        rests_on=found.rests_on,
        category=_category(found.category),
        runner_up=_category(found.runner_up),
        text_opinion=schemas.Opinion(confidence=text.confidence, weight=text.weight) if text else None,
        image_opinion=schemas.Opinion(confidence=image.confidence, weight=image.weight) if image else None,
        text=_text(found.text) if found.text else None,
        image=_picture(found.picture) if found.picture else None,
    )


def _category(score: CategoryScore) -> schemas.Category:
    return schemas.Category(code=score.code, name=score.name, confidence=score.confidence)


def _text(found: TextExplanation) -> schemas.TextExplanation:
    words = [
        schemas.Word(word=word.text, start=word.start, end=word.end, contribution=word.contribution)
        for word in found.words
    ]
    return schemas.TextExplanation(
        read=found.text, logit=found.logit, base=found.base, elsewhere=found.elsewhere, words=words
    )


def _picture(found: PictureExplanation) -> schemas.PictureExplanation:
    return schemas.PictureExplanation(
        rows=found.rows,
        columns=found.columns,
        regions=[list(row) for row in found.values],
        picture=base64.b64encode(found.picture).decode(),
    )


@app.exception_handler(Refused)
async def refuse(request: Request, error: Refused) -> JSONResponse:
    metrics.REFUSED.labels(error.code).inc()
    return _error(request, error.status, error.code, error.message, error.headers)


@app.exception_handler(HTTPException)
async def not_found(request: Request, error: HTTPException) -> JSONResponse:
    return _error(request, error.status_code, "http", f"{error.detail}.", dict(error.headers or {}))


@app.exception_handler(ClientDisconnect)
async def gone(request: Request, error: ClientDisconnect) -> JSONResponse:
    return _error(request, 400, "gone", "The client went away.", {})


@app.exception_handler(Exception)
async def failed(request: Request, error: Exception) -> JSONResponse:
    logger.exception("Request %s failed", request_id(request), exc_info=error)
    return _error(request, 500, "failed", "The service failed; its log has the cause under this request id.", {})


def _error(request: Request, status: int, code: str, message: str, headers: dict[str, str]) -> JSONResponse:
    content = {"error": message, "code": code, "request_id": request_id(request)}
    return JSONResponse(content, status, headers)


app.openapi = lambda: document(app)  # type: ignore[method-assign]
