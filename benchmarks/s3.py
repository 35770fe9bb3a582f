"""The whole lineage with its data root in S3 against one in a local folder: wall time on the sample.

Run: python benchmarks/s3.py [--products N] [--rounds N]

A delivery is taken in and becomes the champion, in a fresh process each time, the two roots in turn; the figure is the
ratio of the medians. Imports and the making of the databases come before the clock starts. The S3 API is moto's
server, one Python process on the same machine: its work for each request takes processor time away from the lineage,
which a bucket elsewhere would not, and its answers come without the way there and back, which those of one would have.
"""

import argparse
import json
import logging
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from rakuten_assets.core.sample import write_sample
from rakuten_assets_tests.object_store import ObjectStore

LIMIT = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()

    seconds: dict[str, list[float]] = {"folder": [], "S3": []}
    by_asset: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        write_sample(folder / "sample", asked.products)
        store = ObjectStore(folder / "moto.log")
        try:
            os.environ |= store.environment()
            for number in range(asked.rounds):
                for kind in seconds:
                    state = folder / f"{kind}-{number}"
                    root = f"s3://bench/{number}" if kind == "S3" else str(state / "data")
                    spent, by_asset[kind] = run(state, root, folder / "sample")
                    seconds[kind].append(spent)
                    print(f"{kind} {spent:.1f} s", flush=True)
        finally:
            store.stop()

    print(f"\n{asked.products:,} products, last round\n\n| asset | folder, s | S3, s |\n| --- | --- | --- |")
    for asset, spent in list(by_asset["folder"].items())[:12]:
        print(f"| {asset} | {spent:.2f} | {by_asset['S3'].get(asset, 0):.2f} |")
    ratio = statistics.median(seconds["S3"]) / statistics.median(seconds["folder"])
    print(f"\nratio of medians {ratio:.2f}: {'at most' if ratio <= LIMIT else 'ABOVE'} {LIMIT}")


def run(state: Path, root: str, sample: Path) -> tuple[float, dict[str, float]]:
    """Seconds of one lineage on a new root, and of its assets, the longest first."""
    os.environ |= {"RAKUTEN_DATA_ROOT": root, "RAKUTEN_STATE_DIR": str(state), "RAKUTEN_DATABASE_URL": ""}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(measured, sample).result()


def measured(sample: Path) -> tuple[float, dict[str, float]]:
    """In the child: everything that is made once, then the clock."""
    import mlflow  # noqa: F401
    import sklearn  # noqa: F401

    from rakuten_assets import definitions, lineage  # noqa: F401
    from rakuten_assets.bucket import make_ready
    from rakuten_assets.core.deliveries import ingest
    from rakuten_assets.postgres import application_url
    from rakuten_assets.registry import Registry
    from rakuten_assets.settings import Settings

    logging.disable(logging.WARNING)
    settings = Settings()
    make_ready(settings.root)
    application_url(settings)
    _ = Registry(str(settings.root)).experiment_id
    with lineage.instance(settings) as opened:
        start = time.perf_counter()
        ingest(sample, settings.root)
        outcome = lineage.materialize(opened, settings, reason="benchmark")
        spent = time.perf_counter() - start
        assert outcome.success, json.dumps(outcome.errors)
        return spent, lineage.seconds_by_asset(opened, outcome.runs)


if __name__ == "__main__":
    main()
