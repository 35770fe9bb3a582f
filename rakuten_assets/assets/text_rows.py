"""What text models learn from: the texts or their vectors, with labels, weights and sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets import plots
from rakuten_assets.assets import training
from rakuten_assets.core import vectors
from rakuten_assets.core.learners import Codes, VectorSettings, with_students
from rakuten_assets.core.text_models import NETWORKS, TextSettings, as_rows
from rakuten_assets.core.text_networks import TextNetwork, TextNetworkSettings


@dataclass(frozen=True)
class TextRows:
    """The products of a `splits` table, and the folder of their `text_embeddings`."""

    folder: Path
    productids: pl.Series
    rows: training.Rows
    known: NDArray[np.bool_]
    """Which products have a text."""
    unlabelled: NDArray[np.bool_]
    """Which have a text and no label, on the train rows' side of the split."""

    def inputs(self, settings: TextSettings, chosen: NDArray[Any]) -> Any:
        """What a model of these settings reads of the chosen rows: vectors (rows x d), or an array of texts.

        Read anew each time: the whole matrix is in memory only while a part of it is taken.
        """
        if settings.reads_texts:
            return self.texts[chosen]
        return vectors.load(self.folder, self.productids)[0][chosen]

    @property
    def texts(self) -> NDArray[Any]:
        """All texts as models read them."""
        return as_rows(pl.read_parquet(self.folder / "texts.parquet")["text"].to_list())

    def validation(self, settings: TextSettings) -> tuple[Sequence[str], Codes] | None:
        """Texts and codes that a network stops early by; None for a model that does not."""
        if not settings.reads_texts:
            return None
        chosen = self.rows.validation & self.known
        return list(self.inputs(settings, chosen)), self.rows.codes[chosen]

    def learner(self, settings: TextSettings) -> Any:
        """The verb that fits a model of these settings: rows, codes and row weights in, a classifier out."""
        learn = settings.learner(self.validation(settings))
        if settings.reads_texts or not settings.pseudo_labels:
            return learn
        return with_students(learn, self.inputs(settings, self.unlabelled), settings.pseudo_labels)


def read(folder: Path, splits: pl.DataFrame) -> TextRows:
    """The text rows of a catalogue; ValueError where the vectors are another catalogue's."""
    if not (folder / "texts.parquet").exists():
        raise dg.Failure("Another version made the text vectors: materialise text_embeddings first.")
    _, known = vectors.load(folder, splits["productid"])
    unlabelled = ((splits["split"] == "train") & splits["prdtypecode"].is_null()).fill_null(False).to_numpy()
    rows = training.rows(splits, splits["text_weight"])
    return TextRows(folder, splits["productid"], rows, known, unlabelled & known)


def settings(params: Mapping[str, Any]) -> TextSettings:
    """The text model that plain parameters describe, as they stand in a run's configuration or on a leaderboard."""
    kind = params["kind"]
    if kind in NETWORKS:
        options: dict[str, Any] = {"kind": kind, "epochs": int(params.get("epochs", 0))}
        if kind == "transformer":
            options |= {
                "backbones": tuple(params.get("backbones", ["camembert-base"])),
                "pretrained": params.get("pretrained", "auto"),
            }
        if params.get("minutes"):
            options["seconds"] = 60.0 * params["minutes"]
        return TextSettings(kind, network=TextNetworkSettings(**options))
    chosen = {name: params[name] for name in ("c", "balance", "rebalance", "trees") if name in params}
    vectors = VectorSettings(**chosen, depth=params.get("depth") or None)
    return TextSettings(kind, vectors, pseudo_labels=params.get("pseudo_labels", 0.0))


def history(network: TextNetwork) -> dict[str, Any]:
    """How a network learnt, and from which weights it began."""
    epochs = [epoch.number for epoch in network.history]
    curve = {"validation": [epoch.validation_f1 for epoch in network.history]}
    return {
        "weights": network.source,
        "learning": plots.lines(epochs, curve, "Learning", "epoch", "weighted F1"),
    }
