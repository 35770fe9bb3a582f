"""Image models against one another on the same validation rows; the winner is what the next training takes."""

from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets.assets import competition, image_rows
from rakuten_assets.assets.common import whole
from rakuten_assets.core.linear import positions
from rakuten_assets.core.tournament import Fitted, Params
from rakuten_assets.resources import Backbones, DataRoot, Preparation, Tracking

# Kernel machines, the documents' network trained from nothing, a light one, and the one that the documents retained.
CANDIDATES: list[dict[str, Any]] = [
    {"kind": "kernel", "c": 2.0, "balance": 0.5, "width": 1.0},
    {"kind": "kernel", "c": 2.0, "balance": 0.0, "width": 1.0},
    {"kind": "kernel", "c": 2.0, "balance": 1.0, "width": 1.0},
    {"kind": "network", "architecture": "plain-cnn", "pretrained": "none"},
    {"kind": "network", "architecture": "mobilenetv2_100", "pretrained": "none"},
    {"kind": "network", "architecture": "resnet50", "pretrained": "hub", "trained_stages": 1},
]


class ImageTournamentConfig(competition.CompetitionConfig):
    """Who competes, and for how long."""

    candidates: list[dict[str, Any]] = Field(
        CANDIDATES, description="Settings of image_model, a candidate each, in the order in which they are measured"
    )


@whole("models", kinds={"optuna", "mlflow", "parquet"}, code_version="2")
def image_tournament(
    context: dg.AssetExecutionContext,
    config: ImageTournamentConfig,
    image_embeddings: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
    splits: pl.DataFrame,
    data: DataRoot,
    preparation: Preparation,
    backbones: Backbones,
    tracking: Tracking,
) -> dg.MaterializeResult[pl.DataFrame]:
    """A leaderboard of image models: each is fitted on train and measured on validation rows, not on gold ones."""
    matter = image_rows.read(splits, deduplicated_images, image_embeddings, data.path, preparation, backbones.image)
    train = np.flatnonzero(matter.rows.train & matter.known & (matter.rows.weights > 0))
    judged = np.flatnonzero(matter.rows.validation & matter.known)
    if not len(train) or not len(judged):
        return competition.nobody("There are no train and validation products that have a picture and a label.")

    def fit(params: Params, share: float) -> Fitted:
        rows = competition.quarter(train, share, config.seed)
        kernel, inputs, learn = matter.prepared(params, rows)
        classifier = learn(inputs[rows], matter.rows.codes[rows], matter.rows.weights[rows])
        model = matter.model(kernel, classifier)
        took = competition.milliseconds(
            lambda picture: model.log_proba([picture]), matter.pictures[judged[: competition.TIMED]]
        )
        return Fitted(classifier.log_proba(inputs[judged]), competition.megabytes(model), took)

    # Part of what is measured: the winner is trained under the same limit.
    limited = {"minutes": config.minutes_each}
    named = [limited | each if each.get("kind") == "network" else each for each in config.candidates]
    return competition.hold(context, tracking, config, named, _searched, fit, positions(matter.rows.codes[judged]))


def _searched(trial: Any) -> Params:
    """Where the search looks: the kind that is best for its time, around what is known to be good."""
    return {
        "kind": "kernel",
        "c": trial.suggest_float("c", 0.2, 20.0, log=True),
        "balance": trial.suggest_float("balance", 0.0, 1.0),
        "width": trial.suggest_float("width", 0.3, 3.0, log=True),
    }
