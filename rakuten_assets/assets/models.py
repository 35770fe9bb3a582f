"""The text model, the image model, and the stacked model that hears both."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.assets import competition, image_rows, text_rows, training
from rakuten_assets.assets.common import FUSION_TOURNAMENT, IMAGE_TOURNAMENT, TOURNAMENT, whole
from rakuten_assets.core import embeddings, evaluate, parity
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.fusion import Fusion, Opinions, Strategy
from rakuten_assets.core.image_models import ImageModel
from rakuten_assets.core.image_networks import ImageNetwork
from rakuten_assets.core.learners import cross_fit
from rakuten_assets.core.linear import positions
from rakuten_assets.core.rebalance import Rebalancing
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.similar import SimilarProducts
from rakuten_assets.core.splits import fold_of
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.core.text_models import TextModel, TextSettings
from rakuten_assets.core.text_networks import TextNetwork
from rakuten_assets.resources import Backbones, DataRoot, Preparation, Tracking

# Shares of the training rows at which the learning curve is measured.
CURVE = (0.1, 0.3, 1.0)


class FoldsConfig(dg.Config):
    """Settings of whatever is fitted once for each fold, too."""

    folds: int = Field(4, ge=2, description="Folds of the out-of-fold predictions that the stacker learns from")


class TextModelConfig(FoldsConfig):
    """Which text model is trained, and how."""

    kind: Literal["best", "svm", "logistic", "forest", "fasttext", "lstm", "transformer"] = Field(
        "best",
        description="best: the winner of the last tournament, or support vector machines where none was held; "
        "else a kind, with the settings below",
    )
    c: float = Field(0.6, gt=0, description="svm, logistic: inverse of the regularisation")
    balance: float = Field(0.5, ge=0, le=1, description="0: classes weigh as delivered; 1: every class weighs the same")
    rebalance: Rebalancing = Field("none", description="svm, logistic, forest: how rare classes get more rows")
    trees: int = Field(200, gt=0, description="forest: its trees")
    depth: int = Field(0, ge=0, description="forest: how deep a tree may grow; 0: until its leaves are pure")
    pseudo_labels: float = Field(
        0.0,
        ge=0,
        le=1,
        description="svm, logistic, forest: share of the texts without a label that a teacher labels for a student; "
        "0: nobody learns from what no person has said",
    )
    backbones: list[str] = Field(
        ["camembert-base"], description="transformer: hub names or local folders; two are read side by side"
    )
    pretrained: str = Field(
        "auto", description="transformer: auto, hub, none (random weights), or a local folder to take weights from"
    )
    epochs: int = Field(0, ge=0, description="networks: passes over the texts; 0: what is usual for the kind")
    minutes: float = Field(0, ge=0, description="networks: time after which a fit ends with its best epoch; 0: none")
    learning_curve: bool = Field(True, description="Also measure what fewer rows would have given")


class ImageModelConfig(FoldsConfig):
    """Which image model is trained, and how."""

    kind: Literal["best", "kernel", "network"] = Field(
        "best",
        description="best: the winner of the last image tournament, or a kernel machine where none was held; "
        "kernel: ridge regression under Gaussian kernels of the stored vectors; network: learns from the pictures",
    )
    c: float = Field(2.0, gt=0, description="kernel: inverse of the regularisation")
    balance: float = Field(0.5, ge=0, le=1, description="0: as delivered; 1: every class weighs the same")
    width: float = Field(1.0, gt=0, description="kernel: its width, in units of the median squared distance")
    architecture: str = Field(
        "plain-cnn", description="network: plain-cnn, or a timm name (also hf-hub:… and local-dir:…), such as resnet50"
    )
    pretrained: str = Field(
        "none", description="network: hub (the architecture's own weights), none, or a safetensors file"
    )
    trained_stages: int = Field(-1, ge=-1, description="network: stages that learn, from the top; -1: all of them")
    epochs: int = Field(30, gt=0, description="network: passes over the pictures at most")
    minutes: float = Field(0, ge=0, description="network: time after which a fit ends with its best epoch; 0: none")


class StackedModelConfig(dg.Config):
    """Settings of the fusion."""

    strategy: Literal["best", Strategy] = Field(
        "best",
        description="How the two opinions become one, see core.stacking; best: the winner of the last fusion "
        "tournament, or blend where none was held",
    )


@whole("models", kinds={"scikitlearn", "mlflow"}, code_version="3", io_manager_key="folders", deps=[TOURNAMENT])
def text_model(
    context: dg.AssetExecutionContext,
    config: TextModelConfig,
    text_embeddings: Path,
    splits: pl.DataFrame,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """The text model that won the last tournament, or the one that is asked for, calibrated out of fold."""
    asked = config.model_dump(exclude={"folds", "learning_curve"})
    chosen, decided_by = competition.chosen(context, TOURNAMENT, asked, "kind", "svm")
    matter = text_rows.read(text_embeddings, splits)
    settings = text_rows.settings(chosen)
    train = matter.rows.train & matter.known
    if not (train & (matter.rows.weights > 0)).any():
        raise dg.Failure("No train product has a text and a label: there is nothing to train a text model on.")
    taught = matter.rows.taught(watched=settings.reads_texts) & matter.known
    # One matrix at a time: the training needs the memory.
    fitted = cross_fit(
        matter.inputs(settings, taught),
        matter.rows.codes[taught],
        matter.rows.weights[taught],
        fold_of(splits["group_id"].filter(taught), config.folds).to_numpy(),
        matter.learner(settings),
    )
    others = matter.known & ~taught & matter.rows.placed
    log_proba = training.opinion(taught, fitted, others, matter.inputs(settings, others))
    metadata = training.report(log_proba, matter.rows) | {"taught_rows": int(taught.sum())}
    metadata |= {"kind": settings.kind, "settings": dg.MetadataValue.json(chosen), "decided_by": decided_by}
    if isinstance(fitted.classifier, TextNetwork):
        metadata |= text_rows.history(fitted.classifier)
    elif config.learning_curve:
        metadata["learning_curve"] = _learning_curve(matter, settings, train)
    model = TextModel(embeddings.load_text_encoder(text_embeddings / "encoder"), fitted.classifier)
    view = {"view.json": (text_embeddings / "view.json").read_text()}
    config = config.model_copy(update=chosen)  # what was trained, not that it was left to the tournament
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata, view)


@whole(
    "models",
    kinds={"scikitlearn", "mlflow"},
    code_version="4",
    io_manager_key="folders",
    deps=[IMAGE_TOURNAMENT],
)
def image_model(
    context: dg.AssetExecutionContext,
    config: ImageModelConfig,
    image_embeddings: pl.DataFrame,
    deduplicated_images: pl.DataFrame,
    splits: pl.DataFrame,
    data: DataRoot,
    preparation: Preparation,
    backbones: Backbones,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """A kernel machine on the image vectors, or a network; duplicates weigh as their clusters say."""
    asked = config.model_dump(exclude={"folds"})
    settings, decided_by = competition.chosen(context, IMAGE_TOURNAMENT, asked, "kind", "kernel")
    matter = image_rows.read(splits, deduplicated_images, image_embeddings, data.path, preparation, backbones.image)
    rows, known = matter.rows, matter.known
    taught = rows.taught(watched=settings["kind"] == "network") & known
    learn = taught & (rows.weights > 0)
    if not learn.any():
        # A catalogue without pictures is judged by its texts; the stack is told that there is no opinion.
        nothing = np.full((len(splits), len(CODES)), np.nan)
        yield from training.finish(context, tracking, config, None, splits["productid"], nothing, {"train_rows": 0})
        return
    folds = fold_of(splits["group_id"].filter(taught), config.folds).to_numpy()
    others = known & ~taught & rows.placed
    kernel, inputs, learn_from = matter.prepared(settings, learn)
    fitted = cross_fit(inputs[taught], rows.codes[taught], rows.weights[taught], folds, learn_from)
    log_proba = training.opinion(taught, fitted, others, inputs[others])
    metadata = training.report(log_proba, rows) | {"kind": settings["kind"], "taught_rows": int(taught.sum())}
    metadata |= {"settings": dg.MetadataValue.json(settings), "decided_by": decided_by}
    if isinstance(fitted.classifier, ImageNetwork):
        metadata |= image_rows.history(fitted.classifier)
    config = config.model_copy(update=settings)
    model = matter.model(kernel, fitted.classifier)
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata)


@whole("models", kinds={"xgboost", "mlflow"}, code_version="2", io_manager_key="folders", deps=[FUSION_TOURNAMENT])
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
    settings, decided_by = competition.chosen(context, FUSION_TOURNAMENT, config.model_dump(), "strategy", "blend")
    fusion = Fusion.fit(
        settings["strategy"],
        opinions[train],
        positions(rows.codes[train]),
        opinions[validation],
        positions(rows.codes[validation]),
    )
    log_proba = np.full_like(opinions.text, np.nan)
    log_proba[heard] = fusion.log_proba(opinions[heard])
    metadata = training.report(log_proba, rows) | _against_text(log_proba, opinions, rows)
    metadata |= {"fusion": fusion.method, "decided_by": decided_by}
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


def _learning_curve(matter: text_rows.TextRows, settings: TextSettings, train: np.ndarray) -> dg.MetadataValue:
    """Weighted F1 on the validation rows by the number of training rows."""
    rows, learn = matter.rows, settings.learner()
    chosen = rows.validation & matter.known
    order = np.random.default_rng(0).permutation(np.flatnonzero(train & (rows.weights > 0)))
    sizes, scores = [int(share * len(order)) for share in CURVE], []
    for size in sizes:
        part = order[:size]
        model = learn(matter.inputs(settings, part), rows.codes[part], rows.weights[part])
        scored = evaluate.score(model.log_proba(matter.inputs(settings, chosen)), positions(rows.codes[chosen]))
        scores.append(scored.weighted_f1 if scored else float("nan"))
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
