"""Claim: learning from pictures takes at most 70 kB a picture, which docs/sizing.md counts on.

Run: python benchmarks/image_memory.py [--pictures N]

The image model's own steps on random vectors of the encoder's width: the kernel map, its coordinates, the
cross-validated ridge regression. Each of two sizes, N and half of it, is a process of its own; a picture's memory is
what the larger one's peak exceeds the smaller one's by.
"""

import argparse
import resource
import subprocess
import sys

import numpy as np

from rakuten_assets.core.embeddings import HandmadeFeatures
from rakuten_assets.core.image_models import KernelMap, blocks_of
from rakuten_assets.core.learners import VectorSettings, cross_fit
from rakuten_assets.core.taxonomy import CODES

LIMIT_KB = 70
FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=16_000)
    parser.add_argument("--peak", action="store_true", help="learn from so many pictures, and print the peak in kB")
    asked = parser.parse_args()
    if asked.peak:
        print(peak(asked.pictures))
        return
    sizes = asked.pictures // 2, asked.pictures
    command = [sys.executable, __file__, "--peak", "--pictures"]
    less, more = (int(subprocess.check_output([*command, str(size)])) for size in sizes)
    each = (more - less) / (sizes[1] - sizes[0])
    print(
        f"{less / 1024:,.0f} MB with {sizes[0]:,} pictures, {more / 1024:,.0f} MB with {sizes[1]:,}: {each:.0f} kB each"
    )
    print(f"at most {LIMIT_KB} kB: {'yes' if each <= LIMIT_KB else 'MISSED'}")


def peak(pictures: int) -> int:
    """Learn from so many random pictures; the most memory that this process ever had, in kB."""
    blocks, rng = blocks_of(HandmadeFeatures()), np.random.default_rng(0)
    vectors = rng.random((pictures, blocks[-1].end), dtype=np.float32)
    codes = np.array(CODES)[rng.integers(0, len(CODES), pictures)]
    inputs = KernelMap.fit(vectors, 1.0, blocks=blocks).transform(vectors)
    cross_fit(inputs, codes, np.ones(pictures), np.arange(pictures) % FOLDS, VectorSettings("ridge", c=2.0).fit)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
