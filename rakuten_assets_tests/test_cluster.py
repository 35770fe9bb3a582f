"""What goes to a Ray cluster, and what may not."""

import json

import dagster as dg
import pytest

from rakuten_assets import cluster
from rakuten_assets.settings import Settings


def test_a_cluster_of_other_machines_needs_a_database_server():
    settings = Settings(ray_address="http://ray-head:8265")
    with pytest.raises(ValueError, match="RAKUTEN_DATABASE_URL"):
        cluster.executor(settings)


def test_without_a_cluster_steps_run_in_the_process_of_their_run():
    assert cluster.executor(Settings(ray_address="")) is dg.in_process_executor


def test_with_one_the_executor_is_dagster_rays():
    assert cluster.executor(Settings(ray_address="http://127.0.0.1:8265")).name == "ray"


def test_no_secret_goes_with_a_job():
    settings = Settings(ray_address="http://ray-head:8265", database_url="postgresql://somebody:hidden@db", ray_cores=3)
    told = cluster.environment(settings)
    assert "hidden" not in json.dumps(told)
    assert "RAKUTEN_STATE_DIR" not in told
    assert {told[name] for name in cluster.THREADS} == {"3"}


def test_what_embeds_and_trains_asks_for_its_share_of_a_gpu(monkeypatch):
    monkeypatch.setenv("RAKUTEN_RAY_ADDRESS", "http://127.0.0.1:8265")
    monkeypatch.setenv("RAKUTEN_RAY_GPU_SHARE", "0.25")
    assert cluster.needs("models") == {"dagster-ray/config": {"num_gpus": 0.25}}
    assert cluster.needs("text") == {}
    monkeypatch.delenv("RAKUTEN_RAY_ADDRESS")
    assert cluster.needs("models") == {}
