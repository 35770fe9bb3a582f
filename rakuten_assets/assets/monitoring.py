"""What production looks like beside what the champion learnt: answers, reference, and the drift report."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import dagster as dg
import polars as pl
from upath import UPath

from rakuten_assets import plots
from rakuten_assets.assets.champion import champion, chunks
from rakuten_assets.assets.common import whole
from rakuten_assets.core import drift, drift_page
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.drift_concept import concept
from rakuten_assets.core.drift_features import features
from rakuten_assets.core.drift_reference import MINIMUM, PREDICTIONS, REFERENCE_ROWS, WINDOW_ROWS, Reference
from rakuten_assets.core.feedback import ANSWERS, last, productid, version
from rakuten_assets.core.splits import LIVE_GOLD
from rakuten_assets.resources import DataRoot, ModelStore, Operations, Tracking
from rakuten_assets.settings import Settings

REPORTS = "reports/drift"

# Products of a window that a champion must have learnt from, for the window to be what it was trained for.
LEARNT = 50


@whole("monitoring", kinds={"postgres", "parquet"}, deps=[champion], io_manager_key="snapshots")
def predictions(tracking: Tracking, operations: Operations) -> dg.MaterializeResult[pl.DataFrame]:
    """What the champion has answered since the last drift report, with what it was asked."""
    store, model = operations.store, tracking.registry.get("champion")
    if model is None:
        raise dg.Failure("There is no champion yet: run `rakuten materialize` first.")
    report = store.drift.latest()
    after = report.last_prediction if report and report.version == model.version else 0
    rows = store.labels.answers(model.version, after)
    table = pl.DataFrame(rows, schema=ANSWERS, orient="row")
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "decided": int((table["decided_by"] != "").sum()),
            "champion": model.version,
            "after_prediction": after,
        },
        data_version=dg.DataVersion(version(table)),
    )


@whole("monitoring", kinds={"polars", "parquet"}, deps=[champion])
def drift_reference(
    context: dg.AssetExecutionContext,
    splits: pl.DataFrame,
    products: pl.DataFrame,
    data: DataRoot,
    model_store: ModelStore,
    tracking: Tracking,
    operations: Operations,
) -> dg.MaterializeResult[pl.DataFrame]:
    """What the champion was trained for, as rows of features that windows of production are compared with.

    A champion that has seen production is compared with the production of its day, so that a drift that it has learnt
    is found no more; the first one with its catalogue's products that are held out: all of them for what they are, the
    gold ones for what it answers, since models are chosen on validation rows and then learn from them too.
    """
    model = tracking.registry.get("champion")
    if model is None:
        raise dg.Failure("There is no champion yet: run `rakuten materialize` first.")
    kept = _kept(context, model.version, data)
    if kept is not None:
        return kept
    window = _last_window(operations, splits)
    held_out = _held_out(splits, products)
    source, rows = ("production", window) if len(window) >= MINIMUM else ("catalogue", held_out)
    # As many as are compared: features of a picture take 20 ms.
    rows = rows.sample(min(len(rows), REFERENCE_ROWS), seed=0)
    classifier = ProductClassifier.load(model_store.fetch(model.folder))
    table = _unlearnt(features(_products(rows, data), classifier), rows)
    return dg.MaterializeResult(
        value=table,
        metadata={"rows": len(table), "source": source, "champion": model.version},
        data_version=dg.DataVersion(f"{model.version}-{source}-{len(table)}"),
    )


@whole("monitoring", kinds={"evidently"}, deps=[champion])
def drift_report(
    context: dg.AssetExecutionContext,
    predictions: pl.DataFrame,
    drift_reference: pl.DataFrame,
    data: DataRoot,
    model_store: ModelStore,
    tracking: Tracking,
    operations: Operations,
) -> dg.MaterializeResult[None]:
    """One score of how far production is from what the champion learnt, with its parts and its page."""
    model = tracking.registry.get("champion")
    if model is None or len(predictions) < MINIMUM or len(drift_reference) < MINIMUM:
        few = f"{len(predictions)} answers and {len(drift_reference)} to compare with: {MINIMUM} each are needed."
        context.log.warning(f"No drift report. {few} The next one looks at these answers too.")
        return dg.MaterializeResult(metadata={"reported": False, "why": few, "rows": len(predictions)})
    sample = predictions.sample(min(len(predictions), WINDOW_ROWS), seed=0)
    current = features(_products(sample, data), ProductClassifier.load(model_store.fetch(model.folder)))
    decided = _decided(predictions)
    both = _decided(_two_windows(predictions, operations, model.version))
    reference = Reference.of(drift_reference)
    watched = reference.compare(current)
    found = drift.combine(watched, _worst(concept(decided), concept(both)))
    folder = f"{REPORTS}/{uuid.uuid4().hex}"
    pages = {
        "features": _drawn(context, lambda: drift_page.page(reference, current, watched)),
        "answers": _drawn(context, lambda: drift_page.answers_page(decided)),
    }
    for name, content in pages.items():
        if content:
            _write(data.path / folder / f"{name}.html", content)
    period = _period(predictions)
    # First, and under a key of its own: a report that was written is not drawn up again, and must not be a secret.
    _tell(operations, found, f"{model.version}:{last(predictions)}", period, len(decided))
    number = operations.store.drift.record(
        model.version,
        last(predictions),
        period,
        len(predictions),
        len(decided),
        found.score,
        found.as_rows(),
        folder,
    )
    return dg.MaterializeResult(
        metadata={
            "reported": True,
            "score": found.score,
            "drift": found.found,
            "summary": found.summary,
            "rows": len(predictions),
            "decided": len(decided),
            "champion": model.version,
            "parts": plots.table(pl.DataFrame(found.as_rows())),
            "scores": plots.bars({part.name: max(part.score, 0.0) for part in found.parts[:15]}, "Drift by part"),
            "page": dg.MetadataValue.url(page_url(number)),
            "pages": ", ".join(name for name, content in pages.items() if content) or "none",
            "folder": dg.MetadataValue.path(str(data.path / folder)),
            **_tracked(context, tracking, model.version, found),
        },
        data_version=dg.DataVersion(f"{model.version}-{number}"),
    )


def _drawn(context: dg.AssetExecutionContext, draw: Callable[[], str | None]) -> str | None:
    """A page; None where it cannot be drawn, for the score counts without it."""
    try:
        return draw()
    except Exception as error:  # whatever a drawing fails for, the loop must not stop for a picture
        context.log.error(f"A page of the drift report could not be drawn: {error!r}")
        return None


def _write(file: UPath, page: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(page.encode())


def page_url(number: int) -> str:
    """Where administrators see a report."""
    return _web_app(f"drift/{number}/features")


def _web_app(page: str) -> str:
    return f"{Settings().webapp_link}/{page}"


def _kept(
    context: dg.AssetExecutionContext, champion: str, data: DataRoot
) -> dg.MaterializeResult[pl.DataFrame] | None:
    """The reference that this champion has already: a training that changed nothing must not make a drift normal."""
    event = context.instance.get_latest_materialization_event(context.asset_key)
    found = event.asset_materialization if event else None
    file = data.path / "assets" / f"{context.asset_key.to_python_identifier()}.parquet"
    if found is None or "champion" not in found.metadata or not file.exists():
        return None
    if found.metadata["champion"].value != champion:
        return None
    table = pl.read_parquet(BytesIO(file.read_bytes()))
    metadata = {name: found.metadata[name].value for name in ("rows", "source", "champion")}
    data_version = (found.tags or {}).get("dagster/data_version", champion)
    return dg.MaterializeResult(value=table, metadata=metadata, data_version=dg.DataVersion(data_version))


def _held_out(splits: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    placed = splits.filter(pl.col("split").is_in(["validation", "gold", LIVE_GOLD]))
    own = placed.select("productid", learnt=pl.col("split") == "validation")
    return products.join(own, on="productid", how="inner", maintain_order="left")


def _unlearnt(table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Without what the champion says of products that it has learnt from: it is surer of them than of new ones."""
    if "learnt" not in rows.columns:
        return table
    return table.with_columns(pl.when(~rows["learnt"]).then(pl.col(name)).alias(name) for name in sorted(PREDICTIONS))


def _last_window(operations: Operations, splits: pl.DataFrame) -> pl.DataFrame:
    """The answers that the last drift report was about, if the champion has learnt from some of their products.

    A drift that nobody has labelled is not learnt, and stays one. Products that it was trained on are left out, since
    it is surer of them than of any that will come.
    """
    report = operations.store.drift.latest()
    if report is None:
        return pl.DataFrame(schema=ANSWERS)
    rows = operations.store.labels.answers(report.version, since=report.since)
    window = pl.DataFrame(rows, schema=ANSWERS, orient="row").filter(pl.col("at") <= report.until)
    taught = pl.col("split").is_in(["train", "validation"]) & pl.col("prdtypecode").is_not_null()
    learnt = window.select(productid().is_in(splits.filter(taught)["productid"].implode())).to_series()
    return window.filter(~learnt) if learnt.sum() >= LEARNT else window.clear()


def _products(rows: pl.DataFrame, data: DataRoot) -> Iterator[Any]:
    return (product for chunk in chunks(rows, data) for product in chunk)


def _worst(one: list[drift.Part], other: list[drift.Part]) -> list[drift.Part]:
    """Of each part the higher score: a change shows first in one window, and a slow one in both together."""
    best: dict[str, drift.Part] = {}
    for part in (*one, *other):
        best[part.name] = max(part, best.get(part.name, part), key=lambda each: each.score)
    return list(best.values())


def _two_windows(predictions: pl.DataFrame, operations: Operations, champion: str) -> pl.DataFrame:
    """This window's answers and the last one's: people decide on few, and on some of them late."""
    before = operations.store.drift.latest()
    if before is None or before.version != champion:
        return predictions
    rows = operations.store.labels.answers(champion, since=before.since)
    return pl.DataFrame(rows, schema=ANSWERS, orient="row")


def _decided(predictions: pl.DataFrame) -> pl.DataFrame:
    """What the model said and how sure it was, beside what people made of it."""
    decided = predictions.filter((pl.col("decided_by") != "") & pl.col("category").is_not_null())
    return decided.select("code", "confidence", label="category")


def _period(predictions: pl.DataFrame) -> tuple[datetime, datetime]:
    return predictions["at"].min(), predictions["at"].max()  # type: ignore[return-value]


def _tell(
    operations: Operations, found: drift.Drift, key: str, period: tuple[datetime, datetime], decided: int
) -> None:
    if not found.found:
        return
    labels = f"People have decided on {decided} of its products; "
    few = decided < Settings().retrain_drift_labels
    what = "review more of them, so that there is something to learn from." if few else "the loop will retrain."
    when = [f"{moment:%Y-%m-%d %H:%M}" for moment in period]
    operations.store.notifications.add(
        f"drift:{key}",
        "drift_found",
        f"Drift {found.score:.2f}: {found.parts[0].name}",
        f"{found.summary}.\nProducts from {when[0]} to {when[1]} UTC.\n{labels}{what}",
        _web_app("model"),
    )


def _tracked(context: dg.AssetExecutionContext, tracking: Tracking, model: str, found: drift.Drift) -> dict[str, Any]:
    """The report as an MLflow run, beside the trainings."""
    run_id = tracking.registry.log_training(
        "drift_report",
        context.run_id,
        params={"champion": model},
        metrics={"drift_score": found.score, **{f"drift_{part.name}": part.score for part in found.parts}},
        tags={"summary": found.summary},
    )
    url = f"/#/experiments/{tracking.registry.experiment_id}/runs/{run_id}"
    return {"mlflow_run": dg.MetadataValue.url(tracking.ui + url)}
