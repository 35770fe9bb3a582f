"""The text model, the image model, and the stacked model that hears both."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import dagster as dg
import numpy as np
import polars as pl
from pydantic import Field

from rakuten_assets import plots
from rakuten_assets.assets import text_rows, training
from rakuten_assets.assets.common import TOURNAMENT, whole
from rakuten_assets.assets.pictures import Pictures
from rakuten_assets.core import embeddings, evaluate, parity, vectors
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.fusion import Fusion, Opinions, Strategy
from rakuten_assets.core.image_models import ImageModel, KernelMap, blocks_of
from rakuten_assets.core.image_networks import ImageNetwork, NetworkSettings
from rakuten_assets.core.learners import Learner, VectorSettings, cross_fit
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

    kind: Literal["kernel", "network"] = Field(
        "kernel",
        description="kernel: a Gaussian-kernel machine on the stored vectors; network: learns from the pictures",
    )
    c: float = Field(3.0, gt=0, description="kernel: inverse of the regularisation")
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

    def network(self) -> NetworkSettings:
        """The settings of the network."""
        return NetworkSettings(
            architecture=self.architecture,
            pretrained={"none": False, "hub": True}.get(self.pretrained, self.pretrained),
            trained_stages=None if self.trained_stages < 0 else self.trained_stages,
            balance=self.balance,
            epochs=self.epochs,
            seconds=60 * self.minutes or None,
        )


class StackedModelConfig(dg.Config):
    """Settings of the fusion."""

    strategy: Strategy = Field("blend", description="How the two opinions become one; see core.stacking")


@whole("models", kinds={"scikitlearn", "mlflow"}, code_version="2", io_manager_key="folders", deps=[TOURNAMENT])
def text_model(
    context: dg.AssetExecutionContext,
    config: TextModelConfig,
    text_embeddings: Path,
    splits: pl.DataFrame,
    tracking: Tracking,
) -> Iterator[dg.MaterializeResult[Path]]:
    """The text model that won the last tournament, or the one that is asked for, calibrated out of fold."""
    chosen, decided_by = _chosen(context, config)
    matter = text_rows.read(text_embeddings, splits)
    train = matter.rows.train & matter.known
    if not (train & (matter.rows.weights > 0)).any():
        raise dg.Failure("No train product has a text and a label: there is nothing to train a text model on.")
    settings = text_rows.settings(chosen)
    # One matrix at a time: the training needs the memory.
    fitted = cross_fit(
        matter.inputs(settings, train),
        matter.rows.codes[train],
        matter.rows.weights[train],
        fold_of(splits["group_id"].filter(train), config.folds).to_numpy(),
        settings.learner(matter.validation(settings)),
    )
    others = matter.known & ~matter.rows.train & matter.rows.placed
    log_proba = training.opinion(train, fitted, others, matter.inputs(settings, others))
    metadata = training.report(log_proba, matter.rows)
    metadata |= {"kind": settings.kind, "settings": dg.MetadataValue.json(chosen), "decided_by": decided_by}
    if isinstance(fitted.classifier, TextNetwork):
        metadata |= text_rows.history(fitted.classifier)
    elif config.learning_curve:
        metadata["learning_curve"] = _learning_curve(matter, settings, train, metadata)
    model = TextModel(embeddings.load_text_encoder(text_embeddings / "encoder"), fitted.classifier)
    view = {"view.json": (text_embeddings / "view.json").read_text()}
    config = config.model_copy(update=chosen)  # what was trained, not that it was left to the tournament
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata, view)


def _chosen(context: dg.AssetExecutionContext, config: TextModelConfig) -> tuple[dict[str, Any], str]:
    """What is trained, and who decided that."""
    asked = config.model_dump(exclude={"folds", "learning_curve"})
    if config.kind != "best":
        return asked, "the run's configuration"
    event = context.instance.get_latest_materialization_event(TOURNAMENT)
    if event is None or event.asset_materialization is None:
        return asked | {"kind": "svm"}, "the defaults: no tournament was held"
    winner: Any = event.asset_materialization.metadata["winner"].value
    return asked | winner, f"the tournament of run {event.run_id[:8]}"


@whole("models", kinds={"scikitlearn", "mlflow"}, code_version="2", io_manager_key="folders")
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
    encoder = embeddings.image_encoder(backbones.image)
    folds = fold_of(splits["group_id"].filter(train), config.folds).to_numpy()
    others = known & ~rows.train & rows.placed
    blocks = blocks_of(encoder)
    if blocks and blocks[-1].end != matrix.shape[1]:
        raise dg.Failure(
            f"The picture vectors have {matrix.shape[1]} numbers, the encoder gives {blocks[-1].end}: another version "
            "computed them. Run `rakuten materialize --fresh`."
        )
    kernel, learn_from, inputs = None, cast(Learner, VectorSettings(c=config.c, balance=config.balance).fit), None
    if config.kind == "network":
        pictures = Pictures(data.path, preparation.sized(encoder.size), distinct["sha256"].to_numpy()[place])
        watched = rows.validation & known
        learn_from, inputs = _network(config, (pictures[watched], rows.codes[watched])), pictures
    else:
        kernel = KernelMap.fit(matrix[place[learn]], config.width, blocks=blocks)
        inputs = kernel.transform(matrix)[place]
    fitted = cross_fit(inputs[train], rows.codes[train], rows.weights[train], folds, learn_from)
    log_proba = training.opinion(train, fitted, others, inputs[others])
    metadata = training.report(log_proba, rows) | {"kind": config.kind}
    if isinstance(fitted.classifier, ImageNetwork):
        metadata |= _learning(fitted.classifier)
    model = ImageModel(encoder, kernel, cast(Any, fitted.classifier))
    yield from training.finish(context, tracking, config, model, splits["productid"], log_proba, metadata)


def _network(config: ImageModelConfig, validation: tuple[Pictures, Any]) -> Learner:
    """The verb that fits a network; it stops early by `validation`."""

    def fit(pictures: Pictures, codes: Any, row_weights: Any) -> ImageNetwork:
        return ImageNetwork.fit(cast(Any, pictures), codes, row_weights, cast(Any, validation), config.network())

    return fit


def _learning(network: ImageNetwork) -> dict[str, Any]:
    """How a network learnt."""
    curve = {"validation": [epoch.validation_f1 for epoch in network.history]}
    epochs = [epoch.number for epoch in network.history]
    return {
        "weights": str(network.settings.pretrained or "none: random weights"),
        "learning": plots.lines(epochs, curve, "Learning", "epoch", "weighted F1"),
    }


@whole("models", kinds={"xgboost", "mlflow"}, code_version="2", io_manager_key="folders")
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
    matter: text_rows.TextRows, settings: TextSettings, train: np.ndarray, metadata: dict
) -> dg.MetadataValue:
    """Weighted F1 on the validation rows by the number of training rows."""
    rows, learn = matter.rows, settings.learner()
    chosen = rows.validation & matter.known
    order = np.random.default_rng(0).permutation(np.flatnonzero(train & (rows.weights > 0)))
    sizes, scores = [int(share * len(order)) for share in CURVE], []
    for size in sizes[:-1]:
        part = order[:size]
        model = learn(matter.inputs(settings, part), rows.codes[part], rows.weights[part])
        scored = evaluate.score(model.log_proba(matter.inputs(settings, chosen)), positions(rows.codes[chosen]))
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
