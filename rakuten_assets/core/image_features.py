"""What a picture looks like in numbers, without a network: colour, gradients, texture and layout."""

import functools
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rakuten_assets.core.preparation import Pixels, Sketch, content, measure_sketch, sketch

# A change of any number that `features` gives makes stored features and the models trained on them worthless.
VERSION = 1

SIZES = {
    "colours": 192,  # histogram over hue (12), saturation (4) and value (4)
    "colour_layout": 126,  # mean and deviation of L, a, b in 1, 4 and 16 cells
    "shape": 324,  # orientations of gradients, 128 pixels wide in cells of 32
    "outline": 324,  # the same, 64 pixels wide in cells of 16
    "texture": 944,  # local binary patterns in 16 cells, 128 pixels wide
    "coarse_texture": 236,  # the same in 4 cells, 64 pixels wide
    "product_texture": 236,  # the same in 4 cells of the content's box, 128 pixels wide
    "frame": 50,  # where the content's box lies, how full it is, the border's colour
}
_ENDS = list(itertools.accumulate(SIZES.values()))
BLOCKS: dict[str, slice] = {
    name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), _ENDS, strict=True)
}
"""Where each block of `features` lies."""

# Quieter differences than this between neighbours are JPEG's, not texture.
TEXTURE_NOISE = 2
ORIENTATIONS = 9


def features(image: Image.Image) -> NDArray[np.float32]:
    """Colour, gradient and texture statistics of a prepared RGB picture, (2432,); `BLOCKS` names the parts.

    Each block but "frame" has length 1. Needs no download; a classifier on top should standardise the columns.
    """
    pixels = np.asarray(image)
    drawn = sketch(pixels)
    product = _product(pixels, drawn)
    blocks = (
        _unit(np.sqrt(_colours(_square(pixels, 64)))),
        _unit(_colour_layout(_square(pixels, 128))),
        _unit(_gradients(_square(pixels, 128), cells=4)),
        _unit(_gradients(_square(pixels, 64), cells=4)),
        _unit(np.sqrt(_texture(_square(pixels, 128), cells=4))),
        _unit(np.sqrt(_texture(_square(pixels, 64), cells=2))),
        _unit(np.sqrt(_texture(_square(product, 128), cells=2))),
        _frame(drawn),
    )
    return np.concatenate(blocks).astype(np.float32)


def _unit(vector: NDArray[Any]) -> NDArray[Any]:
    return vector / max(float(np.linalg.norm(vector)), 1e-6)


def _square(pixels: Pixels, side: int) -> Pixels:
    import cv2

    return np.asarray(cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _product(pixels: Pixels, drawn: Sketch) -> Pixels:
    """The content's box, cut out; at least 8 pixels each way."""
    (top, bottom), (left, right) = (
        (round(start * length), round(end * length))
        for (start, end), length in zip((content(drawn.rows), content(drawn.columns)), pixels.shape[:2], strict=True)
    )
    return np.ascontiguousarray(pixels[top : max(bottom, top + 8), left : max(right, left + 8)])


def _colours(pixels: Pixels) -> NDArray[np.float32]:
    import cv2

    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    counts = cv2.calcHist([hsv], [0, 1, 2], None, [12, 4, 4], [0, 180, 0, 256, 0, 256])
    return np.asarray(counts.ravel(), np.float32)


def _colour_layout(pixels: Pixels) -> NDArray[np.float64]:
    import cv2

    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float64) / 255
    side = len(lab) // 4
    cells = lab.reshape(4, side, 4, side, 3)
    means, squares = cells.mean(axis=(1, 3)), (cells**2).mean(axis=(1, 3))
    moments = []
    for grid in (1, 2, 4):
        shape = (grid, 4 // grid, grid, 4 // grid, 3)
        mean, square = (part.reshape(shape).mean(axis=(1, 3)) for part in (means, squares))
        moments += [mean.ravel(), np.sqrt(np.maximum(square - mean**2, 0)).ravel()]
    return np.concatenate(moments)


def _gradients(pixels: Pixels, cells: int) -> NDArray[np.float64]:
    """Histograms of oriented gradients: Dalal and Triggs 2005, of the steepest channel, in overlapping 2 x 2 blocks."""
    import cv2

    scaled = pixels.astype(np.float32) / 255
    across, down = (cv2.Sobel(scaled, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    length, angle = cv2.cartToPolar(across, down)
    steepest = length.argmax(axis=2)[..., None]
    length, angle = (np.take_along_axis(part, steepest, 2)[..., 0] for part in (length, angle))
    turn = (angle % np.pi) * (ORIENTATIONS / np.pi) - 0.5
    below = np.floor(turn).astype(np.int64)
    cell = _cell_numbers(len(pixels), cells) * ORIENTATIONS
    sums = np.zeros(cells * cells * ORIENTATIONS)
    for orientation, share in ((below, 1 - (turn - below)), (below + 1, turn - below)):
        where = cell + orientation % ORIENTATIONS
        sums += np.bincount(where.ravel(), (length * share).ravel(), len(sums))
    grid = sums.reshape(cells, cells, ORIENTATIONS)
    blocks = np.concatenate([grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]], axis=2)
    # The constant keeps a flat block flat; the ceiling keeps one strong edge from hiding the rest.
    norms = np.linalg.norm(blocks, axis=2, keepdims=True) + 0.1 * len(pixels) / cells
    return np.minimum(blocks / norms, 0.2).ravel()


def _texture(pixels: Pixels, cells: int) -> NDArray[np.float64]:
    """Histograms of uniform local binary patterns: Ojala, Pietikäinen and Mäenpää 2002; 59 patterns a cell."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = len(grey) - 2
    centre = grey[1:-1, 1:-1].astype(np.int16) + TEXTURE_NOISE
    code = np.zeros(centre.shape, np.uint8)
    for bit, (row, column) in enumerate(((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))):
        code |= (grey[row : row + size, column : column + size] >= centre).astype(np.uint8) << bit
    where = _cell_numbers(size, cells) * 59 + _uniform_patterns()[code]
    return np.bincount(where.ravel(), minlength=59 * cells * cells).astype(np.float64)


@functools.cache
def _cell_numbers(size: int, cells: int) -> NDArray[np.int64]:
    """The number of the cell of each pixel of a square of this size."""
    cell = np.arange(size) * cells // size
    return cell[:, None] * cells + cell


@functools.cache
def _uniform_patterns() -> NDArray[np.int64]:
    """The 58 codes with at most two changes around the circle, numbered; all others are number 58."""
    codes = np.arange(256)
    changes = np.bitwise_count(codes ^ ((codes >> 1) | ((codes & 1) << 7)))
    return np.where(changes <= 2, np.cumsum(changes <= 2) - 1, 58)


def _frame(drawn: Sketch) -> NDArray[np.float64]:
    import cv2

    spans = content(drawn.rows), content(drawn.columns)
    height, width = (end - start for start, end in spans)
    edge = np.concatenate([drawn.fine[0], drawn.fine[-1], drawn.fine[:, 0], drawn.fine[:, -1]]) / 255
    looks = measure_sketch(drawn)
    full = drawn.rows.mean()
    numbers = [*spans[0], *spans[1], height, width, np.log(height / width), height * width, full]
    numbers += [full / (height * width), np.log1p(looks.sharpness) / 9, looks.saturation]
    profiles = [
        cv2.resize(part[:, None], (1, 16), interpolation=cv2.INTER_AREA).ravel() for part in (drawn.rows, drawn.columns)
    ]
    return np.concatenate([numbers, np.median(edge, axis=0), edge.std(axis=0), *profiles])
