"""What a restore takes beside PostgreSQL's own `pg_restore` and a plain copy of the files.

Run: python benchmarks/restore.py [--products N] [--pictures N] [--rounds N]

A system with so many products, a prediction each, and pictures of about 10 KB that they share is backed up once. Then
it is restored by turns: by `rakuten restore`'s function (decrypting, checking every hash, comparing), and by bare
`pg_restore` of plain dumps followed by a copy of the files; the medians are compared, and every row and every byte of
the restored system with the first one's.
"""

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import create_engine, insert, make_url, text

from rakuten_assets import postgres
from rakuten_assets.backup import keys
from rakuten_assets.backup.backup import back_up
from rakuten_assets.backup.databases import DATABASES, environment, programs
from rakuten_assets.backup.restore import restore
from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.settings import Settings
from rakuten_assets.store import recovery
from rakuten_assets.store.records import SYSTEM
from rakuten_assets.store.store import Store
from rakuten_assets.store.tables import Image, PredictionRow, ProductRow

LIMIT, CHUNK, SELLERS = 1.5, 5_000, 10

# A JPEG of a product at 500 pixels has some 10 to 30 KB, and does not shrink.
PICTURE_BYTES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, the database runs as another user
        recipient = keys.make(folder / "identity")
        with system(folder, "first", recipient) as first:
            fill(first, arguments.products, arguments.pictures)
            made = back_up(first)
            size = f"{made.rows:,} rows, {made.objects:,} objects, {made.bytes / 1e6:.0f} MB"
            print(f"backup: {size}, {made.seconds:.1f} s")
            dumps = {database: dumped(first, database, folder) for database in DATABASES}
            expected = content(first)
        taken: list[list[float]] = [[], []]
        differences = 0
        identity = folder / "identity"
        with system(folder, "second", recipient) as second:
            for _ in range(arguments.rounds):
                taken[0].append(measured(second, lambda: bare(second, dumps, first))[0])
                seconds, done = measured(second, lambda: restore(second, second.backup_root, identity))
                taken[1].append(seconds)
                found = content(second)
                differences += len(done.differences) + sum(found.get(key) != expected[key] for key in expected)
                differences += len(found.keys() - expected.keys())
                print("  ".join(f"{times[-1]:.1f} s" for times in taken), flush=True)
        plain, ours = map(statistics.median, taken)
        print("\n| pg_restore and copy | restore | ratio |\n| --- | --- | --- |")
        print(f"| {plain:.1f} s | {ours:.1f} s | {ours / plain:.2f} |\n\n{differences} differences")
        ratio = statistics.median(one / other for other, one in zip(*taken, strict=True))
        print(f"ratio, median of the rounds' {ratio:.2f}: {'at most' if ratio <= LIMIT else 'ABOVE'} {LIMIT}")


@contextmanager
def system(folder: Path, name: str, recipient: str) -> Iterator[Settings]:
    """Settings of a system with a server and a data root of its own; backups go to one place."""
    os.environ |= {
        "RAKUTEN_DATA_ROOT": str(folder / name / "data"),
        "RAKUTEN_STATE_DIR": str(folder / name / "state"),
        "RAKUTEN_BACKUP_ROOT": str(folder / "backups"),
        "RAKUTEN_BACKUP_RECIPIENT": recipient,
    }
    yield Settings()


def fill(settings: Settings, products: int, pictures: int) -> None:
    """Products that share the pictures, with a prediction each, and the pictures' files."""
    rng, stored = Random(0), []
    for _ in range(pictures):
        data = rng.randbytes(rng.randint(PICTURE_BYTES // 2, PICTURE_BYTES * 3 // 2))
        sha256 = hashlib.sha256(data).hexdigest()
        file = Path(settings.root.path) / "images" / sha256[:2] / f"{sha256}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        stored.append({"sha256": sha256, "width": 500, "height": 500, "size": len(data)})
    store = Store(postgres.application_url(settings))
    people = [store.accounts.create(SYSTEM, f"seller{n}@example.org", "", "x" * 12, "seller") for n in range(SELLERS)]
    store.close()
    owner = create_engine(postgres.database_url("rakuten", settings))
    with owner.begin() as connection:
        connection.execute(insert(Image), stored)
        for start in range(0, products, CHUNK):
            rows = [product(rng, n, people[n % SELLERS].id, stored) for n in range(start, min(start + CHUNK, products))]
            ids = connection.scalars(insert(ProductRow).returning(ProductRow.id), rows).all()
            connection.execute(insert(PredictionRow), [prediction(rng, id) for id in ids])
    owner.dispose()


def product(rng: Random, number: int, seller: int, stored: list) -> dict:
    listing = write_listing(rng, rng.choice(CODES))
    return {
        "seller_id": seller,
        "submission_key": str(number),
        "designation": listing.title,
        "description": listing.description or "",
        "image": stored[number % len(stored)]["sha256"],
        "state": "proposed",
    }


def prediction(rng: Random, id: int) -> dict:
    code, sure = rng.choice(CODES), rng.random()
    return {
        "product_id": id,
        "revision": 1,
        "model_version": "0123456789abcdef",
        "code": code,
        "confidence": sure,
        "candidates": [[code, sure]],
        "rests_on": "both",
        "seconds": 0.02,
    }


def dumped(settings: Settings, database: str, folder: Path) -> Path:
    url = postgres.database_url(database, settings)
    file = folder / f"{database}.dump"
    command = [programs(recovery.server_version(url)) / "pg_dump", "--format=custom", f"--file={file}"]
    subprocess.run(command, env=environment(url), check=True)
    return file


def measured(settings: Settings, action: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that filling an empty system takes, and what came of it; emptying it before does not count."""
    shutil.rmtree(settings.root.path, ignore_errors=True)
    postgres._database_url.cache_clear()
    postgres._application_url.cache_clear()
    server = make_url(postgres.database_url("rakuten", settings)).set(database="postgres")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for database in DATABASES:
            connection.execute(text(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
        connection.execute(text("CHECKPOINT"))
    engine.dispose()
    postgres._database_url.cache_clear()
    os.sync()
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def bare(settings: Settings, dumps: dict[str, Path], first: Settings) -> None:
    recovery.make_role(postgres.database_url("rakuten", settings))
    for database, file in dumps.items():
        url = postgres.database_url(database, settings)
        command = [programs(recovery.server_version(url)) / "pg_restore", "--no-owner", f"--dbname={database}", file]
        subprocess.run(command, env=environment(url), check=True)
    shutil.copytree(first.root.path, settings.root.path)


def content(settings: Settings) -> dict[str, str]:
    """A hash of every table's rows, and of every file."""
    found = {}
    for database in DATABASES:
        engine = create_engine(postgres.database_url(database, settings))
        with engine.connect() as connection:
            for table in recovery.rows(postgres.database_url(database, settings)):
                rows = connection.execution_options(yield_per=CHUNK).execute(
                    text(f'SELECT CAST(t AS text) FROM "{table}" t ORDER BY 1')
                )
                digest = hashlib.sha256()
                for (row,) in rows:
                    digest.update(row.encode() + b"\n")
                found[f"{database}.{table}"] = digest.hexdigest()
        engine.dispose()
    for file in Path(settings.root.path).rglob("*"):
        if file.is_file():
            found[str(file.relative_to(settings.root.path))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


if __name__ == "__main__":
    main()
