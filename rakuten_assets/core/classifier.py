"""The whole classifier as a folder: raw products in, categories with calibrated confidence out."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import polars as pl
from PIL.Image import Image

from rakuten_assets.core import images, language, text, translate
from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier_files import folder_hash
from rakuten_assets.core.fusion import Fusion, Opinions
from rakuten_assets.core.image_models import ImageModel
from rakuten_assets.core.preparation import PreparationSettings, prepare
from rakuten_assets.core.products import CategoryScore, Prediction, Product
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.core.text_models import TextModel

TextView = Literal["light", "classic", "translated"]
"""Which text a model reads: as a reader sees it, reduced to lemmas, or translated to French."""


@dataclass(frozen=True)
class Probabilities:
    """Log-probabilities (rows x 27) of a list of products; NaN in `text` or `image` where it is missing."""

    text: Array
    image: Array
    stacked: Array
    rests_on: list[str]


@dataclass(frozen=True)
class ProductClassifier:
    """Text model, image model and their fusion, with every step that leads to them."""

    text_model: TextModel
    image_model: ImageModel | None
    fusion: Fusion
    text_view: TextView = "light"
    preparation: PreparationSettings = PreparationSettings()
    version: str = "unsaved"

    def predict(self, products: Sequence[Product], top: int = 5) -> list[Prediction]:
        """The `top` likeliest categories of each product, best first."""
        answer = self.predict_log_proba(products)
        best = np.argsort(-answer.stacked, axis=1, kind="stable")[:, :top]
        return [self._prediction(answer, row, order) for row, order in enumerate(best)]

    def predict_log_proba(self, products: Sequence[Product]) -> Probabilities:
        """Log-probabilities of products; raises `BadPicture` where a picture cannot be read.

        A product with neither text nor picture has no answer: its rows are NaN.
        """
        opinions = Opinions(self._text_opinion(products), self._image_opinion(products))
        stacked = np.full((len(products), len(CODES)), np.nan)
        known = opinions.has_text | opinions.has_image
        stacked[known] = self.fusion.log_proba(opinions[known])
        return Probabilities(opinions.text, opinions.image, stacked, opinions.rests_on)

    def _text_opinion(self, products: Sequence[Product]) -> Array:
        texts = np.array(read_texts(products, self.text_view), dtype=object)
        opinion = np.full((len(products), len(CODES)), np.nan)
        known = texts != ""
        if known.any():
            opinion[known] = self.text_model.log_proba(list(texts[known]))
        return opinion

    def _image_opinion(self, products: Sequence[Product]) -> Array:
        opinion = np.full((len(products), len(CODES)), np.nan)
        known = [row for row, product in enumerate(products) if product.image is not None]
        if known and self.image_model is not None:
            pictures = [self._prepared(products[row]) for row in known]
            opinion[known] = self.image_model.log_proba(pictures)
        return opinion

    def _prepared(self, product: Product) -> Image:
        return prepare_picture(cast(bytes, product.image), self.preparation)

    def _prediction(self, answer: Probabilities, row: int, order: np.ndarray) -> Prediction:
        scores = [CategoryScore(CODES[at], NAMES[CODES[at]], float(np.exp(answer.stacked[row, at]))) for at in order]
        rests_on = cast(Literal["text", "image", "both"], answer.rests_on[row])
        return Prediction(tuple(scores), rests_on, self.version)

    def save(self, folder: Path) -> str:
        """Write the classifier to `folder`; the result is its version, a hash of what was written."""
        self.text_model.save(folder / "text")
        if self.image_model is not None:
            self.image_model.save(folder / "image")
        self.fusion.save(folder / "fusion")
        config = {"text_view": self.text_view, "preparation": asdict(self.preparation), "classes": CODES}
        (folder / "classifier.json").write_text(json.dumps(config))
        version = folder_hash(folder)
        (folder / "VERSION").write_text(version)
        return version

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a classifier; raises ValueError where it was made for other categories."""
        config = json.loads((folder / "classifier.json").read_text())
        if tuple(config["classes"]) != CODES:
            raise ValueError(f"The classifier in {folder} was made for other categories than today's.")
        return cls(
            TextModel.load(folder / "text"),
            ImageModel.load(folder / "image") if (folder / "image").exists() else None,
            Fusion.load(folder / "fusion"),
            config["text_view"],
            PreparationSettings(**config["preparation"]),
            (folder / "VERSION").read_text(),
        )


def read_texts(products: Sequence[Product], view: TextView) -> list[str]:
    """The text of each product as the model reads it, by the functions that the assets call."""
    frame = pl.DataFrame(
        {
            "productid": range(len(products)),
            "designation": [product.designation for product in products],
            "description": [product.description for product in products],
        },
        schema={"productid": pl.Int64, "designation": pl.String, "description": pl.String},
    )
    cleaned = text.clean(frame)
    if view != "translated":
        return cleaned.select(viewed(view)).to_series().to_list()
    spoken = cleaned.with_columns(language=pl.Series(language.detect(cleaned["light"]), dtype=pl.String))
    return translate.translate(spoken, translate.GlossaryTranslator()).table["translated"].to_list()


def viewed(view: TextView) -> pl.Expr:
    """The text that a model reads; where nothing is left of it (a title of digits has no lemmas), the whole text."""
    return pl.when(pl.col(view) != "").then(pl.col(view)).otherwise(pl.col("light")).alias("text")


def prepare_picture(data: bytes, settings: PreparationSettings) -> Image:
    """A picture as the model sees it, from the bytes that the seller sent."""
    return prepare(images.open_rgb(data, at_least=settings.size), settings)
