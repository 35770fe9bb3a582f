"""What is watched of each product: its text, its picture, its vectors, and what the champion says of it."""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rakuten_assets.core import images, language, text
from rakuten_assets.core.classifier import ProductClassifier, prepare_picture, read_texts
from rakuten_assets.core.embeddings import TextEncoder, TfidfEncoder
from rakuten_assets.core.fusion import Opinions
from rakuten_assets.core.products import Product
from rakuten_assets.core.similar import Side
from rakuten_assets.core.taxonomy import CODES

LOOKS = ("sharpness", "brightness", "saturation", "red_dominance", "usable_area")

COLUMNS: dict[str, type[pl.DataType]] = {
    "title_length": pl.Float64,
    "text_length": pl.Float64,
    "unseen_words": pl.Float64,
    "language": pl.String,
    "html": pl.Boolean,
    "has_picture": pl.Boolean,
    **dict.fromkeys(LOOKS, pl.Float64),
    "category": pl.String,
    "confidence": pl.Float64,
}
"""One row a product. Lengths in visible characters; `unseen_words`, the share of a text's words that the champion has
never met, null where there are none or its encoder keeps no vocabulary; `LOOKS` as in `images.Quality`, null without a
picture; `category` and `confidence` null where there is nothing to judge by. Beside them `text_1` to `text_16` and
`image_1` to `image_16`, the first dimensions in which the champion compares products, null where a modality is missing.
"""

# The first dimensions of a projection hold most of what tells a catalogue's products apart.
DIMENSIONS = 16

# Runs of letters; the encoder's vocabulary has no words of one letter.
WORD = re.compile(r"[^\W\d_]{2,}")

# Products whose prepared pictures are in memory together, some 40 MB.
CHUNK = 256


def features(products: Iterable[Product], classifier: ProductClassifier) -> pl.DataFrame:
    """A row (`COLUMNS`) for each product, in order; a picture that cannot be read counts as none.

    Takes some 10 ms a product with a picture, so callers sample: `drift_reference` reads at most 2,000. Of products
    that come from an iterator, a few hundred are in memory at once.
    """
    schema: dict[str, Any] = COLUMNS | _places(classifier)
    known: dict[str, bool] = {}
    tables = [pl.DataFrame(_columns(chunk, classifier, known), schema=schema) for chunk in _chunks(products)]
    return pl.concat([pl.DataFrame(schema=schema), *tables])


def _chunks(products: Iterable[Product]) -> Iterator[list[Product]]:
    left = iter(products)
    return iter(lambda: list(itertools.islice(left, CHUNK)), [])


def _columns(products: list[Product], classifier: ProductClassifier, known: dict[str, bool]) -> dict[str, Any]:
    texts = read_texts(products, classifier.text_view)
    looks = [_looks(product.image) for product in products]
    readable = [
        product if look else Product(product.designation, product.description)
        for product, look in zip(products, looks, strict=True)
    ]
    vectors = _Vectors.of(readable, texts, classifier)
    return {
        **_cleaned(products),
        "unseen_words": _unseen(texts, classifier.text_model.encoder, known),
        "has_picture": [look is not None for look in looks],
        **{name: [getattr(look, name) if look else None for look in looks] for name in LOOKS},
        **vectors.answers(classifier),
        **vectors.places(classifier),
    }


def _cleaned(products: Sequence[Product]) -> dict[str, Any]:
    raw = pl.DataFrame(
        {
            "productid": range(len(products)),
            "designation": [product.designation for product in products],
            "description": [product.description for product in products],
        },
        schema={"productid": pl.Int64, "designation": pl.String, "description": pl.String},
    )
    seen = text.clean(raw)
    return {
        "title_length": seen["title_length"].cast(pl.Float64),
        "text_length": seen["light"].str.len_chars().cast(pl.Float64),
        "language": language.detect(seen["light"]),
        "html": seen["html"],
    }


def _looks(picture: bytes | None) -> images.Fingerprint | None:
    """None without a picture, and where the classifier could not read it either."""
    if picture is None:
        return None
    try:
        images.check(picture, frozenset(images.KNOWN_FORMATS))
        return images.fingerprint(picture)
    except images.BadPicture:
        return None


def _unseen(texts: Sequence[str], encoder: TextEncoder, known: dict[str, bool]) -> list[float | None]:
    """Share of each text's words that the vocabulary lacks; `known` remembers words that were looked up."""
    if not isinstance(encoder, TfidfEncoder):
        return [None] * len(texts)
    rows = [WORD.findall(each.lower()) for each in texts]
    fresh = sorted({word for row in rows for word in row} - known.keys())
    found = encoder.transform(fresh)[:, encoder.words].getnnz(axis=1) > 0
    known |= dict(zip(fresh, found.tolist(), strict=True))
    return [1 - sum(map(known.__getitem__, row)) / len(row) if row else None for row in rows]


@dataclass(frozen=True)
class _Vectors:
    """The encoders' vectors of the texts and pictures that there are, computed once for answers and places."""

    words: Any
    has_text: NDArray[np.bool_]
    pictures: Any
    has_image: NDArray[np.bool_]

    @classmethod
    def of(cls, products: Sequence[Product], texts: Sequence[str], classifier: ProductClassifier) -> "_Vectors":
        has_text = np.array([each != "" for each in texts], bool)
        has_image = np.array([product.image is not None for product in products], bool)
        words = classifier.text_model.encoder.transform([each for each in texts if each])
        pictures = None
        if classifier.image_model is not None and has_image.any():
            prepared = [prepare_picture(each.image, classifier.preparation) for each in products if each.image]
            pictures = classifier.image_model.encoder.transform(prepared)
        return cls(words, has_text, pictures, has_image)

    def answers(self, classifier: ProductClassifier) -> dict[str, Any]:
        """What `ProductClassifier.predict` answers, from the vectors."""
        text_says, image_says = (np.full((len(self.has_text), len(CODES)), np.nan) for _ in range(2))
        if self.has_text.any():
            text_says[self.has_text] = classifier.text_model.classifier.log_proba(self.words)
        if self.pictures is not None and classifier.image_model is not None:
            image_says[self.has_image] = classifier.image_model.from_vectors(self.pictures)
        opinions = Opinions(text_says, image_says)
        known = opinions.has_text | opinions.has_image
        stacked = iter(classifier.fusion.log_proba(opinions[known]) if known.any() else ())
        best = [next(stacked) if each else None for each in known]
        return {
            "category": [None if row is None else str(CODES[row.argmax()]) for row in best],
            "confidence": [None if row is None else float(np.exp(row.max())) for row in best],
        }

    def places(self, classifier: ProductClassifier) -> dict[str, Any]:
        """The columns `text_1` and so on; null where a product lacks the modality or nothing of it is known."""
        columns: dict[str, Any] = {}
        for name, side in _sides(classifier):
            vectors, has = (self.words, self.has_text) if name == "text" else (self.pictures, self.has_image)
            places = np.full((len(has), _dimensions(side)), np.nan)
            if vectors is not None and has.any():
                found = side.projection.transform(vectors)
                found[~found.any(axis=1)] = np.nan
                places[has] = found[:, : _dimensions(side)]
            columns |= {f"{name}_{at + 1}": pl.Series(column).fill_nan(None) for at, column in enumerate(places.T)}
        return columns


def _places(classifier: ProductClassifier) -> dict[str, type[pl.DataType]]:
    names = [f"{name}_{at + 1}" for name, side in _sides(classifier) for at in range(_dimensions(side))]
    return dict.fromkeys(names, pl.Float64)


def _sides(classifier: ProductClassifier) -> list[tuple[str, Side]]:
    known = classifier.similar
    sides = {"text": known.text, "image": known.image} if known else {}
    return [(name, side) for name, side in sides.items() if side is not None]


def _dimensions(side: Side) -> int:
    return min(DIMENSIONS, side.projection.axes.shape[1])
