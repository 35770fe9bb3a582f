"""Which models are to answer, as files that the worker processes of one service share."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import Refused
from serving.schemas import Deployment, Worker


class Board:
    """A folder with the wanted deployment, and a note of each worker on what it has made of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "deployment.json"
        self._notes = folder / "workers"
        self._notes.mkdir(parents=True, exist_ok=True)

    def read(self) -> Deployment | None:
        """What is wanted; None where nobody has said anything yet."""
        try:
            return Deployment.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None

    def changed(self) -> tuple[int, int]:
        """Another value after each `write`: its file is a new one, also within one tick of the clock."""
        if not self._file.exists():
            return 0, 0
        found = self._file.stat()
        return found.st_ino, found.st_mtime_ns

    def write(self, deployment: Deployment) -> None:
        _replace(self._file, deployment.model_dump_json(indent=2))

    def note(self, worker: Worker) -> None:
        _replace(self._notes / f"{worker.pid}.json", worker.model_dump_json())

    def workers(self) -> list[Worker]:
        """The notes of the workers that live."""
        notes = [Worker.model_validate_json(file.read_bytes()) for file in sorted(self._notes.glob("[0-9]*.json"))]
        for dead in (note.pid for note in notes if not _alive(note.pid)):
            (self._notes / f"{dead}.json").unlink(missing_ok=True)
        return [note for note in notes if _alive(note.pid)]

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One change at a time, whichever worker it is asked of."""
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(409, "busy", "Another change of the deployment is under way.") from error
            yield


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _replace(file: Path, text: str) -> None:
    """Write a file in one step: nobody reads half of it."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(file)
