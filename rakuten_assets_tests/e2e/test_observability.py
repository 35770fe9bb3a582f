"""What the running programs tell of themselves: whole traces, one request id in all logs, documented metrics."""

import base64
import io
import json
import math
import re
import uuid
from pathlib import Path

import httpx
from PIL import Image
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from rakuten_assets_tests.e2e.stack import until
from rakuten_assets_tests.e2e.watched import ADDRESS, EMAIL, PASSWORD, SUBMISSIONS, WORD, metrics_of
from rakuten_assets_tests.e2e.watched import person as person
from rakuten_assets_tests.e2e.watched import platforms_metrics as platforms_metrics
from rakuten_assets_tests.e2e.watched import prometheus as prometheus
from rakuten_assets_tests.e2e.watched import prometheus_elsewhere as prometheus_elsewhere
from rakuten_assets_tests.e2e.watched import stores_metrics as stores_metrics
from rakuten_assets_tests.e2e.watched import submitted as submitted
from rakuten_assets_tests.observability import elsewhere
from rakuten_assets_tests.observability.dashboards import labels_of, queries
from rakuten_assets_tests.otlp import missing
from rakuten_assets_tests.serving.conftest import PROJECT
from serving import metrics as serving_metrics

KEYS = {"time", "level", "program", "logger", "message", "request_id", "trace_id", "span_id"}


def test_one_trace_leads_from_each_submission_to_its_stored_answer(stack, submitted):
    def complete():
        found = [trace for trace in stack.receiver.traces().values() if not missing(trace)]
        return found if len(found) >= SUBMISSIONS else None

    for trace in until(complete, 20):
        roots = [span for span in trace if not span.parent]
        assert [root.name for root in roots] == ["POST /api/v1/products"]
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
        **{f"metrics at {url}": httpx.get(url).text for url in metrics_of(stack)},
        "traces": b"".join(stack.receiver.bodies).decode("latin-1"),
    }
    for where, text in told.items():
        assert len(text) > 100, where
        for secret in (WORD, "Zorglub", EMAIL, ADDRESS, PASSWORD):
            assert secret.lower() not in text.lower(), (where, secret)


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


def test_every_panel_shows_something_of_the_running_programs(prometheus):
    def empty():
        return [query[:3] for query in queries() if query[:2] not in elsewhere.ABSENT and not shown(prometheus, query)]

    until(lambda: not empty(), 30) if empty() else None
    assert empty() == []


def test_panels_of_what_is_not_here_show_something_where_it_is(prometheus_elsewhere):
    needed = [query for query in queries() if query[:2] in elsewhere.ABSENT]
    assert {query[:2] for query in needed} == elsewhere.ABSENT.keys()
    for query in needed:
        assert shown(prometheus_elsewhere, query), query


def shown(prometheus, query):
    """Whether the query has a value, with the labels that its legend names."""
    *_, legend, expression = query
    found = prometheus.query(expression)
    assert all(labels_of(legend) <= labels.keys() for labels, _ in found), query
    return [value for _, value in found if math.isfinite(value)]


def test_no_rule_fails_and_none_of_bentomls_metrics_are_kept(prometheus):
    groups = prometheus.get("/api/v1/rules")["data"]["groups"]
    assert [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"] == []
    assert prometheus.query('count({__name__=~"bentoml_.*"})') == []
    assert prometheus.query("classifier:errors:ratio")
    assert prometheus.query('rakuten_dagster_job_success_timestamp_seconds{job="retrain"}')
