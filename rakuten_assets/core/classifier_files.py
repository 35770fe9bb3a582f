"""Model folders: what names their content."""

import hashlib
from pathlib import Path

# Files that speak about the folder and are not part of what it holds.
ABOUT = frozenset({"VERSION", "COMPLETE"})


def folder_hash(folder: Path) -> str:
    """First 16 hex digits of the SHA-256 over the names and bytes of all files below `folder`."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ABOUT):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]
