import polars as pl
import pytest
from pandera.errors import SchemaError

from rakuten_assets.core.products import (
    PRODUCTS,
    RAW,
    CategoryScore,
    Prediction,
    picture_name,
    products_schema,
    raw_schema,
)

ACCEPTED = {
    "productid": [7, 8],
    "imageid": [70, 80],
    "designation": ["Chaise", None],
    "description": [None, None],
    "prdtypecode": [1560, None],
    "image": [None, "0" * 64],
    "delivery": ["spring-0a1b2c3d", "spring-0a1b2c3d"],
    "row": [0, 1],
    "line": [2, 3],
}


def test_a_prediction_answers_with_its_best_category() -> None:
    best, second = CategoryScore(2583, "Piscine", 0.9), CategoryScore(10, "Livre", 0.1)
    prediction = Prediction((best, second), rests_on="text", model_version="3")
    assert (prediction.code, prediction.confidence) == (2583, 0.9)


def test_a_picture_is_named_as_in_the_challenge() -> None:
    assert picture_name(imageid=70, productid=7) == "image_70_product_7.jpg"


def test_accepted_products_keep_the_schema() -> None:
    products = pl.DataFrame(ACCEPTED, schema=PRODUCTS)
    assert products_schema().validate(products).equals(products)
    raw_schema().validate(products.select(*RAW))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("productid", [7, 7]),
        ("productid", [7, -1]),
        ("productid", [7, None]),
        ("designation", ["", None]),
        ("designation", ["x" * 10_001, None]),
        ("description", ["x" * 100_001, None]),
        ("prdtypecode", [1561, None]),
        ("image", ["image_70_product_7.jpg", None]),
        ("delivery", ["../spring", "spring"]),
        ("row", [1, 1]),
        ("line", [1, 2]),
    ],
)
def test_products_that_break_a_rule_do_not_keep_the_schema(column: str, values: list[object]) -> None:
    products = pl.DataFrame({**ACCEPTED, column: values}, schema=PRODUCTS)
    with pytest.raises(SchemaError):
        products_schema().validate(products)


def test_a_table_with_another_column_does_not_keep_the_schema() -> None:
    with pytest.raises(SchemaError):
        products_schema().validate(pl.DataFrame(ACCEPTED, schema=PRODUCTS).with_columns(price=pl.lit(1)))
