"""The models of one worker process: who answers, who only listens, and how they are exchanged."""

import asyncio
import hashlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.products import Product
from serving import metrics
from serving.board import Board
from serving.errors import Refused
from serving.loading import bundled_version, load
from serving.models import Model
from serving.schemas import Challenger, Deployment, ItemPrediction, Worker
from serving.settings import ServingSettings

logger = logging.getLogger("bentoml.rakuten")

WATCH_SECONDS = 0.25

# Shadow answers under way in a worker; more are dropped, so that a slow challenger slows nobody.
MOST_SHADOWS = 32


def _give_way() -> None:
    """Let the threads that answer go first: a model is loaded in the time that they leave."""
    if sys.platform == "linux":  # elsewhere priorities are of processes
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


LOADER = ThreadPoolExecutor(1, thread_name_prefix="loader", initializer=_give_way)


async def aside(work: Callable[..., None], *arguments: object) -> None:
    """Load or exchange models without holding up the answers."""
    await asyncio.get_running_loop().run_in_executor(LOADER, work, *arguments)


class Live:
    """Champion and challenger of this process, kept as the board wants them."""

    def __init__(self, settings: ServingSettings, bundled: Path | None = None) -> None:
        self.settings = settings
        self.board = Board(settings.state_dir)
        self.champion: Model | None = None
        self.challenger: Model | None = None
        self.deployment = Deployment()
        self._terms: Challenger | None = None
        self._bundled = bundled
        self._seen = (-1, -1)
        self._shadows: set[asyncio.Task[None]] = set()
        self._prepared: dict[str, ProductClassifier] = {}

    async def predict(self, product: Product, top: int) -> ItemPrediction:
        """The answer of the champion, or of the canary for its share; raises `Refused`."""
        champion, challenger, terms = self.required(), self.challenger, self._terms
        if challenger is None or terms is None:
            return await champion.predict(product, top)
        if terms.mode == "canary" and place(product) < terms.share:
            return await self._canary(challenger, champion, product, top)
        answer = await champion.predict(product, top)
        if terms.mode == "shadow":
            self._shadow(challenger, product, answer)
        return answer

    def required(self) -> Model:
        """The champion; raises `Refused` where there is none yet."""
        if self.champion is None:
            raise Refused(503, "no_model", "There is no champion to answer yet: train one, then deploy it.")
        return self.champion

    def prepare(self, version: str) -> None:
        """Load a version that will be wanted, so that it is known to be sound; raises `Refused`."""
        self._prepared = {version: self._classifier(version)}

    def start(self) -> None:
        """Load what is wanted, or else as much of it as can be had, or what the service was started with; blocks."""
        self._seen = self.board.changed()
        wanted = self.board.read() or Deployment()
        first = self.settings.model or bundled_version(self._bundled)
        alone = {"challenger": None}
        choices = [wanted, wanted.model_copy(update=alone), wanted.model_copy(update={**alone, "champion": first})]
        for choice in (each for each in choices if each.champion):
            try:
                self._take(choice)
                return
            except Refused as error:
                metrics.FAILED.inc()
                logger.error("Champion %s, challenger %s: %s", choice.champion, choice.challenger, error)
        self._note(wanted)
        logger.warning("No model is loaded: the service is not ready until one is deployed.")

    async def watch(self) -> None:
        """Follow the board for as long as the process lives."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.follow()
            except Exception:  # the old models go on; what is wrong stands in the log and on the board
                logger.exception("The deployment could not be followed.")

    async def follow(self) -> None:
        """Make this process what the board wants, if that has changed; until it is done, the old models answer."""
        changed = self.board.changed()
        wanted = self.board.read() if changed != self._seen else None
        if wanted is None:
            return
        self._seen = changed
        try:
            await aside(self._take, wanted)
        except Refused as error:
            logger.error("Generation %s was not taken on: %s", wanted.generation, error)
            metrics.FAILED.inc()
            self._note(wanted, str(error))

    def _take(self, wanted: Deployment) -> None:
        """Load beside, then exchange. Batches that have begun keep the model that they began with."""
        terms = wanted.challenger
        champion = Model(self._classifier(wanted.champion), "champion", self.settings) if wanted.champion else None
        challenger = Model(self._classifier(terms.version), terms.mode, self.settings) if terms else None
        self.champion, self.challenger, self._terms, self.deployment = champion, challenger, terms, wanted
        self._prepared = {}
        self._note(wanted)
        metrics.loaded({each.role: each.version for each in (champion, challenger) if each}, wanted.generation)
        logger.info("Champion %s, challenger %s", wanted.champion, terms)

    def _classifier(self, version: str) -> ProductClassifier:
        """The classifier that is loaded already, or a new one."""
        loaded = {model.version: model.classifier for model in (self.champion, self.challenger) if model}
        known = self._prepared | loaded
        return known[version] if version in known else load(version, self.settings, self._bundled)

    def _note(self, wanted: Deployment, error: str | None = None) -> None:
        self.board.note(
            Worker(
                pid=os.getpid(),
                generation=wanted.generation,
                champion=self.champion.version if self.champion else None,
                challenger=self.challenger.version if self.challenger else None,
                error=error,
            )
        )

    async def _canary(self, canary: Model, champion: Model, product: Product, top: int) -> ItemPrediction:
        try:
            return await canary.predict(product, top)
        except Refused:
            raise
        except Exception:  # a canary may fail, the caller must not notice
            logger.exception("The canary %s failed; the champion answers.", canary.version)
            metrics.REFUSED.labels("canary_failed").inc()
            return await champion.predict(product, top)

    def _shadow(self, shadow: Model, product: Product, answer: ItemPrediction) -> None:
        if len(self._shadows) >= MOST_SHADOWS:
            metrics.DROPPED.labels(shadow.version).inc()
            return
        task = asyncio.create_task(_compare(shadow, product, answer))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)


async def _compare(shadow: Model, product: Product, answer: ItemPrediction) -> None:
    try:
        other = await shadow.predict(product, 1)
    except Refused:
        return
    except Exception:
        logger.exception("The shadow %s failed.", shadow.version)
        return
    agrees = other.categories[0].code == answer.categories[0].code
    metrics.AGREEMENT.labels(shadow.version, str(agrees).lower()).inc()


def place(product: Product) -> float:
    """Where a product stands between 0 and 1, always the same: it does not change models from call to call."""
    text = f"{product.designation}\n{product.description}\n".encode("utf-8", "replace")
    return int.from_bytes(hashlib.blake2b(text + (product.image or b""), digest_size=4).digest()) / 2**32
