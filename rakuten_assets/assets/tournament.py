"""Text models against one another on the same validation rows; the winner is what the next training takes."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.assets import text_rows
from rakuten_assets.assets.common import whole
from rakuten_assets.core import tournament as core
from rakuten_assets.core.embeddings import load_text_encoder
from rakuten_assets.core.linear import positions
from rakuten_assets.core.text_models import NETWORKS, TextModel
from rakuten_assets.core.tournament import Entry, Fitted, Params
from rakuten_assets.resources import Tracking

# Products that are answered one by one, to tell what an answer takes.
TIMED = 20

SVM: dict[str, Any] = {"kind": "svm", "c": 0.6, "balance": 0.5}

# Support vector machines as they are, scikit-learn's own defaults, each way of rebalancing, and every other kind.
CANDIDATES: list[dict[str, Any]] = [
    SVM,
    {"kind": "svm", "c": 1.0, "balance": 0.0},
    *(
        {**SVM, "balance": 0.0, "rebalance": how}
        for how in ("over", "under", "smote", "adasyn", "tomek", "smote-under")
    ),
    {"kind": "logistic", "c": 3.0, "balance": 0.5},
    {"kind": "forest", "trees": 100, "balance": 1.0},
    {"kind": "fasttext"},
    {"kind": "lstm"},
    {"kind": "transformer", "backbones": ["camembert-base"], "pretrained": "auto"},
]


class TournamentConfig(dg.Config):
    """Who competes, and for how long."""

    minutes: float = Field(15, gt=0, description="Time after which no candidate is begun")
    candidates: list[dict[str, Any]] = Field(
        CANDIDATES, description="Settings of text_model, a candidate each, in the order in which they are measured"
    )
    search: bool = Field(True, description="Search on among support vector machines until the time is over")
    minutes_each: float = Field(3, gt=0, description="Time that a network may learn for")
    seed: int = Field(0, description="Of the search")


@whole("models", kinds={"optuna", "mlflow", "parquet"})
def tournament(
    context: dg.AssetExecutionContext,
    config: TournamentConfig,
    text_embeddings: Path,
    splits: pl.DataFrame,
    tracking: Tracking,
) -> dg.MaterializeResult[pl.DataFrame]:
    """A leaderboard of text models: each is fitted on train and measured on validation rows; gold ones are not seen.

    A candidate's calibration error is that after a temperature fitted to the same rows.
    """
    matter = text_rows.read(text_embeddings, splits)
    encoder = load_text_encoder(text_embeddings / "encoder")
    train = np.flatnonzero(matter.rows.train & matter.known & (matter.rows.weights > 0))
    chosen = np.flatnonzero(matter.rows.validation & matter.known)
    if not len(train) or not len(chosen):
        raise dg.Failure("A tournament needs train and validation products that have a text and a label.")
    order = np.random.default_rng(config.seed).permutation(train)

    def fit(params: Params, share: float) -> Fitted:
        settings = text_rows.settings(params)
        rows = np.sort(order[: max(int(share * len(order)), 1)])
        learn = settings.learner(matter.validation(settings))
        classifier = learn(matter.inputs(settings, rows), matter.rows.codes[rows], matter.rows.weights[rows])
        model = TextModel(encoder, classifier)
        log_proba = classifier.log_proba(matter.inputs(settings, chosen))
        return Fitted(log_proba, _megabytes(model), _milliseconds(model, matter))

    def told(entry: Entry) -> None:
        score = str(entry.weighted_f1) if entry.weighted_f1 else "-"
        context.log.info(f"{_name(entry.params)}: {score}, {entry.outcome}, {entry.seconds:.0f} s")
        _record(context, tracking, entry)

    labels = positions(matter.rows.codes[chosen])
    # Part of what is measured: the winner is trained under the same limit.
    limited = {"minutes": config.minutes_each}
    named = [limited | each if each.get("kind") in NETWORKS else each for each in config.candidates]
    entries = core.hold(
        named,
        _searched if config.search else None,
        fit,
        labels,
        seconds=60 * config.minutes,
        seed=config.seed,
        told=told,
    )
    if entries[0].scores is None:
        raise dg.Failure(f"No candidate could be measured; the first: {entries[0].outcome}")
    table = pl.DataFrame(
        [{"candidate": _name(entry.params), **entry.row(), "params": json.dumps(entry.params)} for entry in entries],
        infer_schema_length=None,
    )
    winner = entries[0]
    return dg.MaterializeResult(
        value=table,
        metadata={
            "winner": dg.MetadataValue.json(winner.params),
            "winner_weighted_f1": winner.scores.weighted_f1 if winner.scores else 0.0,
            "candidates": len(entries),
            "validation_rows": len(chosen),
            "ranking": dg.MetadataValue.json(table.drop("params").to_dicts()),
            "leaderboard": plots.table(_shown(table)),
            "scores": _plot(entries),
        },
    )


def _searched(trial: Any) -> Params:
    """Where the search looks: the kind that is best for its time, around what is known to be good."""
    return {
        "kind": "svm",
        "c": trial.suggest_float("c", 0.05, 5.0, log=True),
        "balance": trial.suggest_float("balance", 0.0, 1.0),
    }


def _name(params: Mapping[str, Any]) -> str:
    """A candidate in a line."""
    values = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in params.items()}
    return " ".join([str(values.pop("kind")), *(f"{name}={value}" for name, value in values.items())])


def _megabytes(model: TextModel) -> float:
    with TemporaryDirectory() as name:
        model.save(Path(name))
        return sum(file.stat().st_size for file in Path(name).rglob("*") if file.is_file()) / 1e6


def _milliseconds(model: TextModel, matter: text_rows.TextRows) -> float:
    """The median time of one text, alone."""
    texts = pl.read_parquet(matter.folder / "texts.parquet")["text"].filter(pl.Series(matter.known)).head(TIMED)
    times = []
    for text in texts:
        begun = time.perf_counter()
        model.log_proba([text])
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times)) if times else 0.0


def _record(context: dg.AssetExecutionContext, tracking: Tracking, entry: Entry) -> None:
    numbers = {name: value for name, value in entry.row().items() if isinstance(value, float) and np.isfinite(value)}
    tracking.registry.log_training(
        "tournament",
        context.run_id,
        params={**entry.params},
        metrics=numbers,
        tags={"outcome": entry.outcome},
        name=_name(entry.params),
    )


def _shown(table: pl.DataFrame) -> pl.DataFrame:
    """The leaderboard as people read it."""
    numbers = [name for name, kind in table.schema.items() if kind == pl.Float64]
    return table.drop("params").with_columns(pl.col(numbers).round(4))


def _plot(entries: list[Entry]) -> dg.MetadataValue:
    measured = {_name(entry.params): entry.scores.weighted_f1 for entry in entries[:20] if entry.scores}
    return plots.bars(measured, "Weighted F1 on validation rows")
