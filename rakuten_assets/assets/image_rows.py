"""What image models learn from: pictures or their vectors, with labels, weights and sides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import dagster as dg
import numpy as np
import polars as pl
from numpy.typing import NDArray
from upath import UPath

from rakuten_assets import plots
from rakuten_assets.assets import training
from rakuten_assets.assets.pictures import Pictures
from rakuten_assets.core import embeddings, vectors
from rakuten_assets.core.embeddings import ImageEncoder
from rakuten_assets.core.image_models import ImageModel, KernelMap, blocks_of
from rakuten_assets.core.image_networks import ImageNetwork, NetworkSettings
from rakuten_assets.core.learners import Classifier, Codes, Learner, VectorSettings
from rakuten_assets.resources import Preparation


@dataclass(frozen=True)
class ImageRows:
    """The products of a `splits` table, and their pictures: one vector for each distinct one."""

    encoder: ImageEncoder
    matrix: NDArray[np.float32]
    place: NDArray[Any]
    """The row of `matrix` that is a product's."""
    pictures: Pictures
    rows: training.Rows
    known: NDArray[np.bool_]
    """Which products have a picture."""

    def prepared(self, params: Mapping[str, Any], learn: NDArray[Any]) -> tuple[KernelMap | None, Any, Learner]:
        """The kernel map, where there is one; what a model of these settings reads of all products; what fits it.

        `learn` are the rows (a mask, or numbers) that the map is made from.
        """
        if params["kind"] == "network":
            watched = self.rows.validation & self.known
            validation = (self.pictures[watched], self.rows.codes[watched])
            return None, self.pictures, _network(network_settings(params), validation)
        kernel = KernelMap.fit(self.matrix[self.place[learn]], params["width"], blocks=blocks_of(self.encoder))
        settings = VectorSettings("ridge", c=params["c"], balance=params["balance"])
        return kernel, kernel.transform(self.matrix)[self.place], cast(Learner, settings.fit)

    def model(self, kernel: KernelMap | None, classifier: Classifier) -> ImageModel:
        """What was fitted, as a model of pictures."""
        return ImageModel(self.encoder, kernel, cast(Any, classifier))


def read(
    splits: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
    image_embeddings: pl.DataFrame,
    root: UPath,
    preparation: Preparation,
    backbone: str,
) -> ImageRows:
    """The image rows of a catalogue; fails where another version computed the vectors."""
    own = splits.select("productid").join(
        deduplicated_images.select("productid", "sha256"), on="productid", how="left", maintain_order="left"
    )
    distinct = image_embeddings.unique("sha256", keep="first", maintain_order=True).with_row_index("at")
    at = own.join(distinct.select("sha256", "at"), on="sha256", how="left", maintain_order="left")["at"]
    place, matrix = at.fill_null(0).to_numpy(), vectors.matrix(distinct["vector"])
    encoder = embeddings.image_encoder(backbone)
    blocks = blocks_of(encoder)
    if len(matrix) and blocks and blocks[-1].end != matrix.shape[1]:
        raise dg.Failure(
            f"The picture vectors have {matrix.shape[1]} numbers, the encoder gives {blocks[-1].end}: another version "
            "computed them. Run `rakuten materialize --fresh`."
        )
    shown = distinct["sha256"].to_numpy()[place] if len(distinct) else np.empty(0, object)
    pictures = Pictures(root, preparation.sized(encoder.size), shown)
    rows = training.rows(splits, splits["image_weight"])
    return ImageRows(encoder, matrix, place, pictures, rows, at.is_not_null().to_numpy())


def network_settings(params: Mapping[str, Any]) -> NetworkSettings:
    """The network that plain parameters describe; what they leave out is as usual."""
    stages, pretrained = params.get("trained_stages", -1), params.get("pretrained", "none")
    return NetworkSettings(
        architecture=params["architecture"],
        pretrained={"none": False, "hub": True}.get(pretrained, pretrained),
        trained_stages=None if stages < 0 else stages,
        balance=params.get("balance", 0.5),
        epochs=params.get("epochs", 30),
        seconds=60 * params.get("minutes", 0) or None,
    )


def _network(settings: NetworkSettings, validation: tuple[Pictures, Codes]) -> Learner:
    """The verb that fits a network; it stops early by `validation`."""

    def fit(pictures: Pictures, codes: Any, row_weights: Any) -> ImageNetwork:
        return ImageNetwork.fit(cast(Any, pictures), codes, row_weights, cast(Any, validation), settings)

    return fit


def history(network: ImageNetwork) -> dict[str, Any]:
    """How a network learnt."""
    curve = {"validation": [epoch.validation_f1 for epoch in network.history]}
    epochs = [epoch.number for epoch in network.history]
    return {
        "weights": str(network.settings.pretrained or "none: random weights"),
        "learning": plots.lines(epochs, curve, "Learning", "epoch", "weighted F1"),
    }
