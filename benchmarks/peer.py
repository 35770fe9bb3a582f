"""The prediction service as one would write it first: a FastAPI route that classifies each request by itself.

`prediction_service.py` starts it with uvicorn, `RAKUTEN_PEER_MODEL` being the classifier's folder. Its requests and
answers are those of the prediction service, and so is the classifier, which it loads once.
"""

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

from fastapi import FastAPI, Request

from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.products import Product
from serving.schemas import Category, PredictIn, Prediction

# Below this confidence a person must look at the answer.
SURE = 0.5


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.classifier = ProductClassifier.load(Path(os.environ["RAKUTEN_PEER_MODEL"]))
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/readyz")
def ready() -> str:
    return "ready"


@app.post("/predict")
def predict(product: PredictIn, request: Request) -> Prediction:
    """The likeliest categories of one product."""
    picture = base64.b64decode(product.image) if product.image else None
    asked = Product(product.designation, product.description, picture)
    [answer] = request.app.state.classifier.predict([asked], product.top)
    return Prediction(
        request_id=uuid4().hex,
        model_version=answer.model_version,
        categories=[Category(**asdict(category)) for category in answer.categories],
        rests_on=answer.rests_on,
        needs_review=answer.confidence < SURE,
    )
