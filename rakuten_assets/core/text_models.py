"""The text model: an encoder and a classifier of any kind, saved as one folder."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import numpy as np

from rakuten_assets.core.embeddings import TextEncoder, load_text_encoder
from rakuten_assets.core.forest import ForestClassifier
from rakuten_assets.core.learners import Classifier, Codes, VectorSettings
from rakuten_assets.core.linear import Array, LinearClassifier
from rakuten_assets.core.text_networks import TextNetwork, TextNetworkSettings

TextKind = Literal["svm", "logistic", "forest", "fasttext", "lstm", "transformer"]
"""Classifiers of the encoder's vectors, and networks that read the texts themselves."""

NETWORKS = ("fasttext", "lstm", "transformer")


@dataclass(frozen=True)
class TextSettings:
    """A kind of text model with its settings; those of the other kinds do not count."""

    kind: TextKind = "svm"
    vectors: VectorSettings = VectorSettings()
    network: TextNetworkSettings | None = None
    """None: what is usual for the kind."""
    pseudo_labels: float = 0.0
    """Share of the unlabelled texts that a teacher labels for a student; of kinds that read vectors."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(TextKind):
            raise ValueError(f"{self.kind!r} is no kind of text model: {', '.join(get_args(TextKind))}.")

    @property
    def reads_texts(self) -> bool:
        """Whether it learns from the texts themselves; if not, from the encoder's vectors."""
        return self.kind in NETWORKS

    def learner(self, validation: tuple[Sequence[str], Codes] | None = None) -> Any:
        """The verb that fits it: rows, codes and row weights in, a classifier out.

        A network stops early, and chooses its best epoch, by the texts and codes of `validation`.
        """
        if not self.reads_texts:
            return replace(self.vectors, kind=cast(Any, self.kind)).fit
        network = self.network or TextNetworkSettings(kind=cast(Any, self.kind))

        def fit(texts: Sequence[str], codes: Codes, row_weights: Array) -> TextNetwork:
            return TextNetwork.fit(list(texts), codes, row_weights, validation, network)

        return fit


@dataclass(frozen=True)
class TextModel:
    """Log-probabilities of the 27 categories from a text.

    The encoder's vectors are also what similar products are found by, whatever the classifier reads.
    """

    encoder: TextEncoder
    classifier: Classifier

    @property
    def kind(self) -> str:
        """What decides, in a word or two."""
        if isinstance(self.classifier, TextNetwork):
            return self.classifier.settings.kind
        return "forest" if isinstance(self.classifier, ForestClassifier) else "linear"

    def log_proba(self, texts: Sequence[str]) -> Array:
        """Log-probabilities (rows x 27) of cleaned texts."""
        if isinstance(self.classifier, TextNetwork):
            return self.classifier.log_proba(texts)
        return self.classifier.log_proba(self.encoder.transform(texts))

    def save(self, folder: Path) -> None:
        self.encoder.save(folder / "encoder")
        save_classifier(self.classifier, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(load_text_encoder(folder / "encoder"), load_classifier(folder))


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write a classifier of any kind into `folder`."""
    cast(Any, classifier).save(folder / _NAMES[type(classifier)])


def load_classifier(folder: Path) -> Classifier:
    """The classifier that was saved into `folder`; its name says of what kind it is."""
    for kind, name in _NAMES.items():
        if (folder / name).exists():
            return cast(Any, kind).load(folder / name)
    raise FileNotFoundError(f"There is no classifier in {folder}.")


_NAMES: dict[type, str] = {
    LinearClassifier: "classifier.safetensors",
    ForestClassifier: "forest",
    TextNetwork: "network",
}


def as_rows(texts: Sequence[str]) -> np.ndarray:
    """Texts as an array, from which rows are chosen as from a matrix."""
    rows = np.empty(len(texts), dtype=object)
    rows[:] = list(texts)
    return rows
