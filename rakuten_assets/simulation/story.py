"""A marketplace that changes, week by week: through the real programs, with the loop and beside it without."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import dagster as dg
import numpy as np

from rakuten_assets.automation.jobs import retrain
from rakuten_assets.automation.loop import BY_ITSELF, Rules, due
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.linear import positions
from rakuten_assets.core.products import Product
from rakuten_assets.core.simulate import Bias, Offer, week
from rakuten_assets.lineage import materialize
from rakuten_assets.registry import Registered, Registry
from rakuten_assets.resources import ModelStore, Serving
from rakuten_assets.settings import Settings
from rakuten_assets.simulation.people import People
from rakuten_assets.simulation.stage import Stage
from rakuten_assets.store.records import Actor
from rakuten_assets.store.records import Product as Submitted
from rakuten_assets.store.store import Store

# A retraining, with the computing before it and the deployment after it.
PATIENCE_SECONDS = 1800

# What the story reads for itself, as an administrator would.
READER = Actor(None, "", "", "admin")

CHUNK = 128

Item = TypeVar("Item")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long the story is, and how bad it gets: bias rises from 0 to `max_drift` over `weeks`.

    Each week brings so many `products`, of which reviewers look at `reviews`; people err at `error_rate`.
    """

    weeks: int = 4
    max_drift: float = 0.3
    products: int = 500
    reviews: int = 200
    error_rate: float = 0.05
    seed: int = 0

    def level(self, number: int) -> float:
        """Bias of week `number`, counted from 1; after the last one it stays."""
        return self.max_drift * min(number - 1, self.weeks - 1) / max(self.weeks - 1, 1)


@dataclass
class Week:
    """What happened: weighted F1 of what was answered, and of what the first champion would have answered."""

    number: int
    bias: float
    champion: str
    products: int
    with_loop: float
    without_loop: float
    reviewed: int = 0
    drift: float | None = None
    drift_in: str = ""
    reason: str = ""
    verdict: str = ""


@dataclass
class Story:
    """All weeks; the last one brings nothing new, and shows what the loop has won back."""

    plan: Plan
    weeks: list[Week] = field(default_factory=list)

    @property
    def lost(self) -> float:
        """Weighted F1 that the drift would have cost without the loop."""
        return self.weeks[0].with_loop - self.weeks[-1].without_loop

    @property
    def won_back(self) -> float:
        """The share of it that the loop won back; NaN where nothing was lost."""
        gained = self.weeks[-1].with_loop - self.weeks[-1].without_loop
        return gained / self.lost if self.lost > 0 else float("nan")

    def as_json(self) -> dict[str, Any]:
        weeks = [asdict(each) for each in self.weeks]
        return {"plan": asdict(self.plan), "weeks": weeks, "lost": self.lost, "won_back": self.won_back}


class Marketplace:
    """The running platform, and what the story does to it."""

    def __init__(
        self, settings: Settings, opened: dg.DagsterInstance, store: Store, people: People, serving: Serving
    ) -> None:
        self._settings, self._opened, self._store = settings, opened, store
        self._people, self._serving = people, serving
        self._registry = Registry(str(settings.root))
        models = ModelStore(url=str(settings.root), cache=str(settings.local_state / "cache"))
        self._first = ProductClassifier.load(models.fetch(self._champion().folder))
        self._truths: dict[int, int] = {}

    def play(self, stage: Stage, plan: Plan, say: Say) -> Story:
        """All weeks, and one more, of which only the answers count."""
        story = Story(plan)
        for number in range(1, plan.weeks + 2):
            bias = Bias(plan.level(number), plan.seed)
            offers = list(week(stage.stream, bias, plan.products, number, stage.picture))
            ids, lived = self._answers(offers, number, bias.level, say)
            story.weeks.append(lived)
            if number <= plan.weeks:
                self._people_speak(ids, offers, lived, plan.reviews)
                self._week_ends(lived, say)
        return story

    def _answers(self, offers: Sequence[Offer], number: int, level: float, say: Say) -> tuple[list[int], Week]:
        """Sellers submit, the platform answers: the week's exam."""
        champion = self._champion().version
        say(f"[bold]week {number}[/bold], bias {level:.0%}: {len(offers)} products for champion {champion}")
        ids = [self._people.submit(offer, at, f"week {number}, {at}") for at, offer in enumerate(offers)]
        _until(lambda: self._store.outbox.backlog().waiting == 0, "all products are classified")
        # Read by the hundred, as everything that reads lists does.
        answered = [each for part in _chunks(ids) for each in self._store.products.many(READER, part)]
        truth = _places(offer.code for offer in offers)
        served = _weighted_f1(_places(product.proposed or 0 for product in answered), truth)
        alone = _weighted_f1(self._first_champion(answered), truth)
        say(f"  weighted F1 {served:.3f}; without the loop {alone:.3f}")
        self._truths |= {id: offer.code for id, offer in zip(ids, offers, strict=True)}
        return ids, Week(number, level, champion, len(offers), served, alone)

    def _people_speak(self, ids: Sequence[int], offers: Sequence[Offer], lived: Week, reviews: int) -> None:
        """Sellers say what is right, reviewers take the queue, and look at some that nobody asked about."""
        for at, (id, offer) in enumerate(zip(ids, offers, strict=True)):
            self._people.decide(id, at, offer.code)
        pressing = self._people.review_queue(reviews // 2, self._truths)
        lived.reviewed = pressing + self._people.review_some(ids, reviews - pressing, self._truths)

    def _week_ends(self, lived: Week, say: Say) -> None:
        """The report that a schedule draws up on Mondays, and what the sensors make of it."""
        began = time.time()
        reason = f"drift report of week {lived.number}"
        drawn = materialize(self._opened, self._settings, select=["predictions", "drift_report"], reason=reason)
        if not drawn.success:
            raise RuntimeError(f"There is no drift report: {'; '.join(drawn.errors)}")
        report = self._store.drift.latest()
        if report and report.at.timestamp() >= began:
            lived.drift = report.score
            lived.drift_in = max(report.parts, key=lambda part: part["score"])["name"]
            say(f"  drift {report.score:.2f}, most in {lived.drift_in}")
        why, _ = due(self._opened, self._store, Rules.of(self._settings))
        if why is None and not self._loop_runs(began):
            say("  the loop rests")
            return
        say(f"  the loop retrains: {why}")
        run = _until(lambda: self._ended(began), "the loop's retraining has ended")
        lived.reason = run.tags["rakuten/reason"]
        judged = self._registry.get("challenger")
        lived.verdict = judged.tags.get("gate", "") if judged else ""
        say(f"  {lived.verdict}")
        if run.is_success:
            _until(self._champion_answers, "the champion answers")

    def _loop_runs(self, since: float) -> bool:
        """Whether a sensor was faster than this question."""
        runs = self._opened.get_run_records(dg.RunsFilter(tags={BY_ITSELF: "true"}), limit=1)
        return bool(runs) and runs[0].create_timestamp.timestamp() >= since

    def _ended(self, since: float) -> dg.DagsterRun | None:
        own = dg.RunsFilter(job_name=retrain.name, tags={BY_ITSELF: "true"})
        records = self._opened.get_run_records(own, limit=1)
        if not records or records[0].create_timestamp.timestamp() < since:
            return None
        run = records[0].dagster_run
        return run if run.is_finished else None

    def _champion_answers(self) -> bool:
        with self._serving.client() as client:
            return client.deployment().answering == self._champion().version

    def _champion(self) -> Registered:
        model = self._registry.get("champion")
        if model is None:
            raise RuntimeError("There is no champion to begin with.")
        return model

    def _first_champion(self, submitted: Sequence[Submitted]) -> np.ndarray:
        """What the first champion answers to the same texts and pictures, by the position of its category."""
        root, parts = self._settings.root, []
        for part in _chunks(submitted):
            products = [
                Product(each.designation, each.description, read_picture(root, each.image) if each.image else None)
                for each in part
            ]
            parts.append(self._first.predict_log_proba(products).stacked.argmax(1))
        return np.concatenate(parts)


def _chunks(items: Sequence[Item]) -> Iterator[list[Item]]:
    return (list(items[at : at + CHUNK]) for at in range(0, len(items), CHUNK))


def _places(codes: Iterable[int]) -> np.ndarray:
    return positions(np.array(list(codes)))


def _weighted_f1(said: np.ndarray, truth: np.ndarray) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, said, average="weighted", zero_division=0))


def _until(found: Callable[[], Any], what: str) -> Any:
    """What the question came to, as soon as it came to something; RuntimeError where it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"It did not come about within {PATIENCE_SECONDS} seconds that {what}.")
        time.sleep(1)
    return answer
