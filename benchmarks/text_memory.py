"""Memory of the text half of the lineage, from cleaning to the stacked model: a process of its own in Dagster.

Run: python benchmarks/text_memory.py [--products N]; the claim is about 85,000 products and takes some 10 minutes.

The assets run on a delivery without pictures, as `rakuten materialize` runs them. Memory is the proportional set size
of the process and its workers, so that what they share counts once; the database is another process.
"""

import argparse
import logging
import multiprocessing
import os
import random
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psutil
from upath import UPath

from rakuten_assets.core.deliveries import ingest
from rakuten_assets.core.sample import write_sample

# A catalogue ever meets new names; a sample's vocabulary soon ends. With so many of them a product, and so
# skewed, 85,000 products have about the words, word pairs and character n-grams that the growth of the
# challenge's own vocabulary foretells.
NAMES_A_PRODUCT, SKEW = 20, 0.2
CONSONANTS, VOWELS, ENDINGS = "bcdfghjklmnpqrstvwxz", "aeiouy", ("", "n", "r", "s", "l", "t", "x", "ck", "4", "70")

SAMPLING_SECONDS = 0.2

LIMIT = 4e9

Samples = list[tuple[float, int]]
Steps = dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=20_000)
    products = parser.parse_args().products

    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # as root, the database runs as another user
        os.environ |= {"RAKUTEN_DATA_ROOT": name, "RAKUTEN_STATE_DIR": f"{name}/state", "RAKUTEN_DATABASE_URL": ""}
        write_catalogue(products, Path(name) / "delivery")
        ingest(Path(name) / "delivery", UPath(name))
        spawned = multiprocessing.get_context("spawn")
        here, there = spawned.Pipe()
        child = spawned.Process(target=lineage, args=(there,))
        child.start()
        there.close()
        samples = watched(child, here)
        steps, scores = here.recv()
        child.join()

    print(f"{products:,} products, {psutil.cpu_count()} cores; gold rows: {scores}\n")
    print("| asset | seconds | most memory, MB |\n| --- | --- | --- |")
    for step, (start, end) in sorted(steps.items(), key=lambda item: item[1]):
        most = max((size for at, size in samples if start <= at <= end), default=0)
        print(f"| {step} | {end - start:.1f} | {most / 1e6:,.0f} |")
    peak = max(size for _, size in samples)
    print(f"| all, imports included | {samples[-1][0] - samples[0][0]:.0f} | **{peak / 1e6:,.0f}** |\n")
    print(f"{'below' if peak < LIMIT else 'ABOVE'} {LIMIT / 1e9:.0f} GB")


def write_catalogue(products: int, folder: Path) -> None:
    """A sample's texts, with names mixed in that few other products share."""
    write_sample(folder, products, pictures=False)
    table, draw = pl.read_csv(folder / "X_train_update.csv"), random.Random(0)
    named = [f"{text or ''} {_names(draw)}" for text in table["description"]]
    table.with_columns(description=pl.Series(named)).write_csv(folder / "X_train_update.csv")


def _names(draw: random.Random) -> str:
    return " ".join(_name(int(draw.paretovariate(SKEW))) for _ in range(NAMES_A_PRODUCT))


def _name(number: int) -> str:
    """A pronounceable name for each number."""
    draw = random.Random(number)
    syllables = (draw.choice(CONSONANTS) + draw.choice(VOWELS) + draw.choice(ENDINGS) for _ in range(3))
    return "".join(syllables)


def watched(child: multiprocessing.Process, reports: Connection) -> Samples:
    """Memory from now until the child reports, with the times."""
    process, samples = psutil.Process(child.pid), []
    while not reports.poll(SAMPLING_SECONDS):
        samples.append((time.time(), memory(process)))
    return samples


def memory(process: psutil.Process) -> int:
    """Proportional set size of a process and all its children."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total


def lineage(report: Connection) -> None:
    """The child: materialise the stacked model and all it is made from; report when each step ran."""
    import dagster as dg

    from rakuten_assets import lineage
    from rakuten_assets.assets import ALL_ASSETS
    from rakuten_assets.settings import Settings

    logging.disable(logging.WARNING)
    keys = dg.AssetSelection.assets("stacked_model").upstream().resolve(ALL_ASSETS)
    settings = Settings()
    with lineage.instance(settings) as opened:
        outcome = lineage.materialize(opened, settings, select=[key.to_user_string() for key in keys])
        if not outcome.success:
            raise RuntimeError("\n".join(outcome.errors))
        stats = [step for run in outcome.runs for step in opened.get_run_step_stats(run)]
        scores = lineage.summary(opened, settings, outcome)["scores"]["stacked"]
    report.send(({step.step_key: (step.start_time, step.end_time) for step in stats}, scores))


if __name__ == "__main__":
    main()
