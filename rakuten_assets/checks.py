"""What must hold of the data and of the models; each check says what it found, also when all is well."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets import champion, embeddings, models, splits, text, training
from rakuten_assets.assets.behaviour import behaviours
from rakuten_assets.assets.catalogue import products
from rakuten_assets.assets.champion import gate
from rakuten_assets.core import vectors
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.deliveries import deliveries, picture_path
from rakuten_assets.core.splits import LIVE_GOLD
from rakuten_assets.core.storage import at_once
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.resources import DataRoot

WARN = dg.AssetCheckSeverity.WARN
ERROR = dg.AssetCheckSeverity.ERROR

# Share of missing descriptions in the documents (35.09 %), and how far a delivery may be from it unremarked.
MISSING_DESCRIPTIONS = (0.15, 0.55)

# Translations may fail one by one; more than this and the service itself is likely down.
FAILED_TRANSLATIONS = 0.05

# Standardised difference of means between splits that is conventionally called small (Cohen 1988).
SMALL_SHIFT = 0.2

# With fewer pictures a mean of a split is too uncertain to speak of a shift.
ENOUGH_PICTURES = 100

# The worst that a model may be and still stand for more than the class frequencies, on any honest catalogue.
SCORE_FLOOR = 0.5

# The documents report 13.4 between the largest and the smallest class.
LARGEST_TO_SMALLEST = 30.0

QUALITIES = ("sharpness", "saturation", "red_dominance", "brightness")


@dg.asset_check(asset=products)
def row_counts(products: pl.DataFrame, data: DataRoot) -> dg.AssetCheckResult:
    """Every product that was accepted at the door is in the catalogue, once."""
    accepted = sum(delivery.accepted for delivery in deliveries(data.path))
    once = products["productid"].n_unique() == len(products)
    return _result(len(products) == accepted and once, ERROR, rows=len(products), accepted=accepted)


@dg.asset_check(asset=products)
def missing_descriptions(products: pl.DataFrame) -> dg.AssetCheckResult:
    """About a third of the products has no description, as the documents report."""
    share = products["description"].null_count() / max(len(products), 1)
    low, high = MISSING_DESCRIPTIONS
    return _result(low <= share <= high, WARN, share=share, expected=f"{low:.0%} to {high:.0%}")


@dg.asset_check(asset=products)
def all_categories(products: pl.DataFrame) -> dg.AssetCheckResult:
    """All 27 categories have products, and no other category does."""
    seen = set(products["prdtypecode"].drop_nulls().unique())
    missing = [NAMES[code] for code in CODES if code not in seen]
    return _result(seen == set(CODES), WARN, categories=len(seen), missing=", ".join(missing) or "none")


@dg.asset_check(asset=products)
def class_balance(products: pl.DataFrame) -> dg.AssetCheckResult:
    """The largest category is not much larger against the smallest than in the documents (13.4)."""
    sizes = products["prdtypecode"].drop_nulls().value_counts()["count"].to_numpy()
    ratio = float(sizes.max() / sizes.min()) if len(sizes) else float("nan")
    return _result(ratio <= LARGEST_TO_SMALLEST, WARN, largest_to_smallest=ratio, at_most=LARGEST_TO_SMALLEST)


@dg.asset_check(asset=products)
def pictures_stored(products: pl.DataFrame, data: DataRoot) -> dg.AssetCheckResult:
    """Each picture that a product names is stored, under its own hash."""
    named = products["image"].drop_nulls().unique()
    # A look at a sample: a lost folder shows at once.
    sample = named.sample(min(len(named), 500), seed=0)
    stored = at_once(lambda sha256: picture_path(data.path, sha256).exists(), sample)
    lost = [sha256 for sha256, there in zip(sample, stored, strict=True) if not there]
    return _result(
        not lost, ERROR, looked_at=len(sample), lost=len(lost), without_picture=products["image"].null_count()
    )


@dg.asset_check(asset=text.translated_text)
def translation_failures(translated_text: pl.DataFrame) -> dg.AssetCheckResult:
    """Hardly any text was left in its own language because its translation failed."""
    share = int(translated_text["translation_failed"].sum()) / max(len(translated_text), 1)
    return _result(share <= FAILED_TRANSLATIONS, WARN, share=share, at_most=FAILED_TRANSLATIONS)


@dg.asset_check(
    asset=splits.splits,
    blocking=True,
    additional_ins={
        "cleaned_text": dg.AssetIn("cleaned_text"),
        "deduplicated_images": dg.AssetIn("deduplicated_images"),
    },
)
def no_duplicate_across_splits(
    splits: pl.DataFrame, cleaned_text: pl.DataFrame, deduplicated_images: pl.DataFrame
) -> dg.AssetCheckResult:
    """No text and no picture cluster has products in two splits: a leak would flatter every score."""
    # Both kinds of gold are one side.
    side = pl.col("split").replace(LIVE_GOLD, "gold")
    placed = splits.select("productid", side).drop_nulls("split")
    leaks = {
        name: _straddling(placed.join(table.select("productid", key), on="productid"), key)
        for name, table, key in (
            ("texts", cleaned_text.filter(pl.col("text_key") != ""), "text_key"),
            ("pictures", deduplicated_images, "cluster_id"),
        )
    }
    return _result(not any(leaks.values()), ERROR, **leaks)


@dg.asset_check(
    asset=splits.splits,
    additional_ins={"image_fingerprints": dg.AssetIn("image_fingerprints")},
)
def image_quality_across_splits(splits: pl.DataFrame, image_fingerprints: pl.DataFrame) -> dg.AssetCheckResult:
    """Sharpness, saturation, red and brightness are alike in train, validation and gold."""
    joined = image_fingerprints.join(splits.select("productid", "split"), on="productid").drop_nulls("split")
    means = joined.group_by("split").agg(pl.col(QUALITIES).mean(), pl.len()).sort("split")
    deviation = joined.select(pl.col(QUALITIES).std())
    enough = means.filter(pl.col("len") >= ENOUGH_PICTURES)
    spread = enough.select(pl.col(QUALITIES).max() - pl.col(QUALITIES).min())
    shift = {name: _ratio(spread[name][0], deviation[name][0]) for name in QUALITIES} if len(enough) else {}
    passed = all(value <= SMALL_SHIFT for value in shift.values())
    return _result(passed, WARN, means=plots.table(means), splits_compared=len(enough), **shift)


@dg.asset_check(
    asset=embeddings.text_embeddings, blocking=True, additional_ins={"cleaned_text": dg.AssetIn("cleaned_text")}
)
def finite_text_embeddings(text_embeddings: Path, cleaned_text: pl.DataFrame) -> dg.AssetCheckResult:
    """Every number of every text vector is finite."""
    matrix, _ = vectors.load(text_embeddings, cleaned_text["productid"])
    values = getattr(matrix, "data", matrix)
    return _result(bool(np.isfinite(np.asarray(values)).all()), ERROR, rows=int(matrix.shape[0]))


@dg.asset_check(asset=embeddings.image_embeddings, blocking=True)
def finite_image_embeddings(image_embeddings: pl.DataFrame) -> dg.AssetCheckResult:
    """Every number of every image vector is finite, and all vectors have one length."""
    lengths = image_embeddings["vector"].list.len().n_unique()
    finite = bool(np.isfinite(image_embeddings["vector"].explode().drop_nulls().to_numpy()).all())
    return _result(finite and lengths <= 1, ERROR, rows=len(image_embeddings), lengths=lengths)


@dg.asset_check(asset=models.stacked_model, additional_ins={"splits": dg.AssetIn("splits")})
def score_floor(context: dg.AssetCheckExecutionContext, splits: pl.DataFrame) -> dg.AssetCheckResult:
    """The stacked model's weighted F1 on validation rows is above the floor that any model should reach."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey("stacked_model"))
    metadata = event.asset_materialization.metadata if event and event.asset_materialization else {}
    value = metadata.get("validation_weighted_f1")
    reached = float(value.value) if value else float("nan")
    rows = int(training.rows(splits, splits["text_weight"]).validation.sum())
    return _result(reached >= SCORE_FLOOR, WARN, weighted_f1=reached, at_least=SCORE_FLOOR, rows=rows)


@dg.asset_check(
    asset=models.stacked_model,
    blocking=True,
    additional_ins={
        "products": dg.AssetIn("products"),
        "splits": dg.AssetIn("splits"),
        "text_model": dg.AssetIn("text_model"),
        "image_model": dg.AssetIn("image_model"),
    },
)
def parity(
    stacked_model: Path,
    products: pl.DataFrame,
    splits: pl.DataFrame,
    text_model: Path,
    image_model: Path,
    data: DataRoot,
) -> dg.AssetCheckResult:
    """The stored classifier gives raw products the log-probabilities that the assets computed step by step."""
    gold = champion.gold_products(splits, products)
    # Spread over all batches: one that was computed under other settings would be skewed alone.
    gold = gold.gather_every(max(1, len(gold) // 50)).head(50)
    classifier = ProductClassifier.load(stacked_model)
    answers = [classifier.predict_log_proba(part) for part in champion.chunks(gold, data)]
    rows = splits["productid"].is_in(gold["productid"].implode()).to_numpy()
    gaps = {
        name: _largest_gap(
            [getattr(answer, name) for answer in answers], training.read_opinion(folder, splits["productid"])[rows]
        )
        for name, folder in (("text", text_model), ("image", image_model))
    }
    passed = all(gap <= 1e-6 for gap in gaps.values())
    return _result(passed, ERROR, products=len(gold), **{f"largest_gap_{key}": gap for key, gap in gaps.items()})


def _largest_gap(answers: list[np.ndarray], expected: np.ndarray) -> float:
    """Largest difference of probabilities; infinite where one side has an answer and the other has none."""
    if not answers:
        return 0.0
    found = np.concatenate(answers)
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    return float(np.nanmax(np.abs(np.exp(found) - np.exp(expected)), initial=0.0))


def _straddling(rows: pl.DataFrame, key: str) -> int:
    return rows.group_by(key).agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).height


def _ratio(difference: float, deviation: float | None) -> float:
    return float(difference / deviation) if deviation else 0.0


def _result(passed: bool, severity: dg.AssetCheckSeverity, **metadata: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=passed, severity=severity, metadata=metadata)


CHECKS = [
    row_counts,
    missing_descriptions,
    all_categories,
    class_balance,
    pictures_stored,
    translation_failures,
    no_duplicate_across_splits,
    image_quality_across_splits,
    finite_text_embeddings,
    finite_image_embeddings,
    score_floor,
    parity,
    behaviours,
    gate,
]
