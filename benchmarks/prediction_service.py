"""The prediction service beside the way one would write it first, and beside the classifier without HTTP.

Run: python benchmarks/prediction_service.py [--model FOLDER] [--seconds S] [--rounds N] [--memory] [--profile DIR]

Closed loops of 1, 8 and 32 clients ask all sides for the same distinct products of real size, in rounds, so that
each side has the machine in turn; medians of the rounds are printed. Then requests come to the service at 70 % of its
highest throughput, whether or not the earlier ones are answered. `--memory` adds 20,000 requests, `--profile` writes
what py-spy sees (pip install py-spy) while 32 clients ask. Without `--model`, a sample champion is trained first.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
from load import Load, champion, closed_loop, free_port, open_loop, post, processes, server, service, write_products

CLIENTS = (1, 8, 32)
PRODUCTS = 400
BATCH = 32
WARM_UP_SECONDS = 4

# Below its highest throughput a queue can be short; near it, any queue is long.
BUSY = 0.7

# More than ever wait at once, so that nobody's request waits for a client.
OPEN_CLIENTS = 64

MEMORY_AFTER = (1_000, 20_000)

# One thread each where there is a process a core, as the service has it.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


class Side(NamedTuple):
    """A running server and its load."""

    port: int
    process: psutil.Process

    def ask(self, requests: Sequence[bytes], clients: int, seconds: float) -> "Asked":
        before = cpu_seconds(self.process)
        load = closed_loop(self.port, requests, clients, seconds)
        return Asked(load, (cpu_seconds(self.process) - before) / load.seconds)


class Asked(NamedTuple):
    """What clients saw of a side, and how many cores it used meanwhile."""

    load: Load
    cores: float


class Ready(NamedTuple):
    """Products a second of all processes of a limit together, and how many cores they used."""

    rate: float
    cores: float


Rounds = dict[tuple[str, int], list[Asked]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a classifier")
    parser.add_argument("--seconds", type=float, default=8, help="of a closed loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="memory after 1,000 and after 20,000 requests")
    parser.add_argument("--profile", type=Path, metavar="DIR", help="folder for py-spy's profiles")
    asked = parser.parse_args()

    requests = [post("/predict", product) for product in write_products(PRODUCTS)]
    print(f"{psutil.cpu_count()} cores, {PRODUCTS} products, requests of {_kilobytes(requests)} KB (median)\n")
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = asked.model or champion(Path(name) / "sample")
        limits = {
            "limit: one process": stack.enter_context(limit(folder, 1, {})),
            "limit: a process a core": stack.enter_context(limit(folder, psutil.cpu_count() or 1, ONE_THREAD)),
        }
        started = stack.enter_context(service(Path(name) / "service", folder))
        sides = {
            "service": Side(started.port, started.process),
            "FastAPI": stack.enter_context(peer(folder, 1, {})),
            "FastAPI, 2 workers": stack.enter_context(peer(folder, 2, {})),
            "FastAPI, 2 workers, one thread": stack.enter_context(peer(folder, 2, ONE_THREAD)),
        }
        ours = sides["service"]
        if asked.memory:
            print_memory(ours, requests)
        loads, ready = measured(sides, limits, requests, asked.seconds, asked.rounds)
        print_loads(loads)
        print_limits(ready)
        print_verdicts(loads, ready)
        print_open_loop(ours, requests, BUSY * highest(loads, "service"), asked.seconds * asked.rounds)
        if asked.profile:
            profile(asked.profile / "service.json", ours, requests, asked.seconds)


def measured(
    sides: dict[str, Side],
    limits: dict[str, "Limit"],
    requests: Sequence[bytes],
    seconds: float,
    rounds: int,
) -> tuple[Rounds, dict[str, list[Ready]]]:
    """What clients saw, by side and number of clients, and products a second of the limits, one for each round."""
    for side in sides.values():
        side.ask(requests, max(CLIENTS), WARM_UP_SECONDS)
    loads: Rounds = defaultdict(list)
    ready: dict[str, list[Ready]] = defaultdict(list)
    for _ in range(rounds):
        for clients in CLIENTS:
            for name, side in sides.items():
                loads[name, clients].append(side.ask(requests, clients, seconds))
        for name, without_http in limits.items():
            ready[name].append(without_http.run(seconds))
    return loads, ready


@contextmanager
def peer(folder: Path, workers: int, threads: dict[str, str]) -> Iterator[Side]:
    """`peer.py` under uvicorn, with as many processes."""
    port, environment = free_port(), {"RAKUTEN_PEER_MODEL": str(folder)} | threads
    command = ("uvicorn", "benchmarks.peer:app", "--port", str(port), "--workers", str(workers))
    quiet = ("--log-level", "warning")
    with server((*command, *quiet), environment, port, "/readyz") as process:
        yield Side(port, process)


class Limit(NamedTuple):
    """Processes that classify batches which lie ready in memory."""

    pipes: list[Connection]

    def run(self, seconds: float) -> Ready:
        for pipe in self.pipes:
            pipe.send(seconds)
        return Ready(*map(sum, zip(*(pipe.recv() for pipe in self.pipes), strict=True)))


@contextmanager
def limit(folder: Path, number: int, environment: dict[str, str]) -> Iterator[Limit]:
    """Processes of their own, since threads are counted out when NumPy is imported."""
    spawned, before = multiprocessing.get_context("spawn"), dict(os.environ)
    pipes = []
    os.environ |= environment
    for _ in range(number):
        here, there = spawned.Pipe()
        spawned.Process(target=classify_batches, args=(folder, there), daemon=True).start()
        pipes.append(here)
    os.environ.clear()
    os.environ |= before
    for pipe in pipes:
        pipe.recv()
    yield Limit(pipes)


def classify_batches(folder: Path, report: Connection) -> None:
    """The child: whenever told for how many seconds, classify batches and report products a second."""
    from rakuten_assets.core.classifier import ProductClassifier

    products, classifier = write_products(PRODUCTS), ProductClassifier.load(folder)
    batches = cycle([products[at : at + BATCH] for at in range(0, PRODUCTS - BATCH + 1, BATCH)])
    classifier.predict(next(batches))
    report.send("ready")
    with suppress(EOFError):
        while seconds := float(report.recv()):
            start, cpu, done = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() < start + seconds:
                done += len(classifier.predict(next(batches)))
            taken = time.perf_counter() - start
            report.send((done / taken, (time.process_time() - cpu) / taken))


def print_loads(loads: Rounds) -> None:
    print("| side | clients | answers/s | p50, ms | p95, ms | p99, ms | cores | answers/core s | not 200 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, clients), rounds in sorted(loads.items(), key=lambda item: item[0][1]):
        times = " | ".join(f"{median(load.ms(percent) for load, _ in rounds):.1f}" for percent in (50, 95, 99))
        cores, each = median(one.cores for one in rounds), median(load.rate / cores for load, cores in rounds)
        failed = sum(load.failed for load, _ in rounds)
        print(f"| {name} | {clients} | {rate(rounds):.1f} | {times} | {cores:.2f} | {each:.1f} | {failed} |")
    most = max(load.cpu for rounds in loads.values() for load, _ in rounds)
    print(f"\nThe load generator took {most:.1%} of a core at most.")


def print_limits(ready: dict[str, list[Ready]]) -> None:
    print(f"\n| ready batches of {BATCH} | products/s | cores | products/core s |\n| --- | --- | --- | --- |")
    for name, runs in ready.items():
        each, cores = median(run.rate / run.cores for run in runs), median(run.cores for run in runs)
        print(f"| {name} | {median(run.rate for run in runs):.1f} | {cores:.2f} | {each:.1f} |")


def print_verdicts(loads: Rounds, ready: dict[str, list[Ready]]) -> None:
    most = max(CLIENTS)
    print("\n| claim | measured | rounds |\n| --- | --- | --- |")
    for name in (name for name, clients in loads if clients == most and name != "service"):
        ratios = _ratios(loads, name, most, lambda load: load.rate)
        print(f"| {most} clients: at least 1.5 times the throughput of {name} | {_verdict(ratios, 1.5, True)} |")
        ratios = _ratios(loads, name, 1, lambda load: load.ms(50))
        print(f"| 1 client: p50 at most 1.3 times that of {name} | {_verdict(ratios, 1.3, False)} |")
    for name, runs in ready.items():
        ratios = [one.load.rate / run.rate for one, run in zip(loads["service", most], runs, strict=True)]
        print(f"| {most} clients: at least 70 % of the {name} | {_verdict(ratios, 0.7, True)} |")


def print_open_loop(ours: Side, requests: Sequence[bytes], a_second: float, seconds: float) -> None:
    load = open_loop(ours.port, requests, OPEN_CLIENTS, seconds, a_second)
    ratio = load.ms(99) / load.ms(50)
    print(f"\n{a_second:.0f} requests/s ({BUSY:.0%} of the highest throughput) for {seconds:.0f} s: p50 ", end="")
    print(f"{load.ms(50):.1f} ms, p95 {load.ms(95):.1f} ms, p99 {load.ms(99):.1f} ms, {load.failed} not 200; ", end="")
    print(f"p99 {ratio:.1f} times p50: {'at most' if ratio <= 5 else 'ABOVE'} 5")


def print_memory(ours: Side, requests: Sequence[bytes]) -> None:
    print("| requests | RSS of all processes, MB | PSS, MB | processes |\n| --- | --- | --- | --- |")
    asked, sizes = 0, []
    for most in MEMORY_AFTER:
        closed_loop(ours.port, requests, max(CLIENTS), float("inf"), most - asked)
        asked = most
        family = processes(ours.process)
        rss, pss = sum(one.memory_info().rss for one in family), sum(one.memory_full_info().pss for one in family)
        sizes.append(pss)
        print(f"| {most:,} | {rss / 1e6:,.0f} | {pss / 1e6:,.0f} | {len(family)} |")
    growth = sizes[-1] / sizes[0] - 1
    print(f"\ngrowth {growth:+.1%}: {'within' if abs(growth) <= 0.05 else 'ABOVE'} 5 %\n")


def profile(file: Path, side: Side, requests: Sequence[bytes], seconds: float) -> None:
    """Where the service's time goes, for https://www.speedscope.app."""
    spy = shutil.which("py-spy")
    if spy is None:
        raise SystemExit("py-spy is not on the PATH: pip install py-spy")
    file.parent.mkdir(parents=True, exist_ok=True)
    what = ("--pid", str(side.process.pid), "--subprocesses", "--duration", f"{seconds:.0f}", "--nonblocking")
    with subprocess.Popen([spy, "record", *what, "--format", "speedscope", "--output", str(file)]):
        side.ask(requests, max(CLIENTS), seconds + 1)


def rate(rounds: Sequence[Asked]) -> float:
    return median(load.rate for load, _ in rounds)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU time of a process and its children so far."""
    return sum(sum(one.cpu_times()[:2]) for one in processes(process))


def highest(loads: Rounds, name: str) -> float:
    """A side's throughput with the number of clients that makes the most of it."""
    return max(rate(rounds) for (side, _), rounds in loads.items() if side == name)


def _ratios(loads: Rounds, name: str, clients: int, of: Callable[[Load], float]) -> list[float]:
    """The service's figure over another side's, in each round."""
    return [of(a.load) / of(b.load) for a, b in zip(loads["service", clients], loads[name, clients], strict=True)]


def _verdict(ratios: Sequence[float], aim: float, more: bool) -> str:
    middle = median(ratios)
    missed = "" if (middle >= aim if more else middle <= aim) else " **missed**"
    return f"{middle:.2f}{missed} | {' '.join(f'{ratio:.2f}' for ratio in ratios)}"


def _kilobytes(requests: Sequence[bytes]) -> int:
    return round(median(map(len, requests)) / 1000)


if __name__ == "__main__":
    main()
