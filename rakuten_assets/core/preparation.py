"""What a picture looks like in numbers, and the treatments that these numbers call for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

# Pictures are measured with their longer side at this many pixels (a smaller one as it is), so that numbers
# compare across resolutions. Half of the catalogue's 500 is cheap to decode; at a quarter, blur hardly shows.
METRIC_SIDE = 250

# How far a pixel must be from the colour of the border, in one channel of 0..255, to be content; less is the
# noise that JPEG compression leaves around edges.
BORDER_TOLERANCE = 24

# A row or a column whose content is below this share of full contrast is border with a speck on it.
BORDER_SPECKS = 0.005


class Quality(NamedTuple):
    """How a picture looks; `sharpness` is the variance of its Laplacian, the rest lies between 0 and 1."""

    sharpness: float
    saturation: float
    brightness: float
    red: float
    green: float
    blue: float
    red_dominance: float
    usable_area: float


class Looks(Protocol):
    """What a plan is made from: a `Quality`, or a whole fingerprint."""

    @property
    def sharpness(self) -> float: ...
    @property
    def red(self) -> float: ...
    @property
    def green(self) -> float: ...
    @property
    def blue(self) -> float: ...
    @property
    def usable_area(self) -> float: ...


@dataclass(frozen=True)
class PreparationSettings:
    """Which treatments are on, and from where on each of them acts."""

    size: int = 224
    crop: bool = True
    # Below this share of the frame, border is cropped away.
    usable_area: float = 0.4
    # Content is enlarged by at most half: more shows compression rather than the product.
    zoom: float = 1.5
    sharpen: bool = True
    # 97 % of catalogue pictures lie above it; blurred by 3 pixels of their 500, 99 % lie below.
    sharpness: float = 100.0
    desaturate: bool = True
    # Red dominates when it is this much above both green and blue.
    red_excess: float = 0.10
    desaturation: float = 0.15
    # Alters pictures that were well balanced, so it is off; where on, it acts on red pictures only.
    equalise: bool = False


DEFAULTS = PreparationSettings()


class Treatments(NamedTuple):
    """What is done to one picture."""

    cropped: bool
    sharpened: bool
    desaturated: bool
    equalised: bool


class Prepared(NamedTuple):
    """A picture as models see it, with what was done to it and how it looked before and after."""

    image: "Image.Image"
    treatments: Treatments
    before: Quality
    after: Quality


def prepare(image: "Image.Image", settings: PreparationSettings = DEFAULTS) -> "Image.Image":
    """An RGB picture as models see it: treated where it needs to be, `size` x `size`."""
    return _treated(image, settings)[0]


def prepare_and_measure(image: "Image.Image", settings: PreparationSettings = DEFAULTS) -> Prepared:
    """`prepare`, and the measures that show what it did."""
    treated, treatments, before = _treated(image, settings)
    return Prepared(treated, treatments, before, measure(np.asarray(treated)))


def plan(looks: Looks, settings: PreparationSettings = DEFAULTS) -> Treatments:
    """The treatments that a picture of these looks calls for."""
    red = looks.red > (1 + settings.red_excess) * max(looks.green, looks.blue)
    return Treatments(
        cropped=settings.crop and looks.usable_area < settings.usable_area,
        sharpened=settings.sharpen and looks.sharpness < settings.sharpness,
        desaturated=settings.desaturate and red,
        equalised=settings.equalise and red,
    )


class Sketch(NamedTuple):
    """A picture reduced to what is measured: pixels at two scales, and where its content lies.

    `rows` and `columns` say how much of each row and column of the coarse pixels differs from the border's
    colour, from 0 (border) to 1.
    """

    fine: Pixels
    coarse: Pixels
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]


def measure(pixels: Pixels) -> Quality:
    """The looks of an RGB picture, an array of rows x columns x 3."""
    return measure_sketch(sketch(pixels))


def sketch(pixels: Pixels) -> Sketch:
    """The sketch of an RGB picture, an array of rows x columns x 3."""
    fine = _at_most(pixels, METRIC_SIDE)
    coarse = _at_most(fine, METRIC_SIDE // 2)
    return Sketch(fine, coarse, *_ink(coarse))


def measure_sketch(sketch: Sketch) -> Quality:
    """The looks of a sketched picture."""
    import cv2

    grey = cv2.cvtColor(sketch.fine, cv2.COLOR_RGB2GRAY)
    red, green, blue = (mean / 255 for mean in cv2.mean(sketch.coarse)[:3])
    return Quality(
        sharpness=float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0] ** 2),
        saturation=cv2.mean(cv2.cvtColor(sketch.coarse, cv2.COLOR_RGB2HSV))[1] / 255,
        brightness=cv2.mean(grey)[0] / 255,
        red=red,
        green=green,
        blue=blue,
        red_dominance=red / (red + green + blue) if red + green + blue > 0 else 1 / 3,
        usable_area=_share(sketch.rows) * _share(sketch.columns),
    )


def _at_most(pixels: Pixels, side: int) -> Pixels:
    import cv2

    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def _ink(pixels: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import cv2

    cv: Any = cv2  # whose type stubs do not know that a second operand may be one colour
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue = cv.split(cv.absdiff(pixels, (*np.median(edge, axis=0), 0.0)))
    # Contrast beyond 64 counts no more: how dark a product is must not decide where it begins.
    content = cv.min(cv.subtract(cv.max(cv.max(red, green), blue), float(BORDER_TOLERANCE)), 64.0)
    return content.mean(axis=1) / 64, content.mean(axis=0) / 64


def content(profile: NDArray[np.float64]) -> tuple[float, float]:
    """Between which fractions of its length a profile has ink: 0 and 1 where it has none anywhere."""
    inked = np.flatnonzero(profile > BORDER_SPECKS)
    return (inked[0] / len(profile), (inked[-1] + 1) / len(profile)) if len(inked) else (0.0, 1.0)


def _share(profile: NDArray[np.float64]) -> float:
    start, end = content(profile)
    return float(end - start)


def _treated(image: "Image.Image", settings: PreparationSettings) -> tuple["Image.Image", Treatments, Quality]:
    from PIL import ImageEnhance, ImageFilter

    square = _squared(image)
    plain = _resized(square, settings.size)
    drawn = sketch(np.asarray(plain))
    looks = measure_sketch(drawn)
    treatments = plan(looks, settings)
    treated = plain
    if treatments.cropped:
        treated = _resized(square, settings.size, _window(drawn, square.width, settings.zoom))
    if treatments.desaturated:
        treated = ImageEnhance.Color(treated).enhance(1 - settings.desaturation)
    if treatments.equalised:
        treated = _equalised(treated)
    if treatments.sharpened:
        treated = treated.filter(ImageFilter.UnsharpMask(radius=2, percent=150, threshold=2))
    return treated, treatments, looks


def _resized(image: "Image.Image", size: int, window: tuple[float, float, float, float] | None = None) -> "Image.Image":
    from PIL import Image

    return image.resize((size, size), Image.Resampling.BICUBIC, box=window)


def _squared(image: "Image.Image") -> "Image.Image":
    """The picture on a white square, as the catalogue's own pictures are."""
    from PIL import ImageOps

    side = max(image.size)
    return image if image.width == image.height else ImageOps.pad(image, (side, side), color="white")


def _window(sketch: Sketch, side: int, zoom: float) -> tuple[float, float, float, float]:
    """The square around the content, in pixels of a picture of this side; no smaller than the zoom allows."""
    spans = content(sketch.columns), content(sketch.rows)
    wanted = max(1 / zoom, *(end - start for start, end in spans))
    left, top = (min(max((start + end - wanted) / 2, 0.0), 1 - wanted) for start, end in spans)
    return left * side, top * side, (left + wanted) * side, (top + wanted) * side


def _equalised(image: "Image.Image") -> "Image.Image":
    """The picture with its luminance spread over the full range, hues as they were."""
    from PIL import Image, ImageOps

    luminance, blue, red = image.convert("YCbCr").split()
    return Image.merge("YCbCr", (ImageOps.equalize(luminance), blue, red)).convert("RGB")
