"""The drift story, small: quality falls, the loop notices by itself, trains a challenger, and the gate decides."""

import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from rakuten_assets_tests.serving.conftest import PROJECT, free_port

PORTS = ("DAGSTER", "MLFLOW", "SERVING", "WEBAPP")

# Two weeks of a small marketplace, with all programs and one retraining, on two cores that do other things as well.
PATIENCE_SECONDS = 1_500


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("story")
    folder.parent.chmod(0o755), folder.chmod(0o755)
    ports = {f"RAKUTEN_{name}_PORT": str(free_port()) for name in PORTS}
    state = {"RAKUTEN_STATE_DIR": str(folder / "elsewhere"), "RAKUTEN_DATA_ROOT": str(folder / "elsewhere")}
    size = ("--weeks", "2", "--products", "1200", "--per-week", "250", "--reviews", "120")
    done = subprocess.run(
        [sys.executable, "-m", "rakuten_assets", "simulate", *size, "--out", str(folder / "played")],
        cwd=PROJECT,
        env=os.environ | ports | state,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "played", json.loads((folder / "played" / "story.json").read_text())


def test_a_calm_week_is_left_alone(story):
    calm = story[1]["weeks"][0]
    assert calm["bias"] == 0
    assert calm["drift"] < 1
    assert calm["reason"] == calm["verdict"] == ""
    assert calm["with_loop"] == pytest.approx(calm["without_loop"])


def test_drift_is_found_and_retrained_from_by_a_sensor(story):
    drifted = story[1]["weeks"][1]
    assert drifted["drift"] >= 1
    assert drifted["reason"].startswith(("drift ", "acceptance "))
    assert drifted["reviewed"] == 120
    assert drifted["with_loop"] < story[1]["weeks"][0]["with_loop"] - 0.05


def test_what_the_gate_decided_is_what_answers_afterwards(story):
    """A story as small as this has few gold rows: the gate may refuse, and then the champion stays."""
    drifted, after = story[1]["weeks"][1:]
    assert drifted["verdict"].startswith(("promoted", "refused"))
    promoted = drifted["verdict"].startswith("promoted")
    assert (after["champion"] != drifted["champion"]) is promoted
    if promoted:
        assert after["with_loop"] > after["without_loop"]
    else:
        assert after["with_loop"] == pytest.approx(after["without_loop"])


def test_the_chart_is_drawn(story):
    with Image.open(story[0] / "story.png") as chart:
        assert chart.width > 600
