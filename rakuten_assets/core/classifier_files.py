"""Model folders: what names their content, and how they travel between a root and a machine."""

import hashlib
import shutil
import uuid
from pathlib import Path

from upath import UPath

from rakuten_assets.core import storage
from rakuten_assets.core.storage import is_local

# Last file written into a model folder under a root.
COMPLETE = "COMPLETE"

# Files that speak about the folder and are not part of what it holds.
ABOUT = frozenset({"VERSION", COMPLETE})

# Folder of a classifier's worked examples. They are no part of what it is either: their probabilities differ in the
# last digits from machine to machine, and the same model must have the same name wherever it was trained.
PARITY = "parity"


def folder_hash(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 over the names and bytes of all files that make the model in `folder`."""
    digest = hashlib.sha256()
    for name in sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file()):
        if name.name not in ABOUT and name.parts[0] != PARITY:
            digest.update(name.as_posix().encode() + b"\0" + (folder / name).read_bytes())
    return digest.hexdigest()[:16]


def verify(folder: Path, version: str) -> None:
    """Raise ValueError where `folder` does not hold what `version` names."""
    found = folder_hash(folder)
    if found != version:
        raise ValueError(f"The model folder {folder} is not version {version}: its content is that of {found}.")


def upload(folder: Path, root: UPath, name: str) -> None:
    """Copy `folder` to `name` under `root`, whole or not at all."""
    target = root / name
    if (target / COMPLETE).exists():
        return
    storage.put(folder, target)
    # Written last: a folder without it is what a killed process left behind.
    storage.write(target / COMPLETE, b"")


def fetch(root: UPath, name: str, cache: Path) -> Path:
    """The folder `name` on this machine; downloaded into `cache` once where the root is remote.

    Raises FileNotFoundError where there is no such folder, or where its upload never ended.
    """
    source, target = root / name, cache / name
    # A folder's content never changes, so what was downloaded once is good also where the root cannot be reached.
    if not is_local(source) and (target / COMPLETE).exists():
        return target
    if not (source / COMPLETE).exists():
        raise FileNotFoundError(f"There is no complete model folder at {source}.")
    if is_local(source):
        return Path(source.path)
    _download(source, target)
    return target


def _download(source: UPath, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        storage.get(source, partial)
        _put(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put(partial: Path, target: Path) -> None:
    """Rename a complete folder; one that another process has put there meanwhile is as good."""
    try:
        partial.rename(target)
    except OSError:
        if not (target / COMPLETE).exists():
            raise
