"""Models that hold a person's texts beside what they learnt: the products that the nearest are found among.

A model folder is named by its content, so it is not changed but made anew without those texts, under its new name;
weights and vectors stay as they are, and so do its answers. Models that nobody uses any more go.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from upath import UPath

from rakuten_assets.core import classifier_files, storage
from rakuten_assets.postgres import database_url
from rakuten_assets.purge.needles import PURGED, Needles
from rakuten_assets.purge.objects import ANEW, Change
from rakuten_assets.registry import MODEL, Registered, Registry
from rakuten_assets.settings import Settings
from rakuten_assets.store import purging

ALIASES = ("champion", "challenger")

REASON = "made anew without the products of an account that was purged"


def make_anew(settings: Settings, planned: Sequence[Change], found: Needles) -> list[tuple[str, str]]:
    """Each model that was made anew: the folder that went, and the one in its place, empty where none was needed."""
    folders = sorted({"/".join(change.name.split("/")[:3]) for change in planned if change.what == ANEW})
    registry = Registry(str(settings.root))
    done = []
    for folder in folders:
        # Asked each time: the folder before may have given both aliases another number.
        named = {alias: registry.get(alias) for alias in ALIASES}
        models = {alias: model for alias, model in named.items() if model and model.folder == folder}
        new = _replaced(settings, folder, found) if models or _latest(settings.root, folder) else ""
        if new == folder:
            # What quotes them there is no table, so nothing was taken out: the proof names it as left.
            continue
        if new:
            _register(settings, registry, models, named, new)
        _remove(settings, folder)
        done.append((folder, new))
    return done


def _replaced(settings: Settings, folder: str, found: Needles) -> str:
    """The name of the folder that has everything but the person's texts."""
    with TemporaryDirectory() as name:
        copy = Path(name) / "model"
        storage.get(settings.root / folder, copy)
        (copy / classifier_files.COMPLETE).unlink(missing_ok=True)
        for file in copy.rglob("*.parquet"):
            _blank(file, found)
        version = classifier_files.folder_hash(copy)
        if (copy / "VERSION").exists():
            (copy / "VERSION").write_text(version)
        new = f"{folder.rpartition('/')[0]}/{version}"
        classifier_files.upload(copy, settings.root, new)
    if _latest(settings.root, folder):
        storage.write(_pointer(settings.root, folder), json.dumps({"folder": new}).encode())
    return new


def _blank(file: Path, found: Needles) -> None:
    """Take the person's words out; the rows stay, since vectors stand beside them, one a row."""
    table = pl.read_parquet(file)
    changed = []
    for column in table.iter_columns():
        if column.dtype == pl.String and (there := found.among(column)).any():
            picture = column.name in ("image", "sha256")
            changed.append(column.set(there, None) if picture else found.redacted(column).replace(PURGED, ""))
    if changed:
        table.with_columns(changed).write_parquet(file)


def _register(
    settings: Settings,
    registry: Registry,
    models: dict[str, Registered],
    named: dict[str, Registered | None],
    new: str,
) -> None:
    """Let the aliases of the old version name the new one, which is the same model."""
    version = new.rpartition("/")[2]
    for old in {model.number: model for model in models.values()}.values():
        tags = {name: value for name, value in old.tags.items() if name not in ("content", "folder")}
        made = registry.register(version, new, old.run_id, tags)
        registry.tag(made, "purged", REASON)
        for alias in ALIASES:
            was = named.get(alias)
            if was:
                number = made.number if alias in models else was.number
                registry.client.set_registered_model_alias(MODEL, alias, number)
        purging.rename_model(database_url("rakuten", settings), old.version, version)


def _remove(settings: Settings, folder: str) -> None:
    path = settings.root / folder
    # Without this file it is no model to anybody, however far the rest comes.
    (path / classifier_files.COMPLETE).unlink(missing_ok=True)
    path.fs.rm(path.path, recursive=True)
    shutil.rmtree(settings.local_state / "cache" / folder, ignore_errors=True)


def _pointer(root: UPath, folder: str) -> UPath:
    return root / folder.rpartition("/")[0] / "latest.json"


def _latest(root: UPath, folder: str) -> bool:
    pointer = _pointer(root, folder)
    return pointer.exists() and json.loads(storage.read(pointer))["folder"] == folder
