"""The challenger, the gate that it must pass, and the champion."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import ahead, number, whole
from rakuten_assets.core import evaluate
from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier import Outdated, ProductClassifier
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.linear import positions
from rakuten_assets.core.products import Product
from rakuten_assets.core.splits import LIVE_GOLD
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.registry import Registered
from rakuten_assets.resources import DataRoot, ModelStore, Operations, Tracking

# Tag of a registered version: the champion that it was found no worse than.
PASSED = "gate_passed_against"

# Products classified at once when gold rows are scored: their pictures are in memory together.
CHUNK = 256


@whole("registry", kinds={"mlflow"})
def challenger(context: dg.AssetExecutionContext, stacked_model: Path, tracking: Tracking) -> dg.MaterializeResult:
    """The newest stacked model, registered in MLflow under the alias `challenger`."""
    version = (stacked_model / "VERSION").read_text()
    latest = context.instance.get_latest_materialization_event(dg.AssetKey("stacked_model"))
    metadata = latest.asset_materialization.metadata if latest and latest.asset_materialization else {}
    run_id = metadata["mlflow_run_id"].value if "mlflow_run_id" in metadata else None
    tags = {"dagster_run_id": context.run_id}
    model = tracking.registry.register(version, f"models/stacked_model/{version}", run_id, tags)
    return dg.MaterializeResult(
        metadata={
            "version": model.version,
            "registered_as": model.number,
            # What the loop counts as learnt from: only a training that has come so far.
            "labels_to": number(context.instance, "human_labels", "handed_in_to"),
            "mlflow": dg.MetadataValue.url(tracking.model_url(model.number)),
        },
        data_version=dg.DataVersion(version),
    )


@dg.asset_check(
    asset=challenger,
    blocking=True,
    additional_ins={"splits": dg.AssetIn("splits"), "products": dg.AssetIn("products")},
)
def gate(
    splits: pl.DataFrame,
    products: pl.DataFrame,
    data: DataRoot,
    model_store: ModelStore,
    tracking: Tracking,
    operations: Operations,
) -> dg.AssetCheckResult:
    """The challenger is at least as good as the champion, both scored anew on the same gold rows."""
    registry = tracking.registry
    new, old = registry.get("challenger"), registry.get("champion")
    if new is None:
        return dg.AssetCheckResult(passed=False, description="There is no challenger to compare.")
    frozen, live = gold_products(splits, products), gold_products(splits, products, LIVE_GOLD)
    gold, is_live = pl.concat([frozen, live]), np.arange(len(frozen) + len(live)) >= len(frozen)
    labels = positions(gold["prdtypecode"].cast(pl.Int64).to_numpy())
    same = old is not None and old.version == new.version
    said = _opinions(model_store, new, gold, data)
    scored_new = said["stacked"]
    scored_old = None if old is None else scored_new if same else _score_or_nothing(model_store, old, gold, data)
    verdict = evaluate.judge(scored_new, scored_old, labels, live=is_live, same_model=same)
    if old is not None and scored_old is None and verdict.promoted:
        why = f"promoted: the champion {old.version} was stored by an earlier version and can answer no more"
        verdict = replace(verdict, reason=why)
    registry.tag(new, "gate", verdict.reason)
    # Names the champion that was beaten: a verdict is no pass against a later one, nor for a model it never saw.
    registry.tag(new, PASSED, _name(old) if verdict.promoted else "refused")
    of_gold = {name: part[~is_live] for name, part in said.items()}
    report = evaluate.report(of_gold, labels[~is_live], splits["prdtypecode"].drop_nulls().to_list(), verdict)
    mlflow = {"mlflow": tracking.model_url(new.number)}
    operations.store.models.record(new.version, new.number, verdict.reason, report | mlflow)
    return dg.AssetCheckResult(
        passed=verdict.promoted, description=verdict.reason, metadata=_metadata(verdict, new, old)
    )


@whole("registry", kinds={"mlflow"}, deps=[challenger])
def champion(tracking: Tracking, operations: Operations) -> dg.MaterializeResult:
    """The model that answers: the challenger that passed the gate, under the MLflow alias `champion`."""
    registry = tracking.registry
    model = registry.get("challenger")
    if model is None:
        raise dg.Failure("There is no challenger to promote.")
    reason = model.tags.get("gate", "the gate has not judged it")
    old = registry.get("champion")
    if old is None or old.version != model.version:
        if model.tags.get(PASSED) != _name(old):
            raise dg.Failure(f"Version {model.version} has not passed the gate against today's champion: {reason}.")
        registry.promote(model, reason)
    # Also after a run that was killed between the two.
    known = operations.store.models.champion()
    if known is None or known.version != model.version:
        operations.store.models.promote(model.version, reason)
    return dg.MaterializeResult(
        metadata={
            "version": model.version,
            "registered_as": model.number,
            "reason": reason,
            "folder": dg.MetadataValue.path(model.folder),
            "mlflow": dg.MetadataValue.url(tracking.model_url(model.number)),
        },
        data_version=dg.DataVersion(model.version),
    )


def _name(model: Registered | None) -> str:
    return model.version if model else "no champion"


def gold_products(splits: pl.DataFrame, products: pl.DataFrame, split: str = "gold") -> pl.DataFrame:
    """Products of the gold (or another) split that have a label, with the label that counts, in order of arrival."""
    gold = splits.filter((pl.col("split") == split) & pl.col("prdtypecode").is_not_null())
    labels = gold.select("productid", "prdtypecode")
    return products.drop("prdtypecode").join(labels, on="productid", how="inner", maintain_order="left")


def opinions(classifier: ProductClassifier, rows: pl.DataFrame, data: DataRoot) -> dict[str, Array]:
    """Log-probabilities (rows x 27) of stored products, as the classifier gives them for raw products.

    Under `text`, `image` and `stacked`; rows without a text or a picture are NaN there.
    """
    parts = [classifier.predict_log_proba(part) for part in chunks(rows, data)]
    nothing = np.empty((0, len(CODES)))
    return {
        name: np.concatenate([nothing, *(getattr(part, name) for part in parts)])
        for name in ("text", "image", "stacked")
    }


def classify(classifier: ProductClassifier, rows: pl.DataFrame, data: DataRoot) -> Array:
    """The classifier's answers (rows x 27, log-probabilities) for stored products."""
    return opinions(classifier, rows, data)["stacked"]


def chunks(rows: pl.DataFrame, data: DataRoot) -> Iterator[list[Product]]:
    """Stored products as a classifier takes them, a few hundred at a time."""
    for part in rows.iter_slices(CHUNK):
        images = ahead(lambda name: read_picture(data.path, name) if name else None, part["image"])
        texts = part.select(pl.col("designation", "description").fill_null("")).iter_rows()
        yield [Product(title, description, image) for (title, description), image in zip(texts, images, strict=True)]


def _opinions(model_store: ModelStore, model: Registered, gold: pl.DataFrame, data: DataRoot) -> dict[str, Array]:
    return opinions(ProductClassifier.load(model_store.fetch(model.folder)), gold, data)


def _score_or_nothing(model_store: ModelStore, model: Registered, gold: pl.DataFrame, data: DataRoot) -> Array | None:
    """Scores of the champion; all NaN, which the gate refuses, where its folder cannot be read any more.

    None for one that an earlier version of this program has stored: it will never answer again, so nothing is lost.
    """
    try:
        return _opinions(model_store, model, gold, data)["stacked"]
    except Outdated as error:
        dg.get_dagster_logger().warning(str(error))
        return None
    except Exception as error:  # whatever it is that it cannot be read for, a comparison it is not
        dg.get_dagster_logger().error(f"The champion {model.version} cannot be scored: {error}")
        return np.full((len(gold), len(CODES)), np.nan)


def _metadata(verdict: evaluate.Verdict, new: Registered, old: Registered | None) -> dict[str, Any]:
    parts: dict[str, Any] = {"challenger": new.version, "champion": old.version if old else "none"}
    for where, part in (("", verdict), ("live_", verdict.live)):
        if part is None:
            continue
        for name, scores in (("challenger", part.challenger), ("champion", part.champion)):
            if scores:
                parts |= {f"{where}{name}_{key}": value for key, value in scores.as_dict().items()}
        if part.difference:
            parts |= {f"{where}difference_{key}": value for key, value in vars(part.difference).items()}
    for name, frame in (("per_class", verdict.per_class), ("confusions", verdict.confusions)):
        if frame is not None:
            parts[name] = plots.table(frame)
    return parts
