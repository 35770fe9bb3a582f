"""Files below a root, a local folder or a bucket: which there are, and what of them the platform stores."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

from upath import UPath

from rakuten_assets.core.storage import THREADS, is_local
from rakuten_assets.settings import Settings

Result = TypeVar("Result")

# Results that wait to be looked at: memory stays flat however many files there are.
WINDOW = 256

# What the programs keep in the state folder, which by default is the data root too. It belongs to the machine: the
# database is dumped, not copied; the rest is made anew.
STATE = ("postgres", "dagster", "cache", "bentoml", "serving", "logs", "drop", "sample", "simulation")
STATE_FILES = ("demo-accounts.json", "restore.json")


def listing(root: UPath) -> dict[str, int]:
    """Sizes in bytes by name below `root`. Names that begin with a dot are files that are being written.

    In a bucket, an empty object whose name ends with a slash is how some programs make a folder.
    """
    if not is_local(root):
        root.fs.invalidate_cache()
        prefix = root.path.rstrip("/") + "/"
        found = root.fs.find(root.path, detail=True)
        return {
            name.removeprefix(prefix): int(entry["size"]) for name, entry in found.items() if not name.endswith("/")
        }
    sizes: dict[str, int] = {}
    folders = [Path(root.path)] if Path(root.path).is_dir() else []
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                sizes[os.path.relpath(entry.path, root.path)] = entry.stat().st_size
    return sizes


def stored(settings: Settings) -> dict[str, int]:
    """Sizes in bytes of all that the platform stores below its data root, without this machine's state."""
    root = settings.root
    found = listing(root)
    if not is_local(root) or not settings.local_state.resolve().is_relative_to(Path(root.path).resolve()):
        return found
    inside = settings.local_state.resolve().relative_to(Path(root.path).resolve()).as_posix()
    prefix = "" if inside == "." else f"{inside}/"
    folders = tuple(f"{prefix}{name}/" for name in STATE) if not prefix else (prefix,)
    return {
        name: size
        for name, size in found.items()
        if not name.startswith(folders) and name.removeprefix(prefix) not in STATE_FILES
    }


def parallel(function: Callable[[str], Result], names: Iterable[str], *roots: UPath) -> Iterator[tuple[str, Result]]:
    """Each name with the function's result, in order: by threads where a bucket has to be waited for.

    On one machine they would only wait for each other.
    """
    if all(is_local(root) for root in roots):
        yield from ((name, function(name)) for name in names)
        return
    todo = iter(names)
    with ThreadPoolExecutor(THREADS) as pool:
        while part := list(islice(todo, WINDOW)):
            yield from zip(part, pool.map(function, part), strict=True)
