"""Every program killed with -9 while sellers submit: what was accepted is there afterwards, exactly once.

`RAKUTEN_TEST_SUBMISSIONS=500` makes it as long as the claim; the tests' own run is shorter.
"""

import hashlib
import itertools
import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import httpx
from sqlalchemy import create_engine, text

from rakuten_assets.core.deliveries import picture_path
from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import SYSTEM
from rakuten_assets.store.store import Store
from rakuten_assets_tests.e2e.stack import PATIENCE_SECONDS, until

SUBMISSIONS = int(os.environ.get("RAKUTEN_TEST_SUBMISSIONS", "80"))
SELLERS = 8
PASSWORD = "une phrase assez longue"


def submit(http, headers, number, picture):
    """Send one product until it is accepted, as a careful client does: with the same key each time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            answer = http.post(
                "/products",
                headers=headers | {"Idempotency-Key": f"number {number}"},
                data={"designation": f"Produit {number}", "description": "Avec échelle"},
                files={"image": ("a.jpg", picture, "image/jpeg")},
            )
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if answer.is_success:
            return answer.json()["id"]
        assert answer.status_code >= 500, answer.text
        time.sleep(0.2)
    raise AssertionError(f"number {number} was never accepted")


def test_what_was_accepted_is_there_exactly_once_whatever_is_killed(stack):
    store = Store(stack.database_url)
    store.accounts.create(SYSTEM, "seller@example.org", "", PASSWORD, "seller")
    pictures = [encode(draw_picture(Random(n), CODES[n])) for n in range(5)]
    http = httpx.Client(base_url=f"{stack.url}/api/v1", timeout=20)
    token = http.post("/session", json={"email": "seller@example.org", "password": PASSWORD}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    accepted, killed = [], []

    numbers, last_one_died = itertools.count(), threading.Event()

    def sell():
        while not last_one_died.is_set() or len(accepted) < SUBMISSIONS:
            number = next(numbers)
            accepted.append(submit(http, headers, number, pictures[number % 5]))

    def kill():
        """Each in the middle: sellers go on until some more were accepted after the last one died."""
        try:
            kills = (stack.kill_worker, stack.kill_web_app, stack.kill_service, stack.kill_database)
            for part, each in enumerate(kills):
                until(lambda part=part: len(accepted) >= (part + 1) * SUBMISSIONS // 5)
                each()
                killed.append(len(accepted))
            until(lambda: len(accepted) >= killed[-1] + SELLERS)
        finally:
            last_one_died.set()

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(SELLERS) as sellers:
        for seller in [sellers.submit(sell) for _ in range(SELLERS)]:
            seller.result()
    killer.join()
    assert len(killed) == 4
    assert killed[-1] < len(accepted)
    until(lambda: _waiting(store) == 0)
    everything_is_there_once(stack, accepted)
    store.close()
    http.close()


def _waiting(store):
    return store.outbox.backlog().waiting


def everything_is_there_once(stack, accepted):
    assert len(set(accepted)) == len(accepted) >= SUBMISSIONS
    owner = create_engine(stack.owner_url)
    with owner.connect() as connection:
        products = connection.execute(
            text("SELECT id, submission_key, state, image FROM products WHERE designation LIKE 'Produit %'")
        ).all()
        mine = {"ids": [product.id for product in products]}
        predicted = text("SELECT product_id FROM predictions WHERE product_id = ANY(:ids)")
        predictions = Counter(connection.scalars(predicted, mine))
        lines = "SELECT subject_id, action FROM audit_log WHERE subject = 'product' AND subject_id = ANY(:ids)"
        audit = Counter(connection.execute(text(lines), {"ids": [str(id) for id in mine["ids"]]}))
    owner.dispose()
    ids = {product.id for product in products}
    assert ids == set(accepted)
    assert len({product.submission_key for product in products}) == len(accepted)
    assert {product.state for product in products} <= {"proposed", "to_confirm"}
    assert predictions == dict.fromkeys(ids, 1)
    expected = {(str(id), action): 1 for id in ids for action in ("product_submitted", "product_classified")}
    assert {tuple(line): number for line, number in audit.items()} == expected
    for image in {product.image for product in products}:
        stored = picture_path(_root(stack), image).read_bytes()
        assert hashlib.sha256(stored).hexdigest() == image


def _root(stack):
    from upath import UPath

    return UPath(stack.folder / "data")
