"""The drift report on real answers in a real database; and what happens where something breaks on the way."""

import dagster as dg
import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.assets import monitoring
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.drift_features import features
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.simulate_texts import disturb_text
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.postgres import database_url
from rakuten_assets.resources import resources
from rakuten_assets.settings import Settings
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM, Actor, Draft
from rakuten_assets_tests.operations import Ours
from rakuten_assets_tests.store.conftest import PASSWORD, answer

ADMIN = Actor(None, "", "", "admin")
ENOUGH = 220
KNOWN = dg.AssetKey("drift_reference")
POOL, BOOK = 2583, 2403


def listings(count, seed, disturbed=False):
    """Titles and descriptions of invented products; disturbed, with words that nobody has met."""
    from random import Random

    for number in range(count):
        rng = Random(f"{seed}/{number}")
        listing = write_listing(rng, rng.choice(CODES))
        drafted = listing.title, listing.description or ""
        yield disturb_text(*drafted, rng, "vocabulary") if disturbed else drafted


class Watched:
    """A database, and a data root in which the platform's champion has something to be compared with."""

    def __init__(self, platform, folder, owner_url, instance):
        operations = Ours(url=prepare(owner_url))
        owner = create_engine(owner_url)
        everything = "models, drift_reports, notifications, feedback, predictions, products, outbox, sign_in_failures"
        with owner.begin() as connection:
            connection.execute(text(f"TRUNCATE {everything} CASCADE"))
        owner.dispose()
        self.store, self.instance = operations.store, instance
        self.champion = platform.registry.get("champion").version
        elsewhere = Settings(data_root=str(folder), state_dir=folder / "state")
        self.root = elsewhere.root
        known = resources(Settings())
        self.resources = resources(elsewhere) | {"operations": operations}
        self.resources |= {name: known[name] for name in ("tracking", "model_store")}
        if self.store.accounts.find("seller@example.org") is None:
            self.store.accounts.create(SYSTEM, "seller@example.org", "", PASSWORD, "seller")
        self.seller = self.store.accounts.sign_in("seller@example.org", PASSWORD)[1]
        self._numbers = iter(range(10**6))

    def answer(self, drafts, decision=None, version=None, code=POOL):
        """Products that the champion has put into `code`; with a `decision`, their seller says what they are."""
        for title, description in drafts:
            product = self.store.products.submit(self.seller, Draft(title, description), f"{next(self._numbers)}")
            job = next(job for job in self.store.outbox.take(10) if job.subject_id == product.id)
            self.store.outbox.classified(job, answer(code, version=version or self.champion))
            if decision:
                self.store.products.decide(self.seller, product.id, decision)

    def report(self, **options):
        """What the weekly job does: the run, and the metadata of the report."""
        run = dg.materialize(
            [monitoring.predictions, monitoring.drift_report, dg.AssetSpec(KNOWN)],
            selection=[monitoring.predictions, monitoring.drift_report],
            instance=self.instance,
            resources=self.resources,
            **options,
        )
        events = {event.asset_key.to_user_string(): event for event in run.get_asset_materialization_events()}
        found = events.get("drift_report")
        return run, {name: value.value for name, value in found.materialization.metadata.items()} if found else {}


@pytest.fixture(scope="module")
def reference(platform):
    """Features of products that are like the catalogue's."""
    folder = Settings().root / platform.registry.get("champion").folder
    classifier = ProductClassifier.load(folder)
    return features((Product(*each) for each in listings(ENOUGH + 80, "reference")), classifier)


@pytest.fixture
def watched(platform, reference, tmp_path, settings):
    with dg.DagsterInstance.ephemeral() as instance:
        found = Watched(platform, tmp_path, database_url("monitoring_tests", settings), instance)
        (found.root / "assets").mkdir(parents=True)
        reference.write_parquet(str(found.root / "assets" / "drift_reference.parquet"))
        yield found


def test_an_empty_window_is_no_drift_and_no_failure(watched):
    run, found = watched.report()
    assert run.success
    assert (found["reported"], found["rows"]) == (False, 0)
    assert "200 each are needed" in found["why"]
    assert watched.store.drift.latest() is None


def test_answers_that_were_too_few_are_looked_at_next_time(watched):
    drafts = list(listings(ENOUGH, "week"))
    watched.answer(drafts[:100])
    assert watched.report()[1]["reported"] is False
    watched.answer(drafts[100:])
    found = watched.report()[1]
    assert (found["reported"], found["rows"]) == (True, ENOUGH)
    # The next window begins where this one ended.
    assert watched.report()[1]["rows"] == 0


def test_a_window_of_the_same_kind_is_quiet(watched):
    watched.answer(listings(ENOUGH, "calm"))
    found = watched.report()[1]
    assert found["score"] < 1
    assert not found["drift"]
    assert watched.store.notifications.history(ADMIN) == []


def test_a_window_of_unknown_words_is_drift_and_people_are_told(watched):
    watched.answer(listings(ENOUGH, "new", disturbed=True))
    found = watched.report()[1]
    assert found["drift"]
    assert "unseen_words" in found["parts"]
    report = watched.store.drift.latest()
    assert report.score == found["score"] >= 1
    assert report.version == watched.champion
    (told,) = watched.store.notifications.history(ADMIN)
    assert told.kind == "drift_found"
    assert "review more of them" in told.body
    assert told.link.endswith("/model")
    assert f"/drift/{report.id}/" in found["page"]


def test_the_pages_are_kept_in_the_data_root_and_hold_no_text(watched):
    drafts = list(listings(ENOUGH, "pages"))
    for place, code in enumerate((POOL, BOOK, 10, 40)):
        watched.answer(drafts[place::4], decision=code, code=code)
    watched.report()
    folder = watched.root / watched.store.drift.latest().page
    pages = {page.stem: page.read_text() for page in folder.iterdir()}
    assert set(pages) == {"features", "answers"}
    assert all("<script" in page for page in pages.values())
    assert not any(title in page for page in pages.values() for title, _ in drafts[:20])


def test_people_who_file_products_elsewhere_are_concept_drift(watched):
    watched.answer(listings(ENOUGH, "moved"), decision=BOOK)
    found = watched.report()[1]
    assert found["drift"]
    kinds = {part["kind"]: part["score"] for part in reversed(watched.store.drift.latest().parts)}
    assert kinds["concept"] >= 1
    assert watched.store.drift.latest().labelled == ENOUGH


def test_the_answers_of_a_former_champion_are_no_drift_of_this_one(watched):
    watched.answer(listings(ENOUGH, "former", disturbed=True), version="fedcba9876543210")
    assert watched.report()[1]["rows"] == 0


def fail(*_, **__):
    raise ValueError("a bug of Evidently's")


def test_where_evidently_cannot_compare_the_run_fails_and_no_answer_is_lost(watched, monkeypatch):
    from rakuten_assets.core import drift_reference

    watched.answer(listings(ENOUGH, "broken"))
    with monkeypatch.context() as broken:
        broken.setattr(drift_reference, "_stability_index", fail)
        run, _ = watched.report(raise_on_error=False)
    assert not run.success
    assert watched.store.drift.latest() is None
    assert watched.report()[1]["rows"] == ENOUGH


def test_where_evidently_cannot_draw_the_score_counts_all_the_same(watched, monkeypatch):
    import evidently

    watched.answer(listings(ENOUGH, "undrawn", disturbed=True))
    monkeypatch.setattr(evidently.Report, "run", fail)
    run, found = watched.report()
    assert run.success
    assert (found["drift"], found["pages"]) == (True, "none")
    assert watched.store.drift.latest().score >= 1


def test_where_mlflow_is_down_the_run_fails_and_no_answer_is_lost(watched, monkeypatch):
    from rakuten_assets.registry import Registry

    def down_now(*_, **__):
        raise ConnectionError("MLflow does not answer")

    watched.answer(listings(ENOUGH, "down"))
    with monkeypatch.context() as down:
        down.setattr(Registry, "get", down_now)
        run, _ = watched.report(raise_on_error=False)
    assert not run.success
    assert watched.report()[1]["rows"] == ENOUGH
