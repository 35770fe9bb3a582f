"""A catalogue that changes: invented bias of a known strength, to see whether it is found and what it costs."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import ImageEnhance, ImageFilter

from rakuten_assets.core import images
from rakuten_assets.core.simulate_texts import KINDS, Disturbance, disturb_text

Picture = Callable[[], bytes | None]

# As far as the story goes: the share of a week's products, or of their labels, that changes.
HIGHEST_LEVEL = 0.3

# A product that becomes frequent is one of so many categories.
FAVOURITES = 3

# Categories that are moved are at most this part of the catalogue each, or few could be moved at a low level.
LARGEST_MOVED = 0.06


@dataclass(frozen=True)
class Bias:
    """How much of a catalogue changes (`level`, 0 to 0.3), and in what; ValueError for another level.

    `vocabulary` and `languages` change texts, `pictures` pictures, `classes` how often categories come, `concepts` what
    categories mean. At every level, the same `seed` invents the same words, favours the same categories and
    moves the same ones first.
    """

    level: float
    seed: int = 0
    vocabulary: bool = True
    languages: bool = True
    pictures: bool = True
    classes: bool = True
    concepts: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.level <= HIGHEST_LEVEL:
            raise ValueError(f"A level of bias is from 0 to {HIGHEST_LEVEL}, not {self.level}.")


@dataclass(frozen=True)
class Offer:
    """A product of a biased week: the row it was made of, its texts, its true label now, and what was done to it.

    `picture` reads and degrades the JPEG when called, so that a week's pictures are not in memory together.
    """

    productid: int
    designation: str
    description: str
    code: int
    picture: Picture
    disturbance: Disturbance | None = None
    degraded: bool = False


def week(
    rows: pl.DataFrame, bias: Bias, size: int, number: int = 0, picture: Callable[[int], bytes | None] | None = None
) -> Iterator[Offer]:
    """The products of week `number` under `bias`, drawn from a catalogue; the same arguments give the same week.

    Parameters
    ----------
    rows
        `productid`, `designation`, `description` (may be null) and `prdtypecode`, the true category.
    size
        Products of the week; where that is more than there are rows, some come twice.
    picture
        The JPEG of a product, by its `productid`; without it no product has a picture.
    """
    codes = rows["prdtypecode"].to_list()
    shares = {code: count / len(codes) for code, count in Counter(codes).items()}
    moved = concepts(shares, bias.level, bias.seed) if bias.concepts else {}
    chosen = shift_classes(codes, bias.level if bias.classes else 0.0, bias.seed, size, number)
    products = rows.select("productid", "designation", pl.col("description").fill_null(""), "prdtypecode")
    for place, at in enumerate(chosen.tolist()):
        productid, designation, description, code = products.row(at)
        rng = Random(f"{bias.seed}/{number}/{place}/{productid}")
        disturbed = rng.random() < bias.level
        done = _disturbance(bias, rng) if disturbed else None
        if done:
            designation, description = disturb_text(designation or "", description, rng, done, bias.seed)
        degraded = disturbed and bias.pictures
        shown = _Shown(picture, productid, f"{bias.seed}/{number}/{place}" if degraded else None)
        yield Offer(productid, designation or "", description, moved.get(code, code), shown, done, degraded)


def _disturbance(bias: Bias, rng: Random) -> Disturbance | None:
    kinds = [kind for kind in KINDS if getattr(bias, kind)]
    return rng.choice(kinds) if kinds else None


@dataclass(frozen=True)
class _Shown:
    """Reads a picture when called, and degrades it by `seed`; as it is without one, and where it is broken already."""

    read: Callable[[int], bytes | None] | None
    productid: int
    seed: str | None

    def __call__(self) -> bytes | None:
        data = self.read(self.productid) if self.read else None
        if not data or self.seed is None:
            return data
        try:
            return disturb_picture(data, Random(self.seed))
        except images.BadPicture:
            return data


def disturb_picture(data: bytes, rng: Random) -> bytes:
    """The JPEG out of focus, dark, and saved again with far fewer bytes; `BadPicture` where it cannot be read."""
    image = images.open_rgb(data)
    # Of a picture's own size: a catalogue's 500 pixels lose what a thumbnail of it would.
    blurred = image.filter(ImageFilter.GaussianBlur(max(image.size) * rng.uniform(0.004, 0.012)))
    dark = ImageEnhance.Brightness(blurred).enhance(rng.uniform(0.35, 0.65))
    buffer = io.BytesIO()
    dark.save(buffer, "JPEG", quality=rng.randint(8, 20))
    return buffer.getvalue()


def shift_classes(codes: Sequence[int], level: float, seed: int, size: int, number: int = 0) -> NDArray[np.int64]:
    """Positions in `codes` of the `size` products of week `number`, a few categories the more frequent.

    At each place, with probability `level`, a product of one of `FAVOURITES` categories is drawn, which `seed` chooses
    for all weeks; otherwise any product. No position twice where there are enough.
    """
    rng = np.random.default_rng([seed, number])
    present = sorted(set(codes))
    favourites = Random(f"{seed}/favourites").sample(present, min(FAVOURITES, len(present)))
    favoured = np.isin(np.asarray(codes), favourites)
    weights = (1 - level) / len(codes) + level * favoured / max(int(favoured.sum()), 1)
    return rng.choice(len(codes), size, replace=size > len(codes), p=weights / weights.sum())


def concepts(shares: Mapping[int, float], level: float, seed: int) -> dict[int, int]:
    """Categories that mean something else: products of each key now belong to its value, another category.

    As many small and medium categories are moved, in an order that `seed` fixes, as make up about `level` of the labels
    (`shares` by code, which add up to 1): the moves of a low level are among those of a higher one, and no
    category is both moved and moved to.
    """
    codes = sorted(shares)
    Random(f"{seed}/concepts").shuffle(codes)
    small = [code for code in codes if shares[code] <= LARGEST_MOVED]
    reach = np.cumsum([shares[code] for code in small])
    most = min(_nearest(reach, HIGHEST_LEVEL), len(codes) - 1)
    staying = [code for code in codes if code not in small[:most]]
    targets = Random(f"{seed}/targets").choices(staying, k=most)
    moved = dict(zip(small[:most], targets, strict=True))
    return {code: moved[code] for code in small[: min(most, _nearest(reach, level))]}


def _nearest(reach: NDArray[np.float64], level: float) -> int:
    """How many of the first entries come nearest to `level` together."""
    return int(np.abs(np.concatenate([[0.0], reach]) - level).argmin())
