"""Models that compete on the platform's own rows, and what the next training makes of it."""

import json

import dagster as dg
import numpy as np
import pytest

from rakuten_assets.assets import competition
from rakuten_assets.assets.common import FUSION_TOURNAMENT, IMAGE_TOURNAMENT, TOURNAMENT
from rakuten_assets.assets.models import TextModelConfig
from rakuten_assets.core.text_models import TextModel
from rakuten_assets.registry import EXPERIMENT

TEXT_MODEL = dg.AssetKey("text_model")
CANDIDATES = [
    {"kind": "svm", "c": 0.6, "balance": 0.5},
    {"kind": "forest", "trees": 20, "balance": 1.0},
    {"kind": "svm", "c": 0.6, "balance": 0.0, "rebalance": "over"},
    {"kind": "svm", "c": 0.6, "balance": 0.5, "pseudo_labels": 0.5},
    {"kind": "fasttext", "epochs": 2},
    {"kind": "transformer", "backbones": ["no-such/model"], "pretrained": "auto"},
]


def choice(instance, **config):
    context = dg.build_asset_context(instance=instance)
    return competition.chosen(context, TOURNAMENT, TextModelConfig(**config).model_dump(), "kind", "svm")


def run(platform, job, keys, config):
    from rakuten_assets.definitions import defs

    chosen = defs.resolve_job_def(job).get_subset(asset_selection=keys, asset_check_selection=frozenset())
    ops = {key.to_user_string(): {"config": config} for key in keys}
    return chosen.execute_in_process(instance=platform.instance, run_config={"ops": ops})


def metadata(platform, key):
    event = platform.instance.get_latest_materialization_event(key)
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="module")
def held(platform):
    """A tournament on the sample, forgotten afterwards: it would decide about every later training."""
    config = {"minutes": 5, "candidates": CANDIDATES, "search": False, "minutes_each": 0.2}
    result = run(platform, "compete", {TOURNAMENT}, config)
    yield result
    platform.instance.wipe_assets([TOURNAMENT])


def test_the_leaderboard_has_everybody_the_best_first(platform, held):
    board = metadata(platform, TOURNAMENT)["ranking"]
    assert len(board) == len(CANDIDATES)
    scores = [entry["weighted_f1"] for entry in board if entry["outcome"] == "measured"]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 3
    best = board[0]
    assert best["low"] <= best["weighted_f1"] <= best["high"]
    assert best["megabytes"] > 0
    assert best["milliseconds"] > 0
    assert best["f1_per_cpu_minute"] > 0


def test_a_model_whose_weights_cannot_be_had_says_so(platform, held):
    last = metadata(platform, TOURNAMENT)["ranking"][-1]
    assert last["candidate"].startswith("transformer")
    assert last["outcome"].startswith("cannot be had")


def test_every_candidate_has_a_run_in_mlflow(platform, held):
    client = platform.registry.client
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment], f"tags.dagster_run_id = '{held.run_id}' and tags.asset_key = 'tournament'")
    assert len(runs) == len(CANDIDATES)
    measured = [found for found in runs if found.data.tags["outcome"] == "measured"]
    assert all("weighted_f1" in found.data.metrics for found in measured)


def test_the_next_training_takes_the_winner(platform, held):
    chosen, decided_by = choice(platform.instance)
    winner = metadata(platform, TOURNAMENT)["winner"]
    assert chosen["kind"] == winner["kind"]
    assert {name: chosen[name] for name in winner} == winner
    assert held.run_id[:8] in decided_by


def test_a_kind_that_is_asked_for_is_taken_whoever_won(platform, held):
    chosen, decided_by = choice(platform.instance, kind="lstm")
    assert chosen["kind"] == "lstm"
    assert "configuration" in decided_by


def test_without_a_tournament_the_defaults_decide():
    with dg.DagsterInstance.ephemeral() as instance:
        chosen, decided_by = choice(instance)
    assert chosen["kind"] == "svm"
    assert "no tournament" in decided_by


@pytest.mark.parametrize("config", [{"kind": "forest", "trees": 10}, {"kind": "fasttext", "epochs": 2}])
def test_another_kind_is_trained_by_its_name_and_hands_on_the_same_things(platform, config):
    from rakuten_assets.definitions import defs

    before = metadata(platform, TEXT_MODEL)
    try:
        result = run(platform, "retrain", {TEXT_MODEL}, {**config, "folds": 2})
        assert result.success
        found = metadata(platform, TEXT_MODEL)
        assert found["kind"] == config["kind"]
        assert found["gold_n"] == before["gold_n"]
        folder = defs.load_asset_value(TEXT_MODEL, instance=platform.instance)
        model = TextModel.load(folder / "model")
        assert model.kind == config["kind"]
        opinions = np.load(folder / "log_proba.npy")
        assert np.isfinite(opinions).any(axis=1).sum() > found["train_rows"]
    finally:
        # Other tests compare the text model with the champion that was made from it.
        run(platform, "retrain", {TEXT_MODEL}, {"kind": "svm"})
    assert metadata(platform, TEXT_MODEL)["gold_weighted_f1"] == pytest.approx(before["gold_weighted_f1"])
    assert json.loads(json.dumps(found["settings"]))["kind"] == config["kind"]


@pytest.mark.parametrize(
    ("key", "config", "kinds"),
    [
        (
            IMAGE_TOURNAMENT,
            {
                "candidates": [
                    {"kind": "kernel", "c": 3.0, "balance": 0.5, "width": 1.0},
                    {"kind": "kernel", "c": 1.0, "balance": 0.0, "width": 1.0},
                    {"kind": "network", "architecture": "plain-cnn", "epochs": 1},
                    {"kind": "network", "architecture": "no-such-network"},
                ]
            },
            {"kernel", "network"},
        ),
        (FUSION_TOURNAMENT, {"candidates": ["blend", "max", "pool"]}, {"blend", "max", "pool"}),
    ],
)
def test_pictures_and_fusions_compete_too_and_the_next_training_takes_their_winner(platform, key, config, kinds):
    try:
        result = run(platform, "compete", {key}, {**config, "minutes": 5, "search": False, "minutes_each": 0.03})
        board = metadata(platform, key)["ranking"]
        assert len(board) == len(config["candidates"])
        assert {entry["candidate"].split()[0] for entry in board} == kinds
        scores = [entry["weighted_f1"] for entry in board if entry["outcome"] == "measured"]
        assert len(scores) >= 3
        assert scores == sorted(scores, reverse=True)
        winner = metadata(platform, key)["winner"]
        name = "strategy" if "strategy" in winner else "kind"
        context = dg.build_asset_context(instance=platform.instance)
        chosen, decided_by = competition.chosen(context, key, {name: "best"}, name, "nobody")
        assert chosen == winner
        assert result.run_id[:8] in decided_by
    finally:
        platform.instance.wipe_assets([key])


def test_nobody_to_enter_leaves_the_decision_to_the_defaults():
    with dg.DagsterInstance.ephemeral() as instance:
        metadata = competition.nobody("no pictures").metadata
        instance.report_runless_asset_event(dg.AssetMaterialization(IMAGE_TOURNAMENT, metadata=metadata))
        context = dg.build_asset_context(instance=instance)
        chosen, decided_by = competition.chosen(context, IMAGE_TOURNAMENT, {"kind": "best"}, "kind", "kernel")
    assert chosen == {"kind": "kernel"}
    assert "nobody" in decided_by
