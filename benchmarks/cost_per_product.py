"""What a product costs in the lineage: seconds by asset, bytes and memory; and what docs/sizing.md makes of it.

Run: python benchmarks/cost_per_product.py [--products N]    measures N products with pictures, and half as many
     python benchmarks/cost_per_product.py --page FILE       writes the page's derived table anew from its unit costs

Each size is delivered and materialised by fresh processes, as on the command line, in an empty data root with an
embedded PostgreSQL. Of two sizes, the slope is what a product costs, the rest what a run costs whatever its size; an
asset that takes more than 2.5 times as long for twice as many grows faster than its products.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

SAMPLING_SECONDS = 0.2

SIZES = (1_000_000, 10_000_000, 100_000_000)

# Candidate pairs of fingerprints: four bands of 16 bits, which pictures that differ share by chance.
BANDS, BAND_VALUES = 4, 1 << 16

BEGIN, END = "<!-- derived: cost_per_product.py --page -->\n", "<!-- end -->"


# What makes and judges a model; of the others, those with a part for each batch prepare, and the rest see all batches.
TRAINING = {
    *("text_model", "image_model", "stacked_model", "stacked_model_parity"),
    *("challenger", "challenger_gate", "behaviour"),
}


@dataclass(frozen=True)
class Units:
    """The page's first table: what one product costs, and what is assumed of prices."""

    prepare_seconds: float
    """CPU seconds of the assets that run batch by batch."""
    whole_seconds: float
    """CPU seconds of the assets over all batches that are no training."""
    train_seconds: float
    """CPU seconds of training, by product of the catalogue."""
    memory_kb: float
    """Memory of the training process."""
    picture_kb: float
    table_kb: float
    database_kb: float
    """A product that was submitted, with its answer, what people said and the audit lines."""
    similar_kb: float
    answers_a_second: float
    """Of the prediction service on one core."""
    standing_vcpus: float
    """What the programs that always run ask for."""
    vcpu_hour: float
    memory_gb_hour: float
    object_gb_month: float
    database_gb_month: float


@dataclass(frozen=True)
class Sizing:
    """What a catalogue of a size takes: hours are of one vCPU, GB are 10^9 bytes, money in the prices' currency."""

    prepare_hours: float
    prepare_wall_hours: float
    """With 16 runs of 4 vCPUs side by side, as docker/kubernetes allows."""
    train_hours: float
    train_memory_gb: float
    object_gb: float
    database_gb: float
    similar_gb: float
    """In each process of the prediction service."""
    pairs: float
    """Fingerprints that deduplication compares."""
    serving_vcpus: float
    """To classify the whole catalogue anew within a day."""
    first_money: float
    """Taking everything in and training once."""
    month_money: float
    """Storage, the programs that always run, and four trainings."""


def derived(units: Units, products: int) -> Sizing:
    """The formulas of the page, in one place; nothing in them knows what a machine can have."""
    prepare = products * units.prepare_seconds / 3600
    train = products * (units.whole_seconds + units.train_seconds) / 3600
    memory = products * units.memory_kb / 1e6
    stored = products * (units.picture_kb + units.table_kb) / 1e6
    database = products * units.database_kb / 1e6
    training = train * (units.vcpu_hour + memory * units.memory_gb_hour)
    standing = 730 * units.standing_vcpus * units.vcpu_hour
    return Sizing(
        prepare_hours=prepare,
        prepare_wall_hours=prepare / (16 * 4),
        train_hours=train,
        train_memory_gb=memory,
        object_gb=stored,
        database_gb=database,
        similar_gb=products * units.similar_kb / 1e6,
        pairs=BANDS * products**2 / 2 / BAND_VALUES,
        serving_vcpus=products / 86_400 / units.answers_a_second,
        first_money=prepare * units.vcpu_hour + training,
        month_money=stored * units.object_gb_month + database * units.database_gb_month + standing + 4 * training,
    )


def units(page: str) -> Units:
    """The unit costs in the page's first table: name and value are its first two columns."""
    found = dict(re.findall(r"^\| `(\w+)` \| ([\d.,]+) \|", page, re.MULTILINE))
    return Units(**{each.name: float(found[each.name].replace(",", "")) for each in fields(Units)})


def table(costs: Units) -> str:
    """The page's second table: a row a figure, a column a size."""
    sizings = [derived(costs, size) for size in SIZES]
    lines = ["| | " + " | ".join(f"{size // 1_000_000} million" for size in SIZES) + " |", "| --- | --- | --- | --- |"]
    for each in fields(Sizing):
        lines.append(f"| `{each.name}` | " + " | ".join(figure(getattr(one, each.name)) for one in sizings) + " |")
    return "\n".join(lines) + "\n"


def figure(value: float) -> str:
    """Two digits that count: more would promise what no estimate holds."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def with_table(page: str) -> str:
    """The page with its derived table made anew."""
    head, _, rest = page.partition(BEGIN)
    return head + BEGIN + "\n" + table(units(page)) + "\n" + END + rest.partition(END)[2]


@dataclass(frozen=True)
class Measured:
    """One size: wall seconds by asset, CPU seconds and peak memory of the run, bytes by what they are."""

    products: int
    by_asset: dict[str, float]
    cpu_seconds: float
    memory: int
    stored: dict[str, int]


def measure(products: int) -> Measured:
    """Deliver and materialise a sample of so many products, in processes of their own."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        own = {"RAKUTEN_DATA_ROOT": f"{name}/data", "RAKUTEN_STATE_DIR": f"{name}/state", "RAKUTEN_DATABASE_URL": ""}
        environment = os.environ | own
        for words in (["sample", "--out", f"{name}/sample", "--products", str(products)], ["ingest", f"{name}/sample"]):
            rakuten(words, environment).communicate()
        run = rakuten(["materialize", "--summary", f"{name}/summary.json"], environment)
        memory, seconds = watched(run)
        if run.returncode:
            raise SystemExit(f"The lineage failed: {run.returncode}")
        summary = json.loads((folder / "summary.json").read_text())
        stored = {place.name: size(place) for place in sorted((folder / "data").iterdir())}
        stored["databases"] = size(folder / "state" / "postgres")
        return Measured(products, summary["seconds_by_asset"], seconds, memory, stored)


def rakuten(words: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rakuten_assets", *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def watched(run: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Wait for a process; the result is the most memory of its tree without the database, and its CPU seconds."""
    most, seconds, root = 0, {}, psutil.Process(run.pid)
    while run.poll() is None:
        used = 0
        for process in (root, *alive(root)):
            try:
                seconds[process.pid] = sum(process.cpu_times()[:2])
                used += 0 if process.name().startswith("postgres") else process.memory_info().rss
            except psutil.Error:
                continue
        most = max(most, used)
        time.sleep(SAMPLING_SECONDS)
    return most, sum(seconds.values())


def alive(root: psutil.Process) -> list[psutil.Process]:
    try:
        return root.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def report(half: Measured, full: Measured) -> Iterator[str]:
    """Lines of two tables: seconds by asset with slope, rest and growth; then bytes."""
    more = full.products - half.products
    yield f"| asset | {half.products:,}, s | {full.products:,}, s | ms a product | fixed, s | grows |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, seconds in full.by_asset.items():
        before = half.by_asset.get(name, 0.0)
        slope = (seconds - before) / more
        kind = "faster" if seconds > 2.5 * before > 0.5 else "fixed" if seconds < 1.2 * before else "with n"
        fixed = seconds - slope * full.products
        yield f"| {name} | {before:.2f} | {seconds:.2f} | {1000 * slope:.2f} | {fixed:.2f} | {kind} |"
    yield ""
    slope = (full.cpu_seconds - half.cpu_seconds) / more
    yield f"CPU: {half.cpu_seconds:.0f} and {full.cpu_seconds:.0f} s, {1000 * slope:.1f} ms a product"
    for name, seconds in shares(half, full).items():
        yield f"`{name}`: {seconds:.2g} CPU s a product"
    yield f"memory: {half.memory / 1e6:,.0f} and {full.memory / 1e6:,.0f} MB at most"
    yield ""
    yield "| stored | kB a product | fixed, MB |"
    yield "| --- | --- | --- |"
    for name, stored in full.stored.items():
        slope = (stored - half.stored.get(name, 0)) / more
        yield f"| {name} | {slope / 1e3:.2f} | {(stored - slope * full.products) / 1e6:.1f} |"


def shares(half: Measured, full: Measured) -> dict[str, float]:
    """CPU seconds a product by kind of asset: those of the whole run, by the shares that assets have in its slope.

    Only the process' CPU time is known, and only assets' wall time; on a machine with other work neither is exact.
    """
    from rakuten_assets.automation.jobs import PER_BATCH

    batched = {asset.key.to_user_string() for asset in PER_BATCH}
    kinds = {"prepare_seconds": 0.0, "whole_seconds": 0.0, "train_seconds": 0.0}
    for name, seconds in full.by_asset.items():
        kind = "train" if name in TRAINING else "prepare" if name in batched else "whole"
        kinds[f"{kind}_seconds"] += max(0.0, seconds - half.by_asset.get(name, 0.0))
    slope = (full.cpu_seconds - half.cpu_seconds) / (full.products - half.products)
    return {name: slope * part / sum(kinds.values()) for name, part in kinds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=8_000)
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    if asked.page:
        asked.page.write_text(with_table(asked.page.read_text()))
        return
    half, full = measure(asked.products // 2), measure(asked.products)
    print("\n".join(report(half, full)))


if __name__ == "__main__":
    main()
