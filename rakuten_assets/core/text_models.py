"""The text model: an encoder and a linear classifier, saved as one folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rakuten_assets.core.embeddings import TextEncoder, load_text_encoder
from rakuten_assets.core.linear import Array, LinearClassifier


@dataclass(frozen=True)
class TextModel:
    """Log-probabilities of the 27 categories from a text."""

    encoder: TextEncoder
    classifier: LinearClassifier

    def log_proba(self, texts: Sequence[str]) -> Array:
        """Log-probabilities (rows x 27) of cleaned texts."""
        return self.classifier.log_proba(self.encoder.transform(texts))

    def save(self, folder: Path) -> None:
        self.encoder.save(folder / "encoder")
        self.classifier.save(folder / "classifier.safetensors")

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(load_text_encoder(folder / "encoder"), LinearClassifier.load(folder / "classifier.safetensors"))
