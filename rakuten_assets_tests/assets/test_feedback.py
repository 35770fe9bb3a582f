"""From what people say to what the next model learns: a small catalogue, a real database, real assets."""

import dagster as dg
import polars as pl
import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.assets import catalogue, feedback, images, splits
from rakuten_assets.assets import text as texts
from rakuten_assets.assets.common import register_batches
from rakuten_assets.core import feedback as core
from rakuten_assets.core.deliveries import deliveries, ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.core.splits import LIVE_GOLD
from rakuten_assets.postgres import database_url
from rakuten_assets.resources import resources
from rakuten_assets.settings import Settings
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM, Draft
from rakuten_assets_tests.operations import Ours
from rakuten_assets_tests.store.conftest import PASSWORD, answer

POOL, GARDEN, BOOK = 2583, 2582, 2403
PER_BATCH = [catalogue.products, texts.cleaned_text, texts.languages, texts.translated_text, images.image_fingerprints]
WHOLE = [texts.duplicate_texts, images.deduplicated_images, feedback.feedback, feedback.human_labels, splits.splits]


class Small:
    """A platform up to its splits, with forty products and nobody in it yet."""

    def __init__(self, folder, owner_url, instance):
        owner = create_engine(owner_url)
        operations = Ours(url=prepare(owner_url))
        with owner.begin() as connection:
            connection.execute(text("TRUNCATE feedback, predictions, products, outbox, sign_in_failures CASCADE"))
        owner.dispose()
        self.store, self.instance = operations.store, instance
        settings = Settings(data_root=str(folder / "root"), state_dir=folder / "state")
        self.root = settings.root
        self.resources = resources(settings) | {"operations": operations}
        write_sample(folder / "delivery", 40, pictures=False)
        ingest(folder / "delivery", self.root)
        self.sellers = [self._join("seller", number) for number in range(3)]
        self.admin = self._join("admin", 0)
        self._numbers = iter(range(10**6))

    def _join(self, role, number):
        email = f"{role}{number}@example.org"
        if self.store.accounts.find(email) is None:
            self.store.accounts.create(SYSTEM, email, "", PASSWORD, role)
        return self.store.accounts.sign_in(email, PASSWORD)[1]

    def answered(self, title, seller=0, code=POOL):
        """A product that the model has put into `code`."""
        key = f"key {next(self._numbers)}"
        product = self.store.products.submit(self.sellers[seller], Draft(title, "avec échelle"), key)
        job = next(job for job in self.store.outbox.take(10) if job.subject_id == product.id)
        self.store.outbox.classified(job, answer(code))
        return product.id

    def run(self, *assets):
        every = [*PER_BATCH, *WHOLE, feedback.labelled_products]
        done = dg.materialize(every, selection=list(assets), **self._options())
        assert done.success
        events = [event.materialization for event in done.get_asset_materialization_events()]
        return {
            event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
            for event in events
        }

    def _options(self):
        return {"instance": self.instance, "resources": self.resources}

    def learn(self):
        """What people said becomes a batch, the batches are computed, and the splits are drawn up."""
        taken_in = self.run(feedback.feedback, feedback.labelled_products)["labelled_products"]
        for key in register_batches(self.instance, self.root):
            if key not in self.instance.get_materialized_partitions(dg.AssetKey("products")):
                assert dg.materialize(PER_BATCH, partition_key=key, **self._options()).success
        found = self.run(*WHOLE)
        return taken_in, found["human_labels"], found["splits"]

    def table(self, asset):
        return pl.read_parquet(str(self.root / "assets" / f"{asset}.parquet"))


@pytest.fixture(scope="module")
def owner_url(settings):
    return database_url("feedback_tests", settings)


@pytest.fixture
def small(tmp_path, owner_url):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Small(tmp_path, owner_url, instance)


def test_without_a_word_of_anybody_the_catalogue_is_all_there_is(small):
    taken_in, labels, found = small.learn()
    assert (taken_in["handed_in"], labels["rows"], found["labels_of_people"]) == (0, 0, 0)
    assert found["rows"] == 40


def test_what_people_decided_becomes_rows_to_learn_from(small):
    for number in range(20):
        id = small.answered(f"Piscine {number}")
        small.store.products.decide(small.sellers[0], id, POOL if number % 2 else BOOK)
    nobody = small.answered("Piscine sans avis")
    taken_in, labels, found = small.learn()
    assert taken_in["handed_in"] == labels["rows"] == found["labels_of_people"] == 20
    assert labels["corrections"] == 10
    table = small.table("splits")
    live = table.filter(core.is_live(pl.col("productid")))
    assert len(live) == 20
    # A seller's word teaches, and judges no model.
    assert set(live.drop_nulls("prdtypecode")["split"]) <= {"train", "validation"}
    assert set(live.filter(pl.col("split") == "train")["prdtypecode"]) == {POOL, BOOK}
    # Only what a person confirmed is a label.
    assert core.FIRST_ID + nobody * core.REVISIONS + 1 not in table["productid"]
    # The training says which labels it used.
    assert found["labels_version"].startswith(f"{taken_in['last_statement']}-20-")
    # And how far it has learnt, once it has come to a challenger.
    assert labels["handed_in_to"] == taken_in["last_statement"]


def test_what_is_handed_in_once_is_not_handed_in_again(small):
    small.store.products.decide(small.sellers[0], small.answered("Une"), POOL)
    assert small.learn()[0]["handed_in"] == 1
    small.store.products.decide(small.sellers[0], small.answered("Deux"), POOL)
    assert small.learn()[0]["handed_in"] == 1
    assert small.learn()[0]["handed_in"] == 0
    assert [delivery.accepted for delivery in deliveries(small.root) if delivery.from_people] == [1, 1]


def test_a_label_that_is_corrected_later_counts_as_it_is_now(small):
    ids = [small.answered(f"Piscine {number}") for number in range(12)]
    for id in ids:
        small.store.products.decide(small.sellers[0], id, POOL)
    small.learn()
    for id in ids:
        small.store.reviews.accept(small.admin, id, BOOK)
    small.store.reviews.reject(small.admin, ids[0], "photo")
    small.learn()
    live = small.table("splits").filter(core.is_live(pl.col("productid")))
    assert live["prdtypecode"].drop_nulls().unique().to_list() == [BOOK]
    assert live["prdtypecode"].null_count() == 1
    assert "its label was taken back" in live["not_learnt"]
    kept = small.table("human_labels").filter(pl.col("previous") == POOL)
    assert len(kept) == 11


def test_a_share_of_what_administrators_judged_only_reports(small):
    for number in range(40):
        small.store.reviews.accept(small.admin, small.answered(f"Piscine {number}"), POOL)
    small.learn()
    live = small.table("splits").filter(core.is_live(pl.col("productid")))
    shares = live["split"].value_counts(normalize=True)
    gold = dict(shares.iter_rows())[LIVE_GOLD]
    assert 0.2 < gold < 0.6
    # Frozen by hash: whatever comes later, it stays.
    before = dict(live.select("productid", "split").iter_rows())
    for number in range(40, 60):
        small.store.reviews.accept(small.admin, small.answered(f"Piscine {number}"), POOL)
    small.learn()
    after = dict(small.table("splits").select("productid", "split").iter_rows())
    assert {id: after[id] for id in before} == before


def test_two_labels_of_one_text_wait_for_an_administrator_and_then_count(small):
    one, other = small.answered("Même texte", 0), small.answered("Même texte", 1)
    small.store.products.decide(small.sellers[0], one, POOL)
    small.store.products.decide(small.sellers[1], other, BOOK)
    _, labels, _ = small.learn()
    # The one that agreed with the model waited for nobody until now.
    assert (labels["contradictory"], labels["used"], labels["reviews_asked_for"]) == (2, 0, 1)
    waiting = {item.product.id: item.product.review for item in small.store.reviews.queue(small.admin).items}
    assert waiting == {one: "contradiction", other: "seller_disagrees"}
    for id in (one, other):
        small.store.reviews.accept(small.admin, id, POOL)
    _, labels, _ = small.learn()
    assert (labels["contradictory"], labels["used"]) == (0, 2)


def test_one_account_that_labels_too_much_is_held_back_and_shown(small):
    for number in range(core.ALWAYS + 15):
        small.store.products.decide(small.sellers[2], small.answered(f"Poison {number}", 2), BOOK)
    small.store.products.decide(small.sellers[0], small.answered("Piscine"), POOL)
    _, labels, _ = small.learn()
    assert labels["held_back"] == 15
    assert labels["used"] == core.ALWAYS + 1
    assert "held_back" in labels["accounts"]
    # Nothing is lost: what is held back is still there, with its reason.
    assert small.table("human_labels")["set_aside"].drop_nulls().unique().to_list() == [core.CAPPED]


def test_a_category_that_moved_takes_its_old_labels_along(small):
    before = small.learn() and small.table("splits").filter(pl.col("prdtypecode") == POOL)
    assert len(before) > 0
    for number in range(30):
        small.store.reviews.accept(small.admin, small.answered(f"Piscine {number}"), GARDEN)
    _, labels, found = small.learn()
    assert str(GARDEN) in found["moved_categories"]
    after = small.table("splits").join(before.select("productid"), on="productid", how="semi")
    assert found["moved_with_their_category"] == len(before)
    teaching = after.filter(pl.col("split") != "gold")
    assert set(teaching["prdtypecode"]) <= {GARDEN}
    # What went along with its category judges no model.
    assert after.filter(pl.col("split") == "gold")["prdtypecode"].null_count() == len(after) - len(teaching)


def test_each_version_of_what_people_said_is_kept(small):
    versions = set()
    for number in range(3):
        small.store.products.decide(small.sellers[0], small.answered(f"Piscine {number}"), POOL)
        small.learn()
        event = small.instance.get_latest_materialization_event(dg.AssetKey("feedback")).asset_materialization
        versions.add(event.tags["dagster/data_version"])
    assert {version.split("-")[1] for version in versions} == {"1", "2", "3"}
    kept = {path.stem for path in (small.root / "assets" / "feedback").glob("*.parquet")}
    assert kept == versions


def test_a_product_that_its_seller_edited_keeps_the_label_of_what_it_was(small):
    id = small.answered("Piscine")
    small.store.reviews.accept(small.admin, id, POOL)
    small.learn()
    product = small.store.products.get(small.sellers[0], id)
    small.store.products.edit(small.sellers[0], id, Draft("Un livre", "neuf"), product.revision)
    taken_in, labels, _ = small.learn()
    assert (taken_in["handed_in"], labels["rows"], labels["used"]) == (0, 1, 1)
    live = small.table("splits").filter(core.is_live(pl.col("productid")))
    assert live["prdtypecode"].to_list() == [POOL]


def test_an_edit_is_another_version_of_what_people_said(small):
    id = small.answered("Piscine")
    small.store.products.decide(small.sellers[0], id, POOL)
    small.learn()
    product = small.store.products.get(small.sellers[0], id)
    small.store.products.edit(small.sellers[0], id, Draft("Un livre", "neuf"), product.revision)
    small.learn()
    assert len(list((small.root / "assets" / "feedback").glob("*.parquet"))) == 2
