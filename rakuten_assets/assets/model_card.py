"""The card of the champion: what it is, how good it is and for whom, for people who must decide whether to trust it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from rakuten_assets.assets.behaviour import FLOORS
from rakuten_assets.assets.champion import champion, gold_products, opinions
from rakuten_assets.assets.common import whole
from rakuten_assets.core import evaluate
from rakuten_assets.core import model_card as core
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.deliveries import deliveries
from rakuten_assets.core.embeddings import BUILT_IN
from rakuten_assets.core.evaluate import Difference, Scores
from rakuten_assets.core.linear import positions
from rakuten_assets.core.splits import LIVE_GOLD, SPLITS
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_networks import TextNetwork
from rakuten_assets.registry import MODEL, Registered
from rakuten_assets.resources import DataRoot, ModelStore, Operations, Tracking, replacing

# Below the data root; the web app shows what lies there.
CARDS = "model-cards"

# Tag of a registered version: where its card is.
CARD = "model_card"

# Settings of the text model that count for its kind; a network knows its own.
COUNTING = {
    "svm": ("c", "balance", "rebalance"),
    "logistic": ("c", "balance", "rebalance"),
    "forest": ("trees", "depth", "balance", "rebalance"),
}

# Evaluations that are looked through for the one that made this model the champion: those of a year of trainings.
EVALUATIONS = 200

Left = Mapping[str, Any]
"""Metadata that was left by what made or checked an asset."""


@whole("models", kinds={"mlflow"}, deps=[champion])
def model_card(
    context: dg.AssetExecutionContext,
    splits: pl.DataFrame,
    products: pl.DataFrame,
    languages: pl.DataFrame,
    data: DataRoot,
    model_store: ModelStore,
    tracking: Tracking,
    operations: Operations,
) -> dg.MaterializeResult[None]:
    """The champion's model card, in Markdown: figures and names of categories, never a product's text or picture."""
    registry = tracking.registry
    model = registry.get("champion")
    if model is None:
        raise dg.Failure("There is no champion yet: run `rakuten materialize` first.")
    classifier = ProductClassifier.load(model_store.fetch(model.folder))
    answers = _answers(classifier, splits, products, languages, data)
    card = core.markdown(_facts(context.instance, tracking, operations, data, model, classifier), answers)
    name = f"{CARDS}/{model.version}.md"
    with replacing(data.path / name) as file:
        file.write_bytes(card.encode())
    if model.run_id:
        registry.client.log_text(model.run_id, card, f"{CARD}.md")
    registry.tag(model, CARD, name)
    gold = ~answers.live
    scores = evaluate.score(answers.stacked[gold], answers.labels[gold])
    return dg.MaterializeResult(
        metadata={
            "card": dg.MetadataValue.md(card),
            "path": dg.MetadataValue.path(str(data.path / name)),
            "champion": model.version,
            "mlflow": dg.MetadataValue.url(tracking.model_url(model.number)),
            **({"weighted_f1": scores.weighted_f1} if scores else {}),
        },
        data_version=dg.DataVersion(f"{model.version}-{sha256(card.encode()).hexdigest()[:16]}"),
    )


def _answers(
    classifier: ProductClassifier, splits: pl.DataFrame, products: pl.DataFrame, languages: pl.DataFrame, data: DataRoot
) -> core.Answers:
    """The champion's answers on all gold rows: the catalogue's, and behind them those of the web app."""
    frozen, live = (gold_products(splits, products, name) for name in ("gold", LIVE_GOLD))
    gold = pl.concat([frozen, live]).join(languages, on="productid", how="left", maintain_order="left")
    title, description = (pl.col(name).fill_null("").str.strip_chars() for name in ("designation", "description"))
    traits = gold.select(
        # Detectors call French what has no letters.
        language=pl.when((title != "") | (description != "")).then("language"),
        title_length=title.str.len_chars(),
        described=description != "",
        live=pl.int_range(pl.len()) >= len(frozen),
    )
    taught = splits.filter(pl.col("split").is_in(["train", "validation"]) & pl.col("prdtypecode").is_not_null())
    return core.Answers(
        **opinions(classifier, gold, data),
        labels=_positions(gold),
        rows=traits,
        learnt=np.bincount(_positions(taught), minlength=len(CODES)),
    )


def _positions(rows: pl.DataFrame) -> evaluate.Labels:
    return positions(rows["prdtypecode"].cast(pl.Int64).to_numpy())


def _facts(
    instance: dg.DagsterInstance,
    tracking: Tracking,
    operations: Operations,
    data: DataRoot,
    model: Registered,
    classifier: ProductClassifier,
) -> core.Facts:
    """What is on record about the champion, as it was when it was trained."""
    run = tracking.registry.client.get_run(model.run_id) if model.run_id else None
    trained = run.info.end_time / 1000 if run else None
    return core.Facts(
        name=f"{MODEL}, version {model.number}",
        version=model.version,
        model={
            "Trained": _day(trained),
            **_standing(model, tracking, operations),
            **_text(classifier, _left(instance, "text_model", trained), _left(instance, "text_embeddings", trained)),
            **_image(classifier, _left(instance, "image_model", trained), _left(instance, "image_embeddings", trained)),
            "Fusion": _fusion(classifier),
        },
        data=_data(instance, data, trained),
        review=classifier.review,
        compared=_compared(instance, model.version),
        behaviour=tuple(_behaviour(instance, run.data.tags.get("dagster_run_id", "") if run else "")),
    )


def _standing(model: Registered, tracking: Tracking, operations: Operations) -> dict[str, str]:
    """Since when and why it answers, and what became of the challenger that came last."""
    known, last = operations.store.models.champion(), tracking.registry.get("challenger")
    since = known.at.timestamp() if known and known.version == model.version else None
    if last is None or last.version == model.version:
        latest = "this model"
    else:
        latest = f"version {last.version}: {last.tags.get('gate', 'not judged yet')}. This model still stands."
    return {
        "Champion since": _day(since),
        "Why": model.tags.get("promotion", "not recorded"),
        "Latest challenger": latest,
    }


def _text(classifier: ProductClassifier, left: Left, embedded: Left) -> dict[str, str]:
    decides = classifier.text_model.classifier
    kind = str(left.get("kind", classifier.text_model.kind))
    if isinstance(decides, TextNetwork):
        settings = {name: getattr(decides.settings, name) for name in ("epochs", "batch_size", "learning_rate")}
        source = decides.source
    else:
        asked = left.get("settings") or {}
        settings = {name: asked[name] for name in COUNTING.get(kind, ()) if name in asked}
        source = _source(embedded)
    return {
        "Text model": ", ".join([kind, *(f"{name} {value}" for name, value in settings.items())]),
        "Chosen by": str(left.get("decided_by", "not recorded")),
        "Text weights": source,
        "Text view": {
            "light": "as a reader sees it",
            "classic": "reduced to lemmas",
            "translated": "translated to French",
        }[classifier.text_view],
    }


def _image(classifier: ProductClassifier, left: Left, embedded: Left) -> dict[str, str]:
    if classifier.image_model is None:
        return {"Image model": "none: there was no picture to learn from"}
    if classifier.image_model.reads_pictures:
        return {"Image model": "network", "Image weights": str(left.get("weights", "not recorded"))}
    return {"Image model": "kernel machine on vectors of pictures", "Image weights": _source(embedded)}


def _source(embedded: Left) -> str:
    """Where the weights of an encoder come from."""
    backbone = embedded.get("backbone")
    if backbone is None:
        return "not recorded"
    return "built-in features, nothing pretrained" if backbone == BUILT_IN else f"pretrained: {backbone}"


def _fusion(classifier: ProductClassifier) -> str:
    text, image = classifier.fusion.pool_weights
    return f"{classifier.fusion.method}; in the pool, text counts {text:.2f} and picture {image:.2f}"


def _data(instance: dg.DagsterInstance, data: DataRoot, trained: float | None) -> dict[str, str]:
    """What it was trained on, and what it is scored on now."""
    splits, people = _left(instance, "splits", trained), _left(instance, "human_labels", trained)
    batches = set(json.loads(str(splits.get("batches", "[]"))))
    arrived = [each for each in deliveries(data.path) if batches & set(each.batches)]
    by_people = sum(each.from_people for each in arrived)
    return {
        "Splits, when it was trained": str(splits.get("data_version", "not recorded")),
        "Splits, when it was scored": str(_left(instance, "splits").get("data_version", "not recorded")),
        "Rows by split": ", ".join(f"{name.replace('_', ' ')} {splits.get(name, 0)}" for name in (*SPLITS, LIVE_GOLD)),
        "Rows set aside": str(splits.get("set_aside", "not recorded")),
        "Labels by people": f"{people.get('rows', 0)} known, {people.get('used', 0)} used",
        "Deliveries": f"{len(arrived)}, of which {by_people} of products that people labelled in the web app",
        "Gold rows": "drawn by a hash of the first product of each group of duplicates, and never learnt from",
    }


def _compared(instance: dg.DagsterInstance, version: str) -> core.Compared | None:
    """What the gate found when it let this model take another one's place."""
    for each in _evaluations(instance, "challenger", "gate"):
        found = _plain(each.metadata)
        if each.passed and found.get("challenger") == version != found.get("champion") and "difference_value" in found:
            return core.Compared(
                str(found["champion"]),
                Scores(**_part(found, "challenger", Scores)),
                Scores(**_part(found, "champion", Scores)),
                Difference(**_part(found, "difference", Difference)),
            )
    return None


def _part(found: Left, prefix: str, kind: Any) -> dict[str, Any]:
    return {name: found[f"{prefix}_{name}"] for name in kind.__dataclass_fields__}


def _behaviour(instance: dg.DagsterInstance, run_id: str) -> Iterator[core.Trial]:
    """The behaviour checks of the run that trained it."""
    for name in FLOORS:
        for each in _evaluations(instance, "stacked_model", name, run_id):
            found = _plain(each.metadata)
            yield core.Trial(name, float(found["share"]), float(found["at_least"]), int(found["cases"]))
            break


def _evaluations(
    instance: dg.DagsterInstance, asset: str, check: str, run_id: str | None = None
) -> Iterator[dg.AssetCheckEvaluation]:
    """What a check found, in one run or in all, the newest first."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    for each in instance.event_log_storage.get_asset_check_execution_history(key, limit=EVALUATIONS):
        if run_id in (None, each.run_id) and isinstance(each.evaluation, dg.AssetCheckEvaluation):
            yield each.evaluation


def _left(instance: dg.DagsterInstance, asset: str, before: float | None = None) -> Left:
    """What an asset left last before this moment (seconds since 1970), with its `data_version`; nothing where none."""
    records = dg.AssetRecordsFilter(dg.AssetKey(asset), before_timestamp=before)
    found = instance.fetch_materializations(records, limit=1).records
    event = found[0].asset_materialization if found else None
    if event is None:
        return {}
    version = (event.tags or {}).get("dagster/data_version")
    return _plain(event.metadata) | ({"data_version": version} if version else {})


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


def _day(moment: float | None) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M} UTC" if moment else "not recorded"
