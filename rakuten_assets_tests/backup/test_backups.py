"""Backups: encrypted, incremental, rotated, whole or none, and made every night."""

import gzip
import json
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from typer.testing import CliRunner
from upath import UPath

from rakuten_assets.automation.backups import backup, nightly_backup
from rakuten_assets.backup import backup as making
from rakuten_assets.backup import databases, keys, rotation
from rakuten_assets.backup import verify as verifying
from rakuten_assets.backup.backup import back_up, vault
from rakuten_assets.backup.databases import environment as child_environment
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.files import stored
from rakuten_assets.backup.restore import restore
from rakuten_assets.backup.verify import verify
from rakuten_assets.cli import app
from rakuten_assets.core.storage import write
from rakuten_assets.definitions import defs
from rakuten_assets_tests.backup.conftest import environment, objects


@pytest.fixture
def clock(monkeypatch):
    """Lets days pass: `clock(3)` is three days later."""
    at = SimpleNamespace(now=datetime(2030, 1, 1, 3, tzinfo=UTC))
    monkeypatch.setattr(making, "datetime", SimpleNamespace(now=lambda zone: at.now))

    def later(days):
        at.now += timedelta(days=days)

    return later


@pytest.fixture
def small(settings, pair, tmp_path):
    """The platform's databases with a small data root of its own, and nothing backed up yet."""
    root = tmp_path / "data"
    sha256 = "ab" * 32
    write(UPath(root / "images" / "ab" / f"{sha256}.jpg"), b"a picture that nobody shall read " * 100)
    write(UPath(root / "assets" / "products.parquet"), b"version 1")
    write(UPath(root / "models" / "text_model" / "latest.json"), b"{}")
    (root / "assets" / ".products.parquet.0123").write_bytes(b"is being written")
    with environment(
        RAKUTEN_DATA_ROOT=str(root),
        RAKUTEN_BACKUP_ROOT=str(tmp_path / "backups"),
        RAKUTEN_BACKUP_RECIPIENT=pair.recipient,
        RAKUTEN_BACKUP_KEEP="daily 2",
    ) as changed:
        yield changed


def names(settings):
    return set(vault(settings).sizes())


def test_nothing_in_the_store_is_plain(saved):
    for file in saved.root.rglob("*.age"):
        assert file.read_bytes().startswith(b"age-encryption.org/v1")
    everything = b"".join(file.read_bytes() for file in saved.root.rglob("*") if file.is_file())
    said = b"".join(gzip.decompress(file.read_bytes()) for file in saved.root.rglob("*.json.gz"))
    for plain in (b"backed.up@example.org", b"CREATE TABLE", b"images/", b"PGDMP"):
        assert plain not in everything + said
    # Nor does a name tell whether a known picture is there.
    shas = {
        name.rpartition("/")[2].removesuffix(".jpg") for name in objects(saved.settings) if name.startswith("images/")
    }
    assert shas
    assert not any(sha in said.decode() for sha in shas)


def test_what_is_there_is_not_copied_again(small, clock):
    first = back_up(small)
    before = names(small)
    (small.root / "assets" / "products.parquet").write_bytes(b"version 2")
    clock(1)
    second = back_up(small)
    # The changed table, and what always differs: the dumps and the index.
    assert first.objects == second.objects == 3
    assert len(names(small) - before) <= 5
    held = verify(vault(small), None)
    assert (held.backups, held.damaged) == (2, [])


def test_old_backups_go_and_what_only_they_need(small, clock, pair, tmp_path):
    back_up(small)
    (small.root / "assets" / "products.parquet").write_bytes(b"version 2")
    for _ in range(3):
        clock(1)
        last = back_up(small)
    kept = vault(small).manifests()
    assert len(kept) == 2
    assert last.removed_backups == 1
    assert names(small) == {name for manifest in kept for name in manifest.objects}
    tables = {
        json.dumps(entry)
        for each in kept
        for entry in vault(small).index(each, keys.identities(pair.identity))["files"]
    }
    assert len([entry for entry in tables if "products.parquet" in entry]) == 1


def test_what_broke_off_is_no_backup_and_is_carried_on(small, clock, monkeypatch):
    """Killed before its manifest: what it has copied is looked at, used where it is whole, and removed where not."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(making.Vault, "close", killed)
        with pytest.raises(KeyboardInterrupt):
            back_up(small)
    assert vault(small).manifests() == []
    left = sorted((UPath(small.backup_root) / "objects").rglob("*.age"))
    assert left
    for file in left:
        file.write_bytes(file.read_bytes()[:-10])
    clock(1)
    back_up(small)
    assert verify(vault(small)).damaged == []
    assert not names(small) & {file.name for file in left}


def test_damage_is_found_and_what_is_discarded_is_copied_anew(small, clock, pair):
    back_up(small)
    store = vault(small)
    manifest = store.manifests()[0]
    picture = next(
        entry[1] for entry in store.index(manifest, keys.identities(pair.identity))["files"] if "images" in entry[0]
    )
    file = UPath(small.backup_root) / "objects" / picture[:2] / picture
    file.write_bytes(b"x" * file.stat().st_size)
    for identity in (None, pair.identity):
        found = verify(store, identity)
        assert (found.damaged, found.broken) == ([picture], [manifest.id])
    store.discard(found.damaged)
    clock(1)
    back_up(small)
    # Under another name, for it is encrypted anew: what the first needs stays lost.
    assert verify(vault(small)).broken == [manifest.id]


def test_who_discards_with_a_wrong_identity_loses_nothing(small, tmp_path):
    back_up(small)
    there = names(small)
    keys.make(tmp_path / "other")
    command = ["backup", "--verify", "--discard", "--identity", str(tmp_path / "other")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "does not open" in done.output
    assert names(small) == there


def test_what_is_discarded_is_damaged_when_it_goes(small, monkeypatch):
    """A backup that ran since the look may have mended an object."""
    made = back_up(small)
    there = names(small)
    claimed = verifying.Verified(1, len(there), sorted(there), [made.id])
    monkeypatch.setattr(verifying, "verify", lambda *_: claimed)
    assert CliRunner().invoke(app, ["backup", "--verify", "--discard"]).exit_code == 1
    assert names(small) == there


def test_a_manifest_that_was_changed_is_refused(small, clock):
    made = back_up(small)
    file = UPath(small.backup_root) / "backups" / f"{made.id}.json.gz"
    content = json.loads(gzip.decompress(file.read_bytes()))
    content["objects"].popitem()
    file.write_bytes(gzip.compress(json.dumps(content).encode()))
    with pytest.raises(BackupError, match="not what was written"):
        vault(small).manifests()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(BackupError, match="damaged"):
        vault(small).manifests()


def test_an_asset_that_changes_while_it_is_backed_up_points_to_what_is_there(small, clock, pair, monkeypatch):
    """A training that ends between the dump and the copies: its new pointer names a folder that is copied too."""
    dump = making._dump

    def meanwhile(*arguments):
        done = dump(*arguments)
        write(small.root / "models" / "text_model" / "new" / "model.json", b"the new model")
        write(small.root / "models" / "text_model" / "new" / "COMPLETE", b"")
        write(small.root / "models" / "text_model" / "latest.json", b'{"folder": "models/text_model/new"}')
        return done

    monkeypatch.setattr(making, "_dump", meanwhile)
    back_up(small)
    store = vault(small)
    files = {entry[0] for entry in store.index(store.manifests()[0], keys.identities(pair.identity))["files"]}
    assert {
        "models/text_model/latest.json",
        "models/text_model/new/model.json",
        "models/text_model/new/COMPLETE",
    } <= files


def test_pointers_are_read_before_what_they_point_to(small, clock, pair, monkeypatch):
    """The other order would keep a pointer to a folder that came after the look at the folders."""
    seen = []
    one = making._Copies._one
    monkeypatch.setattr(making._Copies, "_one", lambda self, name: seen.append(name) or one(self, name))
    write(small.root / "models" / "text_model" / "abc" / "model.json", b"a model")
    write(small.root / "deliveries" / "d" / "batches" / "000.parquet", b"a batch")
    write(small.root / "deliveries" / "d" / "manifest.json", b"{}")
    back_up(small)
    for pointer, target in (
        ("models/text_model/latest.json", "models/text_model/abc/model.json"),
        ("deliveries/d/manifest.json", "deliveries/d/batches/000.parquet"),
        ("assets/products.parquet", f"images/ab/{'ab' * 32}.jpg"),
    ):
        assert seen.index(pointer) < seen.index(target)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"backup_root": ""}, "RAKUTEN_BACKUP_ROOT"),
        ({"backup_recipient": ""}, "RAKUTEN_BACKUP_RECIPIENT"),
        ({"backup_recipient": "age1nonsense"}, "no recipient"),
        ({"backup_keep": "hourly 3"}, "RAKUTEN_BACKUP_KEEP"),
    ],
)
def test_a_wrong_setting_is_said_in_a_sentence(small, changes, sentence):
    with pytest.raises(BackupError, match=sentence):
        back_up(small.model_copy(update=changes))


@pytest.mark.parametrize(
    ("data", "backups", "refused"),
    [
        ("{tmp}/data", "{tmp}/data/backups", True),
        ("{tmp}/data/", "{tmp}/data", True),
        ("{tmp}/data", "{tmp}/else/../data/backups", True),
        ("{tmp}/else/../data", "{tmp}/data/backups", True),
        ("{tmp}/data", "{tmp}/database", False),
        ("s3://shop", "s3://shop/backups", True),
        ("s3://shop/", "s3://shop", True),
        ("s3://shop/data", "s3://shop/data/backups", True),
        ("s3://shop/data", "s3://shop/backups", False),
        ("s3://shop", "s3://shopping", False),
    ],
)
def test_a_store_inside_of_what_it_saves_is_refused(settings, tmp_path, data, backups, refused):
    roots = {"data_root": data.format(tmp=tmp_path), "backup_root": backups.format(tmp=tmp_path)}
    changed = settings.model_copy(update=roots)
    if refused:
        with pytest.raises(BackupError, match="lies in the data root"):
            vault(changed, recipients=False)
    else:
        assert vault(changed, recipients=False)


def test_a_server_that_is_newer_than_the_programs_is_said(monkeypatch):
    with pytest.raises(BackupError, match=r"PostgreSQL 99.*postgresql-client-99"):
        databases.programs(99)


def test_the_password_is_in_the_environment_of_the_child_alone():
    url = "postgresql+psycopg2://owner:s%40crt@db.example:5433/rakuten?sslmode=require"
    found = child_environment(url)
    assert (found["PGPASSWORD"], found["PGHOST"], found["PGPORT"]) == ("s@crt", "db.example", "5433")
    assert (found["PGUSER"], found["PGDATABASE"], found["PGSSLMODE"]) == ("owner", "rakuten", "require")


def test_a_key_pair_is_its_owners_and_is_never_written_over(tmp_path):
    file = tmp_path / "identity"
    command = [sys.executable, "-m", "rakuten_assets", "backup", "keygen", "--out", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("age1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert keys.identities(file)
    assert subprocess.run(command, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("days", "rule", "kept"),
    [
        (range(10), "daily 3", {9, 8, 7}),
        (range(30), "daily 2, weekly 2", {29, 28, 26}),
        (range(100), "monthly 3", {99, 89, 58}),
        ([0], "daily 0", {0}),
    ],
)
def test_what_is_kept(days, rule, kept):
    # A Tuesday.
    start = datetime(2030, 1, 1, 3, tzinfo=UTC)
    moments = {start + timedelta(days=day): day for day in days}
    assert {moments[each] for each in rotation.kept(list(moments), rotation.rule(rule))} == kept


@pytest.fixture(scope="module")
def bucket():
    """An S3 API, in which the platform and its backups have a bucket each."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with environment(
        AWS_ENDPOINT_URL=address,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    ):
        client = boto3.client("s3")
        for name in ("data", "backups", "restored"):
            client.create_bucket(Bucket=name)
        yield address
    server.stop()


def test_from_bucket_to_bucket(bucket, settings, platform, pair, folder):
    with environment(
        RAKUTEN_DATA_ROOT="s3://data/platform",
        RAKUTEN_BACKUP_ROOT="s3://backups/rakuten",
        RAKUTEN_BACKUP_RECIPIENT=pair.recipient,
    ) as source:
        for number in range(20):
            write(source.root / "assets" / f"{number}.parquet", f"table {number}".encode() * 1000)
        write(source.root / "models" / "text_model" / "latest.json", b"{}")
        first = back_up(source)
        expected = objects(source)
        assert first.objects == len(expected) == 21
        assert verify(vault(source), pair.identity).damaged == []
    with environment(RAKUTEN_DATA_ROOT="s3://restored", RAKUTEN_STATE_DIR=str(folder / "bucket" / "state")) as target:
        done = restore(target, "s3://backups/rakuten", pair.identity)
        assert objects(target) == expected
    # The databases name pictures and a champion that were never in this bucket, and the restore says so.
    assert {each.what for each in done.differences} <= {
        "the champion loads",
        "pictures that the database names, and are missing",
    }


def test_a_whole_bucket_that_another_program_made_a_folder_in(bucket, settings, pair):
    with environment(RAKUTEN_DATA_ROOT="s3://whole", RAKUTEN_BACKUP_RECIPIENT=pair.recipient) as source:
        source.root.mkdir()
        source.root.fs.pipe_file("whole/assets/", b"")
        write(source.root / "assets" / "a.parquet", b"a table")
        assert stored(source) == {"assets/a.parquet": 7}
        with environment(RAKUTEN_BACKUP_ROOT="s3://there-is-none/rakuten") as lost:
            with pytest.raises(FileNotFoundError):
                making._Copies(vault(lost), lost.root, lambda *_: None).copy(["assets/a.parquet"])
            gone = making._Copies(vault(lost), lost.root, lambda *_: None)
            gone.copy(["assets/dealt-with"])
            assert gone.files() == []


def test_it_is_made_every_night_where_there_is_a_place_for_it(small):
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance)
        assert isinstance(nightly_backup(context), dg.RunRequest)
        with environment(RAKUTEN_BACKUP_ROOT=""):
            assert "RAKUTEN_BACKUP_ROOT" in nightly_backup(context).skip_message
        run = defs.resolve_job_def(backup.name).execute_in_process(instance=instance)
        made = {name: value.value for name, value in _metadata(run).items()}
        assert made["objects"] == 3
        assert made["new_bytes"] > 0
        assert made["seconds"] > 0
        assert vault(small).manifests()[-1].id == made["id"]


def test_one_that_fails_is_a_failed_run_which_people_are_told_of(small, monkeypatch):
    with environment(RAKUTEN_BACKUP_RECIPIENT=""), dg.DagsterInstance.ephemeral() as instance:
        run = defs.resolve_job_def(backup.name).execute_in_process(instance=instance, raise_on_error=False)
    assert not run.success
    failure = next(event for event in run.all_events if event.is_step_failure)
    assert "RAKUTEN_BACKUP_RECIPIENT" in failure.step_failure_data.error.to_string()


def _metadata(run):
    return next(event.step_output_data.metadata for event in run.all_events if event.event_type_value == "STEP_OUTPUT")
