"""The rules that delivered rows keep, and the quarantine of those that break one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from rakuten_assets.core.delivery_files import DeliveryFiles, Fault
from rakuten_assets.core.delivery_records import (
    LABEL_COLUMNS,
    PRODUCT_COLUMNS,
    BrokenRecord,
    DeliveryError,
    read_table,
)
from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.core.taxonomy import CODES

# Below this share of common indexes, a label table belongs to another delivery.
MIN_LABEL_MATCH = 0.5

QUARANTINE: dict[str, type[pl.DataType]] = {
    "delivery": pl.String,
    "file": pl.String,
    "line": pl.Int64,
    "productid": pl.Int64,
    "kind": pl.String,
    "reason": pl.String,
    "detail": pl.String,
}
"""What was set aside: a "file", a "row" of a table, or a "picture" whose product may still be accepted."""


class Rule(NamedTuple):
    """Why rows are set aside: a short code, the expression that is true for them, and a sentence."""

    reason: str
    broken: pl.Expr
    detail: str


def _not_whole(column: str) -> pl.Expr:
    return pl.col(column).is_null() | (pl.col(column) < 0)


def _has_nul(column: str) -> pl.Expr:
    return pl.col(column).str.contains("\0", literal=True).fill_null(False)


def _longer(column: str, limit: int) -> pl.Expr:
    return pl.col(column).str.len_chars() > limit


def _blank(column: str) -> pl.Expr:
    return pl.col(column).str.strip_chars().fill_null("") == ""


def _repeated(column: str) -> pl.Expr:
    return ~pl.col(column).is_first_distinct()


# Each rule sees the rows that kept the rules before it.
PRODUCT_RULES = (
    Rule("index_not_integer", _not_whole("row"), "the index is not a whole number"),
    Rule("productid_not_integer", _not_whole("productid"), "productid is not a whole number"),
    Rule("imageid_not_integer", _not_whole("imageid"), "imageid is not a whole number"),
    Rule("nul_character", _has_nul("designation") | _has_nul("description"), "a text holds a NUL"),
    Rule("title_too_long", _longer("designation", MAX_DESIGNATION), f"over {MAX_DESIGNATION} characters"),
    Rule(
        "description_too_long",
        _longer("description", MAX_DESCRIPTION),
        f"over {MAX_DESCRIPTION} characters",
    ),
    Rule("duplicate_index", _repeated("row"), "an earlier row has this index"),
)
LABEL_RULES = (
    Rule("index_not_integer", _not_whole("row"), "the index is not a whole number"),
    Rule("category_not_integer", _not_whole("prdtypecode"), "prdtypecode is not a whole number"),
    Rule("unknown_category", ~pl.col("prdtypecode").is_in(CODES), "prdtypecode is no known category"),
    Rule("duplicate_index", _repeated("row"), "an earlier row has this index"),
)

# These come after the pictures, so that of two rows with one productid the first usable one stays.
CLOSING_RULES = (
    Rule(
        "no_text_no_picture",
        _blank("designation") & _blank("description") & pl.col("image").is_null(),
        "neither a text nor a usable picture",
    ),
    Rule("duplicate_productid", _repeated("productid"), "an earlier row has this productid"),
)


class Quarantine:
    """What one delivery had set aside so far."""

    def __init__(self, files: DeliveryFiles) -> None:
        self.files = files
        self.faults: list[Fault] = list(files.faults)

    def sift(self, rows: pl.DataFrame, rules: Sequence[Rule], table: Path | None = None) -> pl.DataFrame:
        """The rows of the product table, or of another, that keep the rules; the others are set aside."""
        for rule in rules:
            keeps = ~rows.select(rule.broken.fill_null(False)).to_series()
            self._add_rows(rows.filter(~keeps), rule, table or self.files.products)
            rows = rows.filter(keeps)
        return rows

    def add_broken(self, records: Sequence[BrokenRecord], table: Path) -> None:
        """Sets aside records that could not be read."""
        name = self._name(table)
        self.faults += [Fault(name, r.line, None, "row", r.reason, r.detail) for r in records]

    def add_picture(self, path: Path, productid: int, reason: str, detail: str) -> None:
        """Sets aside a picture; its product goes on without."""
        self.faults.append(Fault(self._name(path), None, productid, "picture", reason, detail))

    @property
    def rows(self) -> int:
        """How many rows of the product table were set aside."""
        table = self._name(self.files.products)
        return sum(fault.kind == "row" and fault.file == table for fault in self.faults)

    @property
    def reasons(self) -> dict[str, int]:
        """How much was set aside for each reason, most frequent first."""
        return dict(Counter(fault.reason for fault in self.faults).most_common())

    def table(self, delivery: str) -> pl.DataFrame:
        """All that was set aside, with the columns of `QUARANTINE`."""
        return pl.DataFrame([(delivery, *fault) for fault in self.faults], schema=QUARANTINE, orient="row")

    def _add_rows(self, rows: pl.DataFrame, rule: Rule, table: Path) -> None:
        ids = rows["productid"] if "productid" in rows.columns else [None] * rows.height
        places = zip(rows["line"], ids, strict=True)
        self.faults += [Fault(self._name(table), *place, "row", rule.reason, rule.detail) for place in places]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.files.folder).as_posix()


class Rows(NamedTuple):
    """A table's good rows, with `row` (the index) and `line`, and every index it was delivered with."""

    good: pl.DataFrame
    indexes: set[int]


def read_products(files: DeliveryFiles, quarantine: Quarantine) -> Rows:
    """The product table's rows; an empty text is null."""
    rows = _read_rows(files.products, PRODUCT_COLUMNS, quarantine)
    texts = pl.col("designation", "description")
    good = rows.good.with_columns(pl.when(texts != "").then(texts), _whole("productid", "imageid"))
    return Rows(quarantine.sift(good, PRODUCT_RULES), rows.indexes)


def labelled(files: DeliveryFiles, products: Rows, quarantine: Quarantine) -> pl.DataFrame:
    """The products with their `prdtypecode`: joined by index, or null throughout where no labels came.

    Raises DeliveryError where the label table belongs to other products.
    """
    if files.labels is None:
        return products.good.with_columns(prdtypecode=pl.lit(None, pl.Int64))
    labels = _read_rows(files.labels, LABEL_COLUMNS, quarantine)
    _refuse_strange_labels(files.labels.name, products.indexes, labels.indexes)
    orphan = Rule("product_missing", ~_among("row", products.indexes), "no product row has this index")
    codes = labels.good.with_columns(_whole("prdtypecode"))
    codes = quarantine.sift(codes, (*LABEL_RULES, orphan), files.labels).select("row", "prdtypecode")
    rows = products.good.join(codes, on="row", how="left", maintain_order="left")
    missing = Rule("label_missing", pl.col("prdtypecode").is_null(), "no usable label has this index")
    return quarantine.sift(rows, (missing,))


def _among(column: str, values: set[int]) -> pl.Expr:
    return pl.col(column).is_in(pl.Series(values=list(values), dtype=pl.Int64).implode())


def _read_rows(table: Path, columns: tuple[str, ...], quarantine: Quarantine) -> Rows:
    records, broken = read_table(table, columns)
    quarantine.add_broken(broken, table)
    schema = dict.fromkeys(("row", *columns[1:]), pl.String)
    fields = pl.DataFrame([record.fields for record in records], schema, orient="row")
    lines = pl.Series("line", [record.line for record in records], pl.Int64)
    rows = fields.with_columns(_whole("row"), lines)
    indexes = set(rows["row"].drop_nulls()) | {record.row for record in broken if record.row is not None}
    return Rows(rows, indexes)


def _whole(*columns: str) -> pl.Expr:
    return pl.col(*columns).str.strip_chars().str.to_integer(strict=False, dtype=pl.Int64)


def _refuse_strange_labels(name: str, products: set[int], labels: set[int]) -> None:
    matching = len(products & labels)
    if matching < MIN_LABEL_MATCH * max(len(products), len(labels)):
        raise DeliveryError(
            f"{name} does not belong to the product table: {len(labels)} labels and {len(products)} products "
            f"have only {matching} indexes in common."
        )
