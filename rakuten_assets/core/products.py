"""What the platform talks about: a product, its prediction, and the tables that hold many products."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import polars as pl

from rakuten_assets.core.taxonomy import CODES

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema

# Well above anything a seller writes: longer texts are broken quoting, pasted files or abuse.
MAX_DESIGNATION = 10_000
MAX_DESCRIPTION = 100_000

RestsOn = Literal["text", "image", "both"]


@dataclass(frozen=True)
class Product:
    """What a seller says about one product: a title, perhaps a description, perhaps a JPEG's bytes."""

    designation: str = ""
    description: str = ""
    image: bytes | None = None


@dataclass(frozen=True)
class CategoryScore:
    """One category and how sure the model is of it, from 0 to 1."""

    code: int
    name: str
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """The categories a product may belong to, best first, and what the answer rests on."""

    categories: tuple[CategoryScore, ...]
    rests_on: RestsOn
    model_version: str

    @property
    def code(self) -> int:
        """The best category's `prdtypecode`."""
        return self.categories[0].code

    @property
    def confidence(self) -> float:
        """The best category's confidence."""
        return self.categories[0].confidence


RAW: dict[str, type[pl.DataType]] = {
    "designation": pl.String,
    "description": pl.String,
    "productid": pl.Int64,
    "imageid": pl.Int64,
}
"""The columns of a delivered product table, after its unnamed index column."""

PRODUCTS: dict[str, type[pl.DataType]] = {
    "productid": pl.Int64,
    "imageid": pl.Int64,
    "designation": pl.String,
    "description": pl.String,
    "prdtypecode": pl.Int32,
    "image": pl.String,
    "delivery": pl.String,
    "row": pl.Int64,
    "line": pl.Int64,
}
"""The columns of accepted products: `image` is the stored picture's sha256, `row` the product's index in the
delivered file and `line` the line it starts on."""


def picture_name(imageid: int, productid: int) -> str:
    """The file name under which the challenge delivers a product's picture."""
    return f"image_{imageid}_product_{productid}.jpg"


@cache
def raw_schema() -> "DataFrameSchema":
    """The rules that a delivered product table keeps, once its bad rows are out."""
    from pandera.polars import Check, Column, DataFrameSchema

    return DataFrameSchema(
        {
            "designation": Column(pl.String, Check.str_length(1, MAX_DESIGNATION), nullable=True),
            "description": Column(pl.String, Check.str_length(1, MAX_DESCRIPTION), nullable=True),
            "productid": Column(pl.Int64, Check.ge(0), unique=True),
            "imageid": Column(pl.Int64, Check.ge(0)),
        },
        strict=True,
        name="raw products",
    )


@cache
def products_schema() -> "DataFrameSchema":
    """The rules that every batch of accepted products keeps."""
    from pandera.polars import Check, Column

    added = {
        "prdtypecode": Column(pl.Int32, Check.isin(CODES), nullable=True),
        "image": Column(pl.String, Check.str_matches("^[0-9a-f]{64}$"), nullable=True),
        "delivery": Column(pl.String, Check.str_matches("^[a-z0-9-]+$")),
        "row": Column(pl.Int64, unique=True),
        "line": Column(pl.Int64, Check.ge(2), unique=True),
    }
    schema = raw_schema().add_columns(added)
    schema.name = "products"
    return schema
