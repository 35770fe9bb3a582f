"""What goes to a Ray cluster, and what may not."""

import json

import dagster as dg
import pytest

from rakuten_assets import cluster, ray_jobs
from rakuten_assets.lineage import Outcome
from rakuten_assets.settings import Settings
from rakuten_assets_tests.object_store import free_port


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


def test_a_cluster_that_does_not_answer_is_named_and_nothing_is_done():
    nowhere, outcome = Settings(ray_address=f"http://127.0.0.1:{free_port()}"), Outcome()
    with dg.DagsterInstance.ephemeral() as instance:
        ray_jobs.prepare_batches(instance, nowhere, {"a-000": [dg.AssetKey("products")]}, "a test", outcome)
    [error] = outcome.errors
    assert (outcome.success, outcome.runs) == (False, [])
    assert nowhere.ray_address in error
