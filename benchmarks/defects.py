"""Defects found against planted, for each kind in a sample catalogue's truth, by the core that the assets call.

Run: python benchmarks/defects.py [--products N] [--seed S]
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from upath import UPath

from rakuten_assets.core.deliveries import ingest
from rakuten_assets.core.sample import write_sample
from rakuten_assets.core.sample_truth import compare, find


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()

    with TemporaryDirectory() as name:
        folder, root = Path(name) / "delivery", UPath(name) / "root"
        truth = write_sample(folder, chosen.products, chosen.seed)
        start = time.perf_counter()
        ingest(folder, root)
        table = compare(truth, find(root))
        spent = time.perf_counter() - start

    print(f"{chosen.products:,} products, seed {chosen.seed}, {spent:.0f} s from files to findings\n")
    print("| kind | planted | found | recall | false alarms | precision |\n| --- | --- | --- | --- | --- | --- |")
    for row in table.iter_rows(named=True):
        alarms = "" if row["false_alarms"] is None else row["false_alarms"]
        precision = "" if row["precision"] is None else f"{row['precision']:.1%}"
        counted = f"{row['planted']} | {row['found']} | {row['recall']:.1%} | {alarms} | {precision}"
        print(f"| {row['kind']} | {counted} |")


if __name__ == "__main__":
    main()
