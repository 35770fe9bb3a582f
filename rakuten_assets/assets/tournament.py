"""Text models against one another on the same validation rows; the winner is what the next training takes."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets.assets import competition, text_rows
from rakuten_assets.assets.common import whole
from rakuten_assets.core.embeddings import load_text_encoder
from rakuten_assets.core.linear import positions
from rakuten_assets.core.text_models import NETWORKS, TextModel
from rakuten_assets.core.tournament import Fitted, Params
from rakuten_assets.resources import Tracking

SVM: dict[str, Any] = {"kind": "svm", "c": 0.6, "balance": 0.5}

# Support vector machines as they are, scikit-learn's own defaults, each way of rebalancing, a teacher with its student,
# and every other kind.
CANDIDATES: list[dict[str, Any]] = [
    SVM,
    {"kind": "svm", "c": 1.0, "balance": 0.0},
    *(
        {**SVM, "balance": 0.0, "rebalance": how}
        for how in ("over", "under", "smote", "adasyn", "tomek", "smote-under")
    ),
    {**SVM, "pseudo_labels": 0.5},
    {"kind": "logistic", "c": 3.0, "balance": 0.5},
    {"kind": "forest", "trees": 100, "balance": 1.0},
    {"kind": "fasttext"},
    {"kind": "lstm"},
    {"kind": "transformer", "backbones": ["camembert-base"], "pretrained": "auto"},
]


class TournamentConfig(competition.CompetitionConfig):
    """Who competes, and for how long."""

    candidates: list[dict[str, Any]] = Field(
        CANDIDATES, description="Settings of text_model, a candidate each, in the order in which they are measured"
    )


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
    judged = np.flatnonzero(matter.rows.validation & matter.known)
    if not len(train) or not len(judged):
        raise dg.Failure("A tournament needs train and validation products that have a text and a label.")
    texts = matter.texts[judged[: competition.TIMED]]

    def fit(params: Params, share: float) -> Fitted:
        settings = text_rows.settings(params)
        rows = competition.quarter(train, share, config.seed)
        learn = matter.learner(settings)
        classifier = learn(matter.inputs(settings, rows), matter.rows.codes[rows], matter.rows.weights[rows])
        model = TextModel(encoder, classifier)
        log_proba = classifier.log_proba(matter.inputs(settings, judged))
        took = competition.milliseconds(lambda text: model.log_proba([text]), texts)
        return Fitted(log_proba, competition.megabytes(model), took)

    # Part of what is measured: the winner is trained under the same limit.
    limited = {"minutes": config.minutes_each}
    named = [limited | each if each.get("kind") in NETWORKS else each for each in config.candidates]
    return competition.hold(context, tracking, config, named, _searched, fit, positions(matter.rows.codes[judged]))


def _searched(trial: Any) -> Params:
    """Where the search looks: the kind that is best for its time, around what is known to be good."""
    return {
        "kind": "svm",
        "c": trial.suggest_float("c", 0.05, 5.0, log=True),
        "balance": trial.suggest_float("balance", 0.0, 1.0),
    }
