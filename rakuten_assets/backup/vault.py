"""The backup store: encrypted objects under names of their own, and a manifest for each backup, written last.

    objects/ab/<keyed hash of the content>-<SHA-256 of the ciphertext>.age
    backups/<id>.json.gz      which objects a backup needs, and the sum of this file
    purged/<account>.json     who was forgotten since, for a restore to forget them again

The store says nothing about what it holds to who cannot decrypt it: neither names, nor whether a known file is there.
"""

import gzip
import hashlib
import hmac
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

import pyrage
from upath import UPath

from rakuten_assets.backup.errors import BackupError
from rakuten_assets.backup.files import listing
from rakuten_assets.backup.keys import parsed
from rakuten_assets.core.storage import is_local, read, write

FORMAT = 1
ID = "%Y%m%dT%H%M%SZ"

# Larger ciphertexts wait on the disk, never what they hold.
IN_MEMORY = 64 << 20

# Up to this size an object is handled as a whole.
SMALL = 1 << 20


@dataclass(frozen=True)
class Stored:
    """An object in the store: its name there, the size in bytes and the SHA-256 of what it holds."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A whole backup: `objects` are the names it needs, with their bytes; `index` says, decrypted, what is what."""

    id: str
    index: str
    objects: Mapping[str, int]
    counts: Mapping[str, int]
    seconds: float
    format: int = FORMAT

    @property
    def at(self) -> datetime:
        return datetime.strptime(self.id, ID).replace(tzinfo=UTC)


@dataclass
class Vault:
    """The store at `root`. Without `recipients` it can be read, not added to."""

    root: UPath
    recipients: Sequence[str] = ()
    known: dict[str, str] = field(default_factory=dict)
    """Objects that are there and whole, by their keyed hash."""

    def manifests(self) -> list[Manifest]:
        """All backups, the oldest first; a file that is damaged raises BackupError."""
        names = sorted(name for name in listing(self.root / "backups") if name.endswith(".json.gz"))
        return [self.manifest(name.removesuffix(".json.gz")) for name in names]

    def manifest(self, id: str) -> Manifest:
        """The backup of that id; raises BackupError where there is none, or its manifest is not what was written."""
        try:
            content = json.loads(gzip.decompress((self.root / "backups" / f"{id}.json.gz").read_bytes()))
            said = content.pop("sum")
        except FileNotFoundError as error:
            raise BackupError(f"There is no backup {id} in {self.root}.") from error
        except (OSError, EOFError, ValueError, KeyError) as error:
            raise BackupError(f"The manifest of the backup {id} is damaged.") from error
        if said != _sum(content):
            raise BackupError(f"The manifest of the backup {id} is not what was written.")
        if content["format"] != FORMAT:
            raise BackupError(f"The backup {id} has the format {content['format']}; this version reads {FORMAT}.")
        return Manifest(**content)

    def close(self, manifest: Manifest) -> None:
        """Make a backup one, by writing its manifest when all it names is on the disk."""
        if is_local(self.root):
            os.sync()
        content = asdict(manifest)
        data = json.dumps({**content, "sum": _sum(content)}).encode()
        write(self.root / "backups" / f"{manifest.id}.json.gz", gzip.compress(data, 6))

    def open(self, manifests: Sequence[Manifest]) -> None:
        """Learn which objects are there. What a backup that broke off has left is looked at before it is trusted."""
        sizes = {name: size for manifest in manifests for name, size in manifest.objects.items()}
        for name, size in self.sizes().items():
            whole = sizes[name] == size if name in sizes else self.is_whole(name)
            if whole:
                self.known[_keyed_part(name)] = name
            else:
                self._path(name).unlink()

    def sizes(self) -> dict[str, int]:
        """Bytes of every object, by name."""
        return {name.rpartition("/")[2]: size for name, size in listing(self.root / "objects").items()}

    def find(self, sha256: str) -> str | None:
        """The name of the object that holds what has this SHA-256, where there is one."""
        return self.known.get(self._keyed(sha256))

    def put(self, source: IO[bytes]) -> tuple[Stored, bool]:
        """Encrypt and keep what `source` gives; False where the store has it already."""
        reader = _Hashing(source)
        with SpooledTemporaryFile(IN_MEMORY) as spool:
            writer = _Hashing(cast(IO[bytes], spool))
            pyrage.encrypt_io(reader, writer, parsed(self.recipients))
            keyed = self._keyed(reader.sha256)
            if keyed in self.known:
                return Stored(self.known[keyed], reader.size, reader.sha256), False
            name = f"{keyed}-{writer.sha256}.age"
            spool.seek(0)
            write(self._path(name), cast(IO[bytes], spool))
        self.known[keyed] = name
        return Stored(name, reader.size, reader.sha256), True

    def ciphertext(self, name: str) -> IO[bytes]:
        """An object as it lies there, checked against its name; raises BackupError where it is lost or damaged."""
        spool = cast(IO[bytes], SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - whoever asked closes it
        try:
            with self._path(name).open("rb") as source:
                reader = _Hashing(source)
                while part := reader.read(1 << 20):
                    spool.write(part)
        except FileNotFoundError as error:
            raise BackupError(f"The object {name} is lost.") from error
        if f"-{reader.sha256}." not in name:
            raise BackupError(f"The object {name} is damaged.")
        spool.seek(0)
        return spool

    def get(self, stored: Stored, target: IO[bytes], identities: Sequence[Any]) -> None:
        """Decrypt an object into `target`; raises BackupError where that is not what was put there."""
        if 0 < stored.size <= SMALL:
            target.write(self._content(stored, identities))
            return
        writer = _Hashing(target)
        with self.ciphertext(stored.name) as source:
            try:
                pyrage.decrypt_io(source, writer, identities)
            except pyrage.DecryptError as error:
                raise BackupError(f"This identity does not open the object {stored.name}: {error}.") from error
        if stored.sha256 and writer.sha256 != stored.sha256:
            raise BackupError(f"The object {stored.name} does not hold what its backup says.")

    def _content(self, stored: Stored, identities: Sequence[Any]) -> bytes:
        """What a small object holds: the same checks in half the time, which counts where there are many."""
        try:
            ciphertext = self._read(stored.name)
        except FileNotFoundError as error:
            raise BackupError(f"The object {stored.name} is lost.") from error
        if f"-{hashlib.sha256(ciphertext).hexdigest()}." not in stored.name:
            raise BackupError(f"The object {stored.name} is damaged.")
        try:
            content = pyrage.decrypt(ciphertext, identities)
        except pyrage.DecryptError as error:
            raise BackupError(f"This identity does not open the object {stored.name}: {error}.") from error
        if hashlib.sha256(content).hexdigest() != stored.sha256:
            raise BackupError(f"The object {stored.name} does not hold what its backup says.")
        return content

    def _read(self, name: str) -> bytes:
        if not is_local(self.root):
            return read(self._path(name))
        # A path object for each of a hundred thousand files costs more than reading it.
        with open(f"{self.root.path}/objects/{name[:2]}/{name}", "rb") as file:  # noqa: PTH123
            return file.read()

    def index(self, manifest: Manifest, identities: Sequence[Any]) -> dict[str, Any]:
        """What a backup holds, by the names it had."""
        buffer = io.BytesIO()
        self.get(Stored(manifest.index, 0, ""), buffer, identities)
        return cast(dict[str, Any], json.loads(gzip.decompress(buffer.getvalue())))

    def is_whole(self, name: str) -> bool:
        """Whether an object is there, byte for byte."""
        try:
            self.ciphertext(name).close()
        except BackupError:
            return False
        return True

    def remove(self, manifests: Sequence[Manifest], stay: set[str]) -> int:
        """Remove those backups, and then what none of the others needs; the result is how many objects went."""
        for manifest in manifests:
            if manifest.id not in stay:
                (self.root / "backups" / f"{manifest.id}.json.gz").unlink()
        needed = {name for manifest in manifests if manifest.id in stay for name in manifest.objects}
        gone = [name for name in self.sizes() if name not in needed]
        self.discard(gone)
        return len(gone)

    def discard(self, names: Sequence[str]) -> None:
        """Remove objects; the next backup copies again what it needs of them."""
        for name in names:
            self._path(name).unlink(missing_ok=True)
            self.known.pop(_keyed_part(name), None)

    def note_purge(self, user_id: int, created_at: str) -> None:
        """Remember that an account was purged: what is restored from here forgets it again."""
        about = {"user_id": user_id, "created_at": created_at, "at": datetime.now(UTC).isoformat()}
        # After a restore the same number may be another account's.
        name = f"{user_id}-{hashlib.sha256(created_at.encode()).hexdigest()[:8]}.json"
        write(self.root / "purged" / name, json.dumps(about).encode())

    def purged(self) -> list[dict[str, Any]]:
        """The accounts that were purged: `user_id`, `created_at` (which tells it from another of that number), `at`."""
        return [
            json.loads((self.root / "purged" / name).read_bytes()) for name in sorted(listing(self.root / "purged"))
        ]

    def _path(self, name: str) -> UPath:
        return self.root / "objects" / name[:2] / name

    def _keyed(self, sha256: str) -> str:
        # Other recipients, other names: what only an old identity opens is copied anew.
        key = hashlib.sha256("\n".join(("rakuten backup", *self.recipients)).encode()).digest()
        return hmac.new(key, sha256.encode(), hashlib.sha256).hexdigest()[:32]


def sha256_of(file: Path) -> str:
    """SHA-256 of a file of this machine."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _keyed_part(name: str) -> str:
    return name.partition("-")[0]


def _sum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class _Hashing:
    """Counts and hashes the bytes that pass."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash, self.size = stream, hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        return self._passed(self._stream.read(size))

    def write(self, data: bytes) -> int:
        self._stream.write(data)
        return len(self._passed(data))

    def flush(self) -> None:
        self._stream.flush()

    def _passed(self, data: bytes) -> bytes:
        self._hash.update(data)
        self.size += len(data)
        return data
