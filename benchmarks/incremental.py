"""What a second delivery of 1 % costs up to the splits, in CPU time, against the first delivery.

Run: python benchmarks/incremental.py [--products N]

Each delivery is materialised by a process of its own, as on the command line, in Dagster with an embedded PostgreSQL.
A warm-up on another data root comes before the clock starts, so that imports count in neither. CPU time is that of
the process, its children and the database.
"""

import argparse
import logging
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil
from upath import UPath

from rakuten_assets.core.deliveries import ingest
from rakuten_assets.core.sample import write_sample

LIMIT = 0.05


class Cost(NamedTuple):
    """CPU seconds of one materialisation, how many of them the database's, and wall seconds by asset."""

    seconds: float
    database: float
    by_asset: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=5_000)
    products = parser.parse_args().products

    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        os.environ |= {"RAKUTEN_DATA_ROOT": name, "RAKUTEN_STATE_DIR": f"{name}/state", "RAKUTEN_DATABASE_URL": ""}
        write_sample(folder / "tiny", 30, first_id=10_000_000)
        first = materialised(folder, products, 1)
        second = materialised(folder, products // 100, products + 1)

    print(f"{products:,} products, then {products // 100:,} more; splits and all that they are made from\n")
    print("| asset | first, wall s | second, wall s |\n| --- | --- | --- |")
    for asset, spent in first.by_asset.items():
        print(f"| {asset} | {spent:.2f} | {second.by_asset.get(asset, 0):.2f} |")
    print(f"| all, CPU s | {first.seconds:.2f} | {second.seconds:.2f} |")
    print(f"| of these, the database | {first.database:.2f} | {second.database:.2f} |\n")
    ratio = second.seconds / first.seconds
    print(f"ratio {ratio:.1%}: {'at most' if ratio <= LIMIT else 'ABOVE'} {LIMIT:.0%}")


def materialised(folder: Path, products: int, first_id: int) -> Cost:
    """Deliver products and materialise what became stale, in a fresh process."""
    delivery = folder / f"delivery-{first_id}"
    write_sample(delivery, products, prefix="challenge" if first_id == 1 else "new", first_id=first_id)
    ingest(delivery, UPath(folder))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(measured, folder / "tiny").result()


def measured(tiny: Path) -> Cost:
    """In the child: warm up, then materialise under the clock."""
    from rakuten_assets import lineage
    from rakuten_assets.settings import Settings

    logging.disable(logging.WARNING)
    settings, chosen = Settings(), up_to_splits()
    with TemporaryDirectory() as elsewhere:
        warm_up(chosen, tiny, elsewhere)
    with lineage.instance(settings) as opened:
        database, own = database_seconds(settings.local_state), own_seconds()
        outcome = lineage.materialize(opened, settings, select=chosen)
        own, database = own_seconds() - own, database_seconds(settings.local_state) - database
        if not outcome.success:
            raise RuntimeError("\n".join(outcome.errors))
        return Cost(own + database, database, lineage.seconds_by_asset(opened, outcome.runs))


def up_to_splits() -> list[str]:
    import dagster as dg

    from rakuten_assets.assets import ALL_ASSETS

    keys = dg.AssetSelection.assets("splits").upstream().resolve(ALL_ASSETS)
    return [key.to_user_string() for key in keys]


def warm_up(chosen: list[str], tiny: Path, elsewhere: str) -> None:
    """The same assets in Dagster, on a few products and without a database."""
    import dagster as dg

    from rakuten_assets.assets import ALL_ASSETS
    from rakuten_assets.automation.jobs import PER_BATCH
    from rakuten_assets.resources import resources
    from rakuten_assets.settings import Settings

    batches = ingest(tiny, UPath(elsewhere)).batches
    selection = dg.AssetSelection.assets(*chosen)
    per_batch = dg.AssetSelection.assets(*PER_BATCH)
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("batches", list(batches))
        for part, key in ((selection & per_batch, batches[0]), (selection - per_batch, None)):
            dg.materialize(
                ALL_ASSETS,
                selection=part,
                partition_key=key,
                instance=instance,
                resources=resources(Settings(data_root=elsewhere)),
            )


def own_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def database_seconds(state: Path) -> float:
    """CPU time of the embedded server: its living processes and those that have ended."""
    server = psutil.Process(int((state / "postgres" / "postmaster.pid").read_text().split()[0]))
    living = sum(sum(process.cpu_times()[:2]) for process in server.children(recursive=True))
    return living + sum(server.cpu_times()[:4])


if __name__ == "__main__":
    main()
