"""Batches prepared by a Ray cluster of two nodes with a core each, against one such node, and against one process.

Run: python benchmarks/cluster.py [--batches N] [--products N]

Each side takes in the same delivery on a platform of its own and is timed from the call of `lineage.materialize` to
its end, so that Ray's job, its processes and their imports count. Nodes are started before the clock. Then the tables
of all sides are compared, byte by byte.
"""

import argparse
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rakuten_assets.cluster import THREADS
from rakuten_assets.core.sample import write_sample
from rakuten_assets_tests.ray_cluster import RayCluster

AIM = 1.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--products", type=int, default=2500, help="in a batch")
    asked = parser.parse_args()
    seconds: dict[str, float] = {}
    tables: dict[str, dict[str, bytes]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        write_sample(folder / "delivery", asked.batches * asked.products)
        for side, nodes in {"one process": 0, "one node": 1, "two nodes": 2}.items():
            place = folder / side.replace(" ", "-")
            cluster = RayCluster(folder / f"ray{nodes}", nodes) if nodes else None
            try:
                seconds[side] = run(place, folder / "delivery", asked.products, cluster.address if cluster else "")
            finally:
                if cluster:
                    cluster.stop()
            tables[side] = {
                str(file.relative_to(place)): file.read_bytes() for file in place.rglob("assets/*/*.parquet")
            }
            print(f"{side}: {seconds[side]:.1f} s", flush=True)
    assert all(tables.values())
    same = all(each == tables["one process"] for each in tables.values())
    ratio = seconds["one node"] / seconds["two nodes"]
    print(f"\n{asked.batches} batches of {asked.products:,} products, {len(tables['two nodes'])} tables")
    print(f"the same bytes on all sides: {'yes' if same else 'NO'}")
    print(f"two nodes against one: {ratio:.2f} times, {'at least' if ratio >= AIM else 'BELOW'} {AIM}")
    print(f"two nodes against one process of one thread: {seconds['one process'] / seconds['two nodes']:.2f} times")


def run(place: Path, delivery: Path, batch: int, address: str) -> float:
    """Seconds in which the batches of the delivery are prepared, in a fresh process."""
    os.environ |= {
        "RAKUTEN_DATA_ROOT": str(place / "data"),
        "RAKUTEN_STATE_DIR": str(place / "state"),
        "RAKUTEN_DATABASE_URL": "",
        "RAKUTEN_RAY_ADDRESS": address,
        **dict.fromkeys(THREADS, "1"),
    }
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(measured, delivery, batch).result()


def measured(delivery: Path, batch: int) -> float:
    """In the child: the delivery, then the clock."""
    from rakuten_assets import lineage
    from rakuten_assets.automation.jobs import PER_BATCH
    from rakuten_assets.core.deliveries import ingest
    from rakuten_assets.settings import Settings

    settings = Settings()
    ingest(delivery, settings.root, batch_size=batch)
    with lineage.instance(settings) as opened:
        start = time.perf_counter()
        names = [asset.key.to_user_string() for asset in PER_BATCH]
        outcome = lineage.materialize(opened, settings, select=names, reason="benchmark")
        assert outcome.success, json.dumps(outcome.errors)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
