"""Why a product was put where it was: its words, the regions of its picture, and how the two opinions were weighed."""

from dataclasses import dataclass
from typing import cast

import numpy as np

from rakuten_assets.core.calibration import Array
from rakuten_assets.core.classifier import Probabilities, ProductClassifier, prepare_picture, read_texts
from rakuten_assets.core.explain_image import PictureExplanation, explain_picture
from rakuten_assets.core.explain_text import TextExplanation, explain_text
from rakuten_assets.core.fusion import Fusion
from rakuten_assets.core.products import CategoryScore, Product, RestsOn
from rakuten_assets.core.taxonomy import CODES, INDEX, NAMES


@dataclass(frozen=True)
class Opinion:
    """How sure one model is of the category (0 to 1), and its factor in the logarithmic pool, where that decided."""

    confidence: float
    weight: float | None


@dataclass(frozen=True)
class Explanation:
    """What spoke for a category; the parts of a text or a picture that is not there are None.

    `category` and `runner_up`, the likeliest of the others, have the confidence that both opinions led to.
    """

    category: CategoryScore
    runner_up: CategoryScore
    text_opinion: Opinion | None
    image_opinion: Opinion | None
    text: TextExplanation | None
    picture: PictureExplanation | None
    rests_on: RestsOn
    model_version: str


def explain(classifier: ProductClassifier, product: Product, code: int | None = None) -> Explanation:
    """Which words and which regions of the picture spoke for category `code`; by default, for the predicted one.

    Raises `BadPicture` where the picture cannot be read, and ValueError for a code that is no category and for a
    product with neither text nor picture.
    """
    if code is not None and code not in INDEX:
        raise ValueError(f"{code} is no category.")
    answer = classifier.predict_log_proba([product])
    if np.isnan(answer.stacked).any():
        raise ValueError("A product with neither text nor picture has nothing to explain.")
    at = int(answer.stacked[0].argmax()) if code is None else INDEX[code]
    text_opinion, image_opinion = _opinions(classifier.fusion, answer, at)
    return Explanation(
        category=_score(answer.stacked[0], at),
        runner_up=_score(answer.stacked[0], _best_other(answer.stacked[0], at)),
        text_opinion=text_opinion,
        image_opinion=image_opinion,
        text=_text(classifier, product, at) if text_opinion else None,
        picture=_picture(classifier, product, at) if image_opinion else None,
        rests_on=cast(RestsOn, answer.rests_on[0]),
        model_version=classifier.version,
    )


def _opinions(fusion: Fusion, answer: Probabilities, at: int) -> tuple[Opinion | None, Opinion | None]:
    pooled = answer.rests_on[0] == "both" and fusion.method.startswith("pool")
    weights = fusion.pool_weights if pooled else (None, None)
    return _opinion(answer.text[0, at], weights[0]), _opinion(answer.image[0, at], weights[1])


def _opinion(log_proba: float, weight: float | None) -> Opinion | None:
    return None if np.isnan(log_proba) else Opinion(float(np.exp(log_proba)), weight)


def _best_other(log_proba: Array, at: int) -> int:
    return int(np.argmax(np.where(np.arange(len(CODES)) == at, -np.inf, log_proba)))


def _score(log_proba: Array, at: int) -> CategoryScore:
    return CategoryScore(CODES[at], NAMES[CODES[at]], float(np.exp(log_proba[at])))


def _text(classifier: ProductClassifier, product: Product, at: int) -> TextExplanation:
    (text,) = read_texts([product], classifier.text_view)
    return explain_text(classifier.text_model, text, at)


def _picture(classifier: ProductClassifier, product: Product, at: int) -> PictureExplanation | None:
    if classifier.image_model is None or product.image is None:
        return None
    return explain_picture(classifier.image_model, prepare_picture(product.image, classifier.preparation), at)
