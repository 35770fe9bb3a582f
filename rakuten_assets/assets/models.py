"""The text model, the image model, and the stacked model that hears both."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.assets import training
from rakuten_assets.assets.common import whole
from rakuten_assets.core import embeddings, evaluate, parity, vectors
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.fusion import Fusion, Opinions, Strategy
from rakuten_assets.core.image_models import ImageModel, KernelMap
from rakuten_assets.core.linear import LinearClassifier, cross_fit, positions
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.similar import SimilarProducts
from rakuten_assets.core.splits import fold_of
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_models import TextModel
from rakuten_assets.resources import Backbones, Preparation, Tracking

# Shares of the training rows at which the learning curve is measured.
CURVE = (0.1, 0.3, 1.0)


class LinearConfig(dg.Config):
    """Settings of a linear classifier on vectors."""

    c: float = Field(0.3, gt=0, description="Inverse of the regularisation")
    balance: float = Field(0.3, ge=0, le=1, description="0: classes weigh as delivered; 1: every class weighs the same")
    folds: int = Field(4, ge=2, description="Folds of the out-of-fold predictions that the stacker learns from")


class TextModelConfig(LinearConfig):
    """Settings of the text model."""

    c: float = Field(0.6, gt=0, description="Inverse of the regularisation")
    balance: float = Field(0.5, ge=0, le=1, description="0: classes weigh as delivered; 1: every class weighs the same")
    learning_curve: bool = Field(True, description="Also measure what fewer rows would have given")


class ImageModelConfig(LinearConfig):
    """Settings of the image model."""

    c: float = Field(3.0, gt=0, description="Inverse of the regularisation")
    balance: float = Field(0.5, ge=0, le=1, description="0: as delivered; 1: every class weighs the same")
    width: float = Field(1.0, gt=0, description="Width of the Gaussian kernel, in units of the median squared distance")


class StackedModelConfig(dg.Config):
    """Settings of the fusion."""

    strategy: Strategy = Field("stack-xgboost", description="How the two opinions become one")


@whole("models", kinds={"scikitlearn", "mlflow"}, io_manager_key="folders")
def text_model(
    context: dg.AssetExecutionContext,
    config: TextModelConfig,
    text_embeddings: Path,
    splits: pl.DataFrame,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """Support vector machines on the text vectors, with probabilities that are calibrated out of fold."""
    matrix, known = vectors.load(text_embeddings, splits["productid"])
    rows = training.rows(splits, splits["text_weight"])
    train = rows.train & known
    if not (train & (rows.weights > 0)).any():
        raise dg.Failure("No train product has a text and a label: there is nothing to train a text model on.")
    # One matrix at a time: the training needs the memory.
    learnt = matrix[train]
    del matrix
    fitted = cross_fit(
        learnt,
        rows.codes[train],
        rows.weights[train],
        fold_of(splits["group_id"].filter(train), config.folds).to_numpy(),
        c=config.c,
        balance=config.balance,
    )
    del learnt
    matrix, _ = vectors.load(text_embeddings, splits["productid"])
    log_proba = training.opinion(train, fitted, known & ~rows.train & rows.placed, matrix)
    metadata = training.report(log_proba, rows)
    if config.learning_curve:
        metadata["learning_curve"] = _learning_curve(matrix, rows, train, known, config, metadata)
    model = TextModel(embeddings.load_text_encoder(text_embeddings / "encoder"), fitted.classifier)
    view = {"view.json": (text_embeddings / "view.json").read_text()}
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata, view)


@whole("models", kinds={"scikitlearn", "mlflow"}, io_manager_key="folders")
def image_model(
    context: dg.AssetExecutionContext,
    config: ImageModelConfig,
    image_embeddings: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
    splits: pl.DataFrame,
    backbones: Backbones,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """A Gaussian-kernel machine on the image vectors; duplicates weigh as their clusters say."""
    own = splits.select("productid").join(
        deduplicated_images.select("productid", "sha256"), on="productid", how="left", maintain_order="left"
    )
    distinct = image_embeddings.unique("sha256", keep="first", maintain_order=True).with_row_index("at")
    at = own.join(distinct.select("sha256", "at"), on="sha256", how="left", maintain_order="left")["at"]
    known, place = at.is_not_null().to_numpy(), at.fill_null(0).to_numpy()
    matrix = vectors.matrix(distinct["vector"])
    rows = training.rows(splits, splits["image_weight"])
    train = rows.train & known
    learn = train & (rows.weights > 0)
    if not learn.any():
        # A catalogue without pictures is judged by its texts; the stack is told that there is no opinion.
        nothing = np.full((len(splits), len(CODES)), np.nan)
        yield from training.finish(context, tracking, config, None, splits["productid"], nothing, {"train_rows": 0})
        return
    kernel = KernelMap.fit(matrix[place[learn]], config.width)
    coordinates = kernel.transform(matrix)
    fitted = cross_fit(
        coordinates[place[train]],
        rows.codes[train],
        rows.weights[train],
        fold_of(splits["group_id"].filter(train), config.folds).to_numpy(),
        c=config.c,
        balance=config.balance,
    )
    log_proba = training.opinion(train, fitted, known & ~rows.train & rows.placed, coordinates, place)
    metadata = training.report(log_proba, rows)
    model = ImageModel(embeddings.image_encoder(backbones.image), kernel, fitted.classifier)
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata)


@whole("models", kinds={"xgboost", "mlflow"}, io_manager_key="folders")
def stacked_model(
    context: dg.AssetExecutionContext,
    config: StackedModelConfig,
    text_model: Path,
    image_model: Path,
    similar_products: Path,
    splits: pl.DataFrame,
    preparation: Preparation,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """The whole classifier: both models, their fusion fitted on out-of-fold opinions, and the known products."""
    opinions = Opinions(*(training.read_opinion(folder, splits["productid"]) for folder in (text_model, image_model)))
    rows = training.rows(splits, splits["text_weight"] + splits["image_weight"])
    heard = opinions.has_text | opinions.has_image
    train = rows.train & heard & (rows.weights > 0)
    validation = rows.validation & heard
    fusion = Fusion.fit(
        config.strategy,
        opinions[train],
        positions(rows.codes[train]),
        opinions[validation],
        positions(rows.codes[validation]),
    )
    log_proba = np.full_like(opinions.text, np.nan)
    log_proba[heard] = fusion.log_proba(opinions[heard])
    metadata = training.report(log_proba, rows) | _against_text(log_proba, opinions, rows)
    metadata["fusion"] = fusion.method
    review = ReviewThresholds.fit(log_proba[validation], positions(rows.codes[validation]))
    metadata |= _reviewed(review, log_proba, opinions, rows)
    pictures = image_model / "model"
    images = ImageModel.load(pictures) if pictures.exists() else None
    classifier = ProductClassifier(
        TextModel.load(text_model / "model"),
        images,
        fusion,
        training.text_view(text_model),
        preparation.sized(images.encoder.size) if images else preparation.settings,
        review=review,
        similar=SimilarProducts.load(similar_products),
    )
    with TemporaryDirectory() as name:
        folder = Path(name)
        classifier.save(folder)
        parity.write_examples(folder, classifier)
        run = training.track(context, tracking, config, metadata)
        yield dg.MaterializeResult(value=folder, metadata=metadata | run)


def _learning_curve(
    matrix: Any, rows: training.Rows, train: np.ndarray, known: np.ndarray, config: TextModelConfig, metadata: dict
) -> dg.MetadataValue:
    """Weighted F1 on the validation rows by the number of training rows."""
    chosen = rows.validation & known
    order = np.random.default_rng(0).permutation(np.flatnonzero(train & (rows.weights > 0)))
    sizes, scores = [int(share * len(order)) for share in CURVE], []
    for size in sizes[:-1]:
        part = order[:size]
        model = LinearClassifier.fit(matrix[part], rows.codes[part], rows.weights[part], config.c, config.balance)
        scored = evaluate.score(model.log_proba(matrix[chosen]), positions(rows.codes[chosen]))
        scores.append(scored.weighted_f1 if scored else float("nan"))
    scores.append(metadata.get("validation_weighted_f1", float("nan")))
    return plots.lines(sizes, {"validation": scores}, "Learning curve", "training products", "weighted F1")


def _against_text(log_proba: np.ndarray, opinions: Opinions, rows: training.Rows) -> dict[str, object]:
    """Whether the stack is worth it: its gain over the text alone, on the gold rows that have a text."""
    both = rows.gold & opinions.has_text
    if not both.any():
        return {}
    labels = positions(rows.codes[both])
    gain = evaluate.difference(log_proba[both].argmax(1), opinions.text[both].argmax(1), labels)
    return {"gold_gain_over_text": str(gain)}


def _reviewed(review: ReviewThresholds, log_proba: np.ndarray, opinions: Opinions, rows: training.Rows) -> dict:
    """How much of the gold rows a person would have to look at, and how often the rest is right."""
    gold = np.flatnonzero(rows.gold & ~np.isnan(log_proba[:, 0]))
    if not len(gold):
        return {}
    alone = np.array([review.reason(log_proba[at], opinions.text[at], opinions.image[at]) is None for at in gold])
    right = log_proba[gold].argmax(1) == positions(rows.codes[gold])
    accuracy = {"gold_accuracy_without_review": float(right[alone].mean())} if alone.any() else {}
    return {"gold_share_to_review": float(1 - alone.mean()), **accuracy}
