"""What watches the running programs: somebody who submits products, the platform's metrics, and Prometheus."""

import base64
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from random import Random

import httpx
import pytest
from prometheus_client import CollectorRegistry, start_http_server

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.metrics import platform as sources
from rakuten_assets.metrics.collector import Collector
from rakuten_assets.store.database import connect
from rakuten_assets.store.figures import Figures
from rakuten_assets.store.records import SYSTEM, Actor
from rakuten_assets.store.store import Store
from rakuten_assets_tests.e2e.stack import until
from rakuten_assets_tests.observability import elsewhere
from rakuten_assets_tests.observability.programs import Prometheus
from rakuten_assets_tests.serving.conftest import PROJECT, free_port

SUBMISSIONS = 20
PASSWORD = "une phrase assez longue"

# Of a person whom no other test knows; the address is this machine's own, as all of 127.0.0.0/8.
WORD = "zorglubinette"
EMAIL = "prudence.zorglub@example.org"
ADDRESS = "127.77.13.5"


@pytest.fixture(scope="module")
def person(stack):
    """Somebody's program, who has an account; it comes from an address of its own."""
    store = Store(stack.database_url)
    store.accounts.create(SYSTEM, EMAIL, "Prudence Zorglub", PASSWORD, "seller")
    store.close()
    transport = httpx.HTTPTransport(local_address=ADDRESS)
    with httpx.Client(base_url=f"{stack.url}/api/v1", timeout=60, transport=transport) as http:
        token = http.post("/session", json={"email": EMAIL, "password": PASSWORD}).json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        yield http


@pytest.fixture(scope="module")
def submitted(person):
    """Request ids of products that were submitted one after the other, and are classified."""
    ids = {}
    for number in range(SUBMISSIONS):
        picture = base64.b64encode(encode(draw_picture(Random(number), CODES[number % 27]))).decode()
        body = {"designation": f"Piscine {WORD} {number}", "description": f"À {WORD}, <b>12</b>", "image": picture}
        answer = person.post("/products", json=body)
        assert answer.status_code == 201, answer.text
        ids[answer.headers["x-request-id"]] = answer.json()["id"]
    until(lambda: all(person.get(f"/products/{id}").json()["state"] != "waiting" for id in ids.values()))
    return ids


def metrics_of(stack):
    ports = (stack.metrics_port, stack.worker_metrics_port)
    return [f"{stack.service.url}/metrics", *(f"http://127.0.0.1:{port}/metrics" for port in ports)]


@pytest.fixture(scope="module")
def platforms_metrics(platform, tmp_path_factory):
    """The address of the platform's metrics program, once every source has been read."""
    port = free_port()
    log = tmp_path_factory.mktemp("metrics") / "log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "rakuten_assets.metrics"],
            cwd=PROJECT,
            env=os.environ | {"RAKUTEN_METRICS_PORT": str(port), "RAKUTEN_LOG_FORMAT": "json"},
            stderr=file,
        )
    url = f"http://127.0.0.1:{port}/metrics"

    def whole():
        try:
            return all(f'source_up{{source="{name}"}} 1.0' in httpx.get(url).text for name in ("store", "dagster"))
        except httpx.HTTPError:
            return False

    until(whole)
    yield url
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture(scope="module")
def stores_metrics(stack, submitted):
    """The address of the metrics of this stack's own database, where a seller has decided and drift was measured."""
    store = Store(stack.database_url)
    user = store.accounts.find(EMAIL)
    seller = Actor(user.id, user.email, user.name, user.role)
    for id in submitted.values():
        store.products.decide(seller, id, store.products.get(seller, id).proposed)
    now = datetime.now(UTC)
    parts = [{"name": "unseen_words", "kind": "data", "value": 0.8, "limit": 0.5, "score": 1.6, "detail": ""}]
    store.drift.record(stack.version, 9, (now, now), 500, 60, 1.6, parts, "reports/drift/x")
    store.close()
    collector = Collector({"store": lambda: sources.store(Figures(connect(stack.database_url)).read())}, every=1)
    collector.start()
    registry, port = CollectorRegistry(), free_port()
    registry.register(collector)
    server, _ = start_http_server(port, "127.0.0.1", registry)
    yield f"127.0.0.1:{port}"
    server.shutdown()


@pytest.fixture(scope="module")
def prometheus(stack, person, submitted, stores_metrics, platforms_metrics, tmp_path_factory):
    """Prometheus with its rules, which has asked all programs for a while."""
    targets = {
        "classifier": [stack.service.url.removeprefix("http://")],
        "metrics": [platforms_metrics.split("/")[2], stores_metrics],
        "web-app": [f"127.0.0.1:{stack.metrics_port}"],
        "worker": [f"127.0.0.1:{stack.worker_metrics_port}"],
    }
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus") / "home", targets)
    until(lambda: len(prometheus.query("up == 1")) == 5)
    for number in range(3):
        picture = base64.b64encode(encode(draw_picture(Random(number), CODES[number]))).decode()
        person.post("/products", json={"designation": f"Balançoire {number}", "image": picture})
        httpx.post(f"{stack.service.url}/predict", json={"designation": "", "image": ""})
        time.sleep(2)
    yield prometheus
    prometheus.stop()


@pytest.fixture
def prometheus_elsewhere(tmp_path):
    """Prometheus with what does not run here."""
    address, end = elsewhere.serve()
    prometheus = Prometheus(tmp_path / "home", {"metrics": [address]})
    until(lambda: prometheus.query("rate(rakuten_shadow_agreement_total[1m]) > 0"))
    yield prometheus
    prometheus.stop()
    end()
