"""Files below a root: a folder of this machine or a prefix of an S3 bucket. Written whole or not at all.

Everything that is below the data root is read and written here, so that both kinds of root are one way through.
"""

import io
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TypeVar
from uuid import uuid4

import fsspec.config
import polars as pl
from upath import UPath

# How every S3 connection of a process is made; what FSSPEC_S3 or fsspec's own files say comes before it. Endpoint,
# region and credentials are the AWS SDK's own (AWS_ENDPOINT_URL, AWS_SHARED_CREDENTIALS_FILE ...).
S3 = {
    # A listing that is remembered hides for ever what other processes write.
    "use_listings_cache": False,
    # Files go side by side, not the parts of one: for parts, each read begins with a question for the length.
    "max_concurrency": 1,
    # Waits of up to 1, 2, 4 ... 20 seconds between the attempts: an outage of some seconds fails nothing.
    "config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 10}, "max_pool_connections": 32},
}
fsspec.config.conf["s3"] = S3 | fsspec.config.conf.get("s3", {})

# Files that are on their way at once: waiting for an object store takes no processor.
THREADS = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_local(path: UPath) -> bool:
    """Whether a path is a file of this machine, as opposed to an object in a bucket."""
    return path.protocol in ("", "file", "local")


def read(path: UPath) -> bytes:
    """The file's bytes, in one request; raises FileNotFoundError where there is none."""
    return bytes(path.fs.cat_file(path.path))


def write(path: UPath, source: bytes | IO[bytes]) -> None:
    """Put what `source` holds at `path`, in one step; folders on the way are made."""
    if isinstance(source, bytes) and not is_local(path):
        # An object store shows an object only when it was sent to its end.
        path.fs.pipe_file(path.path, source)
        return
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with replacing(path) as new, new.open("wb") as target:
        shutil.copyfileobj(stream, target, 1 << 20)


@contextmanager
def replacing(path: UPath) -> Iterator[Path]:
    """A file of this machine to write to that becomes `path` in one step when the block ends well."""
    if not is_local(path):
        with TemporaryDirectory() as folder:
            new = Path(folder) / path.name
            yield new
            path.fs.put_file(str(new), path.path)
        return
    place = Path(path.path)
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.{uuid4().hex}")
    try:
        yield new
        new.replace(place)
    finally:
        new.unlink(missing_ok=True)


def read_parquet(path: UPath, columns: list[str] | None = None) -> pl.DataFrame:
    """The table at `path`; raises FileNotFoundError where there is none."""
    # A folder's name may have brackets, which are no pattern here.
    return pl.read_parquet(path.path if is_local(path) else io.BytesIO(read(path)), columns=columns, glob=False)


def write_parquet(path: UPath, table: pl.DataFrame) -> None:
    """Put a table at `path`, in one step."""
    with replacing(path) as new:
        table.write_parquet(new)


def put(folder: Path, target: UPath) -> None:
    """Copy all files of a local folder to `target`, each whole, in no order."""
    files = [file for file in folder.rglob("*") if file.is_file()]

    def copy(file: Path) -> None:
        place = target / file.relative_to(folder).as_posix()
        if not is_local(place):
            place.fs.put_file(str(file), place.path)
            return
        with replacing(place) as new:
            shutil.copyfile(file, new)

    at_once(copy, files)


def get(source: UPath, folder: Path) -> None:
    """Copy all files below `source` to a folder of this machine."""
    start = len(source.path.rstrip("/")) + 1

    def copy(name: str) -> None:
        place = folder / name[start:]
        place.parent.mkdir(parents=True, exist_ok=True)
        source.fs.get_file(name, str(place))

    # A name that ends with a slash is a folder as some programs make it.
    at_once(copy, (name for name in source.fs.find(source.path) if not name.endswith("/")))


def at_once(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`map` by threads, in order, all results together."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
