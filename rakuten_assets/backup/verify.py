"""Whether a backup store holds what its backups need, byte for byte."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rakuten_assets.backup import keys
from rakuten_assets.backup.backup import Progress
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.files import parallel
from rakuten_assets.backup.vault import Stored, Vault


@dataclass(frozen=True)
class Verified:
    """What was looked at: the objects that are lost or damaged, and the ids of the backups that need them."""

    backups: int
    objects: int
    damaged: Sequence[str]
    broken: Sequence[str]


def verify(store: Vault, identity: Path | None = None, report: Progress = lambda *_: None) -> Verified:
    """Compare every object of every backup with its name, which needs no key; with an identity, also what it holds.

    Raises BackupError where the identity is none that a backup was made for.
    """
    manifests = store.manifests()
    names = sorted({name for manifest in manifests for name in manifest.objects})
    opens = keys.identities(identity) if identity else []
    held: dict[str, Stored] = {}
    damaged: set[str] = set()
    for manifest in manifests if opens else ():
        try:
            index = store.index(manifest, opens)
        except BackupError:
            # What is whole is not damaged: this is the wrong identity.
            if store.is_whole(manifest.index):
                raise
            damaged.add(manifest.index)
            continue
        held |= {
            part["object"]: Stored(*(part[name] for name in ("object", "size", "sha256")))
            for part in index["databases"].values()
        }
        held |= {kept[0]: Stored(*kept) for _, *kept in index["files"]}

    def whole(name: str) -> bool:
        return _holds(store, held[name], opens) if name in held else store.is_whole(name)

    for done, (name, good) in enumerate(parallel(whole, names, store.root), 1):
        if not good:
            damaged.add(name)
        report("reading objects", done, len(names))
    broken = [manifest.id for manifest in manifests if damaged & set(manifest.objects)]
    return Verified(len(manifests), len(names), sorted(damaged), broken)


def _holds(store: Vault, kept: Stored, opens: Sequence[Any]) -> bool:
    try:
        store.get(kept, cast(IO[bytes], _Nowhere()), opens)
    except BackupError:
        return False
    return True


class _Nowhere(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)
