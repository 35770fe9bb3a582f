"""What the tournaments of texts, pictures and fusions share: how one is held and shown, and who asks for its winner."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.core import tournament as core
from rakuten_assets.core.tournament import Entry, Fit, Params
from rakuten_assets.resources import Tracking

# Products that are answered one by one, to tell what an answer takes.
TIMED = 20


class CompetitionConfig(dg.Config):
    """For how long candidates compete."""

    minutes: float = Field(15, gt=0, description="Time after which no candidate is begun")
    search: bool = Field(True, description="Search on around the best kind until the time is over")
    minutes_each: float = Field(3, gt=0, description="Time that a network may learn for")
    seed: int = Field(0, description="Of the search")


def hold(
    context: dg.AssetExecutionContext,
    tracking: Tracking,
    config: CompetitionConfig,
    named: Sequence[Params],
    search: Callable[[Any], Params] | None,
    fit: Fit,
    labels: NDArray[np.intp],
) -> dg.MaterializeResult[pl.DataFrame]:
    """Hold a tournament, a run in MLflow for each candidate; the leaderboard is the table and its metadata.

    `labels` are the class positions of the validation rows that `fit` answers. Fails where nobody can be measured.
    """

    def told(entry: Entry) -> None:
        score = str(entry.weighted_f1) if entry.weighted_f1 else "-"
        context.log.info(f"{_name(entry.params)}: {score}, {entry.outcome}, {entry.seconds:.0f} s")
        _record(context, tracking, entry)

    seconds = 60 * config.minutes
    entries = core.hold(
        named, search if config.search else None, fit, labels, seconds=seconds, seed=config.seed, told=told
    )
    winner = entries[0]
    if winner.scores is None:
        raise dg.Failure(f"No candidate could be measured; the first: {winner.outcome}")
    table = pl.DataFrame(
        [{"candidate": _name(entry.params), **entry.row(), "params": json.dumps(entry.params)} for entry in entries],
        infer_schema_length=None,
    )
    return dg.MaterializeResult(
        value=table,
        metadata={
            "winner": dg.MetadataValue.json(winner.params),
            "winner_weighted_f1": winner.scores.weighted_f1,
            "candidates": len(entries),
            "validation_rows": len(labels),
            "ranking": dg.MetadataValue.json(table.drop("params").to_dicts()),
            "leaderboard": plots.table(_shown(table)),
            "scores": _plot(entries),
        },
    )


def nobody(why: str) -> dg.MaterializeResult[pl.DataFrame]:
    """The leaderboard of a tournament that nobody could enter: the defaults decide, and the training goes on."""
    return dg.MaterializeResult(value=pl.DataFrame({"candidate": []}, {"candidate": pl.String}), metadata={"why": why})


def chosen(
    context: dg.AssetExecutionContext, tournament: dg.AssetKey, asked: Mapping[str, Any], name: str, default: str
) -> tuple[dict[str, Any], str]:
    """The settings that are trained, and who decided that.

    What is asked for in the run's configuration, unless its `name` is "best": then those of the last tournament's
    winner, or of `default` where none was held.
    """
    if asked[name] != "best":
        return dict(asked), "the run's configuration"
    event = context.instance.get_latest_materialization_event(tournament)
    if event is None or event.asset_materialization is None:
        return {**asked, name: default}, "the defaults: no tournament was held"
    if "winner" not in event.asset_materialization.metadata:
        return {**asked, name: default}, "the defaults: nobody could enter the last tournament"
    winner: Any = event.asset_materialization.metadata["winner"].value
    return {**asked, **winner}, f"the tournament of run {event.run_id[:8]}"


def megabytes(model: Any) -> float:
    """What a model takes on disk."""
    with TemporaryDirectory() as name:
        model.save(Path(name))
        return sum(file.stat().st_size for file in Path(name).rglob("*") if file.is_file()) / 1e6


def milliseconds(answer: Callable[[Any], object], products: Iterable[Any]) -> float:
    """The median time that `answer` takes for one product, alone."""
    times = []
    for product in products:
        begun = time.perf_counter()
        answer(product)
        times.append(time.perf_counter() - begun)
    return 1000 * float(np.median(times)) if times else 0.0


def quarter(rows: NDArray[np.intp], share: float, seed: int) -> NDArray[np.intp]:
    """That share of the row numbers, drawn by `seed`, in their order."""
    order = np.random.default_rng(seed).permutation(rows)
    return np.sort(order[: max(int(share * len(order)), 1)])


def _name(params: Mapping[str, Any]) -> str:
    """A candidate in a line."""
    values = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in params.items()}
    first = "kind" if "kind" in values else "strategy"
    return " ".join([str(values.pop(first)), *(f"{name}={value}" for name, value in values.items())])


def _record(context: dg.AssetExecutionContext, tracking: Tracking, entry: Entry) -> None:
    numbers = {name: value for name, value in entry.row().items() if isinstance(value, float) and np.isfinite(value)}
    tracking.registry.log_training(
        context.asset_key.to_user_string(),
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
