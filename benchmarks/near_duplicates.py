"""Claim: near-duplicate pairs are exactly faiss's, and many times faster to find, in less than 1 GB.

`python benchmarks/near_duplicates.py [--n 10000 100000 1000000] [--plot FILE]`. Where all pairs are too many for
faiss's flat index, it answers a slice of the queries against all hashes, and its time is scaled up.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import faiss
import numpy as np

from rakuten_assets.core.duplicates import RADIUS, near_pairs

# Flat search answers about this many queries x hashes in a second or two on one core.
FLAT_WORK = 10**10
REPETITIONS = 3


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000, 1_000_000])
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    print("| hashes | pairs | near_pairs s | faiss flat s | ratio | same pairs | peak MB |")
    print("| ---: | ---: | ---: | ---: | ---: | --- | ---: |")
    rows = [measured(n) for n in arguments.n]
    print(f"\nMedians of {REPETITIONS}, interleaved; faiss on {faiss.omp_get_max_threads()} threads.")
    print("~: scaled from a slice of the queries. Peak: of the process, before faiss's turn.")
    if arguments.plot:
        plot(rows, arguments.plot)


def measured(n: int) -> tuple[int, float, float]:
    hashes = catalogue(n)
    n = len(hashes)
    queries = min(n, FLAT_WORK // n)
    ours, flat = [], []
    for _ in range(REPETITIONS):
        seconds, pairs = timed(lambda: near_pairs(hashes))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        ours.append(seconds)
        seconds, expected = timed(lambda: flat_pairs(hashes, queries))
        flat.append(seconds * n / queries)
    same = "yes" if np.array_equal(pairs[pairs[:, 0] < queries], expected) else "NO"
    mine, theirs = statistics.median(ours), statistics.median(flat)
    sliced = "~" if queries < n else ""
    print(f"| {n:,} | {len(pairs):,} | {mine:.2f} | {sliced}{theirs:.2f} | {theirs / mine:.1f} | {same} | {peak:,} |")
    return n, mine, theirs


def catalogue(n: int) -> np.ndarray:
    """Distinct hashes of which a tenth are near copies, 1 to 9 bits away, of others."""
    rng = np.random.default_rng(n)
    hashes = rng.integers(1, 2**64, n, dtype=np.uint64)
    copies = hashes[: n // 10].copy()
    for flip in range(9):
        flipped = rng.integers(1, 10, len(copies)) > flip
        copies[flipped] ^= np.uint64(1) << rng.integers(0, 64, flipped.sum(), dtype=np.uint64)
    hashes[n - len(copies) :] = copies
    return rng.permutation(np.unique(hashes))


def flat_pairs(hashes: np.ndarray, queries: int) -> np.ndarray:
    """Pairs of the first hashes with all later ones, by faiss's exhaustive search."""
    codes = hashes.view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryFlat(64)
    index.add(codes)
    limits, _, found = index.range_search(codes[:queries], RADIUS + 1)  # faiss's radius is exclusive
    asked = np.repeat(np.arange(queries), np.diff(limits.astype(np.int64)))
    pairs = np.stack([asked, found], axis=1)[asked < found]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def timed(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def plot(rows: list[tuple[int, float, float]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes, ours, flat = zip(*rows, strict=True)
    axes.loglog(sizes, flat, "o-", label="faiss IndexBinaryFlat")
    axes.loglog(sizes, ours, "o-", label="near_pairs")
    axes.set(xlabel="hashes", ylabel="seconds", title=f"All pairs within {RADIUS} of 64 bits")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
