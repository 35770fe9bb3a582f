"""Whether one trace leads from a submission to its stored answer, for every one of them; and what tracing costs.

Run: python benchmarks/tracing.py [--model FOLDER] [--requests N] [--rounds N]

PostgreSQL, the prediction service, the web app and its worker run as processes of their own, twice side by side: one
set sends its spans to a real receiver of OTLP in this process, the other does not trace. One seller submits products
with a picture to the one and to the other in turns, in rounds. Then every trace is looked at: it is complete where all
of its parts are there, each below the one that it must be below. Without `--model`, a sample champion is trained first.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from load import Connection, champion
from submissions import Marketplace, marketplace, post

from rakuten_assets_tests.otlp import Receiver, missing

# Longer than any program keeps its spans.
PATIENCE_SECONDS = 30

# In which the traced side may be slower, in the median.
AIM = 1.1

WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a classifier")
    parser.add_argument("--requests", type=int, default=1000, help="traced ones")
    parser.add_argument("--rounds", type=int, default=10)
    asked = parser.parse_args()
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder, receiver = Path(name), Receiver()
        # PostgreSQL runs under a user of its own where this runs as root.
        folder.chmod(0o755)
        model = asked.model or champion(folder / "sample")
        plain = stack.enter_context(side(folder / "plain", model, {}))
        traced = stack.enter_context(side(folder / "traced", model, receiver.environment))
        for each in (plain, traced):
            submit(each, WARM_UP)
        time.sleep(PATIENCE_SECONDS / 10)
        before = set(receiver.traces())
        off, on = [], []
        for number in range(asked.rounds):
            sides = [(plain, off), (traced, on)]
            for here, taken in sides if number % 2 else reversed(sides):
                taken.append(submit(here, asked.requests // asked.rounds))
        report(receiver, before, off, on)
        receiver.close()


@contextmanager
def side(folder: Path, model: Path, environment: dict[str, str]) -> Iterator[Marketplace]:
    """All programs, with these variables more in their environment."""
    folder.mkdir()
    folder.chmod(0o755)
    os.environ |= environment | {"RAKUTEN_WEBAPP_METRICS_PORT": "0", "RAKUTEN_WEBAPP_WORKER_METRICS_PORT": "0"}
    with marketplace(folder, model, 1) as here:
        for name in environment:
            del os.environ[name]
        yield here


def submit(here: Marketplace, number: int) -> list[float]:
    """Seconds of each submission, one after the other; returns when all are classified."""

    async def submissions() -> list[float]:
        connection, taken = Connection(here.port), []
        for at in range(number):
            start = time.perf_counter()
            status, _ = await connection.exchange(post(here.tokens[0], here.bodies[at % len(here.bodies)]))
            if status != 201:
                raise RuntimeError(f"A submission was answered with {status}.")
            taken.append(time.perf_counter() - start)
        connection.close()
        return taken

    taken = asyncio.run(submissions())
    here.drain()
    return taken


def report(receiver: Receiver, before: set[str], off: list[list[float]], on: list[list[float]]) -> None:
    number, deadline = sum(map(len, on)), time.monotonic() + PATIENCE_SECONDS
    complete: list[str] = []
    while time.monotonic() < deadline and len(complete) < number:
        time.sleep(1)
        traces = {trace: spans for trace, spans in receiver.traces().items() if trace not in before}
        complete = [trace for trace, spans in traces.items() if not missing(spans)]
    lacking = Counter(step for spans in traces.values() for step in missing(spans))
    ratios = [median(one) / median(other) for one, other in zip(on, off, strict=True)]
    share, cost = len(complete) / number, median(ratios)
    medians = [median(each for taken in side for each in taken) * 1000 for side in (off, on)]
    print(f"\n{len(traces)} traces of {sum(map(len, traces.values()))} spans in {len(receiver.bodies)} messages")
    print("| claim | measured | rounds |\n| --- | --- | --- |")
    late = "" if share == 1 else " **missed**"
    print(f"| one trace from the submission to the stored answer, of {number} | {share:.1%}{late} | |")
    dear = "" if cost <= AIM else " **missed**"
    said = f"{medians[0]:.1f} without, {medians[1]:.1f} ms with"
    print(f"| a submission takes at most {AIM} times as long | {cost:.2f}{dear}, {said} | ", end="")
    print(" ".join(f"{ratio:.2f}" for ratio in ratios), "|")
    for step, times in lacking.items():
        print(f"missing {times} times: {step}")


if __name__ == "__main__":
    sys.exit(main())
