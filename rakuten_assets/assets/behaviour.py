"""How the new model behaves, before anybody compares its scores: what fails here is never a challenger."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from rakuten_assets.assets.champion import chunks, gold_products
from rakuten_assets.assets.models import stacked_model
from rakuten_assets.core import behaviour
from rakuten_assets.core.behaviour import Behaviour
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.evaluate import Labels
from rakuten_assets.core.feedback import is_live
from rakuten_assets.core.linear import positions
from rakuten_assets.core.products import Product
from rakuten_assets.core.taxonomy import KNOWN_CONFUSIONS
from rakuten_assets.resources import DataRoot

# Products that are tried; each is classified once for every change. With 60, a sound model failed by chance one time in
# fourteen.
TRIED = 120

# Products of the pairs that are easily confused.
CONFUSABLE = 240

# Shares below which a model is not fit for people, however good its scores. A share is that of a hundred products or
# so: a model fails where chance cannot be why it is below.
FLOORS = {"invariance": 0.85, "directional": 0.85, "minimum_functionality": 0.7, "known_confusions": 0.5}

DESCRIPTIONS = {
    "invariance": "A product keeps its category when it is written in capitals, with markup, without accents.",
    "directional": "A product's own category becomes no less likely when its text names it.",
    "minimum_functionality": "A few plain products of each category, which the model has learnt, are what they are.",
    "known_confusions": "Products of the pairs that the documents name are not taken for the other of their pair.",
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            name,
            asset=stacked_model,
            blocking=True,
            description=DESCRIPTIONS[name],
            additional_deps=[dg.AssetDep("splits"), dg.AssetDep("products")],
        )
        for name in FLOORS
    ],
    name="behaviour",
    ins={
        "stacked_model": dg.AssetIn("stacked_model"),
        "splits": dg.AssetIn("splits"),
        "products": dg.AssetIn("products"),
    },
)
def behaviours(
    stacked_model: Path, splits: pl.DataFrame, products: pl.DataFrame, data: DataRoot
) -> Iterator[dg.AssetCheckResult]:
    """Invariance, directional expectation, minimum functionality, and the documents' confusions."""
    classifier = ProductClassifier.load(stacked_model)
    gold = gold_products(splits, products)
    few, truth = _products(gold.sample(min(TRIED, len(gold)), seed=0), data)
    train = splits.filter((pl.col("split") == "train") & pl.col("prdtypecode").is_not_null())
    rows = products.drop("prdtypecode").join(
        train.select("productid", "prdtypecode", "text_weight"), on="productid", maintain_order="left"
    )
    # Delivered ones: what a seller says of a product must not decide whether a model is fit.
    delivered = rows.filter(~is_live(pl.col("productid")))
    plain, known = _products(behaviour.simple(delivered, delivered["text_weight"]), data)
    pairs = gold.filter(pl.col("prdtypecode").is_in([code for pair in KNOWN_CONFUSIONS for code in pair]))
    tried = {
        "invariance": behaviour.invariance(classifier, few),
        "directional": behaviour.directional(classifier, few, truth),
        "minimum_functionality": behaviour.minimum_functionality(classifier, plain, known),
        "known_confusions": _confused(classifier, pairs.head(CONFUSABLE), data),
    }
    for name, found in tried.items():
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey("stacked_model"),
            check_name=name,
            passed=found.at_most >= FLOORS[name],
            metadata={
                "share": found.share,
                "at_most": found.at_most,
                "at_least": FLOORS[name],
                "cases": found.cases,
                "worst": found.worst,
            },
        )


def _products(rows: pl.DataFrame, data: DataRoot) -> tuple[list[Product], Labels]:
    labels = positions(rows["prdtypecode"].cast(pl.Int64).to_numpy())
    return [product for chunk in chunks(rows, data) for product in chunk], labels


def _confused(classifier: ProductClassifier, rows: pl.DataFrame, data: DataRoot) -> Behaviour:
    if rows.is_empty():
        return Behaviour(0, 0)
    answers = [classifier.predict_log_proba(chunk).stacked for chunk in chunks(rows, data)]
    return behaviour.confused(np.concatenate(answers), positions(rows["prdtypecode"].cast(pl.Int64).to_numpy()))
