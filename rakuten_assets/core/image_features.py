"""What a picture looks like in numbers, without a network: colour, gradients, texture and what goes with what."""

import functools
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rakuten_assets.core.preparation import Pixels, Sketch, content, measure_sketch, sketch

# A change of any number that `features` gives makes stored features and the models trained on them worthless.
VERSION = 2

SIZES = {
    "colours": 192,  # histogram over hue (12), saturation (4) and value (4)
    "shape": 324,  # orientations of gradients, 128 pixels wide in cells of 32
    "texture": 944,  # local binary patterns in 16 cells, 128 pixels wide
    "coarse_texture": 236,  # the same in 4 cells, 64 pixels wide
    "product_texture": 236,  # the same in 4 cells of the content's box, 128 pixels wide
    "frame": 50,  # where the content's box lies, how full it is, the border's colour
    "structure": 1384,  # which gradients and colours go together, in 4 regions, 128 pixels wide
    "product_statistics": 232,  # which colours, edges and places go together, in 4 regions of the content's box
}
_ENDS = list(itertools.accumulate(SIZES.values()))
BLOCKS: dict[str, slice] = {
    name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), _ENDS, strict=True)
}
"""Where each block of `features` lies."""

# How much the likeness of a block weighs where it is not 1, chosen by cross-validation on real pictures.
WEIGHTS = {"structure": 3.0, "product_statistics": 2.0}

# Quieter differences than this between neighbours are JPEG's, not texture.
TEXTURE_NOISE = 2
ORIENTATIONS = 9

# Of the gradients whose products are taken; 4 pixels a cell, as in dense SIFT.
DIRECTIONS = 8
CELLS = 32

# Of a region's rows and columns: all, the upper and the lower half, the middle. Each is its own mirror image.
REGIONS = (((0, 1), (0, 1)), ((0, 1 / 2), (0, 1)), ((1 / 2, 1), (0, 1)), ((1 / 4, 3 / 4), (1 / 4, 3 / 4)))

# Added to each variance: below it there is noise, whose logarithm must not count.
VARIANCE_NOISE = 1e-3


def features(image: Image.Image) -> NDArray[np.float32]:
    """Colour, gradient and texture statistics of a prepared RGB picture, (3598,); `BLOCKS` names the parts.

    Each block but "frame" has length 1. Needs no download; a classifier on top should compare block by block
    (`image_models.KernelMap`).
    """
    pixels = np.asarray(image)
    drawn = sketch(pixels)
    whole, half, product = _square(pixels, 128), _square(pixels, 64), _product(pixels, drawn)
    blocks = (
        _unit(np.sqrt(_colours(half))),
        _unit(_gradients(whole, cells=4)),
        _unit(np.sqrt(_texture(whole, cells=4))),
        _unit(np.sqrt(_texture(half, cells=2))),
        _unit(np.sqrt(_texture(_square(product, 128), cells=2))),
        _frame(drawn),
        _unit(_second_order(*_neighbourhoods(whole))),
        _unit(_second_order(*_measures(_square(product, 112)))),
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


def _gradients(pixels: Pixels, cells: int) -> NDArray[np.float64]:
    """Histograms of oriented gradients: Dalal and Triggs 2005, of the steepest channel, in overlapping 2 x 2 blocks."""
    length, angle = _steepest(pixels)
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


def _steepest(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Length and angle, in radians, of each pixel's gradient in the channel where it is steepest."""
    import cv2

    scaled = pixels.astype(np.float32) / 255
    across, down = (cv2.Sobel(scaled, cv2.CV_32F, dx, 1 - dx, ksize=1) for dx in (1, 0))
    length, angle = cv2.cartToPolar(across, down)
    steepest = length.argmax(axis=2)[..., None]
    lengths, angles = (np.take_along_axis(part, steepest, 2)[..., 0] for part in (length, angle))
    return np.asarray(lengths, np.float32), np.asarray(angles, np.float32)


def _second_order(even: NDArray[np.float32], odd: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logarithms of the mean products of local numbers (rows x columns x numbers), in four regions.

    Carreira et al. 2012, "Semantic Segmentation with Second-Order Pooling"; Tuzel, Porikli and Meer 2006, "Region
    Covariance". `even` is what a mirror leaves as it is, `odd` what changes its sign: products of one with the other
    would only tell left from right, and are left out, so that a mirrored picture is the same picture.
    """
    logs = []
    for rows, columns in REGIONS:
        for part in (even, odd):
            (top, bottom), (left, right) = (
                (int(start * len(part)), len(part) - int((1 - end) * len(part))) for start, end in (rows, columns)
            )
            inside = part[top:bottom, left:right].reshape(-1, part.shape[2]).astype(np.float64)
            products = inside.T @ inside / len(inside) + VARIANCE_NOISE * np.eye(part.shape[2])
            values, axes = np.linalg.eigh(products)
            upper, lower = np.triu_indices(len(values))
            # A number beside the diagonal stands there twice.
            twice = np.where(upper == lower, 1, np.sqrt(2))
            logs.append(((axes * np.log(values)) @ axes.T)[upper, lower] * twice)
    return np.concatenate(logs)


def _neighbourhoods(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Gradients by direction of each 2 x 2 cells, and their colour: (31 x 31 x 20) even and (31 x 31 x 16) odd."""
    import cv2

    length, angle = _steepest(pixels)
    turn = (angle % np.pi) * np.float32(DIRECTIONS / np.pi)
    cells = np.empty((CELLS, CELLS, DIRECTIONS), np.float32)
    for direction in range(DIRECTIONS):
        away = abs(turn - direction)
        share = np.maximum(1 - np.minimum(away, DIRECTIONS - away), 0)
        cells[..., direction] = cv2.resize(length * share, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    mirrored = cells[..., -np.arange(DIRECTIONS) % DIRECTIONS]
    left = np.concatenate([cells[:-1, :-1], cells[1:, :-1]], axis=2)
    right = np.concatenate([mirrored[:-1, 1:], mirrored[1:, 1:]], axis=2)
    # The constant keeps a flat neighbourhood flat.
    norms = np.sqrt((left**2).sum(2) + (right**2).sum(2))[..., None] + np.float32(0.15)
    even, odd = ((left + sign * right) / (norms * np.float32(np.sqrt(2))) for sign in (1, -1))
    lab = cv2.cvtColor(_square(pixels, CELLS), cv2.COLOR_RGB2LAB).astype(np.float32) / 255
    colour = (lab[:-1, :-1] + lab[1:, :-1] + lab[:-1, 1:] + lab[1:, 1:]) / 4
    return np.concatenate([even, colour, np.ones_like(colour[..., :1])], axis=2), odd


def _measures(pixels: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Height, colour and derivatives of lightness of each pixel (10 numbers), and what a mirror turns around (2)."""
    import cv2

    scaled = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab = np.asarray(scaled / np.array([100, 128, 128]), np.float32)
    light = cv2.GaussianBlur(lab[..., 0], (0, 0), 1)
    across, down, across2, down2, both = (
        cv2.Sobel(light, cv2.CV_32F, *order) for order in ((1, 0), (0, 1), (2, 0), (0, 2), (1, 1))
    )
    size = len(pixels)
    down_at, across_at = (np.mgrid[0:size, 0:size].astype(np.float32) - (size - 1) / 2) / size
    derivatives = [*map(abs, (across, down)), np.hypot(across, down), *map(abs, (across2, down2))]
    even = np.dstack([down_at, lab, *derivatives, np.ones_like(light)])
    return even, np.dstack([across_at, both])


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
