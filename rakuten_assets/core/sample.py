"""A synthetic catalogue in the challenge's file format, and the truth about what was planted in it."""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

import polars as pl
from PIL import Image

from rakuten_assets.core import sample_pictures as pictures_of
from rakuten_assets.core.sample_words import Listing, neighbours, write_listing

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Truth:
    """What was planted where: product ids by kind of defect, and what every product is and is written in.

    Of a pair of near duplicates the original comes first. `code` is what a product is, unlabelled ones
    included; its label differs where it is listed in `mislabelled`. Every kind is disjoint from the others
    and among labelled products only, but for what one text can have (no description, HTML, a script).
    """

    missing_description: list[int] = field(default_factory=list)
    html: list[int] = field(default_factory=list)
    html_title: list[int] = field(default_factory=list)
    script: list[int] = field(default_factory=list)
    exact_text_duplicates: list[list[int]] = field(default_factory=list)
    contradictory_texts: list[list[int]] = field(default_factory=list)
    mislabelled: list[int] = field(default_factory=list)
    exact_image_duplicates: list[list[int]] = field(default_factory=list)
    near_image_duplicates: dict[str, list[list[int]]] = field(default_factory=dict)
    near_image_duplicates_across_classes: list[list[int]] = field(default_factory=list)
    blurred: list[int] = field(default_factory=list)
    red_tinted: list[int] = field(default_factory=list)
    bordered: list[int] = field(default_factory=list)
    broken_images: dict[str, list[int]] = field(default_factory=dict)
    missing_images: list[int] = field(default_factory=list)
    language: dict[int, str] = field(default_factory=dict)
    code: dict[int, int] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Writes the truth as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Truth":
        """The truth that `save` wrote."""
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("language", "code"):
            stored[name] = {int(product): value for product, value in stored[name].items()}
        return cls(**stored)


# The challenge's own products per category: the imbalance is part of the task.
CLASS_COUNTS = {
    10: 3116, 40: 2508, 50: 1681, 60: 832, 1140: 2671, 1160: 3953, 1180: 764,
    1280: 4870, 1281: 2070, 1300: 5045, 1301: 807, 1302: 2491, 1320: 3241, 1560: 5073,
    1920: 4303, 1940: 803, 2060: 4993, 2220: 824, 2280: 4760, 2403: 4774, 2462: 1421,
    2522: 4989, 2582: 2589, 2583: 10209, 2585: 2496, 2705: 2761, 2905: 872,
}  # fmt: skip

# Below this a category can neither be split nor scored.
FEWEST_OF_A_CLASS = 10

# Shares of the labelled products. Text duplicates as the report counted them; the others so that a sample of
# the default size has enough of each kind to count.
EXACT_TEXTS = 0.014
CONTRADICTORY_TEXTS = 0.0015
MISLABELLED = 0.02
IMAGE_DEFECT = 0.01
BROKEN_IMAGE = 0.00125
MISSING_IMAGE = 0.02

# Far above any product id of a sample, so that the two kinds of id are never taken for each other.
FIRST_IMAGE_ID = 1_000_000_000


def write_sample(
    out: Path,
    products: int = 4000,
    seed: int = 0,
    *,
    prefix: Literal["challenge", "new"] = "challenge",
    first_id: int = 1,
    unlabelled: int = 0,
    pictures: bool = True,
    progress: Progress | None = None,
) -> Truth:
    """Writes a delivery of invented products under `out`, with `truth.json`, and returns that truth.

    The same arguments write the same bytes. `first_id` numbers the products: a second delivery that starts
    where the first ended (`first_id + products + unlabelled`) shares no id with it. `unlabelled` adds a test
    file without labels. Without `pictures` only the tables are written. `progress` is told (pictures written,
    pictures to write).
    """
    plan = _Plan(Random(f"{seed}/plan/{first_id}"), products, unlabelled, first_id)
    plan.plant()
    rows = _with_texts(plan.rows, seed)
    truth = _complete(plan.truth, rows)
    names = FILES[prefix]
    out.mkdir(parents=True, exist_ok=True)
    _write_products(rows[:products], out / names.products)
    _write_labels(rows[:products], out / names.labels)
    if unlabelled:
        _write_products(rows[products:], out / "X_test_update.csv")
    if pictures:
        folders = [out / names.images] * products + [out / "images" / "image_test"] * unlabelled
        _write_pictures(rows, folders, seed, progress)
    truth.save(out / "truth.json")
    return truth


@dataclass(frozen=True)
class _Files:
    products: str
    labels: str
    images: str


FILES = {
    "challenge": _Files("X_train_update.csv", "Y_train_CVw08PX.csv", "images/image_train"),
    "new": _Files("New_X_train.csv", "New_y_train.csv", "images"),
}


@dataclass(frozen=True)
class _Row:
    """One product: what it is, its label, whose text and picture it has, and what befell the picture."""

    index: int
    productid: int
    code: int
    label: int
    text_of: int
    picture_of: int
    treatment: str = ""
    listing: Listing = Listing("", None, "fr")

    @property
    def image_name(self) -> str:
        return f"image_{FIRST_IMAGE_ID + self.productid}_product_{self.productid}.jpg"


class _Plan:
    """Deals the defects out to products, each product getting one at most."""

    def __init__(self, rng: Random, products: int, unlabelled: int, first_id: int) -> None:
        codes = [code for code, count in class_counts(products).items() for _ in range(count)]
        rng.shuffle(codes)
        codes += rng.choices(list(CLASS_COUNTS), list(CLASS_COUNTS.values()), k=unlabelled)
        self.rng, self.products, self.first_id = rng, products, first_id
        self.rows = [_Row(i, first_id + i, code, code, i, i) for i, code in enumerate(codes)]
        self.free = rng.sample(range(products), products)
        self.truth = Truth()

    def plant(self) -> None:
        """Every kind of defect, the pairs first, as they are the hardest to find products for."""
        truth = self.truth
        truth.contradictory_texts.extend(self._share_text(CONTRADICTORY_TEXTS, self._confusable))
        truth.exact_text_duplicates.extend(self._share_text(EXACT_TEXTS, self._alike))
        truth.exact_image_duplicates.extend(self._share_picture(IMAGE_DEFECT, self._alike, ("copied",)))
        for kind in pictures_of.COPIES:
            truth.near_image_duplicates[kind] = self._share_picture(IMAGE_DEFECT, self._alike, (kind,))
        across = self._share_picture(IMAGE_DEFECT, self._confusable, tuple(pictures_of.COPIES))
        truth.near_image_duplicates_across_classes.extend(across)
        for kind in pictures_of.FLAWS:
            getattr(truth, kind).extend(self._treat(IMAGE_DEFECT, kind))
        for kind in pictures_of.BREAKAGES:
            truth.broken_images[kind] = self._treat(BROKEN_IMAGE, kind)
        truth.missing_images.extend(self._treat(MISSING_IMAGE, "missing"))
        truth.mislabelled.extend(self._mislabel())

    def _share_text(self, share: float, partner: Callable[[int], int | None]) -> list[list[int]]:
        pairs = self._pairs(share, partner)
        for original, copy in pairs:
            self._change(copy, text_of=original)
        return self._ids(pairs)

    def _share_picture(
        self, share: float, partner: Callable[[int], int | None], kinds: Sequence[str]
    ) -> list[list[int]]:
        pairs = self._pairs(share, partner)
        for original, copy in pairs:
            self._change(copy, picture_of=original, treatment=self.rng.choice(kinds))
        return self._ids(pairs)

    def _treat(self, share: float, treatment: str) -> list[int]:
        taken = [self.free.pop() for _ in range(min(self._count(share), len(self.free)))]
        for row in taken:
            self._change(row, treatment=treatment)
        return [self.first_id + row for row in taken]

    def _mislabel(self) -> list[int]:
        """Labels exchanged within pairs, so that the categories keep their sizes."""
        pairs = self._pairs(MISLABELLED / 2, self._confusable)
        for one, other in pairs:
            self._change(one, label=self.rows[other].code)
            self._change(other, label=self.rows[one].code)
        return [product for pair in self._ids(pairs) for product in pair]

    def _pairs(self, share: float, partner: Callable[[int], int | None]) -> list[tuple[int, int]]:
        pairs = []
        for _ in range(min(self._count(share), len(self.free) // 2)):
            first = self.free.pop()
            second = partner(first)
            if second is not None:
                pairs.append((first, second))
        return pairs

    def _alike(self, first: int) -> int | None:
        return self._take({self.rows[first].code})

    def _confusable(self, first: int) -> int | None:
        return self._take(set(neighbours(self.rows[first].code)))

    def _take(self, codes: set[int]) -> int | None:
        for place in range(len(self.free) - 1, -1, -1):
            if self.rows[self.free[place]].code in codes:
                return self.free.pop(place)
        return None

    def _count(self, share: float) -> int:
        """How many to plant: never none, and five where the sample is large enough to count them."""
        return max(round(self.products * share), min(5, self.products // 400), 1)

    def _change(self, row: int, **changes: Any) -> None:
        self.rows[row] = replace(self.rows[row], **changes)

    def _ids(self, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
        return [[self.first_id + one, self.first_id + other] for one, other in pairs]


def class_counts(products: int) -> dict[int, int]:
    """Products per category: the challenge's imbalance, but ten of each from 600 products on."""
    fewest, total = min(FEWEST_OF_A_CLASS, products // 60), sum(CLASS_COUNTS.values())
    counts = {code: max(fewest, count * products // total) for code, count in CLASS_COUNTS.items()}
    while (missing := products - sum(counts.values())) != 0:
        step = 1 if missing > 0 else -1
        shares = {code: step * (CLASS_COUNTS[code] / total * products - count) for code, count in counts.items()}
        counts[max((code for code in counts if step > 0 or counts[code] > fewest), key=shares.__getitem__)] += step
    return counts


def _with_texts(rows: list[_Row], seed: int) -> list[_Row]:
    """The rows with what their sellers wrote, no two the same but where the plan says so."""
    seen: set[tuple[str, str | None]] = set()
    listings = []
    for row in rows:
        listing = write_listing(Random(f"{seed}/text/{row.productid}"), row.code)
        if (key := (listing.title.casefold(), listing.description)) in seen:
            listing = listing._replace(title=f"{listing.title} - {row.productid}")
        seen.add(key)
        listings.append(listing)
    return [replace(row, listing=listings[row.text_of]) for row in rows]


def _complete(truth: Truth, rows: list[_Row]) -> Truth:
    """`truth` with what only the texts tell."""

    def where(test: Callable[[Listing], bool]) -> list[int]:
        return [row.productid for row in rows if test(row.listing)]

    return replace(
        truth,
        missing_description=where(lambda listing: listing.description is None),
        html=where(lambda listing: listing.html),
        html_title=where(lambda listing: listing.html_title),
        script=where(lambda listing: listing.script),
        language={row.productid: row.listing.language for row in rows},
        code={row.productid: row.code for row in rows},
    )


def _write_products(rows: list[_Row], path: Path) -> None:
    columns = {
        "index": [row.index for row in rows],
        "designation": [row.listing.title for row in rows],
        "description": [row.listing.description for row in rows],
        "productid": [row.productid for row in rows],
        "imageid": [FIRST_IMAGE_ID + row.productid for row in rows],
    }
    _write_csv(pl.DataFrame(columns, schema_overrides={"description": pl.String}), path)


def _write_labels(rows: list[_Row], path: Path) -> None:
    columns = {"index": [row.index for row in rows], "prdtypecode": [row.label for row in rows]}
    _write_csv(pl.DataFrame(columns), path)


def _write_csv(table: pl.DataFrame, path: Path) -> None:
    """The challenge leaves the row index without a name."""
    table.rename({"index": ""}).write_csv(path)


def _write_pictures(rows: list[_Row], folders: list[Path], seed: int, progress: Progress | None) -> None:
    for folder in set(folders):
        folder.mkdir(parents=True, exist_ok=True)

    shown = [row for row in rows if row.treatment != "missing"]
    for done, row in enumerate(shown, start=1):
        (folders[row.index] / row.image_name).write_bytes(_picture(row, rows[row.picture_of], seed))
        if progress:
            progress(done, len(shown))


def _picture(row: _Row, source: _Row, seed: int) -> bytes:
    """The bytes of the file that shows `row`: its own drawing or a copy of `source`'s, in whatever state."""
    image = pictures_of.draw_picture(Random(f"{seed}/picture/{source.productid}"), source.code)
    if row.treatment in ("", "copied"):
        return pictures_of.encode(image)
    rng = Random(f"{seed}/treatment/{row.productid}")
    if row.treatment in pictures_of.COPIES:
        published = Image.open(io.BytesIO(pictures_of.encode(image)))
        return pictures_of.COPIES[row.treatment](published, rng)
    return (pictures_of.FLAWS | pictures_of.BREAKAGES)[row.treatment](image, rng)
