"""Claim: batches of whoever waits are as fast as BentoML's adaptive batching.

`python benchmarks/batching.py [--model FOLDER]`. Both dispatchers call the same classifier in the same process, without
HTTP: what differs is who shares a batch, and how long a call waits for others.
"""

import argparse
import asyncio
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from bentoml._internal.marshal.dispatcher import CorkDispatcher
from load import champion, write_products

from rakuten_assets.core.classifier import ProductClassifier
from serving.batching import Batcher
from serving.models import classify

MOST = 32
POOL = ThreadPoolExecutor(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, help="folder of a classifier; without it a sample champion is trained")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        compare(arguments.model or champion(Path(name) / "sample"), arguments)


def compare(folder: Path, arguments: argparse.Namespace) -> None:
    classifier, products = ProductClassifier.load(folder), write_products(300)
    print("| callers | ours, products/s | BentoML's | ratio | ours, p50 ms | BentoML's |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for callers in (1, 8, 32):
        sides = {make: [] for make in (ours, bentos)}
        for _ in range(arguments.rounds):
            for make, measured in sides.items():
                measured.append(asyncio.run(closed_loop(make, classifier, products, callers, arguments.seconds)))
        (rate, p50), (their_rate, their_p50) = (
            [statistics.median(values) for values in zip(*measured, strict=True)] for measured in sides.values()
        )
        print(f"| {callers} | {rate:.0f} | {their_rate:.0f} | {rate / their_rate:.2f} | {p50:.1f} | {their_p50:.1f} |")


def ours(compute):
    return Batcher(compute, MOST, 1000)


def bentos(compute):
    """BentoML's dispatcher as its batchable routes use it, with the latency that it takes by default."""

    async def listed(batches):
        return [[row] for row in await compute([item for batch in batches for item in batch])]

    dispatch = CorkDispatcher(60_000, MOST, fallback=lambda: None, get_batch_size=len)(listed)

    async def call(product):
        return (await dispatch([product]))[0]

    return call


async def closed_loop(make, classifier, products, callers, seconds):
    """Products a second, and the median of what a call took in milliseconds, after a warm-up."""

    async def compute(items):
        return await asyncio.get_running_loop().run_in_executor(POOL, classify, classifier, items)

    call, taken = make(compute), []
    warm = time.perf_counter() + seconds / 3
    end = warm + seconds

    async def caller(at):
        while (start := time.perf_counter()) < end:
            await call(products[at % len(products)])
            at += callers
            if start > warm:
                taken.append(time.perf_counter() - start)

    await asyncio.gather(*(caller(at) for at in range(callers)))
    return len(taken) / seconds, statistics.median(taken) * 1000


if __name__ == "__main__":
    main()
