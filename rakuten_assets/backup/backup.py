"""Making a backup: the databases, and all objects that they refer to.

Why the parts agree, though nothing stands still meanwhile. Writers write an object, then what points to it: a file
before the row, a model's folder before `latest.json`, batches before a delivery's manifest. So this reads in the other
order: first the databases, then pointers and tables, then all else. Whatever was read is then pointed to something
that was there before, and what is content-addressed is never changed or deleted by those who write. Who deletes
(purge, retention) and whoever else backs up waits for the lock `BACKUP`. What is newer than the databases is
harmless: nothing there refers to it yet, or it is found as after a crash between the two.
"""

import gzip
import io
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from upath import UPath

from rakuten_assets.backup import keys, rotation
from rakuten_assets.backup.databases import DATABASES, dump
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.files import parallel, stored
from rakuten_assets.backup.vault import ID, Manifest, Stored, Vault
from rakuten_assets.core.storage import is_local
from rakuten_assets.postgres import database_url, lock
from rakuten_assets.settings import Settings
from rakuten_assets.store.recovery import snapshot

BACKUP = "backup"
"""The lock that is held by who backs up, and by who deletes what a backup may be reading."""

PICTURE = re.compile(r"images/[0-9a-f]{2}/([0-9a-f]{64})\.jpg")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Made:
    """A backup that is whole: `new_bytes` is what it added to the store; `removed` what rotation took away."""

    id: str
    objects: int
    bytes: int
    new_objects: int
    new_bytes: int
    rows: int
    removed_backups: int
    removed_objects: int
    seconds: float


def vault(settings: Settings, recipients: bool = True) -> Vault:
    """The configured backup store; raises BackupError where there is none, or where it lies in what it saves."""
    if not settings.backup_root:
        raise BackupError("There is no place for backups: set RAKUTEN_BACKUP_ROOT to a folder or s3://bucket/prefix.")
    root = rooted(settings.backup_root)
    if _below(root, settings.root):
        raise BackupError("RAKUTEN_BACKUP_ROOT lies in the data root: what destroys the one destroys the other.")
    return Vault(root, keys.recipients(settings) if recipients else ())


def rooted(root: str) -> UPath:
    """A store's root, absolute where it is a folder."""
    path = UPath(root)
    return path.absolute() if is_local(path) else path


def _below(path: UPath, root: UPath) -> bool:
    """Whether a path is the root or lies in it, however either is written."""
    inner, outer = (str(each.resolve() if is_local(each) else each).rstrip("/") + "/" for each in (path, root))
    return inner.startswith(outer)


def back_up(settings: Settings, report: Progress = lambda *_: None) -> Made:
    """Dump, copy what the store has not yet, write the manifest, and remove what the rule no longer keeps."""
    store, rule = vault(settings), rotation.rule(settings.backup_keep)
    with lock(BACKUP, settings):
        began, at = time.monotonic(), datetime.now(UTC)
        past = store.manifests()
        if past and past[-1].id >= at.strftime(ID):
            raise BackupError(f"There is a backup of this second or later already: {past[-1].id}.")
        store.open(past)
        found = _Copies(store, settings.root, report)
        # Whoever handed these in waits for them: they go when they are dealt with, also while the dump is taken.
        found.copy(name for name in stored(settings) if name.startswith("imports/"))
        databases = {name: _dump(store, name, settings, found, report) for name in DATABASES}
        found.copy(name for name in stored(settings) if _points(name))
        found.copy(stored(settings))
        index = {"root": str(settings.root), "databases": databases, "files": found.entries()}
        content, _ = store.put(io.BytesIO(gzip.compress(json.dumps(index).encode(), 6)))
        sizes = store.sizes()
        names = {content.name, *(part["object"] for part in databases.values()), *(file.name for file in found.files())}
        counts = {"objects": len(found.files()), "bytes": sum(file.size for file in found.files())}
        rows = sum(sum(part["rows"].values()) for part in databases.values())
        counts |= {"rows": rows, "new_objects": found.new, "new_bytes": found.new_bytes}
        seconds = round(time.monotonic() - began, 2)
        made = Manifest(at.strftime(ID), content.name, {name: sizes[name] for name in names}, counts, seconds)
        store.close(made)
        all_of_them = [*past, made]
        stay = {moment.strftime(ID) for moment in rotation.kept([each.at for each in all_of_them], rule)}
        removed = store.remove(all_of_them, stay)
    return Made(
        made.id, **counts, removed_backups=len(all_of_them) - len(stay), removed_objects=removed, seconds=seconds
    )


def _points(name: str) -> bool:
    """Whether a file says that others are there: these were written before it, so they are read after it."""
    return name.startswith("assets/") or name.endswith(("/latest.json", "/manifest.json", "/COMPLETE"))


def _dump(store: Vault, name: str, settings: Settings, found: "_Copies", report: Progress) -> dict[str, Any]:
    report(f"dumping {name}", 0, 1)
    url = database_url(name, settings)
    with snapshot(url) as moment, dump(url, moment.id) as stream:
        kept, new = store.put(stream)
        found.count(kept, new)
    report(f"dumping {name}", 1, 1)
    return {"object": kept.name, "size": kept.size, "sha256": kept.sha256, "rows": dict(moment.rows)}


class _Copies:
    """What was copied, or was there already, by name."""

    def __init__(self, store: Vault, root: UPath, report: Progress) -> None:
        self._store, self._root, self._report = store, root, report
        self._files: dict[str, Stored] = {}
        self.new, self.new_bytes = 0, 0

    def files(self) -> list[Stored]:
        return list(self._files.values())

    def entries(self) -> list[list[Any]]:
        """Name, object, size and SHA-256 of each, as the index has them."""
        return [[name, kept.name, kept.size, kept.sha256] for name, kept in sorted(self._files.items())]

    def count(self, kept: Stored, new: bool) -> None:
        self.new += new
        self.new_bytes += kept.size if new else 0

    def copy(self, names: Iterable[str]) -> None:
        """Copy the files that are not copied yet; one that has gone meanwhile is nobody's any more."""
        todo = [name for name in names if name not in self._files]
        for done, (name, outcome) in enumerate(parallel(self._one, todo, self._root, self._store.root), 1):
            if outcome is not None:
                self._files[name] = outcome[0]
                self.count(*outcome)
            self._report("copying objects", done, len(todo))

    def _one(self, name: str) -> tuple[Stored, bool] | None:
        try:
            picture = PICTURE.fullmatch(name)
            there = self._store.find(picture[1]) if picture else None
            if picture and there:
                # Its name says what it holds: nothing is read twice.
                return Stored(there, (self._root / name).stat().st_size, picture[1]), False
            with (self._root / name).open("rb") as source:
                return self._store.put(source)
        except FileNotFoundError:
            # A store that lost its bucket says the same.
            if (self._root / name).exists():
                raise
            return None
