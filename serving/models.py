"""A loaded classifier that answers in batches."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.images import BadPicture
from rakuten_assets.core.products import Product
from rakuten_assets.core.taxonomy import CODES, NAMES
from serving import metrics
from serving.batching import Batcher
from serving.errors import Refused
from serving.reading import nothing
from serving.schemas import Category, ItemPrediction, Review, Role
from serving.settings import ServingSettings

# Models of a worker compute here: one batch of each at a time. Pictures are decoded while texts are read.
COMPUTE = ThreadPoolExecutor(2, thread_name_prefix="model")
PICTURES = ThreadPoolExecutor(2, thread_name_prefix="pictures")


@dataclass(frozen=True)
class Row:
    """One product's log-probabilities (27), of both models and of the stack."""

    text: NDArray[np.float64]
    image: NDArray[np.float64]
    stacked: NDArray[np.float64]
    rests_on: str


class Model:
    """A classifier in a role; products that are asked for at once share a batch."""

    def __init__(self, classifier: ProductClassifier, role: Role, settings: ServingSettings) -> None:
        self.classifier = classifier
        self.role: Role = role
        self._batcher: Batcher[Product, Row | Refused] = Batcher(
            self._compute, settings.max_batch, settings.max_waiting
        )

    @property
    def version(self) -> str:
        return self.classifier.version

    async def predict(self, product: Product, top: int) -> ItemPrediction:
        """The answer for one product; raises `Refused` where it has none."""
        row = await self._batcher(product)
        if isinstance(row, Refused):
            raise row
        answer = self._answer(row, top)
        metrics.observe(answer, self.role)
        return answer

    async def _compute(self, products: Sequence[Product]) -> list[Row | Refused]:
        metrics.BATCH.labels(self.version, self.role).observe(len(products))
        start = time.perf_counter()
        rows = await asyncio.get_running_loop().run_in_executor(COMPUTE, classify, self.classifier, products)
        metrics.INFERENCE.labels(self.version, self.role).observe(time.perf_counter() - start)
        return rows

    def _answer(self, row: Row, top: int) -> ItemPrediction:
        best = [(CODES[at], float(np.exp(row.stacked[at]))) for at in np.argsort(-row.stacked, kind="stable")[:top]]
        review = self.classifier.review.reason(row.stacked, row.text, row.image)
        return ItemPrediction(
            model_version=self.version,
            categories=[Category(code=code, name=NAMES[code], confidence=sure) for code, sure in best],
            rests_on=row.rests_on,
            needs_review=review is not None,
            review=Review(code=review.code, text=review.text) if review else None,
        )


def classify(classifier: ProductClassifier, products: Sequence[Product]) -> list[Row | Refused]:
    """A row for each product, or why it has none."""
    try:
        answer = classifier.predict_log_proba(products, PICTURES)
    except BadPicture as error:
        if len(products) == 1:
            return [Refused(422, "bad_picture", f"The image cannot be used: {error}.")]
        # Rare, so it is found the slow way; the products beside it are answered all the same.
        return [row for product in products for row in classify(classifier, [product])]
    rows = zip(answer.text, answer.image, answer.stacked, answer.rests_on, strict=True)
    return [nothing() if row[3] == "nothing" else Row(*row) for row in rows]
