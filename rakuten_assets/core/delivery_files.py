"""What a delivery looks like on disk: finding its tables, reading its pictures, unpacking its archive."""

import errno
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rakuten_assets.core.delivery_records import DeliveryError

# One table of 85,000 products has 60 MB; this one is read as a whole.
MAX_TABLE_BYTES = 2 << 30

# A 500-pixel JPEG has about 30 KB.
MAX_PICTURE_BYTES = 64 << 20

# The whole challenge unpacks to 2.3 GB.
MAX_UNPACKED_BYTES = 24 << 30

# Text shrinks to a tenth and JPEGs not at all; above this ratio, a member of some size is a bomb.
MAX_RATIO, RATIO_MATTERS_FROM = 200, 1 << 20


class Fault(NamedTuple):
    """Why one file, row or picture was set aside; `line` counts physical lines from 1, the header's."""

    file: str
    line: int | None
    productid: int | None
    kind: str
    reason: str
    detail: str


class UnusableFile(ValueError):
    """A delivered file that is not used: a short code, and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Layout(NamedTuple):
    """One naming of a delivery's files: product table, label table, and where its pictures may lie."""

    products: str
    labels: str | None
    pictures: tuple[str, ...]


LAYOUTS = (
    Layout(
        "X_train_update.csv",
        "Y_train_CVw08PX.csv",
        ("images/image_train", "images/image_training", "image_train", "image_training", "images"),
    ),
    Layout("New_X_train.csv", "New_y_train.csv", ("images",)),
    Layout("X_test_update.csv", None, ("images/image_test", "image_test", "images")),
)
TABLE_NAMES = {name for layout in LAYOUTS for name in (layout.products, layout.labels) if name}


@dataclass(frozen=True)
class DeliveryFiles:
    """The files of one delivery, found and safe to read; `faults` are archive members that were refused."""

    folder: Path
    products: Path
    labels: Path | None
    pictures: Path
    faults: tuple[Fault, ...] = ()

    @property
    def tables(self) -> tuple[Path, ...]:
        """The product table and, where there is one, the label table."""
        return (self.products, self.labels) if self.labels else (self.products,)


@contextmanager
def open_delivery(source: Path) -> Iterator[DeliveryFiles]:
    """The files of a delivered folder or .zip archive, which is unpacked for as long as the context lasts.

    Raises DeliveryError where there is no product table, or a table cannot be trusted.
    """
    if source.is_dir():
        yield find_files(source.resolve())
    elif zipfile.is_zipfile(source):
        with TemporaryDirectory(prefix="delivery-") as name:
            folder = Path(name).resolve()
            try:
                faults = tuple(unpack(source, folder))
            except zipfile.BadZipFile as error:
                raise DeliveryError(f"{source.name} is a damaged archive: {error}.") from error
            yield find_files(_only_folder(folder), faults)
    else:
        raise DeliveryError(f"{source} is neither a folder nor a .zip archive.")


def find_files(folder: Path, faults: tuple[Fault, ...] = ()) -> DeliveryFiles:
    """The first layout whose product table lies in the folder or in its `catalogue` folder."""
    for layout in LAYOUTS:
        for parent in (folder, folder / "catalogue"):
            if _exists(parent / layout.products):
                return _trusted(folder, parent, layout, faults)
    expected = ", ".join(layout.products for layout in LAYOUTS)
    raise DeliveryError(f"No product table: one of {expected} is expected, at the top or in catalogue/.")


def _trusted(folder: Path, parent: Path, layout: Layout, faults: tuple[Fault, ...]) -> DeliveryFiles:
    labels = parent / layout.labels if layout.labels else None
    places = [folder / place for place in layout.pictures]
    files = DeliveryFiles(
        folder,
        parent / layout.products,
        labels if labels and _exists(labels) else None,
        next((place for place in places if place.is_dir()), places[0]),
        faults,
    )
    for table in files.tables:
        _refuse_unsafe_table(folder, table)
    return files


def read_picture_file(folder: Path, path: Path) -> bytes:
    """A delivered picture's bytes; raises UnusableFile where it is missing, linked, empty or not a file."""
    if path.resolve() != path or folder not in path.parents:
        raise UnusableFile("symbolic_link", "a symbolic link, or reached through one")
    if not path.exists():
        raise UnusableFile("picture_missing", "no such file")
    if not path.is_file():
        raise UnusableFile("not_a_file", "something else has this name")
    size = path.stat().st_size
    if size == 0:
        raise UnusableFile("zero_bytes", "the file is empty")
    if size > MAX_PICTURE_BYTES:
        raise UnusableFile("picture_too_large", f"more than {MAX_PICTURE_BYTES >> 20} MB")
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnusableFile("unreadable", error.strerror or "cannot be read") from error


def unpack(archive: Path, folder: Path) -> list[Fault]:
    """Unpacks the members that are safe to unpack and answers with the others.

    Raises DeliveryError if it declares more than `MAX_UNPACKED_BYTES`, or a table is among the others.
    """
    faults = []
    with zipfile.ZipFile(archive) as opened:
        members = [member for member in opened.infolist() if not member.is_dir()]
        if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
            raise DeliveryError(f"{archive.name} would unpack to more than {MAX_UNPACKED_BYTES >> 30} GB.")
        for member in members:
            try:
                _unpack_member(opened, member, folder)
            except UnusableFile as error:
                faults.append(Fault(member.filename, None, None, "file", error.reason, error.detail))
                if PurePosixPath(member.filename).name in TABLE_NAMES and error.reason != "path_escapes":
                    raise DeliveryError(f"{archive.name}: {member.filename} is refused ({error.detail}).") from error
    return faults


def _unpack_member(opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:|.*\\", member.filename):
        raise UnusableFile("path_escapes", "the name leads out of the archive")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise UnusableFile("symbolic_link", "a symbolic link, or reached through one")
    if member.file_size > max(RATIO_MATTERS_FROM, MAX_RATIO * member.compress_size):
        raise UnusableFile("zip_bomb", f"unpacks to more than {MAX_RATIO} times its size")
    try:
        if (folder / name).exists():
            raise UnusableFile("duplicate_member", "an earlier member has this name")
        opened.extract(member, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        with suppress(OSError):
            (folder / name).unlink()
        raise UnusableFile("unreadable_member", type(error).__name__) from error


def _only_folder(folder: Path) -> Path:
    """Archives often wrap all they hold in one folder."""
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    wrapped = len(inside) == 1 and inside[0].is_dir() and inside[0].name not in ("catalogue", "images")
    return inside[0] if wrapped else folder


def _exists(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _refuse_unsafe_table(folder: Path, table: Path) -> None:
    if table.resolve() != table or folder not in table.parents:
        raise DeliveryError(f"{table.name} is refused: a symbolic link leads to it (symbolic_link).")
    if not table.is_file() or table.stat().st_size > MAX_TABLE_BYTES:
        raise DeliveryError(f"{table.name} is not a file of at most {MAX_TABLE_BYTES >> 30} GB.")
