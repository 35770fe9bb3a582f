"""Files below the data root: written whole or not at all."""

import io
import shutil
from pathlib import Path
from typing import IO
from uuid import uuid4

from upath import UPath


def write(path: UPath, source: bytes | IO[bytes]) -> None:
    """What `source` holds, under `path`: object stores show a file when it is whole, local ones by renaming it."""
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    if not is_local(path):
        with path.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        return
    part = Path(path.path).with_name(f".{path.name}.{uuid4().hex}")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
        part.replace(path.path)
    finally:
        part.unlink(missing_ok=True)


def is_local(path: UPath) -> bool:
    return path.protocol in ("", "file", "local")
