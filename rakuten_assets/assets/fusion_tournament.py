"""Ways to join two opinions against one another on the same validation rows; the next stacked model takes the best."""

from pathlib import Path
from typing import get_args

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets.assets import competition, training
from rakuten_assets.assets.common import whole
from rakuten_assets.core.fusion import Fusion, Opinions, Strategy
from rakuten_assets.core.linear import positions
from rakuten_assets.core.tournament import Fitted, Params
from rakuten_assets.resources import Tracking

# The stacked model's default first: among equals it stays.
CANDIDATES = sorted(get_args(Strategy), key=lambda name: name != "blend")


class FusionTournamentConfig(competition.CompetitionConfig):
    """Who competes, and for how long."""

    candidates: list[str] = Field(CANDIDATES, description="Strategies of stacked_model, in the order of measurement")


@whole("models", kinds={"optuna", "mlflow", "parquet"})
def fusion_tournament(
    context: dg.AssetExecutionContext,
    config: FusionTournamentConfig,
    text_model: Path,
    image_model: Path,
    splits: pl.DataFrame,
    tracking: Tracking,
) -> dg.MaterializeResult[pl.DataFrame]:
    """A leaderboard of fusions: fitted on opinions of train rows, measured on validation rows that have both."""
    opinions = Opinions(*(training.read_opinion(folder, splits["productid"]) for folder in (text_model, image_model)))
    rows = training.rows(splits, splits["text_weight"] + splits["image_weight"])
    train = np.flatnonzero(rows.train & opinions.has_both & (rows.weights > 0))
    judged = np.flatnonzero(rows.validation & opinions.has_both)
    if not len(train) or not len(judged):
        return competition.nobody("There are no labelled train and validation products with a text and a picture.")

    def fit(params: Params, share: float) -> Fitted:
        learn = competition.quarter(train, share, config.seed)
        nobody = opinions[learn[:0]]
        labels = positions(rows.codes[learn])
        fusion = Fusion.fit(params["strategy"], opinions[learn], labels, nobody, labels[:0])
        took = competition.milliseconds(
            lambda row: fusion.log_proba(opinions[row : row + 1]), judged[: competition.TIMED]
        )
        return Fitted(fusion.log_proba(opinions[judged]), competition.megabytes(fusion), took)

    named: list[Params] = [{"strategy": name} for name in config.candidates]
    # Nothing is searched: a strategy chooses its settings by itself, within the train rows.
    return competition.hold(context, tracking, config, named, None, fit, positions(rows.codes[judged]))
