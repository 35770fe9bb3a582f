"""The whole classifier as a folder: raw products in, categories with calibrated confidence out."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL.Image import Image

from rakuten_assets.core import images, language, text, translate
from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier_files import folder_hash
from rakuten_assets.core.fusion import Fusion, Opinions
from rakuten_assets.core.image_models import ImageModel
from rakuten_assets.core.preparation import PreparationSettings, prepare
from rakuten_assets.core.products import CategoryScore, Prediction, Product
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.similar import SimilarProduct, SimilarProducts
from rakuten_assets.core.taxonomy import CODES, NAMES
from rakuten_assets.core.text_models import TextModel

TextView = Literal["light", "classic", "translated"]
"""Which text a model reads: as a reader sees it, reduced to lemmas, or translated to French."""


# Raised whenever a stored classifier of before can no longer answer as it did. 2: text terms of writing, second-order
# picture features, and the fusion's files. 3: calibrations that depend on the confidence.
FORMAT = 3


class Outdated(ValueError):
    """A classifier that an earlier version of this program has stored, and that has to be trained again."""


@dataclass(frozen=True)
class Probabilities:
    """Log-probabilities (rows x 27) of a list of products; NaN in `text` or `image` where it is missing."""

    text: Array
    image: Array
    stacked: Array
    rests_on: list[str]


@dataclass(frozen=True)
class ProductClassifier:
    """Text model, image model and their fusion, with every step that leads to them.

    `review` says which answers a person must look at, `similar` holds the known products to compare with.
    """

    text_model: TextModel
    image_model: ImageModel | None
    fusion: Fusion
    text_view: TextView = "light"
    preparation: PreparationSettings = PreparationSettings()
    version: str = "unsaved"
    review: ReviewThresholds = ReviewThresholds()
    similar: SimilarProducts | None = None

    def predict(self, products: Sequence[Product], top: int = 5) -> list[Prediction]:
        """The `top` likeliest categories of each product, best first."""
        answer = self.predict_log_proba(products)
        best = np.argsort(-answer.stacked, axis=1, kind="stable")[:, :top]
        return [self._prediction(answer, row, order) for row, order in enumerate(best)]

    def predict_log_proba(self, products: Sequence[Product], pool: Executor | None = None) -> Probabilities:
        """Log-probabilities of products; raises `BadPicture` where a picture cannot be read.

        A product with neither text nor picture has no answer: its rows are NaN. The threads of `pool` see to the
        pictures while the caller's own thread reads the texts; the numbers are the same.
        """
        pictures = self._started(products, pool)
        opinions = Opinions(self._text_opinion(products), self._image_opinion(products, pictures))
        stacked = np.full((len(products), len(CODES)), np.nan)
        known = opinions.has_text | opinions.has_image
        stacked[known] = self.fusion.log_proba(opinions[known])
        return Probabilities(opinions.text, opinions.image, stacked, opinions.rests_on)

    def similar_to(self, product: Product, count: int = 5) -> list[SimilarProduct]:
        """The `count` known products nearest to this one, the nearest first; none where it has nothing to compare.

        Raises ValueError where the classifier was stored without known products, `BadPicture` as in `predict`.
        """
        if self.similar is None:
            raise ValueError("This classifier was stored without known products to compare with.")
        text = read_texts([product], self.text_view)
        words = self.text_model.encoder.transform(text) if text[0] else None
        pictures = list(self._started([product], None))
        found = self.similar.nearest(words, self._vectors(pictures) if pictures else None, count)
        return found[0] if found else []

    def _text_opinion(self, products: Sequence[Product]) -> Array:
        texts = np.array(read_texts(products, self.text_view), dtype=object)
        opinion = np.full((len(products), len(CODES)), np.nan)
        known = texts != ""
        if known.any():
            opinion[known] = self.text_model.log_proba(list(texts[known]))
        return opinion

    def _image_opinion(self, products: Sequence[Product], started: Iterable[Any]) -> Array:
        opinion = np.full((len(products), len(CODES)), np.nan)
        pictures = list(started)
        if pictures and self.image_model is not None:
            known = [product.image is not None for product in products]
            model = self.image_model
            decided = model.log_proba(pictures) if model.reads_pictures else model.from_vectors(self._vectors(pictures))
            opinion[known] = decided
        return opinion

    def _started(self, products: Sequence[Product], pool: Executor | None) -> Iterable[Any]:
        """What `_vectors` takes of each picture, in order; a pool is at work on it already, without one nobody is."""
        if self.image_model is None:
            return ()
        pictures = [product.image for product in products if product.image is not None]
        return (pool.map if pool else map)(self._seen, pictures)

    def _seen(self, data: bytes) -> Any:
        """A picture prepared, or its vector (1 x d) at once where that is all that is wanted of it alone."""
        picture = prepare_picture(data, self.preparation)
        return cast(ImageModel, self.image_model).encoder.transform([picture]) if self._vectors_at_once else picture

    def _vectors(self, pictures: Sequence[Any]) -> NDArray[np.float32]:
        """The encoder's vectors (rows x d) of what `_seen` made."""
        if self._vectors_at_once:
            return np.concatenate(pictures)
        return cast(ImageModel, self.image_model).encoder.transform(pictures)

    @property
    def _vectors_at_once(self) -> bool:
        """Whether the encoder takes one picture after the other, and nothing else reads them."""
        model = cast(ImageModel, self.image_model)
        return model.encoder.one_by_one and not model.reads_pictures

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
        self.review.save(folder / "review.json")
        if self.similar is not None:
            self.similar.save(folder / "similar")
        config = {
            "format": FORMAT,
            "text_view": self.text_view,
            "preparation": asdict(self.preparation),
            "classes": CODES,
        }
        (folder / "classifier.json").write_text(json.dumps(config))
        version = folder_hash(folder)
        (folder / "VERSION").write_text(version)
        return version

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a classifier; ValueError where it was made for other categories, `Outdated` where it is too old."""
        config = json.loads((folder / "classifier.json").read_text())
        if config.get("format", 1) < FORMAT:
            raise Outdated(f"The classifier in {folder} was stored by an earlier version: train it again.")
        if config["format"] > FORMAT:
            raise ValueError(f"The classifier in {folder} was stored by a later version of this program.")
        if tuple(config["classes"]) != CODES:
            raise ValueError(f"The classifier in {folder} was made for other categories than today's.")
        return cls(
            TextModel.load(folder / "text"),
            ImageModel.load(folder / "image") if (folder / "image").exists() else None,
            Fusion.load(folder / "fusion"),
            config["text_view"],
            PreparationSettings(**config["preparation"]),
            (folder / "VERSION").read_text(),
            ReviewThresholds.load(folder / "review.json"),
            SimilarProducts.load(folder / "similar") if (folder / "similar").exists() else None,
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
    cleaned = text.views(frame)
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
