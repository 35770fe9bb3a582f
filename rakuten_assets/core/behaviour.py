"""Behaviour of a classifier on products that are changed on purpose, or that anybody would get right.

Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList": invariance, directional
expectation, minimum functionality.
"""

import html
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.evaluate import Labels
from rakuten_assets.core.products import Product
from rakuten_assets.core.taxonomy import CODES, KNOWN_CONFUSIONS, NAMES

Change = Callable[[Product], Product]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


INVARIANCES: dict[str, Change] = {
    "upper case": lambda product: replace(product, designation=product.designation.upper()),
    "spaces": lambda product: replace(product, designation=f"  {'  '.join(product.designation.split())} "),
    "markup": lambda product: replace(product, description=f"<p><b>{html.escape(product.description)}</b></p>"),
    "punctuation": lambda product: replace(product, designation=f"{product.designation} !!!"),
    "no accents": lambda product: Product(_plain(product.designation), _plain(product.description), product.image),
    "courtesy": lambda product: replace(product, description=f"{product.description} Merci de votre visite."),
}
"""Changes that leave a product what it is."""

# A word of the category itself may cost so much confidence, by chance of the rest of the text.
SLACK = 0.02

# Products of each category that anybody would get right.
SIMPLE = 3


@dataclass(frozen=True)
class Behaviour:
    """Of `cases`, so many went as they should; `worst` says where most did not."""

    cases: int
    right: int
    worst: str = ""

    @property
    def share(self) -> float:
        """From 0 to 1; 1 where there was nothing to try."""
        return self.right / self.cases if self.cases else 1.0

    @property
    def at_most(self) -> float:
        """What the share may be in truth: the upper end of Wilson's interval of 95 %."""
        from scipy.stats import binomtest

        if not self.cases:
            return 1.0
        return float(binomtest(self.right, self.cases).proportion_ci(0.95, method="wilson").high)


def invariance(classifier: ProductClassifier, products: Sequence[Product]) -> Behaviour:
    """Whether a product keeps its category when it is written otherwise."""
    if not products:
        return Behaviour(0, 0)
    before = _answers(classifier, products).argmax(1)
    same = {
        name: int((_answers(classifier, [change(product) for product in products]).argmax(1) == before).sum())
        for name, change in INVARIANCES.items()
    }
    worst = min(same, key=lambda name: same[name])
    return Behaviour(len(products) * len(same), sum(same.values()), f"{worst}: {same[worst]} of {len(products)}")


def directional(classifier: ProductClassifier, products: Sequence[Product], labels: Labels) -> Behaviour:
    """Whether a product's own category becomes no less likely when its text names it, where there is a text.

    A picture alone is no such case: a text of one word beside it is another product, not the same with a word more.
    """
    told_of = [at for at, product in enumerate(products) if f"{product.designation}{product.description}".strip()]
    products, labels = [products[at] for at in told_of], labels[told_of]
    if not products:
        return Behaviour(0, 0)
    told = [
        replace(product, description=f"{product.description} {NAMES[CODES[label]]}")
        for product, label in zip(products, labels, strict=True)
    ]
    rows = np.arange(len(products))
    gained = np.exp(_answers(classifier, told)[rows, labels]) - np.exp(_answers(classifier, products)[rows, labels])
    right = gained >= -SLACK
    lost = [NAMES[CODES[label]] for label in labels[~right]]
    return Behaviour(len(products), int(right.sum()), max(set(lost), key=lost.count) if lost else "")


def minimum_functionality(classifier: ProductClassifier, products: Sequence[Product], labels: Labels) -> Behaviour:
    """Whether products that the model has learnt from are what it learnt that they are."""
    right = _answers(classifier, products).argmax(1) == labels
    wrong = [NAMES[CODES[label]] for label in labels[~right]]
    return Behaviour(len(products), int(right.sum()), max(set(wrong), key=wrong.count) if wrong else "")


def confused(answers: Array, labels: Labels) -> Behaviour:
    """How often products of the documents' confusable pairs are not taken for the other of their pair.

    `answers` are log-probabilities (rows x 27) of products with class positions `labels`.
    """
    codes = np.array(CODES)
    truth, said = codes[labels], codes[answers.argmax(1)]
    cases = right = 0
    worst, most = "", 0.0
    for one, other in KNOWN_CONFUSIONS:
        pair = np.isin(truth, (one, other))
        swapped = int((pair & (said == one + other - truth)).sum())
        cases, right = cases + int(pair.sum()), right + int(pair.sum()) - swapped
        if swapped and swapped / pair.sum() > most:
            worst, most = f"{NAMES[one]} / {NAMES[other]}", swapped / pair.sum()
    return Behaviour(cases, right, worst)


def simple(rows: pl.DataFrame, weights: pl.Series) -> pl.DataFrame:
    """A few rows of each category (`prdtypecode`) that count fully (`weights`), with the longest titles."""
    known = rows.filter((weights >= 1) & pl.col("prdtypecode").is_not_null() & pl.col("designation").is_not_null())
    longest = known.sort(pl.col("designation").str.len_chars(), "productid", descending=[True, False])
    return longest.group_by("prdtypecode", maintain_order=True).head(SIMPLE)


def _answers(classifier: ProductClassifier, products: Sequence[Product]) -> Array:
    return classifier.predict_log_proba(products).stacked
