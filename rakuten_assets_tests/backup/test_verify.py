"""What a look at the backups calls damaged, and that nothing else is ever discarded."""

import gzip
import io
import json

import pytest
from upath import UPath

from rakuten_assets.backup import keys
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.vault import Manifest, Vault
from rakuten_assets.backup.verify import verify

FOUND = {"root": "/data", "databases": {}}


@pytest.fixture
def store(pair, tmp_path):
    """A store with one backup of one file."""
    store = Vault(UPath(tmp_path / "backups"), [pair.recipient])
    kept, _ = store.put(io.BytesIO(b"a table"))
    entry = ["assets/a.parquet", kept.name, kept.size, kept.sha256]
    index, _ = store.put(io.BytesIO(gzip.compress(json.dumps(FOUND | {"files": [entry]}).encode())))
    store.close(Manifest("20300101T030000Z", index.name, store.sizes(), {}, 1.0))
    return store


def test_a_wrong_identity_is_said_and_calls_nothing_damaged(store, pair, tmp_path):
    keys.make(tmp_path / "other")
    with pytest.raises(BackupError, match="does not open"):
        verify(store, tmp_path / "other")
    assert verify(store, pair.identity).damaged == []


def test_an_index_that_is_damaged_is_found_with_an_identity_and_without(store, pair):
    manifest = store.manifests()[0]
    file = store._path(manifest.index)
    file.write_bytes(file.read_bytes()[:-1])
    for identity in (None, pair.identity):
        assert verify(store, identity).damaged == [manifest.index]


def test_accounts_of_the_same_number_are_remembered_side_by_side(store):
    """After a restore, a number can be given to somebody else, who may be purged as well."""
    store.note_purge(7, "2030-01-01T00:00:00+00:00")
    store.note_purge(7, "2031-01-01T00:00:00+00:00")
    store.note_purge(7, "2031-01-01T00:00:00+00:00")
    assert sorted(note["created_at"][:4] for note in store.purged()) == ["2030", "2031"]
