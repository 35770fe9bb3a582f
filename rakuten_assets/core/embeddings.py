"""Vectors of texts and of pictures: built in, or by a pretrained network from the hub or a folder.

Every encoder has one verb, `transform`, and can be saved to and loaded from a folder without pickle.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import polars as pl
from PIL.Image import Image

BUILT_IN = "built-in"
"""The backbone that needs no download."""


class TextEncoder(Protocol):
    """Texts in, a matrix with a row a text out (dense or sparse, float32)."""

    def transform(self, texts: Sequence[str]) -> Any: ...

    def save(self, folder: Path) -> None: ...


class ImageEncoder(Protocol):
    """Prepared pictures in, a dense matrix with a row a picture out (float32)."""

    size: int

    def transform(self, pictures: Sequence[Image]) -> np.ndarray: ...

    def save(self, folder: Path) -> None: ...


def fit_text_encoder(backbone: str, texts: Sequence[str], max_features: int) -> TextEncoder:
    """The encoder named by `backbone`; the built-in one learns its vocabulary from `texts`."""
    if backbone == BUILT_IN:
        return TfidfEncoder.fit(texts, max_features)
    return TransformerEncoder(backbone)


def image_encoder(backbone: str) -> ImageEncoder:
    """The encoder named by `backbone`: built in, or a timm network (`name`, `hf-hub:...`, `local-dir:...`)."""
    return HandmadeFeatures() if backbone == BUILT_IN else TimmEncoder(backbone)


def load_text_encoder(folder: Path) -> TextEncoder:
    """The encoder that was saved to `folder`."""
    kind = _config(folder)["kind"]
    return TfidfEncoder.load(folder) if kind == "tfidf" else TransformerEncoder(str(folder / "model"))


def load_image_encoder(folder: Path) -> ImageEncoder:
    """The encoder that was saved to `folder`."""
    config = _config(folder)
    return HandmadeFeatures() if config["kind"] == "handmade" else TimmEncoder.load(folder, config)


class TfidfEncoder:
    """Words, word pairs and character n-grams, weighted by TF-IDF, side by side in one sparse row.

    The first line of a text, which is the title, is also read alone: it says what the product is, where a
    description says what else there is to know.
    """

    # Word pairs tell "jeu vidéo" from "jeu de société"; characters forgive inflection and typing errors.
    WORDS = {"analyzer": "word", "ngram_range": (1, 2)}
    CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
    KINDS = {"words": WORDS, "characters": CHARACTERS, "title": CHARACTERS}

    # Characters of a text whose n-grams are read: by then a description repeats itself, and the words are read to
    # its end all the same. This bounds the numbers in a row, and so the memory that training takes.
    READ = 1000

    # Texts that the vocabulary is learnt from, evenly spaced: a term that is in none of so many decides nothing.
    LEARNT_FROM = 30_000

    # Texts turned into vectors at once.
    CHUNK = 5_000

    # What each part weighs in a row, chosen by cross-validation on train rows: words repeat what characters say.
    WEIGHTS = {"words": 0.7, "characters": 1.0, "title": 1.0}

    def __init__(self, parts: dict[str, Any]) -> None:
        self._parts = parts

    @classmethod
    def fit(cls, texts: Sequence[str], max_features: int = 400_000) -> Self:
        """Learn the vocabulary and its weights; at most `max_features` of each kind, the most frequent."""
        texts = texts[:: -(-len(texts) // cls.LEARNT_FROM) or 1]
        least = _rare(texts)
        parts = {name: _vectorizer(kind, max_features=max_features, min_df=least) for name, kind in cls.KINDS.items()}
        return cls({name: part.fit(cls._read(name, texts)) for name, part in parts.items()})

    def transform(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import vstack

        starts = range(0, max(len(texts), 1), self.CHUNK)
        return vstack([self._transform(texts[at : at + self.CHUNK]) for at in starts], format="csr")

    def _transform(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        blocks = [
            part.transform(self._read(name, texts)) * np.float32(self.WEIGHTS[name])
            for name, part in self._parts.items()
        ]
        return hstack(blocks, format="csr")

    @classmethod
    def _read(cls, part: str, texts: Sequence[str]) -> Sequence[str]:
        """What a part reads of each text."""
        if part == "words":
            return texts
        return [(text.split("\n", 1)[0] if part == "title" else text)[: cls.READ] for text in texts]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self._parts.items():
            terms = sorted(part.vocabulary_, key=part.vocabulary_.__getitem__)
            pl.DataFrame({"term": terms, "idf": part.idf_}).write_parquet(folder / f"{name}.parquet")
        _write_config(folder, {"kind": "tfidf"})

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls({name: _restored(kind, folder / f"{name}.parquet") for name, kind in cls.KINDS.items()})


class TransformerEncoder:
    """Mean of the last hidden states of a Hugging Face encoder, over the tokens of a text."""

    MAX_TOKENS = 256

    def __init__(self, source: str, batch_size: int = 32) -> None:
        """`source` is a name on the hub or a local folder; raises OSError when it cannot be had."""
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(source)
        self._model = AutoModel.from_pretrained(source).eval().to(_device())
        self._batch_size = batch_size

    def transform(self, texts: Sequence[str]) -> np.ndarray:
        batches = [texts[at : at + self._batch_size] for at in range(0, len(texts), self._batch_size)]
        width = self._model.config.hidden_size
        return np.concatenate([self._encode(batch) for batch in batches] or [np.empty((0, width), np.float32)])

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        tokens = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.MAX_TOKENS, return_tensors="pt"
        ).to(self._model.device)
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        return np.asarray(mean.float().cpu().numpy())

    def save(self, folder: Path) -> None:
        self._model.save_pretrained(folder / "model")
        self._tokenizer.save_pretrained(folder / "model")
        _write_config(folder, {"kind": "transformer"})


class HandmadeFeatures:
    """Colour, gradient and texture statistics of a picture; see `image_features`."""

    size = 224

    def transform(self, pictures: Sequence[Image]) -> np.ndarray:
        from rakuten_assets.core.image_features import features

        return np.stack([features(picture) for picture in pictures])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _write_config(folder, {"kind": "handmade"})


class TimmEncoder:
    """Pooled features of a timm network, with the size, mean and deviation that it was trained with."""

    def __init__(self, name: str, *, pretrained: bool = True, batch_size: int = 32) -> None:
        """`name` is a timm model, `hf-hub:owner/model` or `local-dir:folder`."""
        import timm

        self._name = name
        self._model = timm.create_model(name, pretrained=pretrained, num_classes=0).eval().to(_device())
        self._data = timm.data.resolve_model_data_config(self._model)
        self._batch_size = batch_size
        self.size = int(self._data["input_size"][-1])

    def transform(self, pictures: Sequence[Image]) -> np.ndarray:
        batches = [pictures[at : at + self._batch_size] for at in range(0, len(pictures), self._batch_size)]
        return np.concatenate([self._encode(batch) for batch in batches])

    def _encode(self, pictures: Sequence[Image]) -> np.ndarray:
        import torch

        pixels = np.stack([np.asarray(_sized(picture, self.size), np.float32) / 255 for picture in pictures])
        normal = (pixels - np.float32(self._data["mean"])) / np.float32(self._data["std"])
        batch = torch.from_numpy(normal).permute(0, 3, 1, 2).to(_device())
        with torch.inference_mode():
            return np.asarray(self._model(batch).float().cpu().numpy())

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_model

        folder.mkdir(parents=True, exist_ok=True)
        save_model(self._model, str(folder / "model.safetensors"))
        architecture = self._model.default_cfg["architecture"]  # type: ignore[index]
        _write_config(folder, {"kind": "timm", "architecture": architecture, "data": _plain(self._data)})

    @classmethod
    def load(cls, folder: Path, config: dict[str, Any]) -> Self:
        from safetensors.torch import load_model

        encoder = cls(config["architecture"], pretrained=False)
        load_model(encoder._model, str(folder / "model.safetensors"))
        encoder._data, encoder.size = config["data"], int(config["data"]["input_size"][-1])
        return encoder


def _vectorizer(kind: dict[str, Any], **options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(strip_accents="unicode", sublinear_tf=True, dtype=np.float32, **kind, **options)


def _restored(kind: dict[str, Any], file: Path) -> Any:
    table = pl.read_parquet(file)
    vectorizer = _vectorizer(kind, vocabulary={term: at for at, term in enumerate(table["term"])})
    vectorizer.idf_ = table["idf"].to_numpy()
    return vectorizer


def _rare(texts: Sequence[str]) -> int:
    """Texts that a term must be in: in a handful of texts every term is rare."""
    return 2 if len(texts) > 1000 else 1


def _sized(picture: Image, size: int) -> Image:
    return picture if picture.size == (size, size) else picture.resize((size, size))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("input_size", "mean", "std", "interpolation", "crop_pct")}


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "encoder.json").read_text()))


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    (folder / "encoder.json").write_text(json.dumps(config))
