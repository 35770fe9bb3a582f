"""Key pairs of age (X25519): the public recipient encrypts on this machine, the identity decrypts elsewhere."""

import os
from collections.abc import Sequence
from pathlib import Path

from pyrage import IdentityError, RecipientError, x25519

from rakuten_assets.backup.errors import BackupError
from rakuten_assets.settings import Settings


def recipients(settings: Settings) -> list[str]:
    """Who can read what is backed up: the setting's recipients and the file's, in a fixed order."""
    file = settings.backup_recipients_file
    lines = file.read_text().splitlines() if file else []
    named = [*settings.backup_recipient.split(","), *(line for line in lines if not line.lstrip().startswith("#"))]
    found = sorted({name.strip() for name in named if name.strip()})
    if not found:
        raise BackupError("Nobody could read the backup: set RAKUTEN_BACKUP_RECIPIENT (see `rakuten backup keygen`).")
    for name in found:
        try:
            x25519.Recipient.from_str(name)
        except RecipientError as error:
            raise BackupError(f"This is no recipient of age: {name[:12]}… ({error}).") from error
    return found


def identities(file: Path) -> list[x25519.Identity]:
    """The private keys in a file as `age-keygen` and `rakuten backup keygen` write it."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    try:
        found = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except IdentityError as error:
        raise BackupError(f"{file} holds no identity of age: {error}.") from error
    if not found:
        raise BackupError(f"{file} holds no identity of age.")
    return found


def make(file: Path) -> str:
    """Write a new identity to `file`, for its owner's eyes alone; the result is its recipient."""
    identity = x25519.Identity.generate()
    recipient = str(identity.to_public())
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise BackupError(f"{file} is there already, and what it opens may need it.") from error
    with os.fdopen(handle, "w") as opened:
        opened.write(f"# public key: {recipient}\n{identity}\n")
    return recipient


def parsed(names: Sequence[str]) -> list[x25519.Recipient]:
    """Recipients as `pyrage` takes them."""
    return [x25519.Recipient.from_str(name) for name in names]
