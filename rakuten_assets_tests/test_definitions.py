"""The code location: what it names is complete, and it loads without what it does not need."""

import subprocess
import sys
from pathlib import Path

import pytest

from rakuten_assets.assets import ALL_ASSETS
from rakuten_assets.definitions import defs

PROJECT = Path(__file__).parent.parent


def test_the_asset_graph_is_the_documented_one():
    assert {asset.key.to_user_string() for asset in ALL_ASSETS} == {
        *("products", "quarantine"),
        *("cleaned_text", "languages", "translated_text", "duplicate_texts"),
        *("image_fingerprints", "deduplicated_images", "prepared_images"),
        *("feedback", "labelled_products", "human_labels"),
        *("splits", "text_embeddings", "image_embeddings"),
        *("text_model", "image_model", "similar_products", "stacked_model"),
        *("tournament", "image_tournament", "fusion_tournament", "challenger", "champion", "model_card"),
        *("bento", "serving_image", "deployed_model"),
        *("drift_reference", "predictions", "drift_report"),
    }


@pytest.mark.parametrize("asset", ALL_ASSETS, ids=lambda asset: asset.key.to_user_string())
def test_an_asset_says_what_it_is_and_whose(asset):
    spec = next(iter(asset.specs))
    assert spec.description
    assert spec.description.split("\n")[0].endswith(".")
    assert spec.group_name in {
        *("raw", "text", "images", "features", "models", "registry", "serving", "feedback", "monitoring"),
    }
    assert spec.kinds
    assert spec.owners
    assert spec.code_version


def test_the_gate_blocks_what_comes_after_it():
    blocking = {spec.name for check in defs.asset_checks for spec in check.check_specs if spec.blocking}
    behaviours = {"invariance", "directional", "minimum_functionality", "known_confusions"}
    assert blocking >= {"gate", "parity", "no_duplicate_across_splits", *behaviours}


def test_the_definitions_load_without_the_heavy_libraries():
    script = (
        "import sys, rakuten_assets.definitions\n"
        "print([m for m in ('torch', 'transformers', 'mlflow', 'evidently', 'sklearn') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_the_workspace_is_valid_with_no_environment(settings, platform):
    """`platform` first: its PostgreSQL stands for the one that `dagster dev` would start."""
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "definitions",
        "validate",
        "-w",
        "workspace.yaml",
    ]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
