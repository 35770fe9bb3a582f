"""Restoring a backup into an empty system, and comparing what came of it with what the backup says."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from rakuten_assets.backup import keys
from rakuten_assets.backup.backup import Progress, rooted
from rakuten_assets.backup.databases import DATABASES, load
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.files import parallel, stored
from rakuten_assets.backup.vault import IN_MEMORY, Manifest, Stored, Vault, sha256_of
from rakuten_assets.core.deliveries import picture_path
from rakuten_assets.core.storage import is_local, write
from rakuten_assets.postgres import application_url, database_url
from rakuten_assets.settings import Settings
from rakuten_assets.store import recovery

if TYPE_CHECKING:
    from rakuten_assets.purge.purge import Purged


class Compared(NamedTuple):
    """One thing that was compared: what the backup says, and what is there now."""

    what: str
    expected: Any
    found: Any

    @property
    def same(self) -> bool:
        return bool(self.expected == self.found)


@dataclass(frozen=True)
class Restored:
    """What was restored. `purged` accounts were forgotten again; `moved` addresses of MLflow lead to the new root."""

    id: str
    comparison: Sequence[Compared]
    purged: int
    moved: int

    @property
    def differences(self) -> list[Compared]:
        return [each for each in self.comparison if not each.same]


def restore(
    settings: Settings, source: str, identity: Path, id: str | None = None, report: Progress = lambda *_: None
) -> Restored:
    """Restore the backup `id`, by default the newest, from the store `source`.

    Raises BackupError, before anything is changed, where the system is not empty or the identity opens nothing. One
    that was interrupted goes on where it was when it is asked for again.
    """
    store, opens = Vault(rooted(source)), keys.identities(identity)
    manifest = _chosen(store, id)
    index = store.index(manifest, opens)
    _must_be_inside(index["files"])
    mark, begun = _mark(settings), _begun(settings)
    _must_be_empty(settings, manifest)
    comparison, moved = list[Compared](), 0
    # Once people are being forgotten again, what the backup has of them must not come back.
    if not begun.get("purging"):
        mark.write_text(json.dumps({"backup": manifest.id}))
        comparison, moved = _bring_back(settings, store, index, opens, report)
        mark.write_text(json.dumps({"backup": manifest.id, "purging": True}))
    # An older backup's tables become those of this version, and the application's role gets its password.
    application_url(settings)
    again = _purge_again(settings, store)
    comparison.append(_pictures(settings))
    if index["databases"]["mlflow"]["rows"].get("registered_model_aliases"):
        comparison.append(_champion(settings))
    if again:
        left = sorted({place for each in again for place in each.left})
        comparison.append(Compared("places that still hold something of accounts that were purged", [], left))
    mark.unlink()
    return Restored(manifest.id, comparison, len(again), moved)


def _bring_back(
    settings: Settings, store: Vault, index: Mapping[str, Any], opens: Sequence[Any], report: Progress
) -> tuple[list[Compared], int]:
    """Databases and objects as the backup has them, compared with it; and how many addresses were moved."""
    recovery.make_role(database_url(DATABASES[0], settings))
    # The databases keep the server's processor busy, and the objects this one's.
    with ThreadPoolExecutor(1) as pool:
        databases = pool.submit(_databases, settings, store, index["databases"], opens, report)
        bytes_ = _objects(settings, store, index["files"], opens, report)
        databases.result()
    comparison = [*_rows(settings, index["databases"]), *_files(settings, index["files"], bytes_)]
    return comparison, _moved(settings, index["root"])


def _chosen(store: Vault, id: str | None) -> Manifest:
    if id:
        return store.manifest(id)
    manifests = store.manifests()
    if not manifests:
        raise BackupError(f"There is no backup in {store.root}.")
    return manifests[-1]


def _mark(settings: Settings) -> Path:
    """Which backup is being restored; gone when it is."""
    return settings.local_state / "restore.json"


def _begun(settings: Settings) -> dict[str, Any]:
    """What the mark of an interrupted restore says: the `backup`, and whether it was `purging` already."""
    mark = _mark(settings)
    return dict(json.loads(mark.read_text())) if mark.exists() else {}


def _must_be_inside(files: Sequence[Any]) -> None:
    """Whoever may write to the store could have made the index: no name leads out of the data root."""
    for name, *_ in files:
        if name.startswith("/") or ".." in name.split("/"):
            raise BackupError(f"This backup names a file outside of the data root: {name}. Nothing was changed.")


def _must_be_empty(settings: Settings, manifest: Manifest) -> None:
    begun = _begun(settings).get("backup")
    if begun == manifest.id:
        return
    there = []
    for name in DATABASES:
        counted = recovery.rows(database_url(name, settings))
        if counted:
            there.append(f"the database {name} ({len(counted)} tables, {sum(counted.values())} rows)")
    files = stored(settings)
    if files:
        there.append(f"{len(files)} objects in {settings.root}, such as {min(files)}")
    if there:
        half = f" The restore of {begun} was interrupted: name that one, or empty the system." if begun else ""
        raise BackupError(f"This system is not empty: it has {', '.join(there)}. Nothing was changed.{half}")


def _databases(
    settings: Settings, store: Vault, parts: Mapping[str, Any], opens: Sequence[Any], report: Progress
) -> None:
    for name, part in parts.items():
        url = database_url(name, settings)
        # Each came back as one transaction: what is there from an interrupted restore is there as a whole.
        if not recovery.rows(url):
            report(f"restoring {name}", 0, 1)
            kept = Stored(part["object"], part["size"], part["sha256"])
            load(url, lambda target, kept=kept: store.get(kept, target, opens))  # type: ignore[misc]
        report(f"restoring {name}", 1, 1)


def _objects(settings: Settings, store: Vault, files: Sequence[Any], opens: Sequence[Any], report: Progress) -> int:
    """Bring back each file that is not there already; the result is their size in bytes."""
    wanted = {name: Stored(*kept) for name, *kept in files}
    there, local, made = stored(settings), is_local(settings.root), set[Path]()

    def one(name: str) -> int:
        kept, size = wanted[name], there.get(name)
        if local:
            _bring(store, kept, Path(settings.root.path, name), size, made, opens)
        elif size != kept.size:
            with SpooledTemporaryFile(IN_MEMORY) as spool:
                store.get(kept, cast(IO[bytes], spool), opens)
                spool.seek(0)
                write(settings.root / name, cast(IO[bytes], spool))
        return kept.size

    total = 0
    for done, (_, size) in enumerate(parallel(one, wanted, settings.root, store.root), 1):
        total += size
        report("restoring objects", done, len(wanted))
    return total


def _bring(store: Vault, kept: Stored, place: Path, size: int | None, made: set[Path], opens: Sequence[Any]) -> None:
    """Restore a local file straight to its place: until the mark is gone, this is no platform that anybody uses."""
    if size == kept.size and sha256_of(place) == kept.sha256:
        return
    if place.parent not in made:
        place.parent.mkdir(parents=True, exist_ok=True)
        made.add(place.parent)
    try:
        with place.open("wb") as target:
            store.get(kept, target, opens)
    except BackupError:
        place.unlink()
        raise


def _rows(settings: Settings, parts: Mapping[str, Any]) -> list[Compared]:
    compared = []
    for name, part in parts.items():
        found = recovery.rows(database_url(name, settings))
        compared += [
            Compared(f"{name}.{table}, rows", part["rows"].get(table), found.get(table))
            for table in sorted({*part["rows"], *found})
        ]
    return compared


def _files(settings: Settings, files: Sequence[Any], bytes_: int) -> list[Compared]:
    """Every content's hash was checked as it was written; here, that all are there with their sizes."""
    found, expected = stored(settings), {name: size for name, _, size, _ in files}
    different = sum(found.get(name) != size for name, size in expected.items())
    return [
        Compared("objects", len(expected), len(found)),
        Compared("objects, bytes", sum(expected.values()), bytes_),
        Compared("objects that are missing or of another size", 0, different),
    ]


def _pictures(settings: Settings) -> Compared:
    names = {name for name in stored(settings) if name.startswith("images/")}
    below = len(settings.root.path.rstrip("/")) + 1
    wanted = {
        picture_path(settings.root, sha256).path[below:]
        for sha256 in recovery.pictures(database_url("rakuten", settings))
    }
    return Compared("pictures that the database names, and are missing", 0, len(wanted - names))


def _champion(settings: Settings) -> Compared:
    from rakuten_assets.batch_tools import load_champion

    try:
        load_champion(settings)
    except (LookupError, OSError, ValueError) as error:
        return Compared("the champion loads", True, str(error))
    return Compared("the champion loads", True, True)


def _moved(settings: Settings, before: str) -> int:
    after = str(settings.root)
    return recovery.move(database_url("mlflow", settings), before, after) if before != after else 0


def _purge_again(settings: Settings, store: Vault) -> "list[Purged]":
    from rakuten_assets.purge.purge import purge_again

    return purge_again(settings, store.purged())
