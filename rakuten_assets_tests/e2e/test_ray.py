"""The same definitions on a Ray cluster of two nodes: the same bytes as one process, though a node is lost."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

import dagster as dg
import polars as pl
import pytest

from rakuten_assets import cluster
from rakuten_assets.settings import Settings
from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.ray_cluster import Cluster

PRODUCTS, BATCH = 120, 60
PATIENCE_SECONDS = 900

# Both sides of the comparison, each in a process of its own: the definitions read the environment once.
PREPARE = """
import json, sys
from pathlib import Path
from rakuten_assets import lineage
from rakuten_assets.automation.jobs import PER_BATCH
from rakuten_assets.core.deliveries import ingest
from rakuten_assets.settings import Settings

settings = Settings()
ingest(Path(sys.argv[1]), settings.root, batch_size=int(sys.argv[2]))
names = [asset.key.to_user_string() for asset in PER_BATCH]
with lineage.instance(settings) as opened:
    outcome = lineage.materialize(opened, settings, select=names)
    assert outcome.success, outcome.errors
    events = [event for run in outcome.runs for event in opened.all_logs(run) if event.dagster_event]
    print(json.dumps([
        [event.dagster_event.event_type_value, event.dagster_event.step_key,
         event.dagster_event.partition, event.dagster_event.message] for event in events]))
"""


@pytest.fixture(scope="module")
def two_nodes():
    cluster = Cluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def prepared(two_nodes):
    """The tables of one process and of the cluster, whose second node is lost while it works, and its events."""
    from rakuten_assets.core.sample import write_sample

    folder = Path(mkdtemp(prefix="two-", dir=HOME))
    folder.chmod(0o755)
    write_sample(folder / "sample", PRODUCTS, seed=3)
    alone = _started(folder, "alone")
    assert alone.wait(PATIENCE_SECONDS) == 0, (folder / "alone.err").read_text()[-3000:]
    together = _started(folder, "together", RAKUTEN_RAY_ADDRESS=two_nodes.address)
    lost = threading.Thread(target=_lose, args=(two_nodes, together))
    lost.start()
    assert together.wait(PATIENCE_SECONDS) == 0, (folder / "together.err").read_text()[-3000:]
    lost.join()
    assert two_nodes.nodes[1].poll() is not None, "nothing ever ran on the second node"
    events = json.loads((folder / "together.out").read_text().splitlines()[-1])
    return folder, events


def test_the_cluster_writes_the_same_bytes_as_one_process(prepared):
    folder, _ = prepared
    alone, together = (hashes(folder / side / "data") for side in ("alone", "together"))
    assert len(alone) >= 14
    assert alone == together


def test_a_lost_node_costs_a_retry_and_nothing_is_materialised_twice(prepared):
    _, events = prepared
    made = Counter((step, batch) for kind, step, batch, _ in events if kind == "ASSET_MATERIALIZATION")
    assert set(made.values()) == {1}
    assert len({batch for _, batch in made}) == PRODUCTS // BATCH
    assert any(kind == "STEP_UP_FOR_RETRY" for kind, *_ in events)
    assert any(kind == "STEP_RESTARTED" for kind, *_ in events)
    assert not any(kind == "STEP_FAILURE" for kind, *_ in events)
    jobs = [message for kind, _, _, message in events if kind == "STEP_WORKER_STARTING"]
    assert len(jobs) > len(made)
    assert all("in Ray job" in message for message in jobs)


def test_a_lost_node_leaves_nothing_half_written(prepared):
    folder, _ = prepared
    files = [file for file in (folder / "together" / "data" / "assets").rglob("*") if file.is_file()]
    assert all(file.suffix == ".parquet" and not file.name.startswith(".") for file in files)
    assert all(pl.read_parquet(file).height for file in files)


def test_a_cluster_of_other_machines_needs_a_database_server():
    settings = Settings(ray_address="http://ray-head:8265")
    with pytest.raises(ValueError, match="RAKUTEN_DATABASE_URL"):
        cluster.executor(settings)
    assert cluster.executor(Settings(ray_address="")) is dg.in_process_executor


def test_no_secret_goes_with_a_job():
    settings = Settings(ray_address="http://ray-head:8265", database_url="postgresql://somebody:hidden@db", ray_cores=3)
    told = cluster.environment(settings)
    assert "hidden" not in json.dumps(told)
    assert "RAKUTEN_STATE_DIR" not in told
    assert {told[name] for name in cluster.THREADS} == {"3"}


def _started(folder, side, **environment):
    told = os.environ | {
        "RAKUTEN_DATA_ROOT": str(folder / side / "data"),
        "RAKUTEN_STATE_DIR": str(folder / side / "state"),
        **dict.fromkeys(cluster.THREADS, "1"),
    }
    command = [sys.executable, "-c", PREPARE, str(folder / "sample"), str(BATCH)]
    with (folder / f"{side}.out").open("wb") as out, (folder / f"{side}.err").open("wb") as err:
        return subprocess.Popen(command, env=told | environment, stdout=out, stderr=err, cwd=folder)


def _lose(two_nodes, working):
    """Kill the second node once a step computes on it."""
    while working.poll() is None and not two_nodes.computes(1):
        time.sleep(0.2)
    if working.poll() is None:
        two_nodes.kill(1)


def hashes(root):
    """The hash of every table below a data root."""
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in (root / "assets").rglob("*.parquet")
    }
