"""What the running programs tell of themselves: whole traces, one request id in all logs, documented metrics."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from random import Random

import httpx
import pytest
from PIL import Image
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from rakuten_assets.core.sample_pictures import draw_picture, encode
from rakuten_assets.core.taxonomy import CODES
from rakuten_assets.store.records import SYSTEM
from rakuten_assets.store.store import Store
from rakuten_assets_tests.e2e.stack import until
from rakuten_assets_tests.otlp import missing
from rakuten_assets_tests.serving.conftest import PROJECT, free_port
from serving import metrics as serving_metrics

SUBMISSIONS = 20
PASSWORD = "une phrase assez longue"
KEYS = {"time", "level", "program", "logger", "message", "request_id", "trace_id", "span_id"}

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


def test_one_trace_leads_from_each_submission_to_its_stored_answer(stack, submitted):
    def complete():
        found = [trace for trace in stack.receiver.traces().values() if not missing(trace)]
        return found if len(found) >= SUBMISSIONS else None

    for trace in until(complete, 20):
        ids, roots = {span.id for span in trace}, [span for span in trace if not span.parent]
        assert [root.name for root in roots] == ["POST /api/v1/products"]
        assert {span.parent for span in trace if span.parent} <= ids
        assert all(span.start <= span.end for span in trace)
        assert roots[0].attributes["http.route"] == "/api/v1/products"
        assert roots[0].attributes["http.response.status_code"] == 201


def test_one_request_id_is_in_the_logs_of_all_programs(stack, submitted):
    def everywhere():
        lines = [line for log in stack.logs.values() for line in lines_of(log)]
        found = {(line["program"], line["request_id"]) for line in lines if line["request_id"] in submitted}
        return len(found) == 3 * SUBMISSIONS and lines

    lines = until(everywhere, 20)
    assert all(line.keys() - {"error"} == KEYS for line in lines)
    traces = {}
    for line in lines:
        if line["request_id"] in submitted and line["program"] != "serving":
            traces.setdefault(line["request_id"], set()).add(line["trace_id"])
    assert all(len(found) == 1 for found in traces.values())


def lines_of(log):
    """What a program has logged. Anything but objects fails, save what BentoML's supervisor says of itself."""
    return [json.loads(line) for line in log.splitlines() if "[cli]" not in line]


def test_no_program_logs_counts_or_traces_what_a_person_wrote_or_who_they_are(stack, person, submitted):
    """Also where things go wrong: what is refused, cannot be read, or is asked for by a bad address."""
    person.post("/session", json={"email": EMAIL, "password": f"wrong {WORD}"})
    person.post("/products", json={"designation": WORD * 20_000})
    person.post("/products", content=f'{{"designation": "{WORD}'.encode(), headers={"content-type": "application/json"})
    person.get(f"/products?text={WORD}&seller={EMAIL}")
    person.get(f"/{WORD}")
    person.get(f"/products/{WORD}")
    httpx.post(f"{stack.url}/sign-in", data={"email": EMAIL, "password": WORD}, headers={"origin": stack.url})
    httpx.get(f"{stack.url}/{WORD}?next=/{WORD}", headers={"user-agent": WORD, "x-forwarded-for": ADDRESS})
    bad = {"designation": WORD, "image": base64.b64encode(WORD.encode()).decode()}
    broken = io.BytesIO()
    Image.new("RGB", (8, 8)).save(broken, "PNG")
    for path, body in (
        ("/predict", bad),
        ("/explain", bad | {"code": 7}),
        ("/predict", {"designation": WORD, "unknown": WORD}),
        ("/predict_batch", {"products": [bad, {"designation": WORD}], "origins": [{"request_id": "x"}] * 2}),
        (f"/{WORD}", bad),
    ):
        httpx.post(f"{stack.service.url}{path}", json=body)
    seen = len(stack.receiver.bodies)
    marker = person.get("/me").headers["x-request-id"]
    until(lambda: marker in stack.logs["webapp"])
    until(lambda: len(stack.receiver.bodies) > seen, 20)
    told = {
        **{f"log of {name}": log for name, log in stack.logs.items()},
        **{f"metrics at {url}": ours(httpx.get(url).text) for url in metrics_of(stack)},
        "traces": b"".join(stack.receiver.bodies).decode("latin-1"),
    }
    for where, text in told.items():
        assert len(text) > 100, where
        for secret in (WORD, "Zorglub", EMAIL, ADDRESS, PASSWORD):
            assert secret.lower() not in text.lower(), (where, secret)


def ours(metrics):
    """Without BentoML's own, which count by whatever path a caller made up: Prometheus is told to drop them."""
    return "\n".join(line for line in metrics.splitlines() if not line.startswith("bentoml_"))


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


def test_every_metric_is_documented_and_every_documented_one_is_there(stack, submitted, platforms_metrics):
    page = (Path(PROJECT) / "docs" / "observability.md").read_text()
    rows = re.findall(r"^\| `(rakuten_\w+)` \| (\w+) \|([^|]*)\|", page, re.MULTILINE)
    documented = {name.removesuffix("_total"): kind for name, kind, _ in rows}
    labelled = {name.removesuffix("_total"): set(re.findall(r"`(\w+)`", labels)) for name, _, labels in rows}
    httpx.post(f"{stack.service.url}/predict", json={"designation": "", "image": ""})
    exported = {}
    for url in (*metrics_of(stack), platforms_metrics):
        for family in text_string_to_metric_families(httpx.get(url).text):
            if family.name.startswith("rakuten_"):
                labels = {name for sample in family.samples for name in sample.labels} - {"le", "pid"}
                known = exported.get(family.name, (family.type, set()))
                exported[family.name] = (family.type, known[1] | labels)
    # What has several processes shows nothing of what has not happened yet, such as a shadow's answers.
    rare = [each for each in vars(serving_metrics).values() if isinstance(each, MetricWrapperBase)]
    exported = {each._name: (each._type, set(each._labelnames)) for each in rare} | exported
    # MLflow does not run here; `test_services.py` has it.
    exported["rakuten_registry_champion"] = ("gauge", set())
    assert {name: kind for name, (kind, _) in exported.items()} == documented
    assert {name: labels for name, (_, labels) in exported.items() if labels - labelled[name]} == {}


def test_a_made_up_address_is_no_new_label(stack):
    for _ in range(3):
        httpx.get(f"{stack.url}/{uuid.uuid4().hex}")
        httpx.post(f"{stack.service.url}/{uuid.uuid4().hex}")
    for url in metrics_of(stack)[:2]:
        routes = set(re.findall(r'route="([^"]*)"', httpx.get(url).text))
        assert "other" in routes
        assert not [route for route in routes if re.search(r"[0-9a-f]{32}", route)]
    assert "/api/v1/products" in set(re.findall(r'route="([^"]*)"', httpx.get(metrics_of(stack)[1]).text))


def test_an_answer_to_prometheus_is_quick(platforms_metrics):
    assert min(httpx.get(platforms_metrics).elapsed.total_seconds() for _ in range(3)) < 0.2
