"""What the three training assets share: their rows, their report and their MLflow run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets import plots
from rakuten_assets.core import evaluate
from rakuten_assets.core.calibration import Array, reliability
from rakuten_assets.core.classifier import TextView
from rakuten_assets.core.image_models import ImageModel
from rakuten_assets.core.learners import CrossFit
from rakuten_assets.core.linear import positions
from rakuten_assets.core.splits import LIVE_GOLD, SPLITS
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.core.text_models import TextModel
from rakuten_assets.resources import Tracking

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Masks over all products: who teaches, who is chosen on, who reports; labelled products alone."""

    codes: NDArray[np.int64]
    weights: Array
    train: Mask
    validation: Mask
    gold: Mask
    live_gold: Mask

    @property
    def placed(self) -> Mask:
        return self.train | self.validation | self.gold | self.live_gold

    def taught(self, watched: bool) -> Mask:
        """Who a model learns from: validation rows as well, unless it is stopped early by them (`watched`).

        What was to be chosen on them has been chosen by then; its opinions of them are given out of fold.
        """
        return self.train if watched else self.train | self.validation


def rows(splits: pl.DataFrame, weights: pl.Series) -> Rows:
    """The rows of a `splits` table, with one modality's weights."""
    labelled = splits["prdtypecode"].is_not_null()
    train, validation, gold, live_gold = (
        (labelled & (splits["split"] == name).fill_null(False)).to_numpy() for name in (*SPLITS, LIVE_GOLD)
    )
    codes = splits["prdtypecode"].fill_null(CODES[0]).cast(pl.Int64).to_numpy()
    return Rows(codes, weights.to_numpy(), train, validation, gold, live_gold)


def opinion(taught: Mask, fitted: CrossFit, others: Mask, inputs: Any) -> Array:
    """Log-probabilities of all products: out of fold for `taught` rows, by the whole model for the others' `inputs`."""
    table = np.full((len(taught), len(CODES)), np.nan)
    table[taught] = fitted.log_proba
    if others.any():
        table[others] = fitted.classifier.log_proba(inputs)
    return table


def finish(
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    config: dg.Config,
    model: TextModel | ImageModel | None,
    productids: pl.Series,
    log_proba: Array,
    metadata: dict[str, Any],
    files: Mapping[str, str] | None = None,
) -> Iterator[dg.MaterializeResult[Path]]:
    """Hand on a model's folder, with its log-probabilities beside it for the stacker, and record the training."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        if model is not None:
            model.save(folder / "model")
        np.save(folder / "log_proba.npy", log_proba, allow_pickle=False)
        np.save(folder / "productids.npy", productids.to_numpy(), allow_pickle=False)
        for file, content in (files or {}).items():
            (folder / file).write_text(content)
        run = track(context, tracking, config, metadata)
        yield dg.MaterializeResult(value=folder, metadata=metadata | run)


def read_opinion(folder: Path, productids: pl.Series) -> Array:
    """Log-probabilities (products x 27) that a model left; NaN where it had nothing to judge.

    Raises ValueError where it judged other products than `productids`.
    """
    if not np.array_equal(np.load(folder / "productids.npy", allow_pickle=False), productids.to_numpy()):
        raise ValueError(f"The model in {folder.name} judged other products than the splits: train it again.")
    return np.load(folder / "log_proba.npy", allow_pickle=False)


def text_view(folder: Path) -> TextView:
    """The text that a text model reads."""
    return json.loads((folder / "view.json").read_text())["text_view"]


def report(log_proba: Array, rows: Rows) -> dict[str, Any]:
    """Scores on validation and gold rows, and the plots that explain them."""
    metadata: dict[str, Any] = {"train_rows": int((rows.train & ~np.isnan(log_proba[:, 0])).sum())}
    for name, mask in (("validation", rows.validation), ("gold", rows.gold), ("live_gold", rows.live_gold)):
        scored = evaluate.score(log_proba[mask], positions(rows.codes[mask]))
        values = scored.as_dict() if scored else {"n": 0}
        metadata |= {f"{name}_{score}": value for score, value in values.items()}
    return metadata | _figures(log_proba, rows)


def _figures(log_proba: Array, rows: Rows) -> dict[str, Any]:
    known = rows.gold & ~np.isnan(log_proba[:, 0])
    if not known.any():
        return {}
    labels, predicted = positions(rows.codes[known]), log_proba[known].argmax(1)
    points = reliability(np.exp(log_proba[known].max(1)), predicted == labels)
    per_class = evaluate.per_class_f1(predicted, labels)
    by_name = dict(zip(per_class["category"], per_class["f1"], strict=True))
    names = [NAMES[code] for code in CODES]
    return {
        "confusion_matrix": plots.heat_map(
            evaluate.confusion_matrix(predicted, labels), names, "Gold rows: truth against prediction"
        ),
        "per_class_f1": plots.bars(by_name, "Gold rows: F1 by category"),
        "calibration": plots.reliability(points, "Gold rows: calibration"),
        "known_confusions": plots.table(evaluate.confusions(log_proba[known], labels)),
    }


def track(
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    config: dg.Config,
    metadata: dict[str, Any],
) -> dict[str, Any]:
    """Record the training in MLflow; the result is metadata that names the run."""
    numbers = {name: float(value) for name, value in metadata.items() if isinstance(value, int | float)}
    with TemporaryDirectory() as folder:
        _write_metadata(Path(folder), metadata)
        run_id = tracking.registry.log_training(
            context.asset_key.to_user_string(),
            context.run_id,
            params=config.model_dump(),
            metrics={name: value for name, value in numbers.items() if np.isfinite(value)},
            tags={"data_version": _inputs(context), **_reason(context)},
            figures=Path(folder),
        )
    url = f"/#/experiments/{tracking.registry.experiment_id}/runs/{run_id}"
    return {"mlflow_run_id": run_id, "mlflow_run": dg.MetadataValue.url(tracking.ui + url)}


def _write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    """The plots and tables that the Dagster UI shows, as files for MLflow."""
    for name, value in metadata.items():
        if isinstance(value, dg.MarkdownMetadataValue):
            (folder / f"{name}.md").write_text(value.md_str or "")


def _inputs(context: dg.AssetExecutionContext) -> str:
    """The data versions of what the model was trained on."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey("splits"))
    tags = (event.asset_materialization.tags if event and event.asset_materialization else None) or {}
    return tags.get("dagster/data_version", "unknown")


def _reason(context: dg.AssetExecutionContext) -> dict[str, str]:
    reason = context.run.tags.get("rakuten/reason")
    return {"reason": reason} if reason else {}
