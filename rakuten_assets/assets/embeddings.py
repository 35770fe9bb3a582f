"""Texts and pictures as vectors."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.assets.common import ahead, per_batch, whole
from rakuten_assets.core import embeddings, vectors
from rakuten_assets.core.classifier import TextView, prepare_picture, viewed
from rakuten_assets.core.deliveries import read_picture
from rakuten_assets.core.splits import LIVE_GOLD
from rakuten_assets.resources import Backbones, DataRoot, Preparation, Translation


class TextEmbeddingsConfig(dg.Config):
    """What the text encoder reads, and how large it may grow."""

    text_view: TextView = Field(
        "light", description="light: as a reader sees it; classic: lemmas; translated: in French"
    )
    max_features: int = Field(
        200_000, gt=0, description="Most frequent words, and as many character n-grams, that are kept"
    )
    vocabulary: Literal["train", "all"] = Field(
        "train",
        description="Whose words are learnt: train rows', or those of every text but the gold ones, also unlabelled",
    )


@whole("features", kinds={"scikitlearn"}, code_version="2", io_manager_key="folders")
def text_embeddings(
    config: TextEmbeddingsConfig,
    cleaned_text: pl.DataFrame,
    translated_text: pl.DataFrame,
    splits: pl.DataFrame,
    backbones: Backbones,
    translation: Translation,
) -> Iterator[dg.MaterializeResult[Path]]:
    """A vector for each product's text, by an encoder that learnt its vocabulary from no gold row."""
    if config.text_view == "translated" and translation.kind != "glossary":
        # Its folder holds the whole classifier, and of the translators the glossary alone fits into it.
        raise dg.Failure("Models that read translated text need RAKUTEN_TRANSLATOR=glossary: it is served with them.")
    texts = cleaned_text.with_columns(translated_text["translated"]).select("productid", viewed(config.text_view))
    own = (splits["split"] == "train") & (splits["text_weight"] > 0)
    if config.vocabulary == "all":
        own = ~splits["split"].is_in(["gold", LIVE_GOLD]) & (texts["text"] != "") & texts["text"].is_first_distinct()
    train = texts.filter(own)["text"]
    if train.is_empty():
        raise dg.Failure("No train product has a text: there is nothing to learn a vocabulary from.")
    encoder = embeddings.fit_text_encoder(backbones.text, train.to_list(), config.max_features)
    matrix = encoder.transform(texts["text"].to_list())
    with TemporaryDirectory() as name:
        folder = Path(name)
        encoder.save(folder / "encoder")
        vectors.save(folder, matrix, texts["productid"], texts["text"] != "")
        (folder / "view.json").write_text(json.dumps({"text_view": config.text_view}))
        # What networks read, who learn from the texts themselves.
        texts.select("text").write_parquet(folder / "texts.parquet")
        yield dg.MaterializeResult(
            value=folder,
            metadata={
                "rows": matrix.shape[0],
                "dimensions": matrix.shape[1],
                "backbone": backbones.text,
                "text_view": config.text_view,
            },
        )


@per_batch("features", kinds={"opencv", "parquet"}, code_version="2")
def image_embeddings(
    prepared_images: pl.DataFrame, data: DataRoot, preparation: Preparation, backbones: Backbones
) -> dg.MaterializeResult[pl.DataFrame]:
    """A vector for each distinct picture, of its prepared pixels."""
    encoder = embeddings.image_encoder(backbones.image)
    settings = preparation.sized(encoder.size)

    def vector(sha256: str) -> np.ndarray:
        picture = prepare_picture(read_picture(data.path, sha256), settings)
        return encoder.transform([picture])[0]

    rows = list(ahead(vector, prepared_images["sha256"]))
    table = pl.DataFrame({"sha256": prepared_images["sha256"], "vector": vectors.column(rows)})
    norms = np.linalg.norm(np.stack(rows), axis=1) if rows else np.empty(0)
    return dg.MaterializeResult(
        value=table,
        metadata={
            "rows": len(table),
            "dimensions": len(rows[0]) if rows else 0,
            "backbone": backbones.image,
            "norms": plots.histogram(norms, "Lengths of the vectors", "Euclidean norm"),
        },
    )
