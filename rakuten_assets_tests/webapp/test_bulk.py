"""Many products at once: a CSV and a ZIP, line by line, whatever somebody puts into them."""

import asyncio
import io
import struct
import zipfile

import pytest

from rakuten_assets.store.errors import Refused
from rakuten_assets_tests.webapp.programs import PICTURE, refused
from webapp import bulk
from webapp.worker import Worker

pytest_plugins = ["rakuten_assets_tests.webapp.programs"]

HEADER = "designation,description,image,reference\n"


def packed(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return buffer.getvalue()


def link(name):
    member = zipfile.ZipInfo(name)
    member.external_attr = 0o120777 << 16
    return member


@pytest.fixture
def worker(store, keeper):
    """A worker that takes imports in; it has nobody to ask for categories, and is not asked to."""
    worker = Worker(store, client=None, root=keeper.root)
    yield worker
    worker.close()


@pytest.fixture
def carry_out(worker, store):
    """Do all imports that wait, and nothing else."""

    def carry_out():
        while jobs := store.outbox.take(1, kind="import"):
            worker._import(jobs[0])

    return carry_out


@pytest.fixture
def taken_in(keeper, seller, store, carry_out):
    """What became of an import: the import, and its rows by line."""

    def take_in(table, members=None):
        table = table.encode() if isinstance(table, str) else table
        archive = None if members is None else io.BytesIO(packed(members) if isinstance(members, dict) else members)
        started = bulk.receive(keeper, seller.actor, "a.csv", io.BytesIO(table), archive)
        carry_out()
        rows = store.imports.rows(seller.actor, started.id, size=200).items
        return store.imports.get(seller.actor, started.id), {row.line: row for row in rows}

    return take_in


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_line_becomes_a_product(taken_in, seller, store, separator, encoding):
    fields = [("designation", "image", "description", "reference"), ("Étagère", "a.jpg", '"Bois, clair; 2 m"', "A-1")]
    table = "\r\n".join(separator.join(line) for line in fields).encode(encoding)
    done, rows = taken_in(table, {"photos/a.jpg": PICTURE})
    assert (done.state, done.total, done.done, done.refused) == ("done", 1, 1, 0)
    product = store.products.get(seller.actor, rows[2].product_id)
    assert (product.designation, product.description) == ("Étagère", "Bois, clair; 2 m")
    assert (product.reference, product.state) == ("A-1", "waiting")
    assert product.image


def test_what_is_wrong_with_a_line_stops_no_other(taken_in):
    lines = [
        "Piscine,,a.jpg,1",
        ",,a.jpg,2",
        "Sans image,,,3",
        "Image absente,,b.jpg,4",
        "Image abîmée,,html.jpg,5",
        "Trop,de,a.jpg,6,champs",
        "Trop peu",
        f"{'x' * 10_001},,a.jpg,8",
        "",
        "Piscine,,a.jpg,10",
    ]
    done, rows = taken_in(HEADER + "\n".join(lines), {"a.jpg": PICTURE, "html.jpg": b"<html>"})
    assert {line: row.error for line, row in rows.items()} == {
        2: "",
        3: "title_missing",
        4: "image_missing",
        5: "picture_missing",
        6: "bad_picture",
        7: "line_fields",
        8: "line_fields",
        9: "text_too_long",
        11: "",
    }
    assert (done.done, done.refused) == (2, 7)
    for language in ("fr", "en"):
        assert all(bulk.said(row, language).endswith(".") for row in rows.values() if row.error)
    assert "b.jpg" in bulk.said(rows[5], "fr")


UNSAFE = {
    "../a.jpg": "../a.jpg",
    "/etc/a.jpg": "/etc/a.jpg",
    "C:\\a.jpg": "C:\\a.jpg",
    "a symbolic link": link("a.jpg"),
}


@pytest.mark.parametrize("member", UNSAFE.values(), ids=UNSAFE)
def test_an_entry_that_leads_out_of_the_archive_is_refused(taken_in, keeper, member):
    before = set(keeper.root.parent.rglob("*.jpg"))
    _, rows = taken_in(f"{HEADER}Piscine,,{getattr(member, 'filename', member)},1", {member: PICTURE})
    assert rows[2].error == "picture_unsafe"
    assert set(keeper.root.parent.rglob("*.jpg")) == before


def test_a_member_that_unpacks_to_far_too_much_is_not_unpacked(taken_in):
    members = {"a.jpg": b"\0" * 9_000_000, "b.jpg": b"\0" * 20_000_000}
    _, rows = taken_in(f"{HEADER}Piscine,,a.jpg,1\nPiscine,,b.jpg,2", members)
    assert {row.error for row in rows.values()} == {"picture_too_large"}


def test_a_member_that_lies_about_its_length_is_not_unpacked_any_further(taken_in):
    archive = bytearray(packed({"a.jpg": b"\0" * 50_000_000}))
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = archive.index(signature) + at
        archive[start : start + 4] = struct.pack("<I", 100_000)
    _, rows = taken_in(f"{HEADER}Piscine,,a.jpg,1", bytes(archive))
    assert rows[2].error in ("bad_picture", "picture_too_large")


def refusal(keeper, seller, table, archive=None):
    with pytest.raises(Refused) as found:
        bulk.receive(keeper, seller.actor, "a.csv", io.BytesIO(table), io.BytesIO(archive) if archive else None)
    assert found.value.kind == "invalid"
    return found.value.code


GOOD = (HEADER + "Piscine,,a.jpg,1").encode()
TABLES = {
    "empty": (b"", "import_columns"),
    "a header alone": (HEADER.encode(), "import_empty"),
    "other columns": (b"title,price\na,1", "import_columns"),
    "a column twice": (b"designation,designation\na,b", "import_columns"),
    "Latin-1": ("designation\nétagère".encode("latin-1"), "import_not_utf8"),
    "UTF-16": ("designation\na".encode("utf-16"), "import_not_utf8"),
    "NUL": (b"designation\na\0b", "import_not_csv"),
    "an endless field": (b'designation\n"' + b"a" * 300_000, "import_not_csv"),
    "too many lines": (HEADER.encode() + b"a,b,c,d\n" * 2_001, "import_too_many"),
    "too large": (HEADER.encode() + b"a" * 30_000_001, "import_csv_too_large"),
}


@pytest.mark.parametrize(("table", "code"), TABLES.values(), ids=TABLES)
def test_a_table_that_cannot_be_used_is_refused_at_once(keeper, seller, table, code):
    assert refusal(keeper, seller, table) == code


def bomb():
    """An archive that says that it unpacks to 3 GB."""
    archive = bytearray(packed({f"{number}.jpg": b"a" * 100 for number in range(3)}))
    at = 0
    while (at := archive.find(b"PK\1\2", at)) >= 0:
        archive[at + 24 : at + 28] = struct.pack("<I", 1_000_000_000)
        at += 4
    return bytes(archive)


def endless_contents():
    """An archive whose table of contents is said to be longer than any that is read."""
    archive = bytearray(packed({"a.jpg": PICTURE}))
    at = archive.rindex(b"PK\5\6")
    archive[at + 12 : at + 16] = struct.pack("<I", 400_000_000)
    return bytes(archive)


ARCHIVES = {
    "no archive": (lambda: b"GIF89a", "import_not_zip"),
    "cut off": (lambda: packed({"a.jpg": PICTURE})[:-30], "import_not_zip"),
    "a bomb": (bomb, "import_zip_bomb"),
    "too many files": (lambda: packed(dict.fromkeys(map(str, range(10_001)), b"")), "import_zip_members"),
    "endless contents": (endless_contents, "import_zip_members"),
}


@pytest.mark.parametrize(("make", "code"), ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_that_cannot_be_used_is_refused_at_once(keeper, seller, make, code):
    assert refusal(keeper, seller, GOOD, make()) == code


def test_an_import_that_was_killed_goes_on_where_it_was(keeper, seller, store, worker, carry_out):
    """A second worker makes the rest, and no product twice."""
    table = HEADER + "".join(f"Piscine {number},,a.jpg,{number}\n" for number in range(40))
    archive = packed({"a.jpg": PICTURE})
    started = bulk.receive(keeper, seller.actor, "a.csv", io.BytesIO(table.encode()), io.BytesIO(archive))
    [job] = store.outbox.take(1, kind="import")
    worker._import(job)
    half = store.imports.get(seller.actor, started.id)
    assert (half.state, half.total, half.done) == ("running", 40, 16)
    worker._carrying.clear()
    carry_out()
    done = store.imports.get(seller.actor, started.id)
    assert (done.state, done.done) == ("done", 40)
    assert store.products.list(seller.actor).total == 40


def test_the_files_of_an_import_are_gone_when_it_is_done(taken_in, keeper):
    taken_in(HEADER + "Piscine,,a.jpg,1", {"a.jpg": PICTURE})
    assert [path for path in keeper.root.glob("imports/*/*") if path.is_file()] == []


def test_an_import_whose_files_are_gone_fails_and_says_so(keeper, seller, store, carry_out):
    started = store.imports.start(seller.actor, "a.csv", "imports/nowhere")
    carry_out()
    failed = store.imports.get(seller.actor, started.id)
    assert (failed.state, failed.error) == ("failed", "import_files_gone")


async def test_a_program_hands_in_an_import_and_reads_what_became_of_it(program, seller, other_seller, carry_out):
    files = {"csv": ("../étagères.csv", GOOD + b"\n,,a.jpg,2"), "images": ("a.zip", packed({"a.jpg": PICTURE}))}
    started = await program("POST", "/imports", seller, files=files)
    assert (started.status_code, started.json()["name"]) == (202, "étagères.csv"), started.text
    await asyncio.to_thread(carry_out)
    path = f"/imports/{started.json()['id']}"
    done = (await program("GET", path, seller)).json()
    assert (done["state"], done["done"], done["refused"]) == ("done", 1, 1)
    [wrong] = (await program("GET", f"{path}/rows", seller, params={"only_errors": True})).json()["items"]
    assert (wrong["line"], wrong["code"], wrong["error"]) == (3, "title_missing", "Please give a title.")
    assert [each["id"] for each in (await program("GET", "/imports", seller)).json()["items"]] == [done["id"]]
    for foreign in (path, f"{path}/rows"):
        await refused(await program("GET", foreign, other_seller), 404, "import_not_found")


async def test_an_import_without_a_csv_is_refused(program, seller):
    await refused(await program("POST", "/imports", seller, files={"images": b"PK"}), 422, "import_csv_missing")
    await refused(await program("POST", "/imports", seller, data={"csv": "a"}), 415, "media_type")
    answer = await program("POST", "/imports", seller, files={"csv": GOOD, "images": b"GIF89a"})
    await refused(answer, 422, "import_not_zip")
