"""The load that the benchmarks of the prediction service put on it: products of real size, clients, and processes.

Both kinds of load use HTTP/1.1 over connections that stay open, and requests that are encoded before the clock starts.
"""

import asyncio
import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil
from upath import UPath

from rakuten_assets.core.classifier_files import upload
from rakuten_assets.core.products import Product
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.taxonomy import CODES

PROJECT = Path(__file__).parent.parent

# Titles of about 70 characters; a third of the descriptions missing, the others of about 500, up to 4,000.
TITLE, TITLE_SPREAD, DESCRIPTION, DESCRIPTION_SPREAD, LONGEST = 70, 22, 500, 0.9, 4_000
NO_DESCRIPTION, NO_PICTURE = 1 / 3, 0.1

# Their median is about 30 KB, and nine in ten have 20 to 50, as the challenge's.
QUALITIES = (65, 70, 75, 80, 85)

START_SECONDS = 120
ANSWER_SECONDS = 60
BROKEN = (OSError, asyncio.IncompleteReadError, TimeoutError)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
CLOSES = re.compile(rb"connection: *close", re.IGNORECASE)
VERSION = re.compile(rb'"model_version": *"([0-9a-f]{16})"')
NOTHING = (np.empty(0), np.empty(0), np.empty(0, str))


@dataclass(frozen=True)
class Load:
    """What clients saw: when each request was due and what its answer took (seconds); `failed` got no 200."""

    due: np.ndarray
    taken: np.ndarray
    versions: np.ndarray
    """The model that each answer names."""
    failed: int
    seconds: float
    cpu: float
    """Share of a core that the load generator itself took."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.taken) / self.seconds

    def ms(self, percent: float) -> float:
        """A percentile of the time that answers took, in milliseconds."""
        return float(np.percentile(self.taken, percent)) * 1000 if len(self.taken) else float("nan")


def write_products(number: int, seed: int = 0) -> list[Product]:
    """Distinct products of real size: some without a description, some without a picture."""
    rng = Random(seed)
    return [_product(rng, rng.choice(CODES)) for _ in range(number)]


def post(path: str, product: Product) -> bytes:
    """A whole HTTP request with a product as JSON and its picture as base64."""
    picture = base64.b64encode(product.image).decode() if product.image else None
    fields = {"designation": product.designation, "description": product.description, "image": picture, "top": 5}
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def closed_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float, most: int = sys.maxsize) -> Load:
    """Each client asks again as soon as it is answered, for so many seconds or `most` requests."""
    end, numbers = time.perf_counter() + seconds, count()

    def next_due() -> float | None:
        now = time.perf_counter()
        return now if now < end and next(numbers) < most else None

    return asyncio.run(_load(port, requests, clients, next_due))


def open_loop(port: int, requests: Sequence[bytes], clients: int, seconds: float, rate: float) -> Load:
    """Requests are due at a constant rate, whether or not the earlier ones are answered.

    The time a request takes counts from when it was due, so waiting for one of the clients counts too.
    """
    start = time.perf_counter()
    dues = (start + number / rate for number in range(int(seconds * rate)))
    return asyncio.run(_load(port, requests, clients, lambda: next(dues, None)))


async def _load(port: int, requests: Sequence[bytes], clients: int, next_due: Callable[[], float | None]) -> Load:
    sent, answers, failed = cycle(requests), list[tuple[float, float, str]](), list[float]()

    async def client() -> None:
        connection = Connection(port)
        while (due := next_due()) is not None:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            version = await connection.ask(next(sent))
            if version is None:
                failed.append(due)
            else:
                answers.append((due, time.perf_counter() - due, version))
        connection.close()

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(clients)))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    due, taken, versions = (np.array(column) for column in zip(*sorted(answers), strict=True)) if answers else NOTHING
    return Load(due, taken, versions, len(failed), seconds, cpu / seconds)


class Connection:
    """One client's connection; opened anew where the server closed it between two requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> str | None:
        """The model that the answer names; None where it is not 200, or does not come."""
        status, body = await self.exchange(request)
        version = VERSION.search(body)
        return version[1].decode() if version and status == 200 else None

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; 0 and nothing where none comes."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._answered(request)
        except BROKEN:
            self.close()
            return 0, b""

    async def _answered(self, request: bytes) -> tuple[int, bytes]:
        if self._reader is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        assert self._writer is not None
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        assert length, "the answer has no content-length"
        body = await self._reader.readexactly(int(length[1]))
        if CLOSES.search(head):
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


def _product(rng: Random, code: int) -> Product:
    picture = None if rng.random() < NO_PICTURE else encode(draw_picture(rng, code), rng.choice(QUALITIES))
    title = _of_length(lambda: write_listing(rng, code).title, max(15, rng.gauss(TITLE, TITLE_SPREAD)))
    length = (
        0 if rng.random() < NO_DESCRIPTION else min(LONGEST, DESCRIPTION * rng.lognormvariate(0, DESCRIPTION_SPREAD))
    )
    return Product(title, _of_length(lambda: write_listing(rng, code).description or "", length), picture)


def _of_length(write: Callable[[], str], length: float) -> str:
    """What is written, again and again, up to a length in characters."""
    text = ""
    while len(text) < length:
        text = f"{text} {write()}".strip()
    return text[: int(length)]


@contextmanager
def server(command: Sequence[str], environment: dict[str, str], port: int, ready: str) -> Iterator[psutil.Process]:
    """A server as a child process, from its first 200 on the path `ready` until the block ends."""
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=PROJECT, env=os.environ | environment, stdout=log, stderr=log
        )
        process = psutil.Process(started.pid)
        try:
            if not wait_for(f"http://127.0.0.1:{port}{ready}", lambda: started.poll() is None):
                log.seek(0)
                raise RuntimeError(f"{' '.join(command)} did not start:\n{log.read()[-4000:]}")
            yield process
        finally:
            stop(process)


def wait_for(url: str, alive: Callable[[], bool]) -> bool:
    """Whether `url` answers with 200 before the process has ended or the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and alive():
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.2)
    return False


def stop(process: psutil.Process) -> None:
    """End a process and all its children."""
    family = processes(process)
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.terminate()
    for one in psutil.wait_procs(family, timeout=15)[1]:
        one.kill()


def processes(process: psutil.Process) -> list[psutil.Process]:
    """A process and all its children."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def service(folder: Path, classifier: Path) -> Iterator["Service"]:
    """The prediction service with a classifier, its files below `folder`, which gets an admin token too."""
    version, port = keep(classifier, folder), free_port()
    (folder / "token").write_text(secrets.token_hex())
    environment = {
        "RAKUTEN_SERVING_MODELS": str(folder),
        "RAKUTEN_SERVING_MODEL": version,
        "RAKUTEN_SERVING_STATE_DIR": str(folder / "serving"),
        "RAKUTEN_SERVING_TOKEN_FILE": str(folder / "token"),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = ("bentoml", "serve", "serving.service:RakutenClassifier", "--host", "127.0.0.1", "--port", str(port))
    with server(command, environment, port, "/readyz") as process:
        yield Service(port, process, version, (folder / "token").read_text())


class Service(NamedTuple):
    """The running prediction service."""

    port: int
    process: psutil.Process
    version: str
    token: str


def keep(classifier: Path, root: Path) -> str:
    """Put a classifier's folder where the service looks for versions; the result is its version."""
    version = (classifier / "VERSION").read_text()
    upload(classifier, UPath(root), f"models/stacked_model/{version}")
    return version


def champion(folder: Path, products: int = 4000) -> Path:
    """The folder of a champion that has learnt from a sample catalogue; takes some minutes."""
    folder.mkdir(parents=True)
    environment = os.environ | {
        "RAKUTEN_DATA_ROOT": str(folder / "data"),
        "RAKUTEN_STATE_DIR": str(folder / "state"),
        "RAKUTEN_DATABASE_URL": "",
    }
    for verb in (
        ("sample", "--out", f"{folder}/sample", "--products", str(products)),
        ("ingest", f"{folder}/sample"),
        ("materialize",),
    ):
        subprocess.run([Path(sys.executable).with_name("rakuten"), *verb], env=environment, check=True)
    latest = json.loads((folder / "data" / "models" / "stacked_model" / "latest.json").read_text())
    return folder / "data" / str(latest["folder"])
