"""Claim: drift is found where there is some and not where there is none, unlike with Evidently's defaults.

Run: python benchmarks/drift.py [--products N] [--windows N] [--peer-windows N] [--champion FOLDER]; some ten minutes,
most of them for training and for Evidently.

A champion learns from a sample catalogue; the reference are its held-out rows (validation and gold). Windows of 500
products come from another sample. Each product is disturbed with the probability `bias`, by `core.simulate`: its text
in invented words or in another language, its picture degraded; three categories, others in each window, become more
frequent. The same windows go to the drift score and to Evidently's `DataDriftPreset()` as it comes. Its rule is that
half of the columns have drifted; what people look at is whether any has. It gets the same columns but the vectors'
32, with which it takes four times as long. Concepts: people correct 200 products a week, 5 % of them wrongly.

`--champion` keeps the trained champion and its sample in a folder, and uses what is there.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from load import champion

from rakuten_assets.core import simulate
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.drift import combine
from rakuten_assets.core.drift_concept import concept
from rakuten_assets.core.drift_features import COLUMNS, features
from rakuten_assets.core.drift_reference import Reference
from rakuten_assets.core.products import Product, picture_name
from rakuten_assets.core.sample import FILES, write_sample
from rakuten_assets.core.simulate_texts import KINDS, disturb_text
from rakuten_assets.core.splits import split_of
from rakuten_assets.core.taxonomy import CODES

LEVELS = (0.0, 0.1, 0.2, 0.3)
LEAST = {0.1: 0.6, 0.2: 0.95, 0.3: 1.0}
MOST_FALSE = 0.02
WINDOW, CORRECTED, REVIEWER_ERROR, MOVED = 500, 200, 0.05, 0.1

# Products whose variants, each disturbed in one way alone, are computed besides.
SINGLE = 1_500

FIRST_FRESH_ID = 1_000_001
SEED = 20_261


@dataclass(frozen=True)
class Catalogue:
    """A sample on disk: its products with what they truly are (`code`), a row each."""

    folder: Path
    rows: pl.DataFrame

    @classmethod
    def read(cls, folder: Path) -> "Catalogue":
        rows = pl.read_csv(folder / FILES["challenge"].products).with_columns(pl.col("description").fill_null(""))
        truth = json.loads((folder / "truth.json").read_text())["code"]
        return cls(folder, rows.with_columns(code=pl.Series([truth[str(each)] for each in rows["productid"]])))

    def products(self, change: Callable[[Product, Random], Product] | None = None) -> Iterator[Product]:
        for row in self.rows.iter_rows(named=True):
            name = picture_name(row["imageid"], row["productid"])
            file = self.folder / FILES["challenge"].images / name
            product = Product(row["designation"], row["description"], file.read_bytes() if file.exists() else None)
            yield change(product, Random(f"{SEED}/{row['productid']}")) if change else product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=4_000)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--peer-windows", type=int, default=50, help="of them, for Evidently")
    parser.add_argument("--champion", type=Path)
    asked = parser.parse_args()
    with TemporaryDirectory() as name:
        kept = asked.champion or Path(name) / "champion"
        classifier = ProductClassifier.load(model(kept, asked.products))
        write_sample(Path(name) / "fresh", asked.products, first_id=FIRST_FRESH_ID)
        learnt, fresh = Catalogue.read(kept / "sample"), Catalogue.read(Path(name) / "fresh")
        print_drift(classifier, learnt, fresh, asked.windows, asked.peer_windows)


def model(folder: Path, products: int) -> Path:
    latest = folder / "data" / "models" / "stacked_model" / "latest.json"
    if not latest.exists():
        return champion(folder, products)
    return folder / "data" / str(json.loads(latest.read_text())["folder"])


def print_drift(classifier: ProductClassifier, learnt: Catalogue, fresh: Catalogue, windows: int, peers: int) -> None:
    held_out = learnt.rows.filter(pl.Series([split_of(each) != "train" for each in learnt.rows["productid"]]))
    reference = Reference.of(features(Catalogue(learnt.folder, held_out).products(), classifier))
    start = time.perf_counter()
    limits = reference.limits(WINDOW)
    print(
        f"reference of {len(reference.rows):,} rows, {windows} windows of {WINDOW} from {len(fresh.rows):,} products, "
        f"limits once in {time.perf_counter() - start:.1f} s\n"
    )
    plain = features(fresh.products(), classifier)
    bent = features(fresh.products(partial(disturbed, kinds=(*KINDS, "pictures"))), classifier)
    head = "| kinds of bias | bias | flagged | Evidently, half of the columns | Evidently, any | ms | Evidently, ms |"
    print(f"{head}\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    codes = fresh.rows["code"].to_list()
    found = {}
    for level in LEVELS:
        drawn = [window(plain, bent, codes, level, number) for number in range(windows)]
        found[level], ms = flagged(reference, limits, drawn)
        half, some, peer_ms = by_evidently(reference.rows, drawn[:peers])
        print(f"| all | {level:.0%} | {found[level]:.1%} | {half:.1%} | {some:.1%} | {ms:.0f} | {peer_ms:.0f} |")
    part = Catalogue(fresh.folder, fresh.rows.head(SINGLE))
    for kind in (*KINDS, "pictures", "classes"):
        shifted = kind == "classes"
        bent = plain if shifted else features(part.products(partial(disturbed, kinds=(kind,))), classifier)
        for level in LEVELS[1:]:
            drawn = [window(plain, bent, codes, level, number, shifted) for number in range(windows)]
            print(f"| {kind} alone | {level:.0%} | {flagged(reference, limits, drawn)[0]:.1%} | | | | |")
    held = found[0.0] <= MOST_FALSE and all(found[level] >= least for level, least in LEAST.items())
    print(f"\nat most {MOST_FALSE:.0%} without drift, at least 60, 95 and 100 % with: {'yes' if held else 'MISSED'}\n")
    print_concept(plain.with_columns(code=fresh.rows["code"]), windows)


def disturbed(product: Product, rng: Random, kinds: tuple[str, ...]) -> Product:
    """The product at full strength: one of the `kinds` of text that there are, and the picture."""
    texts = [kind for kind in kinds if kind in KINDS]
    title, description = product.designation, product.description
    if texts:
        title, description = disturb_text(title, description, rng, rng.choice(texts), SEED)
    picture = product.image
    if picture and "pictures" in kinds:
        try:
            picture = simulate.disturb_picture(picture, rng)
        except ValueError:
            picture = None
    return Product(title, description, picture)


def window(plain, bent, codes, level, number, classes=True) -> pl.DataFrame:
    """Rows drawn under the shift of classes, each disturbed with the probability `level`; other favourites in each."""
    rows = min(len(plain), len(bent))
    chosen = simulate.shift_classes(codes[:rows], level if classes else 0.0, SEED + number, WINDOW, number)
    hit = np.random.default_rng([SEED, number]).random(WINDOW) < level
    return pl.concat([plain[chosen[~hit]], bent[chosen[hit]]])


def flagged(reference, limits, drawn) -> tuple[float, float]:
    """Share of the windows whose score is at least 1, and milliseconds a window."""
    start = time.perf_counter()
    found = [combine(reference.compare(each, limits)).found for each in drawn]
    return float(np.mean(found)), 1000 * (time.perf_counter() - start) / len(drawn)


def by_evidently(reference, drawn) -> tuple[float, float, float]:
    """Share of the windows with at least half of the columns, and with any, drifted; milliseconds a window."""
    from evidently import Report
    from evidently.presets import DataDriftPreset

    if not drawn:
        return (float("nan"),) * 3
    known, start, counts = dataset(reference), time.perf_counter(), []
    for each in drawn:
        snapshot = Report([DataDriftPreset()]).run(current_data=dataset(each), reference_data=known)
        counts.append(snapshot.dict()["metrics"][0]["value"]["share"])
    spent = 1000 * (time.perf_counter() - start) / len(drawn)
    return float(np.mean(np.array(counts) >= 0.5)), float(np.mean(np.array(counts) > 0)), spent


def dataset(table):
    from evidently import DataDefinition, Dataset

    numbers = [name for name, kind in COLUMNS.items() if kind.is_numeric()]
    others = [name for name in COLUMNS if name not in numbers]
    plain = table.select(pl.col(numbers), pl.col(others).cast(pl.String)).to_pandas()
    return Dataset.from_pandas(plain, DataDefinition(numerical_columns=numbers, categorical_columns=others))


def print_concept(answers, pairs) -> None:
    answers = answers.drop_nulls(["category", "confidence"])
    right = (answers["category"].cast(pl.Int64) == answers["code"]).mean()
    print(
        f"concepts: {pairs} pairs of weeks of {CORRECTED} corrected rows, {right:.1%} of the champion's answers right\n"
    )
    print("| labels moved | seen in the first week | within two |\n| ---: | ---: | ---: |")
    shares = {code: count / len(answers) for code, count in answers["code"].value_counts().iter_rows()}
    for level in (0.0, MOVED):
        first, both = zip(*(seen(answers, shares, level, number) for number in range(pairs)), strict=True)
        print(f"| {level:.0%} | {np.mean(first):.1%} | {np.mean(both):.1%} |")


def seen(answers, shares, level, number) -> tuple[bool, bool]:
    """Whether the first of two weeks shows that concepts have moved, and whether either of them or both together do."""
    moved = simulate.concepts(shares, level, SEED + number)
    weeks = [corrected(answers, moved, 2 * number + week) for week in range(2)]
    first, *later = (combine(concept(each, REVIEWER_ERROR)).found for each in (*weeks, pl.concat(weeks)))
    return first, first or any(later)


def corrected(answers, moved, number) -> pl.DataFrame:
    """A week of the champion's answers, with what people say, who err to any category."""
    rng = np.random.default_rng([SEED, number])
    rows = answers[rng.choice(len(answers), CORRECTED, replace=False)]
    truth = np.array([moved.get(code, code) for code in rows["code"]])
    wrong = rng.random(CORRECTED) < REVIEWER_ERROR
    return pl.DataFrame(
        {
            "code": rows["category"].cast(pl.Int64),
            "confidence": rows["confidence"],
            "label": np.where(wrong, rng.choice(CODES, CORRECTED), truth),
        }
    )


if __name__ == "__main__":
    main()
