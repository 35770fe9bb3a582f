"""What the lineage finds of what was planted in a sample catalogue, kind by kind."""

import itertools
import re
from collections.abc import Hashable, Iterable, Set
from dataclasses import dataclass

import polars as pl
from upath import UPath

from rakuten_assets.core import deliveries, duplicates, images, language, text
from rakuten_assets.core.sample import Truth
from rakuten_assets.core.sample_words import SCRIPTS

# How the quarantine words what befell each kind of broken file.
BROKEN = {
    "zero_byte": "^zero_bytes:",
    "truncated": "truncated or damaged",
    "not_jpeg": "not a (picture|JPEG)",
    "too_large": "pixels, more than",
}
TREATMENTS = {"blurred": "sharpened", "red_tinted": "desaturated", "bordered": "cropped"}

# What scripts and styles say between their tags, which no reader sees; and a tag that was left standing.
HIDDEN = [re.sub("<[^>]*>", "", script) for script in SCRIPTS]
TAG = "<[/a-zA-Z][^>]*>"

SCHEMA = {"kind": pl.String, "planted": pl.Int64, "found": pl.Int64, "false_alarms": pl.Int64}


@dataclass(frozen=True)
class Found:
    """Tables that the lineage made of a sample, each with the columns of the asset of its name."""

    products: pl.DataFrame
    quarantine: pl.DataFrame
    cleaned_text: pl.DataFrame
    languages: pl.DataFrame
    duplicate_texts: pl.DataFrame
    deduplicated_images: pl.DataFrame
    prepared_images: pl.DataFrame


def find(root: UPath) -> Found:
    """The tables of everything that was ingested into `root`, made without Dagster."""
    products = pl.concat([deliveries.read_batch(root, key) for key in deliveries.batch_keys(root)])
    cleaned = text.clean(products)
    labelled = cleaned.select("productid", "text_key").with_columns(products["prdtypecode"])
    names = products["image"].drop_nulls().unique(maintain_order=True)
    shown = products.drop_nulls("image").join(
        images.fingerprints(deliveries.picture_path(root, name) for name in names),
        left_on="image",
        right_on="sha256",
        maintain_order="left",
    )
    return Found(
        products,
        deliveries.read_quarantine(root),
        cleaned,
        cleaned.select("productid", language=language.detect(cleaned["light"])),
        text.duplicate_texts(labelled),
        duplicates.deduplicate(shown.rename({"image": "sha256"})).table,
        pl.DataFrame([images.prepared_quality(deliveries.read_picture(root, name)) for name in names]),
    )


def compare(truth: Truth, found: Found) -> pl.DataFrame:
    """One row a kind of defect: `planted`, how many of those were `found`, and `false_alarms` beside them.

    Counted in products; in pairs for what two products share. `false_alarms` is null where the kind cannot be
    told from its neighbours: which way a near duplicate was changed, what a removed script was.
    """
    rows = [*_texts(truth, found), *_pictures(truth, found), *_files(truth, found), *_languages(truth, found)]
    return pl.DataFrame(rows, SCHEMA, orient="row").with_columns(
        recall=pl.col("found") / pl.col("planted"),
        precision=pl.col("found") / (pl.col("found") + pl.col("false_alarms")),
    )


Row = tuple[str, int, int, int | None]


def _row(kind: str, planted: Iterable[Hashable], seen: Set[Hashable]) -> Row:
    """What was seen beyond what was planted is false alarms."""
    expected = set(planted)
    return kind, len(expected), len(expected & seen), len(seen - expected)


def _recalled(kind: str, planted: Iterable[Hashable], seen: Set[Hashable]) -> Row:
    """Without false alarms: they cannot be told from findings of another kind."""
    return (*_row(kind, planted, seen)[:3], None)


def _texts(truth: Truth, found: Found) -> Iterable[Row]:
    cleaned, shared = found.cleaned_text, found.duplicate_texts
    marked = pl.col("html") & ~pl.col("light").str.contains(TAG)
    clear = ~pl.col("light").str.contains_any(HIDDEN)
    yield _row("missing_description", truth.missing_description, _ids(cleaned, pl.col("missing_description")))
    yield _row("html", {*truth.html, *truth.html_title}, _ids(cleaned, marked))
    yield _recalled("script", truth.script, _ids(cleaned, clear))
    for kind, contradictory in (("exact_text_duplicates", False), ("contradictory_texts", True)):
        groups = shared.filter(contradictory=contradictory)["productids"]
        yield _row(kind, _pairs(getattr(truth, kind)), _pairs(groups))


def _pictures(truth: Truth, found: Found) -> Iterable[Row]:
    table = found.deduplicated_images
    same_bytes, alike = _grouped(table, "sha256"), _grouped(table, "cluster_id")
    shared = _grouped(table.filter(sample_weight=0.5), "cluster_id")
    near = {kind: _pairs(pairs) for kind, pairs in truth.near_image_duplicates.items()}
    across = _pairs(truth.near_image_duplicates_across_classes)
    anywhere = across.union(*near.values())
    # Each picture is compared with its cluster's first alone: a stranger there is one false alarm, not many.
    joined = _pairs(table.filter(kind="near").select("cluster_id", "productid").iter_rows())
    yield _row("exact_image_duplicates", _pairs(truth.exact_image_duplicates), same_bytes)
    for kind, pairs in near.items():
        yield _recalled(f"near_image_duplicates/{kind}", pairs, alike)
    yield _recalled("near_image_duplicates_across_classes", across, shared)
    yield _row("near_image_duplicates/all", anywhere, alike & anywhere | joined)
    treated = found.products.select("productid", sha256="image").join(found.prepared_images, on="sha256")
    for kind, treatment in TREATMENTS.items():
        yield _row(kind, getattr(truth, kind), _ids(treated, pl.col(treatment)))


def _files(truth: Truth, found: Found) -> Iterable[Row]:
    faults = found.quarantine.filter(pl.col("kind") == "picture")
    said = pl.concat_str("reason", "detail", separator=": ")
    for kind, planted in truth.broken_images.items():
        yield _row(f"broken_images/{kind}", planted, _ids(faults, said.str.contains(BROKEN[kind])))
    yield _row("missing_images", truth.missing_images, _ids(faults, pl.col("reason") == "picture_missing"))


def _languages(truth: Truth, found: Found) -> Iterable[Row]:
    for code in sorted(set(truth.language.values())):
        spoken = [product for product, name in truth.language.items() if name == code]
        yield _row(f"language/{code}", spoken, _ids(found.languages, pl.col("language") == code))


def _grouped(table: pl.DataFrame, by: str) -> set[frozenset[int]]:
    return _pairs(table.group_by(by).agg("productid")["productid"])


def _ids(table: pl.DataFrame, chosen: pl.Expr) -> set[int]:
    return set(table.filter(chosen)["productid"])


def _pairs(groups: Iterable[Iterable[int]]) -> set[frozenset[int]]:
    """Every two products of a group."""
    return {frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)}
