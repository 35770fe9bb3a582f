"""What is restored is what was backed up: every row, every byte. And where it cannot be, nothing is changed."""

import gzip
import io
import json
import shutil
import subprocess
import sys

import pytest
from sqlalchemy import create_engine, text
from upath import UPath

from rakuten_assets.backup import keys
from rakuten_assets.backup import restore as restoring
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.restore import restore
from rakuten_assets.backup.vault import Manifest, Vault
from rakuten_assets.batch_tools import load_champion
from rakuten_assets.postgres import application_url
from rakuten_assets.store.database import ROLE
from rakuten_assets.store.store import Store
from rakuten_assets_tests.backup.conftest import objects, rows, system


def test_every_row_of_every_table_is_restored(saved, second):
    expected, found = rows(saved.settings), rows(second.settings)
    assert len(expected) > 50
    assert sum(map(len, expected.values())) > 500
    before, after = str(saved.settings.root), str(second.settings.root)
    for name, values in expected.items():
        if name.startswith("mlflow."):
            # Its addresses are absolute, and lead to where the objects are now.
            values = sorted(value.replace(before, after) for value in values)
        assert found[name] == values, name
    assert found.keys() == expected.keys()


def test_every_byte_of_every_object_is_restored(saved, second):
    expected = objects(saved.settings)
    assert len(expected) > 500
    assert objects(second.settings) == expected


def test_the_comparison_that_is_printed_says_so(saved, second):
    restored = second.restored
    assert restored.differences == []
    assert restored.id == saved.made.id
    said = {each.what: each.found for each in restored.comparison}
    assert said["the champion loads"] is True
    assert said["rakuten.products, rows"] >= 1
    assert said["objects"] == saved.made.objects


def test_the_restored_system_works(second, platform):
    assert load_champion(second.settings)
    store = Store(application_url(second.settings))
    assert store.accounts.sign_in("backed.up@example.org", "une phrase assez longue")
    # With its rights: the audit log is still locked for the application.
    engine = create_engine(application_url(second.settings))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == ROLE
        with pytest.raises(Exception, match="permission denied"):
            connection.execute(text("DELETE FROM audit_log"))
    engine.dispose()
    store.close()


def test_a_system_that_is_not_empty_is_left_alone(saved, second, pair):
    before = rows(second.settings)
    with pytest.raises(BackupError, match=r"not empty: .*database rakuten .*objects in .*Nothing was changed"):
        restore(second.settings, str(saved.root), pair.identity)
    assert rows(second.settings) == before


def test_another_identity_opens_nothing(saved, second, tmp_path):
    keys.make(tmp_path / "other")
    with pytest.raises(BackupError, match="does not open"):
        restore(second.settings, str(saved.root), tmp_path / "other")


@pytest.fixture(scope="module")
def third(folder, pair):
    with system(folder, "third", pair, folder / "third-backups") as settings:
        yield settings


def test_a_damaged_object_ends_the_restore_and_it_goes_on_when_it_is_mended(saved, third, pair, tmp_path, monkeypatch):
    """Also what was interrupted: the mark stays, and the same restore goes on; another is refused."""
    copy = tmp_path / "backups"
    shutil.copytree(saved.root, copy)
    store = Vault(restoring.rooted(str(copy)))
    manifest = store.manifests()[-1]
    index = store.index(manifest, keys.identities(pair.identity))
    name, victim, *_ = next(file for file in index["files"] if file[0].startswith("images/"))
    file = copy / "objects" / victim[:2] / victim
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BackupError, match=f"The object {victim} is damaged"):
        restore(third, str(copy), pair.identity)
    assert name not in objects(third)

    # Something that its interruption has left half written.
    other = next(entry for entry in index["files"] if entry[0].startswith("assets/"))[0]
    (third.root / other).parent.mkdir(parents=True, exist_ok=True)
    (third.root / other).write_bytes(b"half")
    with pytest.raises(BackupError, match="interrupted"):
        restoring._must_be_empty(third, type(manifest)(**{**vars(manifest), "id": "20200101T000000Z"}))

    file.write_bytes(whole)
    with monkeypatch.context() as patched:
        patched.setattr(restoring, "_purge_again", broken)
        with pytest.raises(KeyboardInterrupt):
            restore(third, str(copy), pair.identity)
    assert objects(third) == objects(saved.settings)
    # It was forgetting people: what that has taken does not come back.
    (third.root / other).unlink()
    done = restore(third, str(copy), pair.identity, manifest.id)
    assert done.differences == []
    assert not (third.root / other).exists()
    assert not (third.local_state / "restore.json").exists()


def broken(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["../stolen", "{tmp}/stolen", "assets/../../stolen"])
def test_a_backup_that_names_files_elsewhere_is_refused(pair, folder, tmp_path, name):
    """Whoever may write to the store could have made it."""
    store = Vault(UPath(tmp_path / "backups"), [pair.recipient])
    kept, _ = store.put(io.BytesIO(b"anything"))
    said = {"root": "/data", "databases": {}, "files": [[name.format(tmp=tmp_path), kept.name, kept.size, kept.sha256]]}
    index, _ = store.put(io.BytesIO(gzip.compress(json.dumps(said).encode())))
    store.close(Manifest("20300101T030000Z", index.name, store.sizes(), {}, 1.0))
    with system(folder, "refused", pair, tmp_path) as settings:
        with pytest.raises(BackupError, match="outside of the data root"):
            restore(settings, str(tmp_path / "backups"), pair.identity)
        assert not settings.local_state.exists() or not any(settings.local_state.iterdir())


def test_the_command_says_in_a_sentence_why_it_does_nothing(saved, second, pair):
    command = [sys.executable, "-m", "rakuten_assets", "restore", "--from", str(saved.root)]
    result = subprocess.run([*command, "--identity", str(pair.identity)], capture_output=True, text=True)
    assert result.returncode == 1
    assert "not empty" in result.stderr
    assert "Traceback" not in result.stderr
