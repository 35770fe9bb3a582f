"""Rules and routes: valid for their own tools, tested case by case, explained, and about what there is."""

import re

import pytest
import yaml

from rakuten_assets_tests.observability.programs import DOCKER, says
from rakuten_assets_tests.serving.conftest import PROJECT

PROMETHEUS, ALERTMANAGER = DOCKER / "prometheus", DOCKER / "alertmanager"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
SEVERITIES = {"critical": "on-call", "warning": "channel", "info": "channel"}

# Of the exporters of others.
FOREIGN = re.compile(r"(up|pg_\w+|node_\w+)$")


def rules():
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def test_prometheus_takes_its_configuration():
    found = says("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert found.count("SUCCESS") == 2 + len(list((PROMETHEUS / "rules").glob("*.yml")))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_are_silent_and_fire_when_they_should(file):
    assert "SUCCESS" in says("promtool", "test", "rules", file.name, cwd=file.parent)


def test_every_alert_is_seen_silent_and_firing():
    cases = [case for file in TESTS for case in yaml.safe_load(file.read_text())["tests"]]
    seen = set()
    for case in cases:
        wanted = f'ALERTS{{alertname="{case["name"]}",alertstate="firing"}}'
        for asked in case["promql_expr_test"]:
            assert asked["expr"] == wanted
            seen.add((case["name"], bool(asked["exp_samples"])))
    assert seen == {(name, fires) for name in alerts() for fires in (True, False)}


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_how_bad_it_is_and_what_to_do(name):
    rule = alerts()[name]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    said = rule["annotations"]
    assert said.keys() == {"summary", "description", "runbook_url"}
    assert said["runbook_url"] == "{{ $externalLabels.documentation }}/runbook.md#" + name.lower()
    section = re.search(rf"^### {name}\n(.*?)(?=^##|\Z)", runbook(), re.MULTILINE | re.DOTALL)
    assert section, f"docs/runbook.md has no section on {name}"
    assert all(f"**{part}:**" in section[1] for part in ("Means", "Look at", "Do"))


def test_the_runbook_speaks_of_no_alert_that_there_is_not():
    assert set(re.findall(r"^### (\w+)$", runbook(), re.MULTILINE)) == set(alerts())


def test_rules_ask_for_metrics_that_there_are():
    page = (PROJECT / "docs" / "observability.md").read_text()
    known = set(re.findall(r"^\| `(rakuten_\w+)` \|", page, re.MULTILINE))
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        expression = re.sub(r'"[^"]*"', "", rule["expr"])
        for name in re.findall(r"\b(?:rakuten|up|pg|node)_?\w*\b", expression):
            assert FOREIGN.match(name) or re.sub("_(bucket|count|sum)$", "", name) in known or name in known, name
        assert set(re.findall(r"\b\w+:\w+:\w+\b", expression)) <= recorded


def test_targets_are_the_programs_of_the_composition():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    whole = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    for job in whole["scrape_configs"] + whole["alerting"]["alertmanagers"]:
        for target in (target for static in job["static_configs"] for target in static["targets"]):
            assert target.split(":")[0] in services.keys() | {"localhost"}


def test_alertmanager_takes_its_configuration_and_knows_whom_to_tell():
    file = ALERTMANAGER / "alertmanager.yml"
    assert "SUCCESS" in says("amtool", "check-config", file)
    for severity, receiver in SEVERITIES.items():
        found = says("amtool", "config", "routes", "test", "--config.file", file, f"severity={severity}")
        assert found.strip() == receiver


def test_only_alerts_that_there_are_hold_others_back():
    whole = yaml.safe_load((ALERTMANAGER / "alertmanager.yml").read_text())
    for rule in whole["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            assert set(re.search('"(.*)"', matcher)[1].split("|")) <= alerts().keys()


def test_secrets_are_files():
    text = (ALERTMANAGER / "alertmanager.yml").read_text()
    mounted = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["alertmanager"]["secrets"]
    assert sorted(re.findall(r"/run/secrets/(\w+)", text)) == sorted(mounted)
    assert not re.search(r"(password|url|token|credentials):", text)


def runbook():
    return (PROJECT / "docs" / "runbook.md").read_text()
