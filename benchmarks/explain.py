"""Claim: an explanation of a product with text and picture takes less than a second on one core.

Run: python benchmarks/explain.py [--model FOLDER] [--repeat N]; without `--model`, a small sample champion is trained.

Beside it, in turn, the plain prediction of the same product. Medians; one thread, so that the processor time is what
one core that does nothing else would take.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

# Before NumPy is imported, or it starts a thread a core.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")

import cv2
from load import champion

from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.explain import explain
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.taxonomy import CODES

CHARACTERS = 600
PRODUCTS = 20
LIMIT_MS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a classifier")
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    with TemporaryDirectory() as name:
        classifier = ProductClassifier.load(asked.model or champion(Path(name), products=800))
    written = [product(Random(number), CODES[number % len(CODES)]) for number in range(PRODUCTS)]
    texts = [Product(each.designation, each.description) for each in written]
    print(f"{PRODUCTS} products, text of {CHARACTERS} characters, JPEG of 500 x 500 pixels\n")
    print("| product | | by the clock, ms | processor, ms |\n| --- | --- | ---: | ---: |")
    for kind, products in (("text", texts), ("text and picture", written)):
        sides = compared(classifier, products, asked.repeat)
        for name, (clock, processor) in sides.items():
            print(f"| {kind} | {name} | {clock:.1f} | {processor:.1f} |")
    print(f"\nat most {LIMIT_MS:,} ms of one core: {'yes' if sides['explanation'][1] <= LIMIT_MS else 'MISSED'}")


def product(rng: Random, code: int) -> Product:
    """Sellers' words up to the length that is measured, and a drawn picture."""
    text = ""
    while len(text) < CHARACTERS:
        listing = write_listing(rng, code)
        text = f"{text} {listing.title} {listing.description or ''}"
    title, description = text[:70], text[70:CHARACTERS]
    return Product(title, description, encode(draw_picture(rng, code), quality=75))


def compared(classifier: ProductClassifier, products: list[Product], repeat: int) -> dict[str, tuple[float, float]]:
    """Milliseconds by the clock and of the processor, of a prediction and an explanation, after a first lap of each."""
    sides = {
        "prediction": lambda each: classifier.predict([each]),
        "explanation": lambda each: explain(classifier, each),
    }
    taken = {name: [] for name in sides}
    for lap in range(repeat + 1):
        for name, call in sides.items():
            laps = [timed(call, each) for each in products]
            taken[name] += laps if lap else []
    return {name: tuple(1000 * median(part) for part in zip(*laps, strict=True)) for name, laps in taken.items()}


def timed(call: Callable[[Product], object], each: Product) -> tuple[float, float]:
    clock, processor = time.perf_counter(), time.process_time()
    call(each)
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
