"""The outbox worker, `python -m webapp.worker`: has stored products classified, and takes in imports.

It takes jobs, asks the prediction service, and stores the answers. A service or a database that is down only makes it
wait; a job whose worker was killed is due again after a minute. Several workers may run side by side.
"""

import logging
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Event
from types import FrameType

from upath import UPath

from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.store.changes import Change
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Candidate, Job, Predicted
from rakuten_assets.store.store import Store
from serving.client import Client, ServiceRefused, ServiceUnavailable
from serving.schemas import ItemError, ItemPrediction
from webapp import bulk
from webapp.bulk import Carrying
from webapp.settings import WebSettings

log = logging.getLogger(__name__)

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

# Refusals that are not the product's fault.
PASSING = frozenset({"overloaded", "no_model", "too_slow"})

Product = tuple[str, str, bytes | None]


class Worker:
    """Does what is in the outbox."""

    def __init__(self, store: Store, client: Client, root: UPath, far: float = 0.0) -> None:
        """`far`: an unsure answer with no known product more similar than this may be of no category at all."""
        self.store, self.root = store, root
        self._client, self._far = client, far
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="worker")
        self._carrying: dict[int, Carrying] = {}

    def once(self) -> int:
        """Do what is due, as much as one batch; the result is how much it was, 0 where there was nothing."""
        jobs = self.store.outbox.take(BATCH, kind="classify")
        if jobs:
            self._classify(jobs)
        if len(jobs) == BATCH:
            return BATCH
        # Products that wait come first; those that imports make come in between.
        return len(jobs) + sum(self._safely(job, self._carry_on) for job in self.store.outbox.take(1, kind="import"))

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
            _log_failure("the worker", error)
            time.sleep(PAUSE_SECONDS)
            return True

    def _classify(self, jobs: Sequence[Job]) -> None:
        products = dict(zip(jobs, self._pool.map(self._product, jobs), strict=True))
        ready = [job for job, product in products.items() if product is not None]
        if ready:
            self._ask(ready, [product for product in products.values() if product is not None])

    def _product(self, job: Job) -> Product | None:
        """What the service is asked; None where the picture cannot be read, which is noted."""
        assert job.draft is not None
        try:
            picture = read_picture(self.root, job.draft.image) if job.draft.image else None
        except FileNotFoundError:
            self.store.outbox.refused(job, "picture_lost", "picture_lost")
            return None
        except Exception as error:  # an object store's errors are of many kinds
            self.store.outbox.retry(job, f"picture: {type(error).__name__}")
            return None
        return job.draft.designation, job.draft.description, picture

    def _ask(self, jobs: Sequence[Job], products: Sequence[Product]) -> None:
        """Ask for all; where the service does not take them together, for the halves."""
        start = time.perf_counter()
        try:
            answers = self._client.predict_batch(products, TOP)
        except ServiceUnavailable as error:
            said = str(error)
            self._each(jobs, lambda job: self.store.outbox.retry(job, said))
        except ServiceRefused as error:
            self._refused(jobs, products, error)
        else:
            seconds = time.perf_counter() - start
            pairs = dict(zip(jobs, zip(products, answers, strict=True), strict=True))
            self._each(jobs, lambda job: self._store(job, *pairs[job], seconds))

    def _refused(self, jobs: Sequence[Job], products: Sequence[Product], error: ServiceRefused) -> None:
        if error.code in PASSING:
            self._each(jobs, lambda job: self.store.outbox.retry(job, error.message))
        elif len(jobs) == 1:
            self.store.outbox.refused(jobs[0], error.code, error.message)
        else:
            half = len(jobs) // 2
            self._ask(jobs[:half], products[:half])
            self._ask(jobs[half:], products[half:])

    def _store(self, job: Job, product: Product, answer: ItemPrediction | ItemError, seconds: float) -> None:
        if isinstance(answer, ItemPrediction):
            self.store.outbox.classified(job, self._predicted(product, answer, seconds))
        elif answer.code in PASSING:
            self.store.outbox.retry(job, answer.error)
        else:
            self.store.outbox.refused(job, answer.code, answer.error)

    def _predicted(self, product: Product, answer: ItemPrediction, seconds: float) -> Predicted:
        candidates = [Candidate(each.code, each.confidence) for each in answer.categories]
        review: str | None = answer.review.code if answer.review else None
        if review == "low_confidence" and self._is_far(product):
            review = "category_missing"
        return Predicted(answer.model_version, candidates, answer.rests_on, review, seconds)

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
        """What the work came to; where it failed, it is due again."""
        try:
            return work(job) or 0
        except Exception as error:
            _log_failure(f"job {job.id}", error)
            self.store.outbox.retry(job, type(error).__name__)
            return 0

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
        list(self._pool.map(carrying.deal_with, lines))
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
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    log.error("%s failed: %s\n%s", what, type(error).__name__, where)


def main() -> None:
    """Work until SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # It logs each request's address, which says nothing.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = WebSettings()
    stop = Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    store = Store(settings.database_url, settings.text_only)
    with Client(settings.serving_url) as client:
        Worker(store, client, settings.root, settings.far).run(stop)
    store.close()


if __name__ == "__main__":
    main()
