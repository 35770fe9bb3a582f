"""Which regions of a picture carried a category: each is hidden in turn, and the answer is asked for again."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from rakuten_assets.core.calibration import Array
from rakuten_assets.core.image_models import ImageModel
from rakuten_assets.core.preparation import Pixels

# Regions each way: 32 pixels of 224, the size of the features' own cells. More would cost time, not say more.
GRID = 7

# By how much of a region's side its patch reaches into the neighbours, so that a border through what matters hides it
# no less: maps of a picture and of the same moved by a few pixels then agree better.
OVERLAP = 0.25


@dataclass(frozen=True)
class PictureExplanation:
    """What each region of a picture did for a category: by how much hiding it lowers the log-odds.

    `values` has a row of numbers for each of the `rows`, from the top, and a number for each of the `columns`, from
    the left; below 0 where the region spoke against the category. `picture` is what the model saw, as a JPEG.
    """

    rows: int
    columns: int
    values: tuple[tuple[float, ...], ...]
    picture: bytes


def explain_picture(model: ImageModel, picture: Image.Image, at: int) -> PictureExplanation:
    """What the regions of a prepared picture did for the category at position `at` (0 to 26).

    Occlusion: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks". It needs no gradient,
    so it is the same for statistics of colour and texture as for a network, at the cost of 50 pictures a map.
    """
    odds = log_odds(model.log_proba([picture, *_occluded(picture)]), at)
    values = (odds[0] - odds[1:]).reshape(GRID, GRID)
    return PictureExplanation(GRID, GRID, tuple(map(tuple, values.tolist())), _jpeg(picture))


def log_odds(log_proba: Array, at: int) -> Array:
    """Log of p / (1 - p) of the category at position `at`, from log-probabilities (rows x classes).

    Taken from the other categories, since 1 - p of a sure answer has no digits left.
    """
    from scipy.special import logsumexp

    return np.asarray(log_proba[:, at] - logsumexp(np.delete(log_proba, at, axis=1), axis=1))


def _occluded(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture without each of its regions, row by row."""
    pixels = np.asarray(picture)
    colour = _background(pixels)
    for top, bottom in _spans(picture.height):
        for left, right in _spans(picture.width):
            hidden = pixels.copy()
            hidden[top:bottom, left:right] = colour
            yield Image.fromarray(hidden)


def _background(pixels: Pixels) -> Pixels:
    """The median colour of the border, which hides a product and leaves a plain ground as it was.

    A mean lies between ground and product where the product reaches the border, and so paints a thing into the ground;
    a blurred picture still shows the colours that it hides.
    """
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.asarray(np.median(border, axis=0), np.uint8)


def _spans(length: int) -> list[tuple[int, int]]:
    """From which pixel to which each patch reaches along a side of this length."""
    side = length / GRID
    ends = [((at - OVERLAP) * side, (at + 1 + OVERLAP) * side) for at in range(GRID)]
    return [(max(round(start), 0), min(round(end), length)) for start, end in ends]


def _jpeg(picture: Image.Image) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
