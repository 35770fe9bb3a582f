"""Vectors of texts and of pictures: built in, or by a pretrained network from the hub or a folder.

Every encoder has one verb, `transform`, and can be saved to and loaded from a folder without pickle.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import polars as pl
from PIL.Image import Image

from rakuten_assets.core import text_terms
from rakuten_assets.core.networks import device

BUILT_IN = "built-in"
"""The backbone that needs no download."""


class TextEncoder(Protocol):
    """Texts in, a matrix with a row a text out (dense or sparse, float32)."""

    def transform(self, texts: Sequence[str]) -> Any: ...

    def save(self, folder: Path) -> None: ...


class ImageEncoder(Protocol):
    """Prepared pictures in, a dense matrix with a row a picture out (float32)."""

    size: int

    # Whether each picture is computed by itself, so that threads may share them; a network wants them together.
    one_by_one: bool

    def transform(self, pictures: Sequence[Image]) -> np.ndarray: ...

    def save(self, folder: Path) -> None: ...


def fit_text_encoder(backbone: str, texts: Sequence[str], max_features: int) -> TextEncoder:
    """The encoder named by `backbone`; the built-in one learns its vocabulary from `texts`."""
    if backbone == BUILT_IN:
        return TfidfEncoder.fit(texts, max_features)
    return TransformerEncoder(backbone)


def image_encoder(backbone: str) -> ImageEncoder:
    """The encoder named by `backbone`: built in, `clip:folder`, or a timm name (also `hf-hub:...`, `local-dir:...`)."""
    from rakuten_assets.core.image_networks import ClipEncoder

    if backbone.startswith("clip:"):
        return ClipEncoder(backbone.removeprefix("clip:"))
    return HandmadeFeatures() if backbone == BUILT_IN else TimmEncoder(backbone)


def load_text_encoder(folder: Path) -> TextEncoder:
    """The encoder that was saved to `folder`."""
    kind = _config(folder)["kind"]
    return TfidfEncoder.load(folder) if kind == "tfidf" else TransformerEncoder(str(folder / "model"))


def load_image_encoder(folder: Path) -> ImageEncoder:
    """The encoder that was saved to `folder`."""
    from rakuten_assets.core.image_networks import ClipEncoder

    config = _config(folder)
    if config["kind"] == "clip":
        return ClipEncoder.load(folder)
    return HandmadeFeatures() if config["kind"] == "handmade" else TimmEncoder.load(folder, config)


class TfidfEncoder:
    """Words, word pairs, character n-grams and habits of writing, weighted by TF-IDF, side by side in one sparse row.

    The first line of a text, which is the title, is also read alone: it says what the product is, where a
    description says what else there is to know. How it begins and ends, and how the text is written, say more.
    """

    # Word pairs tell "jeu vidéo" from "jeu de société"; characters forgive inflection and typing errors.
    WORDS = {"analyzer": "word", "ngram_range": (1, 2)}
    CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}
    WRITING = {"analyzer": text_terms.writing}
    OPENING = {"tokenizer": text_terms.opening, "token_pattern": None}
    KINDS: ClassVar[dict[str, dict[str, Any]]] = {
        "words": WORDS,
        "characters": CHARACTERS,
        "title": CHARACTERS,
        "writing": WRITING,
        "opening": OPENING,
    }

    OF_TITLE = ("title", "opening")

    # Characters of a text whose n-grams are read: by then a description repeats itself, and the words are read to
    # its end all the same. This bounds the numbers in a row, and so the memory that training takes.
    READ = 1000

    # Texts that the vocabulary is learnt from, evenly spaced: a term that is in none of so many decides nothing.
    LEARNT_FROM = 30_000

    # Texts turned into vectors at once.
    CHUNK = 5_000

    # What each part weighs in a row, chosen by cross-validation on train rows: words repeat what characters say.
    WEIGHTS = {"words": 0.7, "characters": 1.0, "title": 1.0, "writing": 0.5, "opening": 0.4}

    def __init__(self, parts: dict[str, "_Terms"]) -> None:
        self._parts = parts

    @classmethod
    def fit(cls, texts: Sequence[str], max_features: int = 400_000) -> Self:
        """Learn the vocabulary and its weights; at most `max_features` of each kind, the most frequent."""
        texts = texts[:: -(-len(texts) // cls.LEARNT_FROM) or 1]
        limits = {"max_features": max_features, "min_df": _rare(texts)}
        return cls({name: _Terms.fit(kind, cls._read(name, texts), limits) for name, kind in cls.KINDS.items()})

    @property
    def words(self) -> slice:
        """The columns that hold words and word pairs."""
        return slice(0, len(self._parts["words"].idf))

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
        return [(text.split("\n", 1)[0] if part in cls.OF_TITLE else text)[: cls.READ] for text in texts]

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self._parts.items():
            terms = sorted(part.vocabulary, key=part.vocabulary.__getitem__)
            pl.DataFrame({"term": terms, "idf": part.idf}).write_parquet(folder / f"{name}.parquet")
        _write_config(folder, {"kind": "tfidf"})

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls({name: _Terms.load(kind, folder / f"{name}.parquet") for name, kind in cls.KINDS.items()})


class _Terms:
    """A vocabulary with its weights: texts in, unit rows of TF-IDF out.

    The numbers are those of scikit-learn's `TfidfVectorizer`, which learns the vocabulary. Its `transform` checks its
    arguments at a cost that one product feels, and cuts each word into n-grams wherever it meets it.
    """

    # Words whose n-grams are kept at hand, some 20 MB: most words of a catalogue are repeated.
    KEPT = 50_000

    def __init__(self, kind: dict[str, Any], vocabulary: dict[str, int], idf: np.ndarray) -> None:
        self.vocabulary, self.idf = vocabulary, idf
        self._vectorizer = _vectorizer(kind)
        self._clean = self._vectorizer.build_preprocessor()
        self._analyse = self._vectorizer.build_analyzer()
        self._by_word = kind.get("analyzer") == "char_wb"
        self._known: dict[str, tuple[int, ...]] = {}

    @classmethod
    def fit(cls, kind: dict[str, Any], texts: Sequence[str], limits: dict[str, int]) -> Self:
        learnt = _vectorizer(kind, **limits).fit(texts)
        return cls(kind, learnt.vocabulary_, learnt.idf_)

    @classmethod
    def load(cls, kind: dict[str, Any], file: Path) -> Self:
        table = pl.read_parquet(file)
        return cls(kind, {term: at for at, term in enumerate(table["term"])}, table["idf"].to_numpy())

    def transform(self, texts: Sequence[str]) -> Any:
        """Rows of length 1 (rows x terms, sparse); a row of zeros where no term is known."""
        from scipy.sparse import csr_matrix
        from sklearn.utils.sparsefuncs_fast import inplace_csr_row_normalize_l2

        counted = [np.unique(np.array(self._columns(text), np.int32), return_counts=True) for text in texts]
        columns, counts = (
            np.concatenate([row[part] for row in counted] or [np.empty(0, np.int32)]) for part in range(2)
        )
        ends = np.cumsum([0, *(len(row[0]) for row in counted)], dtype=np.int32)
        weights = (np.log(counts.astype(np.float32)) + np.float32(1)) * self.idf[columns]
        matrix = csr_matrix((weights, columns, ends), shape=(len(texts), len(self.idf)))
        inplace_csr_row_normalize_l2(matrix)
        return matrix

    def _columns(self, text: str) -> list[int]:
        """The column of each term of a text that is known, as often as it occurs."""
        if self._by_word:
            return [at for word in self._clean(text).split() for at in self._grams(word)]
        return self._found(self._analyse(text))

    def _grams(self, word: str) -> tuple[int, ...]:
        """The columns of a word's n-grams, none of which reaches into the next word."""
        found = self._known.get(word)
        if found is None:
            found = tuple(self._found(self._vectorizer._char_wb_ngrams(word)))
            if len(self._known) < self.KEPT:
                self._known[word] = found
        return found

    def _found(self, terms: Sequence[str]) -> list[int]:
        return [at for at in map(self.vocabulary.get, terms) if at is not None]


class TransformerEncoder:
    """Mean of the last hidden states of a Hugging Face encoder, over the tokens of a text."""

    MAX_TOKENS = 256

    def __init__(self, source: str, batch_size: int = 32) -> None:
        """`source` is a name on the hub or a local folder; raises OSError when it cannot be had."""
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(source)
        self._model = AutoModel.from_pretrained(source).eval().to(device())
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
    one_by_one = True

    def transform(self, pictures: Sequence[Image]) -> np.ndarray:
        from rakuten_assets.core.image_features import features

        return np.stack([features(picture) for picture in pictures])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _write_config(folder, {"kind": "handmade"})


class TimmEncoder:
    """Pooled features of a timm network, with the size, mean and deviation that it was trained with."""

    one_by_one = False

    def __init__(self, name: str, *, pretrained: bool = True, batch_size: int = 32) -> None:
        """`name` is a timm model, `hf-hub:owner/model` or `local-dir:folder`."""
        import timm

        self._name = name
        self._model = timm.create_model(name, pretrained=pretrained, num_classes=0).eval().to(device())
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
        batch = torch.from_numpy(normal).permute(0, 3, 1, 2).to(device())
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


def _rare(texts: Sequence[str]) -> int:
    """Texts that a term must be in: in a handful of texts every term is rare."""
    return 2 if len(texts) > 1000 else 1


def _sized(picture: Image, size: int) -> Image:
    return picture if picture.size == (size, size) else picture.resize((size, size))


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("input_size", "mean", "std", "interpolation", "crop_pct")}


def _config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "encoder.json").read_text()))


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    (folder / "encoder.json").write_text(json.dumps(config))
