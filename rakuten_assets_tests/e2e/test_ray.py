"""A real Ray cluster of two nodes: batches are prepared side by side, and one of the nodes is lost in the middle."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager

import dagster as dg
import pytest

from rakuten_assets import lineage
from rakuten_assets.automation.jobs import PER_BATCH
from rakuten_assets.cluster import THREADS
from rakuten_assets.core.deliveries import batch_keys, ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.ray_driver import JOB_TAG, LOST_TAG, NODE_TAG
from rakuten_assets.settings import Settings
from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.ray_cluster import RayCluster

BATCHES, PRODUCTS = 4, 60
NAMES = [asset.key.to_user_string() for asset in PER_BATCH]


def rakuten(*arguments, **environment):
    """The command `rakuten`, as a person calls it."""
    command = [sys.executable, "-W", "ignore", "-m", "rakuten_assets", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=600)


class Place:
    """A platform of its own, whose batches nobody has computed."""

    def __init__(self, folder, delivery):
        folder.mkdir()
        folder.chmod(0o755)
        self.environment = {"RAKUTEN_DATA_ROOT": str(folder / "data"), "RAKUTEN_STATE_DIR": str(folder / "state")}
        self.settings = Settings(data_root=str(folder / "data"), state_dir=folder / "state")
        ingest(delivery, self.settings.root, batch_size=PRODUCTS)

    @contextmanager
    def instance(self):
        """Its Dagster instance, whose storage is where the environment says."""
        with pytest.MonkeyPatch.context() as here:
            for name, value in self.environment.items():
                here.setenv(name, value)
            opened = dg.DagsterInstance.from_config(str(lineage.home(self.settings)))
        with opened:
            yield opened

    def prepare(self, **environment):
        selected = [part for name in NAMES for part in ("--select", name)]
        return rakuten("materialize", *selected, **self.environment, **environment)

    def tables(self):
        """The bytes of what was computed, by asset and batch."""
        folder = self.settings.root / "assets"
        return {(name, file.name): file.read_bytes() for name in NAMES for file in (folder / name).iterdir()}


@pytest.fixture(scope="module")
def delivery():
    folder = HOME / "ray-delivery"
    write_sample(folder, BATCHES * PRODUCTS, seed=4)
    return folder


@pytest.fixture(scope="module")
def here(delivery):
    """What one process computes."""
    place = Place(HOME / "ray-here", delivery)
    done = place.prepare()
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def there(delivery):
    return Place(HOME / "ray-there", delivery)


@pytest.fixture(scope="module")
def cluster():
    cluster = RayCluster(HOME / "ray", 2)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def lost_in_the_middle(there, cluster):
    """The batches were prepared on the cluster, and a node was lost when it had computed a part of one."""
    with there.instance() as opened:
        told, ended = {}, threading.Event()

        def lose():
            head = next(node["nodeId"] for node in cluster.believed() if node["isHeadNode"])
            while not ended.is_set():
                for run in opened.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
                    computed = [step for step in opened.get_run_step_stats(run.run_id) if step.end_time]
                    if run.tags[NODE_TAG] != head and computed:
                        cluster.lose(1)
                        told["run"] = run.run_id
                        return
                time.sleep(0.05)

        watcher = threading.Thread(target=lose)
        watcher.start()
        done = there.prepare(RAKUTEN_RAY_ADDRESS=cluster.address)
        ended.set()
        watcher.join()
        yield opened, told, done


def test_where_a_node_is_lost_the_run_completes_elsewhere_and_computes_nothing_twice(there, lost_in_the_middle):
    opened, told, done = lost_in_the_middle
    assert told, "no node was lost in time"
    assert done.returncode == 0, done.stderr + done.stdout
    keys = batch_keys(there.settings.root)
    computed = Counter()
    for asset in PER_BATCH:
        wanted = dg.AssetRecordsFilter(asset.key, asset_partitions=keys)
        computed.update(
            (asset.key.to_user_string(), record.partition_key)
            for record in opened.fetch_materializations(wanted, limit=1000).records
        )
    assert computed == {(name, key): 1 for name in NAMES for key in keys}
    lost = opened.get_run_by_id(told["run"])
    assert (lost.status, LOST_TAG in lost.tags) == (dg.DagsterRunStatus.FAILURE, True)
    runs = opened.get_runs(dg.RunsFilter(job_name="prepare_batch"))
    assert len(runs) > BATCHES
    assert len({run.tags[JOB_TAG] for run in runs}) == 1
    assert len({run.tags[NODE_TAG] for run in runs}) == 2
    again = [run for run in runs if run.tags["dagster/partition"] == lost.tags["dagster/partition"] and run != lost]
    assert [run.status for run in again] == [dg.DagsterRunStatus.SUCCESS]


def test_the_cluster_computes_the_same_bytes_as_one_process(here, there, lost_in_the_middle):
    ours, theirs = here.tables(), there.tables()
    assert len(ours) == len(NAMES) * BATCHES
    assert ours == theirs


def test_products_are_classified_on_the_cluster_as_in_one_process(platform, cluster, tmp_path):
    """As parts that are given to whoever is free; each process computes in one thread."""
    pictures = platform.sample / "images" / "image_train"
    files = ("--dataset-path", platform.sample / "X_train_update.csv", "--images-path", pictures)
    alone = rakuten("predict", *files, "--out", tmp_path / "alone.csv", **dict.fromkeys(THREADS, "1"))
    assert alone.returncode == 0, alone.stderr
    together = rakuten("predict", *files, "--out", tmp_path / "together.csv", RAKUTEN_RAY_ADDRESS=cluster.address)
    assert together.returncode == 0, together.stderr
    assert "800 rows" in together.stderr
    assert (tmp_path / "together.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()


def test_a_job_that_fails_says_why(platform, cluster, tmp_path):
    asked = ("--dataset-path", tmp_path / "nowhere.csv", "--out", tmp_path / "out.csv")
    done = rakuten("predict", *asked, RAKUTEN_RAY_ADDRESS=cluster.address)
    assert done.returncode == 1
    # A long line is broken where the terminal ends.
    assert "nowhere.csv" in done.stderr.replace("\n", "")
