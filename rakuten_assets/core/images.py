"""Pictures: which are sound, what each looks like, and what models see of it."""

import hashlib
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image, ImageOps

from rakuten_assets.core.preparation import (
    DEFAULTS,
    METRIC_SIDE,
    Pixels,
    PreparationSettings,
    Quality,
    Sketch,
    Treatments,
    measure,
    measure_sketch,
    plan,
    prepare,
    prepare_and_measure,
    sketch,
)

__all__ = [
    "BadPicture",
    "Fingerprint",
    "PreparationSettings",
    "Quality",
    "Treatments",
    "check",
    "fingerprint",
    "fingerprints",
    "measure",
    "open_rgb",
    "phash",
    "plan",
    "prepare",
    "prepared_quality",
]

# A picture of a product needs neither; such a file is a mistake or an attack on memory.
MAX_SIDE = 10_000
MAX_PIXELS = 50_000_000

# Formats that are told apart in a refusal; a decoder that is not named here never sees a stranger's bytes.
KNOWN_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

# With less ink than this (share of full contrast over the frame) nothing tells a picture from others.
FEATURELESS = 0.002
NO_IDENTITY = 0
"""The perceptual hash of a featureless picture: it resembles none, not even another one."""

# Each side of the hashed box leaves out this share of the content, so that a speck does not move it.
OUTLYING = 0.01

# A progressive JPEG stores its last bits in refinement scans, which cost more than half of the decoding.
REFINEMENT_SCAN = re.compile(
    rb"\xff\xda\x00(?:\x08\x01.{2}|\x0a\x02.{4}|\x0c\x03.{6}|\x0e\x04.{8}).{2}[\x10-\xff]"
    rb"(?:[^\xff]++|\xff[\x00\xd0-\xd7])*+",
    re.DOTALL,
)

# As many pictures are held in memory at once.
CHUNK = 256


class BadPicture(ValueError):
    """A picture that cannot be used; the text is the reason, for a person to read."""


class Fingerprint(NamedTuple):
    """What identifies a picture, exactly (`sha256`) and to the eye (`phash`, 64 bits), and how it looks."""

    sha256: str
    phash: int
    width: int
    height: int
    sharpness: float
    saturation: float
    brightness: float
    red: float
    green: float
    blue: float
    red_dominance: float
    usable_area: float


class File(Protocol):
    """Anything with bytes to read: a path, here or in a bucket."""

    def read_bytes(self) -> bytes: ...


Source = bytes | Callable[[], bytes] | File


def check(data: bytes, formats: frozenset[str] = frozenset({"JPEG"})) -> None:
    """Raise `BadPicture` unless the bytes are a whole picture of an allowed format and a sane size."""
    image = _opened(data)
    if _format(image) not in formats:
        raise BadPicture(f"not a {' or '.join(sorted(formats))} but {_format(image)}")
    _decoded(image, at_least=1)


def open_rgb(data: bytes, at_least: int | None = None) -> Image.Image:
    """The picture upright, in RGB on white; with `at_least`, perhaps smaller, but no side below it."""
    image = _decoded(_opened(data), at_least)
    return _upright_rgb(image)


def fingerprint(data: bytes) -> Fingerprint:
    """The fingerprint of one picture that `check` let pass; `BadPicture` where nothing of it can be read."""
    (width, height), drawn = _sketched(data)
    return Fingerprint(hashlib.sha256(data).hexdigest(), _phash(drawn), width, height, *measure_sketch(drawn))


def phash(data: bytes) -> int:
    """The perceptual hash alone."""
    return _phash(_sketched(data)[1])


def fingerprints(pictures: Iterable[Source], workers: int | None = None) -> pl.DataFrame:
    """One row a picture, in their order; decoding runs in `workers` threads, one a core by default."""
    schema: dict[str, Any] = {
        "sha256": pl.String,
        "phash": pl.UInt64,
        "width": pl.Int32,
        "height": pl.Int32,
        **dict.fromkeys(Quality._fields, pl.Float64),
    }
    with ThreadPoolExecutor(workers) as pool:
        rows = [
            row for chunk in _chunks(pictures) for row in pool.map(lambda picture: fingerprint(_bytes(picture)), chunk)
        ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def prepared_quality(data: bytes, settings: PreparationSettings = DEFAULTS) -> dict[str, Any]:
    """One row of the table that shows what preparation does: sha256, treatments, looks before and after."""
    prepared = prepare_and_measure(open_rgb(data, at_least=settings.size), settings)
    looks = {
        f"{name}_{when}": value
        for name, *values in zip(Quality._fields, prepared.before, prepared.after, strict=True)
        for when, value in zip(("before", "after"), values, strict=True)
    }
    return {"sha256": hashlib.sha256(data).hexdigest(), **prepared.treatments._asdict(), **looks}


def _bytes(picture: Source) -> bytes:
    if isinstance(picture, bytes):
        return picture
    return picture() if callable(picture) else picture.read_bytes()


def _chunks(pictures: Iterable[Source]) -> Iterator[list[Source]]:
    left = iter(pictures)
    return iter(lambda: list(itertools.islice(left, CHUNK)), [])


def _opened(data: bytes) -> Image.Image:
    """The picture with its header read and its size found sane; no pixel is decoded yet."""
    if not data:
        raise BadPicture("empty file")
    try:
        image = Image.open(io.BytesIO(data), formats=KNOWN_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's readers raise whatever a broken header makes them stumble on
        raise BadPicture("not a picture") from error
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise BadPicture(f"{width} x {height} pixels, more than {MAX_SIDE:,} on a side")
    if width * height > MAX_PIXELS:
        raise BadPicture(f"{width} x {height} pixels, more than {MAX_PIXELS:,}")
    return image


def _format(image: Image.Image) -> str:
    # Phones store several views in one JPEG, which Pillow names by that extension of the format.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _decoded(image: Image.Image, at_least: int | None) -> Image.Image:
    if at_least is not None:
        image.draft(None, (at_least, at_least))
    try:
        image.load()
    except Exception as error:  # as above: the text of the cause is for the log, not for a seller
        raise BadPicture("truncated or damaged") from error
    return image


def _upright_rgb(image: Image.Image) -> Image.Image:
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):  # 16 bits a pixel
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _sketched(data: bytes) -> tuple[tuple[int, int], Sketch]:
    """The size of a picture and its sketch, from as little decoding as that needs."""
    image = _opened(data)
    size = image.size
    if _format(image) == "JPEG":
        return size, sketch(_jpeg_pixels(image, data))
    return size, sketch(np.asarray(_upright_rgb(_decoded(image, at_least=METRIC_SIDE))))


def _jpeg_pixels(image: Image.Image, data: bytes) -> Pixels:
    """A JPEG upright in RGB, no side below `METRIC_SIDE`: by OpenCV, which takes two thirds of Pillow's time."""
    import cv2

    if "progressive" in image.info:
        data = REFINEMENT_SCAN.sub(b"", data)
    colours = cv2.IMREAD_COLOR_RGB
    scales = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}
    scale = next((flag for by, flag in scales.items() if min(image.size) >= by * METRIC_SIDE), 0)
    pixels: Any = cv2.imdecode(np.frombuffer(data, np.uint8), colours | scale)
    if pixels is None:
        raise BadPicture("truncated or damaged")
    return pixels


def _phash(drawn: Sketch) -> int:
    """Signs of the 64 lowest cosines over the content's box: a border, or a crop of it, changes little."""
    import cv2

    if drawn.rows.mean() < FEATURELESS:
        return NO_IDENTITY
    grey = cv2.cvtColor(drawn.coarse, cv2.COLOR_RGB2GRAY).astype(np.float32)
    cosines = _cosines(*_span(drawn.rows)) @ grey @ _cosines(*_span(drawn.columns)).T
    cosines[0, 0] = cosines[0, 8]  # the mean is brightness, which is no identity
    return int(np.packbits(cosines[:8, :8] > 0).view(">u8")[0])


def _span(profile: NDArray[np.float64]) -> tuple[int, float, float]:
    """Length of a profile of ink, and between which positions, to fractions of a pixel, its content lies."""
    length = len(profile)
    share = np.concatenate([[0.0], np.cumsum(profile)]) / profile.sum()
    start, end = np.interp([OUTLYING, 1 - OUTLYING], share, np.arange(length + 1))
    return length, float(start), float(end)


def _cosines(length: int, start: float, end: float) -> NDArray[np.float32]:
    """Integrals of the cosines of order 0..8 of the span over each of the pixels, (9, length)."""
    edges = (np.clip(np.arange(length + 1), start, end) - start) / (end - start)
    orders = np.pi * np.arange(1, 9)[:, None]
    integrals = np.concatenate([edges[None], np.sin(orders * edges) / orders])
    return np.diff(integrals).astype(np.float32)
