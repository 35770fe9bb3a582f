"""The champion's card, drawn up after a real training, on a real instance and a real registry."""

import dagster as dg
import polars as pl
import pytest

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.assets.common import register_batches
from rakuten_assets.assets.model_card import CARD, model_card
from rakuten_assets.core.taxonomy import NAMES
from rakuten_assets.registry import MODEL
from rakuten_assets.resources import resources
from rakuten_assets.settings import Settings
from rakuten_assets_tests.core.test_model_card import section, table

SCORES = {"n": 69, "weighted_f1": 0.8, "macro_f1": 0.7, "accuracy": 0.75, "ece": 0.05}
DIFFERENCE = {"value": 0.125, "low": 0.1, "high": 0.15}


def draw(instance):
    """Materialise the card alone; the result is its metadata."""
    assets = list(dict.fromkeys([*ALL_ASSETS, model_card]))
    run = dg.materialize(assets, selection=[model_card], instance=instance, resources=resources(Settings()))
    [event] = run.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def facts(card, title):
    return dict(row for row in table(section(card, title)) if len(row) == 2)


@pytest.fixture(scope="module")
def champion(platform):
    return platform.registry.get("champion")


@pytest.fixture(scope="module")
def drawn(platform, champion):
    return draw(platform.instance)


@pytest.fixture
def unknown(platform):
    """An instance that has seen no training, with the platform's batches."""
    with dg.DagsterInstance.ephemeral() as instance:
        register_batches(instance, platform.settings.root)
        yield instance


@pytest.fixture
def challenger(platform, champion):
    """A challenger that the gate has refused, for the time of a test."""
    registry = platform.registry
    last = registry.get("challenger")
    refused = registry.register("fedcba9876543210", "models/none", None, {"gate": "refused: weighted F1 -0.1000"})
    yield refused
    registry.client.set_registered_model_alias(MODEL, "challenger", last.number)
    registry.client.delete_model_version(MODEL, refused.number)


def test_the_card_lies_under_the_data_root_and_in_mlflow_and_the_version_names_it(platform, champion, drawn):
    file = platform.settings.root / "model-cards" / f"{champion.version}.md"
    assert file.read_text(encoding="utf-8") == drawn["card"]
    assert drawn["path"] == str(file)
    registry = platform.registry
    assert registry.get("champion").tags[CARD] == f"model-cards/{champion.version}.md"
    [artifact] = [each for each in registry.client.list_artifacts(champion.run_id) if each.path == f"{CARD}.md"]
    assert artifact.file_size == len(drawn["card"].encode())


def test_its_scores_are_those_of_the_training(platform, drawn):
    scores = platform.summary["scores"]
    assert drawn["weighted_f1"] == pytest.approx(scores["stacked"]["weighted_f1"], abs=1e-9)
    rows = {row[0].split(" ")[0].strip(): row for row in reversed(table(section(drawn["card"], "Scores on gold rows")))}
    for name in ("text", "image", "stacked"):
        expected = [str(scores[name]["n"]), *(f"{scores[name][each]:.3f}" for each in ("macro_f1", "accuracy", "ece"))]
        assert [rows[name][1], *rows[name][3:]] == expected
        assert rows[name][2].startswith(f"{scores[name]['weighted_f1']:.3f} (")


def test_it_says_what_decides_and_what_it_was_trained_on(platform, champion, drawn):
    model, data = facts(drawn["card"], "Model details"), facts(drawn["card"], "Training and evaluation data")
    assert model["Version"] == champion.version
    assert model["Text model"] == "svm, c 0.6, balance 0.5, rebalance none"
    assert model["Text weights"] == model["Image weights"] == "built-in features, nothing pretrained"
    assert model["Fusion"].startswith("pool (fewer than 1000 train rows")
    assert (model["Why"], model["Latest challenger"]) == ("promoted: there was no champion", "this model")
    run = platform.registry.client.get_run(champion.run_id)
    assert data["Splits, when it was trained"] == run.data.tags["data_version"] != "unknown"
    splits = dict(platform.table("splits")["split"].value_counts().iter_rows())
    for name in ("train", "validation", "gold"):
        assert f"{name} {splits[name]}" in data["Rows by split"]
    assert data["Deliveries"].startswith("1, of which 0 ")


def test_behaviour_and_review_are_those_of_the_training(platform, drawn):
    trials = table(section(drawn["card"], "Behaviour"))[1:]
    assert [row[0] for row in trials] == ["invariance", "directional", "minimum functionality", "known confusions"]
    assert all(float(row[2]) >= float(row[3]) > 0 for row in trials)
    metadata = platform.instance.get_latest_materialization_event(dg.AssetKey("stacked_model"))
    share = metadata.asset_materialization.metadata["gold_share_to_review"].value
    assert facts(drawn["card"], "Calibration and review")["Share sent to a review"] == f"{100 * share:.1f} %"


def test_every_category_and_every_gold_row_is_in_it(platform, drawn):
    classes = table(section(drawn["card"], "Scores by category"))[1:]
    assert [row[0] for row in classes] == list(NAMES.values())
    gold = platform.table("splits").filter((pl.col("split") == "gold") & pl.col("prdtypecode").is_not_null())
    assert sum(int(row[1]) for row in classes) == len(gold)
    slices = table(section(drawn["card"], "Scores by slice"))[1:]
    for kind in ("decided by", "title", "description", "categories", "language"):
        assert sum(int(row[2]) for row in slices if row[0] == kind) == len(gold)


def test_no_text_and_no_picture_of_a_product_is_in_it(platform, drawn):
    folder = platform.settings.root / "assets" / "products"
    products = pl.concat([pl.read_parquet(str(file)) for file in folder.glob("*.parquet")])
    for column in ("designation", "description", "image"):
        told = [text for text in products[column].drop_nulls() if len(text) > 12]
        assert told
        assert [text for text in told if text in drawn["card"]] == []
    assert "data:image" not in drawn["card"]


def test_a_challenger_that_was_refused_is_named_and_the_champion_still_described(platform, champion, drawn, challenger):
    card = draw(platform.instance)["card"]
    latest = facts(card, "Model details")["Latest challenger"]
    assert latest == f"version {challenger.version}: refused: weighted F1 -0.1000. This model still stands."
    assert facts(card, "Model details")["Version"] == champion.version


def gate(instance, passed=True, **metadata):
    parts = {"challenger": SCORES, "champion": SCORES | {"weighted_f1": 0.675}, "difference": DIFFERENCE}
    flat = {f"{prefix}_{name}": value for prefix, part in parts.items() for name, value in part.items()}
    evaluation = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("challenger"),
        check_name="gate",
        passed=passed,
        metadata={name: dg.MetadataValue.text(value) for name, value in metadata.items()}
        | {name: dg.MetadataValue.float(float(value)) for name, value in flat.items() if name != "challenger_n"}
        | {"challenger_n": dg.MetadataValue.int(69), "champion_n": dg.MetadataValue.int(69)},
    )
    instance.report_runless_asset_event(evaluation)


def test_the_champion_that_it_replaced_stands_beside_it(unknown, champion):
    gate(unknown, challenger=champion.version, champion="aaaaaaaaaaaaaaaa")
    # Later verdicts: about itself, about another challenger, and one that refused it.
    gate(unknown, challenger=champion.version, champion=champion.version)
    gate(unknown, challenger="cccccccccccccccc", champion=champion.version)
    gate(unknown, passed=False, challenger=champion.version, champion="dddddddddddddddd")
    beside = section(draw(unknown)["card"], "Beside the champion before")
    assert "+0.125 (+0.100 to +0.150)" in beside
    assert "| version aaaaaaaaaaaaaaaa | 69 | 0.675 |" in beside


def test_what_is_not_on_record_is_said_to_be_so(unknown, champion):
    card = draw(unknown)["card"]
    model = facts(card, "Model details")
    assert (model["Text model"], model["Text weights"], model["Chosen by"]) == ("linear", *["not recorded"] * 2)
    assert facts(card, "Training and evaluation data")["Splits, when it was trained"] == "not recorded"
    assert "There was no champion before" in card
    assert "No results of the behaviour checks" in card


def test_what_was_trained_since_says_nothing_of_the_champion(unknown):
    metadata = {"kind": "forest", "settings": dg.MetadataValue.json({"trees": 7}), "decided_by": "somebody"}
    unknown.report_runless_asset_event(dg.AssetMaterialization("text_model", metadata=metadata))
    assert facts(draw(unknown)["card"], "Model details")["Text model"] == "linear"
