"""The lineage on a real instance: first champion, next delivery, a worse challenger, a killed process."""

import json
import os
import signal
import subprocess
import sys
import time

import dagster as dg
import numpy as np
import polars as pl
import pytest

from rakuten_assets import lineage
from rakuten_assets.core import vectors
from rakuten_assets.core.deliveries import batch_keys, ingest
from rakuten_assets.core.review import NEVER_ENOUGH
from rakuten_assets.core.sample import write_sample
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_models import TextModel

PER_BATCH = ("products", "cleaned_text", "languages", "translated_text")


def latest(platform, asset, partition=None):
    """Time and metadata of an asset's latest materialization."""
    records = platform.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition] if partition else None),
        limit=1,
    ).records
    return records[0].timestamp, records[0].asset_materialization.metadata


def checks(platform):
    """Name and outcome of the latest evaluation of every check."""
    from rakuten_assets.definitions import defs

    found = {}
    for key in defs.resolve_asset_graph().asset_check_keys:
        history = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        found[key.name] = history[0].status.value if history else "never ran"
    return found


def test_the_first_delivery_becomes_the_champion(platform):
    champion = platform.registry.get("champion")
    assert platform.summary["champion"] == {
        "version": champion.version,
        "promoted": True,
        "reason": "promoted: there was no champion",
    }
    assert platform.summary["scores"]["stacked"]["weighted_f1"] > 0.5
    assert platform.summary["rows"]["accepted"] == 800


def test_the_store_knows_the_champion_and_how_good_it_is(platform):
    from rakuten_assets.resources import _store
    from rakuten_assets.store.records import Actor

    champion = _store().models.champion()
    assert champion.version == platform.registry.get("champion").version
    scores = platform.summary["scores"]["stacked"]
    assert champion.report["gold"]["stacked"]["weighted_f1"] == pytest.approx(scores["weighted_f1"], abs=1e-9)
    assert sum(map(sum, champion.report["confusion"])) == scores["n"]
    assert sum(champion.report["shares"]) == pytest.approx(1)
    assert {row["code"] for row in champion.report["per_class"]} == set(champion.report["codes"])
    [judged] = [each for each in _store().models.history(Actor(1, "", "", "admin")) if each.version == champion.version]
    assert judged.promoted


def test_every_check_ran_and_none_failed(platform):
    assert set(checks(platform).values()) == {"SUCCEEDED"}


def test_the_parity_check_compared_something(platform):
    key = dg.AssetCheckKey(dg.AssetKey("stacked_model"), "parity")
    history = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    metadata = history[0].event.dagster_event.event_specific_data.metadata
    assert metadata["products"].value == 50
    assert metadata["largest_gap_text"].value <= 1e-6
    assert metadata["largest_gap_image"].value <= 1e-6


def test_each_training_has_a_run_in_mlflow_under_its_dagster_run(platform):
    registry = platform.registry
    trained = ("text_model", "image_model", "stacked_model")
    runs = registry.client.search_runs([registry.experiment_id], "tags.asset_key != ''", order_by=["start_time DESC"])
    # The first of each: others may have trained since.
    by_asset = {run.data.tags["asset_key"]: run for run in runs if run.data.tags["asset_key"] in trained}
    assert set(by_asset) == set(trained)
    parents = {run.data.tags["mlflow.parentRunId"] for run in by_asset.values()}
    assert len(parents) == 1
    stacked = by_asset["stacked_model"]
    assert stacked.info.status == "FINISHED"
    assert stacked.data.metrics["gold_weighted_f1"] == pytest.approx(
        platform.summary["scores"]["stacked"]["weighted_f1"]
    )
    run = platform.instance.get_run_by_id(stacked.data.tags["dagster_run_id"])
    assert run.tags["rakuten/reason"] == "tests"


def stored_classifier(platform):
    from pathlib import Path

    from rakuten_assets.core.classifier import ProductClassifier

    folder = Path(str(platform.settings.root / platform.registry.get("champion").folder))
    return folder, ProductClassifier.load(folder)


def test_the_known_products_are_labelled_and_none_is_gold_or_a_duplicate(platform):
    _, classifier = stored_classifier(platform)
    known = set(classifier.similar.products["productid"])
    splits = platform.table("splits").filter(pl.col("productid").is_in(known))
    assert len(splits) == len(known) == latest(platform, "similar_products")[1]["rows"].value
    assert set(splits["split"]) == {"train", "validation"}
    assert splits["prdtypecode"].null_count() == 0
    assert (splits["text_weight"] + splits["image_weight"] > 0).all()
    assert len(known) > 500


def test_neighbours_share_a_category_more_often_than_by_chance(platform):
    metadata = latest(platform, "similar_products")[1]
    assert metadata["gold_same_category"].value > 3 * metadata["by_chance"].value > 0


def test_a_known_product_is_its_own_nearest_in_the_stored_classifier(platform):
    """The assets' vectors are those that the stored classifier computes of raw products."""
    from rakuten_assets.core.deliveries import read_picture
    from rakuten_assets.core.products import Product

    _, classifier = stored_classifier(platform)
    products = platform.table("products", batch_keys(platform.settings.root)[0])
    known = products.join(classifier.similar.products.select("productid"), on="productid", how="semi").drop_nulls()
    for row in known.head(5).iter_rows(named=True):
        image = read_picture(platform.settings.root, row["image"])
        nearest = classifier.similar_to(Product(row["designation"], row["description"], image), 1)[0]
        assert (nearest.productid, nearest.image) == (row["productid"], row["image"])
        assert nearest.similarity == pytest.approx(1, abs=1e-3)


def test_the_champion_knows_when_a_person_must_look_and_what_it_answered_here(platform):
    folder, classifier = stored_classifier(platform)
    metadata = latest(platform, "stacked_model")[1]
    assert (folder / "review.json").exists()
    reviewed = metadata["gold_share_to_review"].value
    assert reviewed > 0
    if reviewed < 1:
        assert metadata["gold_accuracy_without_review"].value > metadata["gold_accuracy"].value
    else:  # eighty validation rows may promise so little that a person must look at everything
        assert classifier.review.common == NEVER_ENOUGH
    assert (folder / "parity" / "examples.json").exists()


def test_validation_rows_teach_too_and_are_judged_by_models_that_did_not_see_them(platform):
    from rakuten_assets.definitions import defs

    splits = platform.table("splits")
    for name in ("text_model", "image_model"):
        folder = defs.load_asset_value(dg.AssetKey(name), instance=platform.instance)
        opinions, metadata = np.load(folder / "log_proba.npy"), latest(platform, name)[1]
        judged = ~np.isnan(opinions[:, 0])
        labelled = splits["prdtypecode"].is_not_null()
        taught = (labelled & splits["split"].is_in(["train", "validation"])).fill_null(False).to_numpy() & judged
        assert metadata["taught_rows"].value == taught.sum() > metadata["train_rows"].value
    texts = defs.load_asset_value(dg.AssetKey("text_embeddings"), instance=platform.instance)
    folder = defs.load_asset_value(dg.AssetKey("text_model"), instance=platform.instance)
    model, opinions = TextModel.load(folder / "model"), np.load(folder / "log_proba.npy")
    matrix, known = vectors.load(texts, splits["productid"])
    whole = model.classifier.log_proba(matrix)
    same = np.isclose(whole, opinions, atol=1e-6).all(axis=1) & known
    assert same[(splits["split"] == "gold").fill_null(False).to_numpy() & known].all()
    assert not same[(splits["split"] == "validation").fill_null(False).to_numpy()].any()


def test_the_first_reference_has_no_answers_to_products_that_were_learnt_from(platform):
    reference, splits = platform.table("drift_reference"), platform.table("splits")
    gold = splits.filter(pl.col("split") == "gold")
    validation = splits.filter(pl.col("split") == "validation")
    assert len(reference) == len(gold) + len(validation)
    assert reference["confidence"].is_not_null().sum() == reference["category"].is_not_null().sum() <= len(gold)
    assert reference["confidence"].is_not_null().sum() > len(gold) / 2


def test_plots_are_shown_beside_the_numbers(platform):
    metadata = latest(platform, "stacked_model")[1]
    for name in ("confusion_matrix", "per_class_f1", "calibration"):
        assert metadata[name].value.startswith("![plot](data:image/png;base64,")
    assert "learning_curve" in latest(platform, "text_model")[1]


def test_no_product_text_is_in_the_metadata(platform):
    titles = [t for t in platform.table("products", batch_keys(platform.settings.root)[0])["designation"] if t]
    for asset in ("products", "cleaned_text", "splits"):
        metadata = json.dumps({k: str(v.value) for k, v in latest(platform, asset)[1].items()})
        assert not [title for title in titles if title in metadata]


def gold_files(platform, folder):
    """The gold rows as challenge files, with their pictures."""
    from rakuten_assets.core.deliveries import read_batch, read_picture
    from rakuten_assets.core.products import picture_name

    root = platform.settings.root
    products = pl.concat([read_batch(root, key) for key in batch_keys(root)])
    gold = platform.table("splits").filter(pl.col("split") == "gold")
    rows = products.join(gold.select("productid"), on="productid", how="semi").with_row_index("at")
    (folder / "images").mkdir()
    for imageid, productid, image in rows.select("imageid", "productid", "image").iter_rows():
        if image:
            (folder / "images" / picture_name(imageid, productid)).write_bytes(read_picture(root, image))
    columns = [pl.col("at").alias(""), "designation", "description", "productid", "imageid"]
    rows.select(columns).write_csv(folder / "X.csv")
    rows.select(pl.col("at").alias(""), "prdtypecode").write_csv(folder / "Y.csv")
    return len(rows)


def rakuten(*arguments):
    subprocess.run([sys.executable, "-m", "rakuten_assets", *map(str, arguments)], env=os.environ, check=True)


def test_evaluating_the_champion_on_the_gold_rows_gives_the_scores_of_the_lineage(platform, tmp_path):
    n = gold_files(platform, tmp_path)
    # By a detour: what a person types as ../images must be found too.
    images = tmp_path / "images" / ".." / "images"
    command = ["evaluate", "--x", tmp_path / "X.csv", "--y", tmp_path / "Y.csv", "--images", images]
    rakuten(*command, "--json", tmp_path / "out.json")
    scores = json.loads((tmp_path / "out.json").read_text())
    assert scores["n"] == n
    for name in ("text", "image", "stacked"):
        assert scores[name] == pytest.approx(platform.summary["scores"][name], abs=1e-6)


def test_predictions_have_a_row_for_each_product_also_where_the_picture_is_broken(platform, tmp_path):
    gold_files(platform, tmp_path)
    pictures = sorted((tmp_path / "images").iterdir())
    pictures[0].write_bytes(b"")
    pictures[1].unlink()
    command = ["predict", "--dataset-path", tmp_path / "X.csv", "--images-path", tmp_path / "images"]
    rakuten(*command, "--out", tmp_path / "out.csv")
    answers = pl.read_csv(tmp_path / "out.csv")
    assert len(answers) == len(pl.read_csv(tmp_path / "X.csv"))
    assert answers["category_1"].is_in(CODES).all()
    assert (answers["confidence_1"] >= answers["confidence_2"]).all()
    assert (answers["problem"] == "zero_bytes").sum() == 1
    assert (answers["problem"] == "picture_missing").any()


@pytest.fixture(scope="module")
def grown(platform):
    """A second delivery, taken in after the first one's lineage; with what was there before it."""
    first = batch_keys(platform.settings.root)[0]
    before = {
        "times": {name: latest(platform, name, first)[0] for name in PER_BATCH},
        "splits": platform.table("splits"),
        "champion": platform.registry.get("champion"),
    }
    folder = platform.sample.parent / "second"
    write_sample(folder, 150, seed=2, prefix="new", first_id=10_001)
    ingest(folder, platform.settings.root)
    outcome = lineage.materialize(platform.instance, platform.settings, reason="second delivery")
    return {**before, "first": first, "outcome": outcome}


def test_a_new_delivery_computes_its_own_batch_alone(platform, grown):
    again = {name: latest(platform, name, grown["first"])[0] for name in PER_BATCH}
    assert again == grown["times"]
    assert len(platform.table("splits")) == 950


def test_products_keep_their_split_when_the_catalogue_grows(platform, grown):
    columns = ["productid", "group_id", "split"]
    assert platform.table("splits").head(800).select(columns).equals(grown["splits"].select(columns))


def test_the_gate_has_decided_and_says_why(platform, grown):
    challenger, champion = (platform.registry.get(alias) for alias in ("challenger", "champion"))
    assert challenger.version != grown["champion"].version
    reason = challenger.tags["gate"]
    if grown["outcome"].success:
        assert champion.version == challenger.version
        assert reason.startswith("promoted: weighted F1 +")
    else:
        assert grown["outcome"].refused
        assert champion.version == grown["champion"].version
        assert reason.startswith("refused: weighted F1 -")


# Of a training, what comes of another setting of the text model.
FROM_TEXT_MODEL = ("text_model", "stacked_model", "challenger", "champion")


def run_retrain(platform, *only, **config):
    """Of the job `retrain`, these assets with their checks."""
    from rakuten_assets.definitions import defs

    return defs.resolve_job_def("retrain").execute_in_process(
        instance=platform.instance,
        asset_selection=[dg.AssetKey(name) for name in only],
        run_config={
            "ops": {name: {"config": values} for name, values in config.items()},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        raise_on_error=False,
    )


def test_a_worse_challenger_leaves_the_champion_where_it_was(platform, grown):
    champion = platform.registry.get("champion")
    result = run_retrain(platform, *FROM_TEXT_MODEL, text_model={"c": 1e-7, "learning_curve": False})
    assert not result.success
    assert platform.registry.get("champion").version == champion.version
    challenger = platform.registry.get("challenger")
    assert challenger.version != champion.version
    assert challenger.tags["gate"].startswith("refused: weighted F1 -")
    promoted = [event for event in result.all_events if event.step_key == "champion"]
    assert not promoted


def test_a_champion_that_cannot_be_read_is_not_simply_replaced(platform, grown):
    champion = platform.registry.get("champion")
    marker = platform.settings.root / champion.folder / "COMPLETE"
    marker.rename(marker.with_name("LOST"))
    try:
        result = run_retrain(platform, *FROM_TEXT_MODEL, text_model={"c": 0.31, "learning_curve": False})
    finally:
        marker.with_name("LOST").rename(marker)
    assert not result.success
    assert platform.registry.get("challenger").tags["gate"].startswith("refused: the champion cannot be scored")
    assert platform.registry.get("champion").version == champion.version


def test_a_champion_of_an_earlier_version_of_the_program_stands_in_nobodys_way(platform, grown, monkeypatch):
    """It can never answer again; were it refused a successor, there would never be one."""
    from rakuten_assets.assets.champion import _score_or_nothing
    from rakuten_assets.core import classifier
    from rakuten_assets.resources import resources

    monkeypatch.setattr(classifier, "FORMAT", classifier.FORMAT + 1)
    found, gold = (
        resources(platform.settings),
        platform.table("products", batch_keys(platform.settings.root)[0]).head(3),
    )
    champion = platform.registry.get("champion")
    assert _score_or_nothing(found["model_store"], champion, gold, found["data"]) is None
    monkeypatch.undo()
    assert _score_or_nothing(found["model_store"], champion, gold, found["data"]).shape == (3, 27)


def test_a_refused_challenger_is_not_promoted_by_asking_for_the_champion_alone(platform, grown):
    champion = platform.registry.get("champion")
    run_retrain(platform, *FROM_TEXT_MODEL, text_model={"c": 1e-7, "learning_curve": False})
    assert platform.registry.get("challenger").tags["gate"].startswith("refused")
    outcome = lineage.materialize(platform.instance, platform.settings, select=["champion"])
    assert not outcome.success
    assert not outcome.refused
    assert "has not passed the gate" in outcome.errors[0]
    assert platform.registry.get("champion").version == champion.version


@pytest.mark.parametrize("strategy", ["max", "vote", "stack-logistic"])
def test_the_other_fusions_are_settings(platform, grown, strategy):
    result = run_retrain(platform, "stacked_model", stacked_model={"strategy": strategy})
    events = [event for event in result.get_asset_materialization_events() if event.step_key == "stacked_model"]
    metadata = events[0].materialization.metadata
    assert strategy in metadata["fusion"].value or "pool" in metadata["fusion"].value
    assert metadata["gold_weighted_f1"].value > 0.4


@pytest.mark.parametrize("asset", ["prepared_images", "text_model", "challenger"])
def test_a_killed_run_leaves_nothing_half_written_and_the_next_one_completes(platform, grown, asset):
    champion = platform.registry.get("champion")
    process = subprocess.Popen(
        [sys.executable, "-m", "rakuten_assets", "materialize", "--fresh", "--reason", f"killed in {asset}"],
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for_step(platform.instance, process, f"killed in {asset}", asset)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert platform.registry.get("champion").version == champion.version
    for file in (platform.settings.root / "assets").rglob("[!.]*.parquet"):
        assert pl.read_parquet(str(file)) is not None
    outcome = lineage.materialize(platform.instance, platform.settings, reason="after the kill")
    assert outcome.success or outcome.refused, outcome.errors
    unfinished = platform.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    assert not unfinished
    if not outcome.refused:
        assert platform.registry.get("champion").version == platform.registry.get("challenger").version


def wait_for_step(instance, process, reason, step):
    """Until a run with this reason has started this step; a process that has ended will never."""
    # Nearly a whole lineage, while others compute as well.
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        for run in instance.get_runs(limit=5):
            started = run.tags.get("rakuten/reason", "").startswith(reason)
            if started and any(s.step_key == step and s.start_time for s in instance.get_run_step_stats(run.run_id)):
                return
        assert process.poll() is None, f"ended with {process.returncode} before {step}"
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"{step} never started")
