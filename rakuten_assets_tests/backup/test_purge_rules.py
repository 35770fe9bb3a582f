"""What a purge does in odd places: beside others' data, to models of two names, and after it broke off."""

import io
import json
import shutil
import zipfile
from types import SimpleNamespace

import polars as pl
import pytest
from sqlalchemy import text
from upath import UPath

from rakuten_assets.backup.errors import BackupError
from rakuten_assets.core import classifier_files
from rakuten_assets.core.storage import write, write_parquet
from rakuten_assets.postgres import application_url
from rakuten_assets.purge import models, objects, purge
from rakuten_assets.purge.needles import Needles
from rakuten_assets.registry import Registry
from rakuten_assets.store import purging
from rakuten_assets.store.records import SYSTEM, Draft
from rakuten_assets.store.recovery import connected
from rakuten_assets.store.store import Store
from rakuten_assets_tests.backup.conftest import rows, system

PASSWORD = "une phrase assez longue"
TITLE = "Fauteuil zorblaxien à bascule n° 77"
SAID = f"Vu chez jo@x.com : {TITLE}, comme neuf"


@pytest.fixture(scope="module")
def settings(folder, pair):
    with system(folder, "rules", pair, folder / "rules-backups") as settings:
        yield settings


@pytest.fixture
def people(settings):
    """Makes accounts with one product each: `people({"jo@x.com": "a title"})`; the result is their numbers."""
    store = Store(application_url(settings), text_only=True)

    def make(titles):
        made = {}
        for email, title in titles.items():
            name = f"{email.partition('@')[0].title()} Zwölf"
            made[email] = store.accounts.create(SYSTEM, email, name, PASSWORD, "seller").id
            actor = store.accounts.sign_in(email, PASSWORD)[1]
            store.products.submit(actor, Draft(title, ""), title)
        return made

    yield SimpleNamespace(make=make, store=store)
    store.close()


def products(settings):
    return rows(settings)["rakuten.products"]


def test_others_lose_nothing(settings, people):
    """Neither an address that ends like hers, nor a title that holds hers, nor what programs wrote."""
    mine = people.make({"jo@x.com": "pour Playstation 4", "jo.b@x.com": "event_specific_data"})
    people.make({"mojo@x.com": "FIFA 20 pour Playstation 4 neuf", "bob@x.com": "Lampe de Bob"})
    people.store.notifications.add("odd", "odd", "About event_specific_data", "mojo@x.com, jo.b@x.com and jo@x.com")
    write(settings.root / "reports" / "odd.md", b"mojo@x.com: FIFA 20 pour Playstation 4 neuf")
    kept = [row for row in products(settings) if "FIFA" in row or "Lampe" in row]
    done = [purge.purge(settings, str(number)) for number in mine.values()]
    assert [each.left for each in done] == [[], []]
    assert [row for row in products(settings) if "FIFA" in row or "Lampe" in row] == kept
    assert (settings.root / "reports" / "odd.md").exists()
    [told] = [row for row in rows(settings)["rakuten.notifications"] if "odd" in row]
    assert "event_specific_data" in told
    assert "mojo@x.com, [purged] and [purged]" in told
    assert any("mojo@x.com" in row for row in rows(settings)["rakuten.users"])


def test_one_that_broke_off_is_asked_for_again(settings, people, monkeypatch):
    """Wherever it broke off: what tells what is hers is there until all else is done."""
    (number,) = people.make({"ada@x.com": TITLE}).values()
    people.make({"eve@x.com": "Contactez ada@x.com pour le prix"})
    people.store.notifications.add("quote", "odd", "A title", TITLE)
    write(settings.root / "reports" / "quote.md", TITLE.encode())
    steps = [(purge.objects, "apply"), (purge, "_redact"), (purge, "_tell"), (purge.purging, "forget")]
    for module, step in steps:
        with monkeypatch.context() as patched:
            patched.setattr(module, step, broken)
            with pytest.raises(KeyboardInterrupt):
                purge.purge(settings, str(number))
    assert purge.purge(settings, str(number)).left == []
    said = " ".join(row for table in rows(settings).values() for row in table)
    assert TITLE not in said
    assert "ada@x.com" not in said
    assert "Contactez [purged] pour le prix" in said
    with pytest.raises(BackupError, match="purged already"):
        purge.plan(settings, str(number))


def broken(*_):
    raise KeyboardInterrupt


def test_an_account_that_is_only_called_forgotten_is_purged_again_and_what_was_left_is_told(settings, people):
    """After the restore of an older backup."""
    (number,) = people.make({"forgotten@x.com": "Commode zwölfienne en pin"}).values()
    born = purge._born(purge.purging.find(purge.database_url("rakuten", settings), str(number)))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", "forgotten@x.com " * 50)
    write(settings.root / "imports" / "bobs" / "pictures.zip", zipped.getvalue())
    notes = [{"user_id": number, "created_at": born}, {"user_id": number, "created_at": "another"}]
    (again,) = purge.purge_again(settings, notes)
    assert again.left == ["imports/bobs/pictures.zip"]
    assert purge.purge_again(settings, notes) == []
    (settings.root / "imports" / "bobs" / "pictures.zip").unlink()


def test_a_picture_that_is_sent_again_has_its_days_again(settings, people):
    """Also where that happens between the look for what is nobody's, and its deletion."""
    url, picture = purge.database_url("rakuten", settings), "cd" * 32
    people.store.products.add_image(picture, 10, 10, 100)
    with connected(url) as connection:
        connection.execute(text("UPDATE images SET created_at = now() - interval '9 days'"))
    assert purging.unused_pictures(url, 7) == [picture]
    people.store.products.add_image(picture, 10, 10, 100)
    assert purging.unused_pictures(url, 7) == []
    assert purging.drop_pictures(url, [picture], 7) == []
    assert purging.drop_pictures(url, [picture], 0) == [picture]


@pytest.fixture
def root(tmp_path):
    return UPath(tmp_path / "data")


@pytest.fixture
def planned(settings, root):
    """What would be done to the files of a data root of its own, and then is."""
    found = Needles("jo@x.com", "Jo Zwölf", frozenset({TITLE}), frozenset())
    person = purge.Person(1, "jo@x.com", "Jo Zwölf", None)
    here = settings.model_copy(update={"data_root": str(root)})

    def do():
        changes = objects.changes(here, person, found)
        objects.apply(here, changes, person, found)
        return {change.name: change.what for change in changes}, objects.remaining(here, found)

    return do


def test_what_was_handed_in_keeps_every_record(root, planned):
    csv = f'productid;designation\r\n1;"{SAID}"\r\n2;"Lampe, ""rare"""\r\n3;é\r\n'
    write(root / "deliveries" / "d" / "source" / "X.csv", csv.encode("cp1252"))
    write(root / "deliveries" / "d" / "manifest.json", json.dumps({"source": "jo@x.com"}).encode())
    done, left = planned()
    assert done == {"deliveries/d/manifest.json": "words", "deliveries/d/source/X.csv": "words"}
    assert left == []
    after = csv.replace(SAID, "Vu chez [purged] : [purged], comme neuf").encode("cp1252")
    assert (root / "deliveries" / "d" / "source" / "X.csv").read_bytes() == after
    assert json.loads((root / "deliveries" / "d" / "manifest.json").read_bytes()) == {"source": "[purged]"}


def test_a_bento_is_whole_or_not_there(root, planned):
    for bento, title in (("aa", TITLE), ("bb", "Lampe")):
        folder = root / "bentos" / "rakuten-classifier" / "0123-cpu" / bento
        write_parquet(folder / "src" / "products.parquet", pl.DataFrame({"designation": [title, "Tapis"]}))
        write(folder / "src" / "vectors.npy", b"two vectors")
        write(folder / "COMPLETE", b"")
    done, left = planned()
    assert list(done) == [
        f"bentos/rakuten-classifier/0123-cpu/aa/{name}"
        for name in ("COMPLETE", "src/products.parquet", "src/vectors.npy")
    ]
    assert set(done.values()) == {"deleted"}
    assert left == []
    assert (root / "bentos" / "rakuten-classifier" / "0123-cpu" / "bb" / "src" / "vectors.npy").exists()


def model(root, kind, title, other=SAID, note="nothing", alias=None):
    """A model folder that knows two products, registered under an alias."""
    local = root.parent / "model"
    (local / "similar").mkdir(parents=True)
    pl.DataFrame({"designation": [title, other], "image": ["a", "b"]}).write_parquet(
        local / "similar" / "products.parquet"
    )
    (local / "kind.txt").write_text(kind)
    (local / "note.txt").write_text(note)
    version = classifier_files.folder_hash(local)
    (local / "VERSION").write_text(version)
    folder = f"models/stacked_model/{version}"
    classifier_files.upload(local, root, folder)
    shutil.rmtree(local)
    registry = Registry(str(root))
    made = registry.register(version, folder, None, {})
    if alias == "champion":
        registry.promote(made, "test")
    return folder


def test_champion_and_challenger_are_both_made_anew(settings, root):
    old = [model(root, "first", TITLE, alias="champion"), model(root, "second", TITLE)]
    here = settings.model_copy(update={"data_root": str(root)})
    found = Needles("jo@x.com", "", frozenset({TITLE}), frozenset())
    planned = [objects.Change(f"{folder}/similar/products.parquet", objects.ANEW) for folder in old]
    done = dict(models.make_anew(here, planned, found))
    assert sorted(done) == sorted(old)
    registry = Registry(str(root))
    for alias, folder in zip(("champion", "challenger"), old, strict=True):
        assert registry.get(alias).folder == done[folder]
        assert (root / done[folder] / "COMPLETE").exists()
        table = pl.read_parquet((root / done[folder] / "similar" / "products.parquet").path)
        assert table.rows() == [("", "a"), ("Vu chez [purged] : [purged], comme neuf", "b")]
        assert not (root / folder).exists()


def test_a_champion_that_quotes_them_elsewhere_than_in_a_table_stays_and_is_named(settings, root):
    folder = model(root, "third", "Lampe", "Tapis", note=TITLE, alias="champion")
    here = settings.model_copy(update={"data_root": str(root)})
    found = Needles("ada@x.com", "", frozenset({TITLE}), frozenset())
    made = models.make_anew(here, [objects.Change(f"{folder}/note.txt", objects.ANEW)], found)
    assert made == []
    assert (root / folder / "COMPLETE").exists()
    assert objects.remaining(here, found) == [f"{folder}/note.txt"]
