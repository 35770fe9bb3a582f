"""Exchanging the champion under load: what fails, what it costs the callers, how long it takes.

Run: python benchmarks/swap.py [--model FOLDER] [--swaps N] [--seconds S]

Requests come at 70 % of what 8 clients in a closed loop can get, whether or not the earlier ones are answered, first
without and then with exchanges between two versions through the admin route, one every S seconds. The second version
differs in its calibration alone, and so costs the same. Without `--model`, a sample champion is trained first.
"""

import argparse
import json
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil
from load import Load, Service, champion, closed_loop, keep, open_loop, post, service, write_products

CLIENTS = 8
PRODUCTS = 400
BUSY = 0.7

# A hotter calibration: the same decisions, slightly other confidences.
FACTOR = 0.98

SWAP_SECONDS = 300


class Swap(NamedTuple):
    """One exchange: when it was asked for, when that was answered, and who answers since."""

    start: float
    end: float
    version: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a classifier")
    parser.add_argument("--swaps", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=8, help="from one exchange to the next")
    asked = parser.parse_args()

    requests = [post("/predict", product) for product in write_products(PRODUCTS)]
    with TemporaryDirectory() as name:
        folder = asked.model or champion(Path(name) / "sample")
        with service(Path(name) / "service", folder) as started:
            other = keep(another(folder, Path(name) / "another"), Path(name) / "service")
            highest = closed_loop(started.port, requests, CLIENTS, asked.seconds).rate
            whole = asked.swaps * asked.seconds
            before = open_loop(started.port, requests, CLIENTS, whole, BUSY * highest)
            with ThreadPoolExecutor(1) as aside:
                versions = [other, started.version] * asked.swaps
                exchanges = aside.submit(swap_each, started, versions[: asked.swaps], asked.seconds)
                during = open_loop(started.port, requests, CLIENTS, whole + asked.seconds, BUSY * highest)
            report(before, during, exchanges.result(), BUSY * highest)


def another(folder: Path, target: Path) -> Path:
    """A second version of a classifier, as sound as the first."""
    from rakuten_assets.core.classifier import ProductClassifier
    from rakuten_assets.core.parity import write_examples

    classifier = ProductClassifier.load(folder)
    hotter = replace(
        classifier.fusion,
        calibrations=tuple(replace(each, factor=FACTOR * each.factor) for each in classifier.fusion.calibrations),
    )
    replace(classifier, fusion=hotter).save(target)
    write_examples(target, ProductClassifier.load(target))
    return target


def swap_each(started: Service, versions: Sequence[str], seconds: float) -> list[Swap]:
    """One exchange after the other, so many seconds apart or as soon as the one before is done."""
    start, swaps = time.perf_counter(), []
    for number, version in enumerate(versions):
        time.sleep(max(0.0, start + (number + 0.5) * seconds - time.perf_counter()))
        swaps.append(swap(started, version))
    return swaps


def swap(started: Service, version: str) -> Swap:
    """Exchange the champion; raises HTTPError where that is refused."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{started.port}/admin/champion",
        json.dumps({"version": version}).encode(),
        {"Authorization": f"Bearer {started.token}", "Content-Type": "application/json"},
    )
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=SWAP_SECONDS) as answer:
        if json.load(answer)["champion"] != version:
            raise RuntimeError(f"{version} was accepted and does not answer.")
    return Swap(start, time.perf_counter(), version)


def report(before: Load, during: Load, swaps: Sequence[Swap], a_second: float) -> None:
    under_way = np.any([(swap.start <= during.due) & (during.due <= swap.end) for swap in swaps], axis=0)
    print(f"{psutil.cpu_count()} cores, {CLIENTS} clients, {a_second:.0f} requests/s, {len(swaps)} exchanges\n")
    print("| | answers | p50, ms | p95, ms | p99, ms | not 200 |\n| --- | --- | --- | --- | --- | --- |")
    print_row("before", before.taken, str(before.failed))
    print_row("between exchanges", during.taken[~under_way], "")
    print_row("while one is under way", during.taken[under_way], "")
    print_row("both", during.taken, str(during.failed))

    seconds = [swap.end - swap.start for swap in swaps]
    print(f"\nan exchange takes {median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")
    print(f"failed requests: {before.failed + during.failed}{'' if during.failed == 0 else ' **missed**'}")
    print(f"answers of the old version to requests made after its exchange was answered: {stale(during, swaps)}")
    ratio = np.percentile(during.taken[under_way], 99) / np.percentile(before.taken, 99)
    print(
        f"p99 while an exchange is under way: {ratio:.2f} times that before: {'at most' if ratio <= 2 else 'ABOVE'} 2"
    )


def stale(load: Load, swaps: Sequence[Swap]) -> int:
    """Answers between two exchanges that do not name the version which the first of them brought."""
    ends = [*(swap.start for swap in swaps[1:]), float("inf")]
    return sum(
        int(((swap.end < load.due) & (load.due < end) & (load.versions != swap.version)).sum())
        for swap, end in zip(swaps, ends, strict=True)
    )


def print_row(name: str, taken: np.ndarray, failed: str) -> None:
    times = " | ".join(f"{np.percentile(taken, percent) * 1000:.1f}" for percent in (50, 95, 99))
    print(f"| {name} | {len(taken):,} | {times} | {failed} |")


if __name__ == "__main__":
    main()
