"""The outbox worker, `python -m webapp.worker`: has stored products classified, and takes in imports.

It takes jobs, asks the prediction service, and stores the answers. A service or a database that is down only makes it
wait; a job whose worker was killed is due again after a minute. Several workers may run side by side.
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from threading import Event
from types import FrameType
from typing import TypeVar

from opentelemetry.trace import Span, SpanKind
from upath import UPath

from rakuten_assets import telemetry
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.store.changes import Change
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Candidate, Job, Predicted
from rakuten_assets.store.store import Store
from serving.client import Client, ServiceRefused, ServiceUnavailable
from serving.schemas import ItemError, ItemPrediction
from webapp import bulk, metrics
from webapp.bulk import Carrying
from webapp.settings import WebSettings

log = logging.getLogger("webapp.worker")

# Products asked for at once. The service makes batches of its own; more would only make the first of them wait.
BATCH = 16

# Lines of an import between two looks for other work, so that a seller with one product does not wait for thousands.
CHUNK = 16

# Pictures read at once, and answers stored at once: waiting for an object store or a commit takes no processor.
THREADS = 8

# How many of the categories are kept.
TOP = 5

# When nobody says that there is work, as when the database was restarted in between.
POLL_SECONDS = 2.0

# How long it takes at most to hear that it is to stop.
TICK_SECONDS = 0.5

# After a failure of its own, such as a database that is down.
PAUSE_SECONDS = 2.0

# Imports whose files stay open between two chunks.
OPEN_IMPORTS = 4

# Refusals that are not the product's fault. What the worker sends is valid: a service to which it is not is of another
# version, and will be updated, too.
PASSING = frozenset({"overloaded", "no_model", "too_slow", "invalid"})

Product = tuple[str, str, bytes | None]
Result = TypeVar("Result")


class Worker:
    """Does what is in the outbox."""

    def __init__(self, store: Store, client: Client, root: UPath, far: float = 0.0) -> None:
        """`far`: an unsure answer with no known product more similar than this may be of no category at all."""
        self.store, self.root = store, root
        self._client, self._far = client, far
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="worker")
        self._carrying: dict[int, Carrying] = {}
        self._spans: dict[int, Span] = {}

    def once(self) -> int:
        """Do what is due, as much as one batch; the result is how much it was, 0 where there was nothing."""
        jobs = self.store.outbox.take(BATCH, kind="classify")
        if jobs:
            self._classify(jobs)
        if len(jobs) == BATCH:
            return BATCH
        # Products that wait come first; those that imports make come in between.
        return len(jobs) + sum(self._import(job) for job in self.store.outbox.take(1, kind="import"))

    def run(self, stop: Event, poll_seconds: float = POLL_SECONDS) -> None:
        """Work until told to stop: at once when something is submitted, and every few seconds in any case."""
        woken = Event()
        stop_listening = self.store.changes.listen(lambda change: woken.set() if _is_work(change) else None)
        try:
            while not stop.is_set():
                woken.clear()
                if not self._work():
                    _rest(woken, stop, poll_seconds)
        finally:
            stop_listening()
            self.close()

    def close(self) -> None:
        """End the threads, and let go of the files."""
        self._pool.shutdown()
        for carrying in self._carrying.values():
            carrying.close()

    def _work(self) -> bool:
        """Whether there was something to do; a failure is logged, and followed by a pause."""
        try:
            return self.once() > 0
        except Exception as error:  # nothing is lost by it: what was taken is due again
            metrics.ERRORS.labels("loop").inc()
            _log_failure("the worker", error)
            time.sleep(PAUSE_SECONDS)
            return True

    def _classify(self, jobs: Sequence[Job]) -> None:
        contexts = [telemetry.going_on(job.traceparent) for job in jobs]
        with telemetry.spans("worker classify", SpanKind.CONSUMER, contexts) as spans:
            self._spans = {job.id: span for job, span in zip(jobs, spans, strict=True)}
            products = dict(zip(jobs, self._pool.map(self._within(self._product), jobs), strict=True))
            ready = [job for job, product in products.items() if product is not None]
            if ready:
                self._ask(ready, [product for product in products.values() if product is not None])

    def _product(self, job: Job) -> Product | None:
        """What the service is asked; None where the picture cannot be read, which is noted."""
        assert job.draft is not None
        try:
            picture = read_picture(self.root, job.draft.image) if job.draft.image else None
        except FileNotFoundError:
            self._refuse(job, "picture_lost", "picture_lost")
            return None
        except Exception as error:  # an object store's errors are of many kinds
            self._retry(job, f"picture: {type(error).__name__}")
            return None
        return job.draft.designation, job.draft.description, picture

    def _ask(self, jobs: Sequence[Job], products: Sequence[Product]) -> None:
        """Ask for all; where the service does not take them together, for the halves."""
        start = time.perf_counter()
        try:
            origins = [(job.request_id, telemetry.within(self._spans[job.id])) for job in jobs]
            answers = self._client.predict_batch(products, TOP, origins)
        except ServiceUnavailable as error:
            said = str(error)
            self._each(jobs, lambda job: self._retry(job, said))
        except ServiceRefused as error:
            self._refused(jobs, products, error)
        else:
            seconds = time.perf_counter() - start
            pairs = dict(zip(jobs, zip(products, answers, strict=True), strict=True))
            self._each(jobs, lambda job: self._store(job, *pairs[job], seconds))

    def _refused(self, jobs: Sequence[Job], products: Sequence[Product], error: ServiceRefused) -> None:
        if error.code in PASSING:
            self._each(jobs, lambda job: self._retry(job, error.message))
        elif len(jobs) == 1:
            self._within(lambda job: self._refuse(job, error.code, error.message))(jobs[0])
        else:
            half = len(jobs) // 2
            self._ask(jobs[:half], products[:half])
            self._ask(jobs[half:], products[half:])

    def _store(self, job: Job, product: Product, answer: ItemPrediction | ItemError, seconds: float) -> None:
        if isinstance(answer, ItemPrediction):
            predicted = self._predicted(job, product, answer, seconds)
            with telemetry.span("store answer"):
                if not self.store.outbox.classified(job, predicted):
                    return
            metrics.CLASSIFIED.labels("to_confirm" if predicted.review else "proposed").inc()
            metrics.WAITED.observe((datetime.now(UTC) - job.created_at).total_seconds())
            log.info("Job %s: product %s, model %s", job.id, job.subject_id, predicted.model_version)
        elif answer.code in PASSING:
            self._retry(job, answer.error)
        else:
            self._refuse(job, answer.code, answer.error)

    def _refuse(self, job: Job, code: str, text: str) -> None:
        if not self.store.outbox.refused(job, code, text):
            return
        metrics.CLASSIFIED.labels("refused").inc()
        log.warning("Job %s: product %s cannot be classified: %s", job.id, job.subject_id, code)

    def _retry(self, job: Job, error: str) -> None:
        self.store.outbox.retry(job, error)
        metrics.RETRIES.labels(job.kind).inc()

    def _predicted(self, job: Job, product: Product, answer: ItemPrediction, seconds: float) -> Predicted:
        candidates = [Candidate(each.code, each.confidence) for each in answer.categories]
        review: str | None = answer.review.code if answer.review else None
        if review == "low_confidence" and self._is_far(product):
            review = "category_missing"
        return Predicted(answer.model_version, candidates, answer.rests_on, review, seconds, job.request_id)

    def _is_far(self, product: Product) -> bool:
        """Whether no known product is like this one; a service that cannot tell leaves it at that."""
        if self._far <= 0:
            return False
        try:
            nearest = self._client.similar(*product, count=1)
        except (ServiceUnavailable, ServiceRefused):
            return False
        return bool(nearest) and nearest[0].similarity < self._far

    def _each(self, jobs: Sequence[Job], work: Callable[[Job], None]) -> None:
        """Side by side; what fails for one is due again, and fails for no other."""
        list(self._pool.map(lambda job: self._safely(job, work), jobs))

    def _safely(self, job: Job, work: Callable[[Job], int | None]) -> int:
        """What the work came to, as a part of the job's request; where it failed, it is due again."""

        def safely(job: Job) -> int:
            try:
                return work(job) or 0
            except Exception as error:
                metrics.ERRORS.labels(job.kind).inc()
                _log_failure(f"job {job.id}", error)
                self._retry(job, type(error).__name__)
                return 0

        return self._within(safely)(job)

    def _within(self, work: Callable[[Job], Result]) -> Callable[[Job], Result]:
        """The work as a part of the request that its job goes on with, in logs and traces, in whatever thread."""

        def within(job: Job) -> Result:
            with telemetry.request(job.request_id, self._spans[job.id]):
                return work(job)

        return within

    def _import(self, job: Job) -> int:
        with telemetry.spans("worker import", SpanKind.CONSUMER, [telemetry.going_on(job.traceparent)]) as spans:
            self._spans = {job.id: spans[0]}
            return self._safely(job, self._carry_on)

    def _carry_on(self, job: Job) -> int:
        """Some lines of an import; the result is how many."""
        started, actor, dealt_with, folder = self.store.imports.open(job)
        try:
            carrying = self._opened(started.id, lambda: Carrying(self, started, actor, folder))
        except (Refused, FileNotFoundError) as error:
            self._end(job, folder, error.code if isinstance(error, Refused) else "import_files_gone")
            return 1
        if started.state == "waiting":
            self.store.imports.begin(started.id, len(carrying.lines))
        lines = list(islice(carrying.left(dealt_with), CHUNK))
        list(self._pool.map(lambda line: self._within(lambda _: carrying.deal_with(line))(job), lines))
        if len(lines) == CHUNK:
            self.store.outbox.postpone(job)
        else:
            self._end(job, folder)
        return len(lines) or 1

    def _opened(self, id: int, make: Callable[[], Carrying]) -> Carrying:
        if id not in self._carrying:
            self._carrying[id] = make()
            for old in list(self._carrying)[:-OPEN_IMPORTS]:
                self._carrying.pop(old).close()
        return self._carrying[id]

    def _end(self, job: Job, folder: str, error: str = "") -> None:
        self.store.imports.close(job, error)
        if carrying := self._carrying.pop(job.subject_id, None):
            carrying.close()
        bulk.remove(self.root, folder)


def _rest(woken: Event, stop: Event, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not (woken.wait(TICK_SECONDS) or stop.is_set() or time.monotonic() > end):
        pass


def _is_work(change: Change) -> bool:
    return change.kind == "reconnected" or change.state == "waiting"


def _log_failure(what: str, error: Exception) -> None:
    """Where it failed, without what the database says: that may be a seller's text."""
    log.error("%s failed: %s", what, telemetry.describe(error))


def main() -> None:
    """Work until SIGTERM or Ctrl-C."""
    telemetry.start("worker")
    settings = WebSettings()
    metrics.serve(settings.worker_metrics_port, settings.host)
    stop = Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    store = Store(settings.database_url, settings.text_only)
    with Client(settings.serving_url, heard=metrics.called) as client:
        Worker(store, client, settings.root, settings.far).run(stop)
    store.close()
    telemetry.stop()


if __name__ == "__main__":
    main()
