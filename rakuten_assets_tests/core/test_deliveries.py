import csv
import io
import os
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from upath import UPath

from rakuten_assets.core.deliveries import (
    QUARANTINE,
    Delivery,
    DeliveryError,
    batch_keys,
    deliveries,
    hand_in,
    ingest,
    picture_path,
    read_batch,
    read_picture,
    read_quarantine,
)
from rakuten_assets.core.delivery_records import PRODUCT_COLUMNS, read_table
from rakuten_assets.core.products import PRODUCTS, picture_name

PRODUCT_HEADER = '"",designation,description,productid,imageid'
LABEL_HEADER = '"",prdtypecode'


def jpeg(shade: int = 120, side: int = 32) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((side, side), shade).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return buffer.getvalue()


PICTURE = jpeg()


def write_table(path: Path, header: str, rows: Sequence[str | bytes], end: bytes = b"\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row.encode() if isinstance(row, str) else row for row in (header, *rows)]
    path.write_bytes(b"".join(line + end for line in lines))


def write_delivery(
    folder: Path,
    rows: Sequence[str | bytes],
    labels: Sequence[str | bytes] | None = None,
    pictures: Mapping[tuple[int, int], bytes] | None = None,
) -> Path:
    """A folder as the challenge names it; `pictures` are keyed by (imageid, productid)."""
    write_table(folder / "X_train_update.csv", PRODUCT_HEADER, rows)
    if labels is not None:
        write_table(folder / "Y_train_CVw08PX.csv", LABEL_HEADER, labels)
    images = folder / "images" / "image_train"
    images.mkdir(parents=True, exist_ok=True)
    for ids, data in (pictures or {}).items():
        (images / picture_name(*ids)).write_bytes(data)
    return folder


def accepted(root: UPath) -> pl.DataFrame:
    empty = pl.DataFrame(schema=PRODUCTS)
    return pl.concat([empty, *(read_batch(root, key) for key in batch_keys(root))])


def faults(root: UPath, kind: str = "row") -> list[tuple[str, int | None, str]]:
    table = read_quarantine(root).filter(pl.col("kind") == kind)
    return table.select("file", "line", "reason").rows()


@pytest.fixture
def root(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "data")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "Été 2024"


def test_good_rows_are_accepted_with_label_picture_and_place(source: Path, root: UPath) -> None:
    rows = ['0,"Chaise, ""belle""\nen bois",solide,7,70', "4,Livre,,8,80"]
    write_delivery(source, rows, labels=["0,1560", "4,10"], pictures={(70, 7): PICTURE})
    delivery = ingest(source, root)
    table = accepted(root)
    assert dict(table.schema) == PRODUCTS
    first, second = table.drop("image", "delivery").rows()
    assert first == (7, 70, 'Chaise, "belle"\nen bois', "solide", 1560, 0, 2)
    assert second == (8, 80, "Livre", None, 10, 4, 4)
    assert read_picture(root, table["image"][0]) == PICTURE
    assert table["image"][1] is None
    assert (delivery.accepted, delivery.quarantined, delivery.pictures) == (2, 0, 1)
    assert delivery.reasons == {"picture_missing": 1}
    assert set(table["delivery"]) == {delivery.id}
    assert delivery.id == f"ete-2024-{delivery.sha256[:8]}"


def test_the_delivered_tables_are_kept_byte_for_byte(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,Chaise,,7,70", b"1,caf\xe9,,8,80"], labels=["0,10", "1,10"])
    kept = root / "deliveries" / ingest(source, root).id / "source"
    for table in source.glob("*.csv"):
        assert (kept / table.name).read_bytes() == table.read_bytes()


def test_labels_may_be_absent(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,Chaise,,7,70"]), root)
    assert accepted(root)["prdtypecode"].to_list() == [None]


@pytest.mark.parametrize(
    ("table", "labels", "images"),
    [
        ("X_train_update.csv", "Y_train_CVw08PX.csv", "images/image_train"),
        ("X_train_update.csv", "Y_train_CVw08PX.csv", "images/image_training"),
        ("X_train_update.csv", "Y_train_CVw08PX.csv", "images"),
        ("New_X_train.csv", "New_y_train.csv", "images"),
        ("catalogue/New_X_train.csv", "catalogue/New_y_train.csv", "images"),
        ("X_test_update.csv", None, "images/image_test"),
    ],
)
def test_each_naming_is_recognised(source: Path, root: UPath, table: str, labels: str | None, images: str) -> None:
    write_table(source / table, PRODUCT_HEADER, ["0,Chaise,,7,70"])
    if labels:
        write_table(source / labels, LABEL_HEADER, ["0,1560"])
    (source / images).mkdir(parents=True)
    (source / images / "image_70_product_7.jpg").write_bytes(PICTURE)
    delivery = ingest(source, root)
    assert (delivery.accepted, delivery.pictures) == (1, 1)
    assert accepted(root)["prdtypecode"].to_list() == [1560 if labels else None]


def test_train_products_go_before_test_products(source: Path, root: UPath) -> None:
    write_table(source / "X_test_update.csv", PRODUCT_HEADER, ["0,Livre,,8,80"])
    ingest(write_delivery(source, ["0,Chaise,,7,70"]), root)
    assert accepted(root)["productid"].to_list() == [7]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_do_not_matter(source: Path, root: UPath, end: bytes, mark: bytes) -> None:
    table = write_delivery(source, []) / "X_train_update.csv"
    write_table(table, PRODUCT_HEADER, ["0,Chaise,,7,70", '1,"a\nb",,8,80', "", "2,Livre,,9,90"], end)
    table.write_bytes(mark + table.read_bytes())
    ingest(source, root)
    assert accepted(root).select("productid", "line").rows() == [(7, 2), (8, 3), (9, 6)]


LONG = "x" * 10_001
# What stands between two good rows, and the lines and reasons it is set aside with.
BAD_ROWS: dict[str, tuple[str | bytes, list[tuple[int, str]]]] = {
    "index": ("a,t,d,2,20", [(3, "index_not_integer")]),
    "no index": (",t,d,2,20", [(3, "index_not_integer")]),
    "productid": ("1,t,d,2a,20", [(3, "productid_not_integer")]),
    "productid missing": ("1,t,d,,20", [(3, "productid_not_integer")]),
    "productid fraction": ("1,t,d,2.0,20", [(3, "productid_not_integer")]),
    "productid negative": ("1,t,d,-2,20", [(3, "productid_not_integer")]),
    "productid too big": ("1,t,d,99999999999999999999,20", [(3, "productid_not_integer")]),
    "imageid": ("1,t,d,2,../../etc/passwd", [(3, "imageid_not_integer")]),
    "few fields": ("1,t,2,20", [(3, "wrong_field_count")]),
    "many fields": ("1,t,d,e,2,20", [(3, "wrong_field_count")]),
    "title too long": (f"1,{LONG},d,2,20", [(3, "title_too_long")]),
    "title of 100,000": (f"1,{LONG * 10},d,2,20", [(3, "title_too_long")]),
    "title of 200,000": (f"1,{LONG * 20},d,2,20", [(3, "field_too_long")]),
    "description too long": (f"1,t,{LONG * 10},2,20", [(3, "description_too_long")]),
    "NUL": ("1,t\0,d,2,20", [(3, "nul_character")]),
    "latin-1": (b"1,caf\xe9,d,2,20", [(3, "not_utf8")]),
    "latin-1 on a later line": (b'1,"a\ncaf\xe9",d,2,20', [(3, "not_utf8")]),
    "nothing": ("1,,,2,20", [(3, "no_text_no_picture")]),
    "blanks": ('1," ","\n",2,20', [(3, "no_text_no_picture")]),
    "same index": ("0,t,d,2,20", [(3, "duplicate_index")]),
    "same productid": ("1,t,d,1,20", [(3, "duplicate_productid")]),
    "quote never closed": ('1,"t,d,2,20', [(3, "broken_quoting")]),
    "two quotes never closed": ('1,"t,d,2,20\n2,t,"d,3,20', [(3, "broken_quoting"), (4, "broken_quoting")]),
    "text after a quote": ('1,"t"t,d,2,20', [(3, "broken_quoting")]),
    "quotes not doubled": ('1,"a "b"\nc",d,2,20', [(3, "broken_quoting")]),
    "carriage return without quotes": ("1,a\rb,d,2,20", [(3, "carriage_return")]),
    "line break without quotes": ("1,a\nb,d,2,20", [(3, "wrong_field_count"), (4, "wrong_field_count")]),
}


@pytest.mark.parametrize(("bad", "expected"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_a_bad_row_is_set_aside_and_its_neighbours_go_on(
    source: Path, root: UPath, bad: str | bytes, expected: list[tuple[int, str]]
) -> None:
    delivery = ingest(write_delivery(source, ['0,"good, ""first""",d,1,10', bad, '9,"last\none",d,90,90']), root)
    assert accepted(root)["productid"].to_list() == [1, 90]
    assert faults(root) == [("X_train_update.csv", line, reason) for line, reason in expected]
    assert (delivery.accepted, delivery.quarantined) == (2, len(expected))


def test_a_quote_does_not_make_one_row_of_two(source: Path, root: UPath) -> None:
    """Read as the format wants it, this is one product with the second one's ids and a text of both rows."""
    ingest(write_delivery(source, ['0,a,"torn,1,10', '1,b,screen of 19",2,20', "2,c,d,3,30"]), root)
    assert accepted(root).select("productid", "description").rows() == [(2, 'screen of 19"'), (3, "d")]
    assert faults(root) == [("X_train_update.csv", 2, "broken_quoting")]


def test_a_file_cut_off_inside_a_quote_loses_its_last_row_only(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,a,,1,10", "1,b,,2,20", '2,"cut']), root)
    assert accepted(root)["productid"].to_list() == [1, 2]
    assert faults(root) == [("X_train_update.csv", 4, "broken_quoting")]


def test_a_bad_quote_does_not_swallow_the_file(source: Path, root: UPath) -> None:
    rows = [f'{i},"title ""{i}""","line\nline",{i},{i}' for i in range(1000)]
    rows[500] = '500,"title,d,500,500'
    ingest(write_delivery(source, rows), root)
    assert faults(root) == [("X_train_update.csv", 1002, "broken_quoting")]
    assert accepted(root).height == 999
    assert accepted(root).filter(pl.col("row") == 501)["line"].to_list() == [1003]


# Python's writer leaves a lone carriage return without quotes; its reader does not take it back.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)
TRICKY = st.lists(st.sampled_from(['"', "\n", ",", "a", "\r\n", "é", " 5"]), max_size=8).map("".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXT | TRICKY, TEXT | TRICKY), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_a_csv_writer_wrote_is_read_back_with_its_line(texts: list[tuple[str, str]], end: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=end)
    writer.writerow(PRODUCT_COLUMNS)
    expected = []
    for row, (title, description) in enumerate(texts):
        line = buffer.getvalue().count("\n") + 1
        writer.writerow([row, title, description, row + 1, row + 2])
        expected.append((line, [str(row), title, description, str(row + 1), str(row + 2)]))
    with TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        table.write_bytes(buffer.getvalue().encode())
        assert read_table(table, PRODUCT_COLUMNS) == (expected, [])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([bad for bad, _ in BAD_ROWS.values()]), min_size=1, max_size=8), st.booleans())
def test_every_delivered_row_is_either_accepted_or_quarantined(bad: list[str | bytes], labels: bool) -> None:
    rows: list[str | bytes] = []
    for number, between in enumerate(bad):
        rows += [f'{number}00,"good\nrow",d,{number}00,1', between]
    with TemporaryDirectory() as name:
        folder, root = Path(name), UPath(name) / "data"
        codes = ["1,10", *(f"{number}00,10" for number in range(len(bad)))]
        write_delivery(folder / "in", rows, labels=codes if labels else None)
        broken = sum(len(expected) for row, expected in BAD_ROWS.values() for found in bad if row == found)
        delivery = ingest(folder / "in", root, check_pictures=False)
        assert delivery.quarantined == sum(file.startswith("X") for file, _, _ in faults(root))
        assert delivery.accepted == accepted(root).height
        assert delivery.accepted + delivery.quarantined == len(bad) + broken
        assert set(range(0, 100 * len(bad), 100)) <= set(accepted(root)["productid"])


@pytest.mark.parametrize(
    ("labels", "expected", "codes"),
    [
        (["0,10", "1,40"], [], [10, 40]),
        (["1,40", "0,10"], [], [10, 40]),
        (["0,10", "1,40", "2,50"], [("Y", 4, "product_missing")], [10, 40]),
        (["0,10"], [("X", 3, "label_missing")], [10]),
        (["0,10", "1,40", "0,40"], [("Y", 4, "duplicate_index")], [10, 40]),
        (["0,10", "1,41"], [("Y", 3, "unknown_category"), ("X", 3, "label_missing")], [10]),
        (["0,10", "1,ten"], [("Y", 3, "category_not_integer"), ("X", 3, "label_missing")], [10]),
        (["0,10", "1,"], [("Y", 3, "category_not_integer"), ("X", 3, "label_missing")], [10]),
        (["0,10", "b,40"], [("Y", 3, "index_not_integer"), ("X", 3, "label_missing")], [10]),
        (["0,10", "1,40,50"], [("Y", 3, "wrong_field_count"), ("X", 3, "label_missing")], [10]),
        (["0,10", '1,"40'], [("Y", 3, "broken_quoting"), ("X", 3, "label_missing")], [10]),
        (["0,10", b"1,4\xe9"], [("Y", 3, "not_utf8"), ("X", 3, "label_missing")], [10]),
    ],
)
def test_labels_are_joined_by_index_and_their_faults_set_aside(
    source: Path,
    root: UPath,
    labels: list[str | bytes],
    expected: list[tuple[str, int, str]],
    codes: list[int],
) -> None:
    delivery = ingest(write_delivery(source, ["0,a,,1,10", "1,b,,2,20"], labels), root)
    assert accepted(root)["prdtypecode"].to_list() == codes
    assert [(file[0], line, reason) for file, line, reason in faults(root)] == expected
    assert delivery.accepted + delivery.quarantined == 2


def test_the_label_of_a_quarantined_product_is_not_a_fault(source: Path, root: UPath) -> None:
    rows = ["0,a,,1,10", '1,"b,,2,20', b"2,\xe9,,3,30", "3,d,,x,40", "4,e,,5,50"]
    ingest(write_delivery(source, rows, labels=[f"{i},10" for i in range(5)]), root)
    assert {file for file, _, _ in faults(root)} == {"X_train_update.csv"}
    assert accepted(root)["productid"].to_list() == [1, 5]


@pytest.mark.parametrize("labels", [["5,10", "6,10"], ["0,10", *(f"{i},10" for i in range(5, 9))], ["0,10"]])
def test_labels_of_other_products_refuse_the_delivery(source: Path, root: UPath, labels: list[str]) -> None:
    write_delivery(source, ["0,a,,1,10", "1,b,,2,20", "2,c,,3,30"], labels)
    with pytest.raises(DeliveryError, match=r"Y_train_CVw08PX.csv does not belong to the product table"):
        ingest(source, root)
    assert not root.exists()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("designation,description,productid,imageid", "'designation', 'description', 'productid', 'imageid'"),
        ('"",designation,description,productid', "'', 'designation', 'description', 'productid'"),
        (PRODUCT_HEADER + ",price", "'imageid', 'price'"),
        ('"",description,designation,productid,imageid', "'', 'description', 'designation'"),
        ("\x89PNG", "'\\\\x89PNG'"),
        ("", "it has none"),
    ],
)
def test_wrong_columns_refuse_the_delivery_and_are_named(source: Path, root: UPath, header: str, found: str) -> None:
    write_table(source / "X_train_update.csv", header, ["0,a,,1,10"])
    with pytest.raises(DeliveryError, match="should have the columns '', 'designation', 'description', ") as error:
        ingest(source, root)
    assert found.replace("\\\\", "\\") in str(error.value)
    assert not root.exists()


def test_wrong_columns_of_the_labels_refuse_the_delivery(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,a,,1,10"], labels=[])
    write_table(source / "Y_train_CVw08PX.csv", '"",category', ["0,10"])
    with pytest.raises(DeliveryError, match=r"Y_train_CVw08PX.csv should have the columns '', 'prdtypecode'"):
        ingest(source, root)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.write_text("hello")], ids=["empty", "not a zip"])
def test_what_is_no_delivery_is_refused(source: Path, root: UPath, make: Callable[[Path], object]) -> None:
    make(source)
    with pytest.raises(DeliveryError, match=r"No product table|neither a folder nor a .zip"):
        ingest(source, root)


@pytest.mark.parametrize("table", ["X_train_update.csv", "Y_train_CVw08PX.csv", "catalogue"])
def test_a_linked_table_refuses_the_delivery(source: Path, root: UPath, table: str) -> None:
    inside = source / "catalogue"
    for name, header, row in (("X", PRODUCT_HEADER, "0,a,,1,10"), ("Y", LABEL_HEADER, "0,10")):
        write_table(inside / f"{name}_train_{'update' if name == 'X' else 'CVw08PX'}.csv", header, [row])
    link = inside if table == "catalogue" else inside / table
    elsewhere = link.rename(source.parent / "elsewhere")
    link.symlink_to(elsewhere)
    with pytest.raises(DeliveryError, match="symbolic_link"):
        ingest(source, root)


def test_an_empty_table_is_a_delivery_of_nothing(source: Path, root: UPath) -> None:
    delivery = ingest(write_delivery(source, []), root)
    assert (delivery.accepted, delivery.quarantined, delivery.batches) == (0, 0, ())
    assert deliveries(root) == [delivery]
    assert dict(read_quarantine(root).schema) == QUARANTINE


def truncated(path: Path) -> None:
    path.write_bytes(jpeg(side=256)[:-2000])


def too_large(path: Path) -> None:
    Image.new("L", (30_000, 2)).save(path, "JPEG")


def linked(path: Path) -> None:
    outside = path.parents[3] / "outside.jpg"
    outside.write_bytes(PICTURE)
    path.symlink_to(outside)


BAD_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "picture_missing"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "symbolic_link"),
    "link": (linked, "symbolic_link"),
    "empty": (lambda path: path.write_bytes(b""), "zero_bytes"),
    "truncated": (truncated, "bad_picture"),
    "PNG": (lambda path: path.write_bytes(png()), "bad_picture"),
    "HTML": (lambda path: path.write_text("<html>Not found</html>"), "bad_picture"),
    "30,000 pixels": (too_large, "bad_picture"),
    "folder": (Path.mkdir, "not_a_file"),
    "pipe": (os.mkfifo, "not_a_file"),
}


@pytest.mark.parametrize(("make", "reason"), BAD_PICTURES.values(), ids=BAD_PICTURES.keys())
def test_a_bad_picture_is_set_aside_and_its_product_goes_on_with_its_text(
    source: Path, root: UPath, make: Callable[[Path], object], reason: str
) -> None:
    write_delivery(source, ["0,Chaise,,7,70", "1,Livre,,8,80", "2,,,9,70"], pictures={(80, 8): PICTURE})
    make(source / "images" / "image_train" / "image_70_product_7.jpg")
    delivery = ingest(source, root)
    assert accepted(root).select("productid", pl.col("image").is_null()).rows() == [(7, True), (8, False)]
    assert faults(root, "picture") == [
        ("images/image_train/image_70_product_7.jpg", None, reason),
        ("images/image_train/image_70_product_9.jpg", None, "picture_missing"),
    ]
    assert read_quarantine(root)["productid"].to_list() == [7, 9, 9]
    assert (delivery.pictures, delivery.quarantined) == (1, 1)
    assert len(list(root.glob("images/*/*"))) == 1


def test_a_linked_picture_folder_is_not_followed(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,Chaise,,7,70"], pictures={(70, 7): PICTURE})
    elsewhere = (source / "images").rename(source.parent / "elsewhere")
    (source / "images").symlink_to(elsewhere)
    ingest(source, root)
    assert [reason for _, _, reason in faults(root, "picture")] == ["symbolic_link"]


def test_a_product_with_a_picture_needs_no_text(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,,,7,70"], pictures={(70, 7): PICTURE}), root)
    assert accepted(root).select("designation", "description").rows() == [(None, None)]


def test_of_two_rows_with_one_productid_the_first_usable_stays(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,,,7,70", "1,Chaise,,7,71", "2,Livre,,7,72"]), root)
    assert accepted(root)["row"].to_list() == [1]
    assert {line: reason for _, line, reason in faults(root)} == {
        2: "no_text_no_picture",
        4: "duplicate_productid",
    }


def test_one_picture_of_two_products_is_stored_once(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,a,,7,70", "1,b,,8,80"], pictures={(70, 7): PICTURE, (80, 8): PICTURE})
    ingest(source, root)
    (image,) = set(accepted(root)["image"])
    assert list(root.glob("images/*/*")) == [picture_path(root, image)]


def test_pictures_may_go_unchecked(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,a,,7,70"], pictures={(70, 7): b"not a picture"})
    assert ingest(source, root, check_pictures=False).pictures == 1


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [1, 1, 1, 1, 1]), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_products_are_cut_into_batches(source: Path, root: UPath, batch_size: int, sizes: list[int]) -> None:
    write_delivery(source, [f"{i},a,,{i},{i}" for i in range(5)])
    delivery = ingest(source, root, batch_size=batch_size)
    assert delivery.batches == tuple(f"{delivery.id}-{number:03d}" for number in range(len(sizes)))
    assert [read_batch(root, key).height for key in delivery.batches] == sizes
    assert accepted(root)["row"].to_list() == list(range(5))


@pytest.mark.parametrize("key", ["", "nothing", "../../etc-000", "a/b-000"])
def test_what_is_no_batch_key_is_not_read(root: UPath, key: str) -> None:
    with pytest.raises(KeyError):
        read_batch(root, key)


def files_of(root: UPath) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(root.path).rglob("*")}


def test_a_delivery_ingested_twice_changes_nothing(source: Path, root: UPath) -> None:
    write_delivery(source, ["0,a,,7,70", "1,b,,8,80"], pictures={(70, 7): PICTURE})
    first = ingest(source, root)
    before = files_of(root)
    again = ingest(source, root)
    renamed = ingest(source.rename(source.parent / "other name"), root)
    assert not first.already_known
    assert again.already_known
    assert again == renamed
    assert (again.id, again.accepted, again.batches) == (first.id, first.accepted, first.batches)
    assert files_of(root) == before
    assert deliveries(root) == [first]


def test_products_of_an_earlier_delivery_stay_as_they_are(tmp_path: Path, root: UPath) -> None:
    first = ingest(write_delivery(tmp_path / "z", ["0,old,,7,70"]), root)
    second = ingest(write_delivery(tmp_path / "a", ["0,new,,7,70", "1,more,,8,80"]), root)
    assert accepted(root).select("productid", "designation").rows() == [(7, "old"), (8, "more")]
    assert faults(root) == [("X_train_update.csv", 2, "already_delivered")]
    assert deliveries(root) == [first, second]
    assert batch_keys(root) == [*first.batches, *second.batches]
    assert set(read_quarantine(root)["delivery"]) == {first.id, second.id}


class Killed(Exception):
    pass


def killed_at(stage: str, done: int) -> Callable[[str, int, int], None]:
    def progress(at: str, count: int, total: int) -> None:
        if (at, count) == (stage, done):
            raise Killed

    return progress


@pytest.mark.parametrize(("stage", "done"), [("tables", 1), ("pictures", 1), ("batches", 1), ("batches", 5)])
def test_a_killed_ingestion_leaves_no_delivery_and_the_next_one_completes(
    source: Path, root: UPath, stage: str, done: int
) -> None:
    pictures = {(i, i): jpeg(100 + i) for i in range(5)}
    write_delivery(source, [f"{i},a,,{i},{i}" for i in range(5)], pictures=pictures)
    with pytest.raises(Killed):
        ingest(source, root, batch_size=1, progress=killed_at(stage, done))
    assert deliveries(root) == []
    assert batch_keys(root) == []
    assert read_quarantine(root).is_empty()
    delivery = ingest(source, root, batch_size=3)
    assert not delivery.already_known
    assert accepted(root)["productid"].to_list() == list(range(5))
    assert len(list(root.glob("deliveries/*/batches/*"))) == 2
    assert not list(Path(root.path).rglob(".*"))


def test_progress_tells_each_stage_to_its_end(source: Path, root: UPath) -> None:
    told: dict[str, tuple[int, int]] = {}
    write_delivery(source, [f"{i},a,,{i},{i}" for i in range(4)])
    ingest(source, root, batch_size=2, progress=lambda stage, done, total: told.update({stage: (done, total)}))
    assert told == {"tables": (1, 1), "pictures": (4, 4), "batches": (2, 2)}


def test_a_root_need_not_be_a_local_folder(source: Path) -> None:
    root = UPath(f"memory://{uuid4().hex}/data")
    write_delivery(source, ["0,a,,7,70", "1,b,,x,80"], pictures={(70, 7): PICTURE})
    assert batch_keys(root) == []
    delivery = ingest(source, root)
    assert deliveries(root) == [delivery]
    assert read_picture(root, accepted(root)["image"][0]) == PICTURE
    assert read_quarantine(root)["reason"].to_list() == ["productid_not_integer"]
    assert ingest(source, root).already_known


def archive(path: Path, folder: Path, wrap: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(folder.rglob("*")):
            opened.write(file, wrap + file.relative_to(folder).as_posix())
    return path


def add(path: Path, name: str, data: bytes, mode: int = 0o644) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        member.compress_type = zipfile.ZIP_DEFLATED
        opened.writestr(member, data)


@pytest.mark.parametrize("wrap", ["", "NEW_DATA/"])
def test_an_archive_is_the_folder_it_holds(source: Path, root: UPath, tmp_path: Path, wrap: str) -> None:
    write_delivery(source, ["0,a,,7,70", "1,b,,x,80"], pictures={(70, 7): PICTURE})
    delivery = ingest(archive(tmp_path / "Spring.zip", source, wrap), root)
    assert (delivery.accepted, delivery.quarantined, delivery.pictures) == (1, 1, 1)
    assert delivery.id.startswith("spring-")
    assert ingest(source, root).already_known


@pytest.mark.parametrize(
    ("name", "data", "mode", "reason"),
    [
        ("../outside.jpg", PICTURE, 0o644, "path_escapes"),
        ("images/../../outside.jpg", PICTURE, 0o644, "path_escapes"),
        ("/outside.jpg", PICTURE, 0o644, "path_escapes"),
        ("..\\outside.jpg", PICTURE, 0o644, "path_escapes"),
        ("C:outside.jpg", PICTURE, 0o644, "path_escapes"),
        ("images/image_train/image_80_product_8.jpg", b"/etc/passwd", stat.S_IFLNK | 0o777, "symbolic_link"),
        ("bomb.bin", bytes(5 << 20), 0o644, "zip_bomb"),
        ("images", b"a file where a folder is", 0o644, "duplicate_member"),
        ("x" * 300, b"a name no file can have", 0o644, "unreadable_member"),
        ("X_train_update.csv/inside", b"a folder where a file is", 0o644, "unreadable_member"),
    ],
)
def test_a_dangerous_member_is_refused_and_the_others_go_on(
    source: Path, root: UPath, tmp_path: Path, name: str, data: bytes, mode: int, reason: str
) -> None:
    write_delivery(source, ["0,a,,7,70", "1,b,,8,80"], pictures={(70, 7): PICTURE})
    packed = archive(tmp_path / "spring.zip", source)
    add(packed, name, data, mode)
    delivery = ingest(packed, root)
    assert faults(root, "file") == [(name, None, reason)]
    assert (delivery.accepted, delivery.quarantined, delivery.pictures) == (2, 0, 1)
    assert not list(tmp_path.rglob("*outside*"))


def test_a_damaged_archive_is_refused(source: Path, root: UPath, tmp_path: Path) -> None:
    packed = archive(tmp_path / "spring.zip", write_delivery(source, ["0,a,,7,70"]))
    data = packed.read_bytes()
    packed.write_bytes(data.replace(b"PK\x01\x02", b"PK\x00\x00"))
    with pytest.raises(DeliveryError, match=r"spring.zip is a damaged archive"):
        ingest(packed, root)


def test_a_damaged_member_is_refused(source: Path, root: UPath, tmp_path: Path) -> None:
    write_delivery(source, ["0,a,,7,70"], pictures={(70, 7): PICTURE})
    packed = tmp_path / "spring.zip"
    with zipfile.ZipFile(packed, "w") as opened:
        opened.write(source / "X_train_update.csv", "X_train_update.csv")
        opened.writestr("images/image_70_product_7.jpg", PICTURE)
    packed.write_bytes(packed.read_bytes().replace(PICTURE, PICTURE[:-1] + b"x"))
    ingest(packed, root)
    assert [reason for _, _, reason in faults(root, "file")] == ["unreadable_member"]
    assert [reason for _, _, reason in faults(root, "picture")] == ["picture_missing"]


def test_an_archive_whose_label_table_is_a_link_is_refused(source: Path, root: UPath, tmp_path: Path) -> None:
    packed = archive(tmp_path / "spring.zip", write_delivery(source, ["0,a,,7,70"]))
    add(packed, "Y_train_CVw08PX.csv", b"/etc/passwd", stat.S_IFLNK | 0o777)
    with pytest.raises(DeliveryError, match="Y_train_CVw08PX.csv is refused"):
        ingest(packed, root)


def test_an_archive_that_would_fill_the_disk_is_refused(source: Path, root: UPath, tmp_path: Path) -> None:
    packed = archive(tmp_path / "spring.zip", write_delivery(source, ["0,a,,7,70"]))
    with zipfile.ZipFile(packed, "a") as opened:
        opened.writestr("big.bin", b"")
        opened.filelist[-1].file_size = 30 << 30
    with pytest.raises(DeliveryError, match="would unpack to more than 24 GB"):
        ingest(packed, root)


@pytest.mark.parametrize(
    ("name", "slug"), [("Été 2024", "ete-2024"), ("../x", "x"), ("…", "delivery"), ("A" * 90, "a" * 40)]
)
def test_an_id_is_safe_whatever_the_folder_is_called(tmp_path: Path, root: UPath, name: str, slug: str) -> None:
    folder = tmp_path / "in" / name
    delivery: Delivery = ingest(write_delivery(folder, ["0,a,,7,70"]), root)
    assert delivery.id == f"{slug}-{delivery.sha256[:8]}"


def judged(*ids: int, image: str | None = None) -> pl.DataFrame:
    """Products that people labelled, as the platform hands them in."""
    return pl.DataFrame(
        {
            "productid": ids,
            "designation": [f"Piscine {id}" for id in ids],
            "description": [None] * len(ids),
            "prdtypecode": [2583] * len(ids),
            "image": [image] * len(ids),
        },
        schema={
            "productid": pl.Int64,
            "designation": pl.String,
            "description": pl.String,
            "prdtypecode": pl.Int32,
            "image": pl.String,
        },
    )


def test_products_from_people_are_a_delivery_of_their_own(root: UPath) -> None:
    products = judged(3, 1, 2, image="a" * 64)
    delivery = hand_in(root, "feedback", products, batch_size=2)
    assert delivery is not None
    assert delivery.from_people
    assert (delivery.id, delivery.source) == (f"feedback-{delivery.sha256[:8]}", "feedback")
    assert (delivery.accepted, delivery.quarantined, delivery.pictures) == (3, 0, 3)
    assert delivery.batches == (f"{delivery.id}-000", f"{delivery.id}-001")
    assert deliveries(root) == [delivery]
    table = accepted(root)
    assert dict(table.schema) == PRODUCTS
    same = ["productid", "designation", "description", "prdtypecode", "image"]
    assert table.select(same).equals(products.select(same).sort("productid"))
    assert table.select("imageid", "row", "line").rows() == [(1, 0, 2), (2, 1, 3), (3, 2, 4)]
    assert set(table["delivery"]) == {delivery.id}
    assert [len(read_batch(root, key)) for key in delivery.batches] == [2, 1]
    assert read_quarantine(root).is_empty()


def test_a_delivery_from_outside_is_from_nobody_of_the_platform(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,a,,7,70"]), root)
    assert [delivery.from_people for delivery in deliveries(root)] == [False]


def test_only_what_is_new_is_handed_in(root: UPath) -> None:
    first = hand_in(root, "feedback", judged(1, 2))
    second = hand_in(root, "feedback", judged(1, 2, 3))
    assert first is not None
    assert second is not None
    assert (second.accepted, second.sequence, second.id != first.id) == (1, first.sequence + 1, True)
    assert read_batch(root, second.batches[0])["productid"].to_list() == [3]
    assert accepted(root)["productid"].to_list() == [1, 2, 3]


def test_where_nothing_is_new_nothing_is_handed_in(root: UPath) -> None:
    assert hand_in(root, "feedback", judged()) is None
    hand_in(root, "feedback", judged(1, 2))
    before = deliveries(root)
    assert hand_in(root, "feedback", judged(2, 1)) is None
    assert hand_in(root, "feedback", judged(2).with_columns(designation=pl.lit("Bouée"))) is None
    assert deliveries(root) == before


def test_what_was_delivered_is_not_handed_in_again_nor_the_other_way_round(source: Path, root: UPath) -> None:
    ingest(write_delivery(source, ["0,a,,7,70"]), root)
    delivery = hand_in(root, "feedback", judged(7, 8))
    assert delivery is not None
    assert delivery.accepted == 1
    again = ingest(write_delivery(source.with_name("next"), ["0,a,,8,80", "1,b,,9,90"]), root)
    assert (again.accepted, again.reasons["already_delivered"]) == (1, 1)
    assert sorted(accepted(root)["productid"]) == [7, 8, 9]


def test_what_was_interrupted_while_it_was_handed_in_is_handed_in_again(root: UPath) -> None:
    delivery = hand_in(root, "feedback", judged(1, 2, 3), batch_size=1)
    assert delivery is not None
    (root / "deliveries" / delivery.id / "manifest.json").unlink()
    again = hand_in(root, "feedback", judged(1, 2, 3), batch_size=2)
    assert again is not None
    assert (again.id, len(again.batches)) == (delivery.id, 2)
    assert len(list((root / "deliveries" / again.id / "batches").glob("*.parquet"))) == 2


def test_products_without_a_picture_are_handed_in_without_one(root: UPath) -> None:
    delivery = hand_in(root, "feedback", pl.concat([judged(1, image="b" * 64), judged(2)]))
    assert delivery is not None
    assert delivery.pictures == 1
    assert accepted(root)["image"].to_list() == ["b" * 64, None]
