"""The dashboards are what their code writes, and complete; that their queries find something is `e2e/`'s."""

import re
import subprocess
import sys

import pytest
import yaml

from rakuten_assets_tests.observability.dashboards import FOLDER, dashboards
from rakuten_assets_tests.observability.programs import DOCKER

PANELS = [
    pytest.param(panel, id=f"{name}-{panel['title']}")
    for name, dashboard in dashboards().items()
    for panel in dashboard["panels"]
]


def test_the_dashboards_are_what_their_code_writes(tmp_path):
    subprocess.run([sys.executable, DOCKER / "grafana" / "boards", tmp_path], check=True)
    written = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert written == {file.name: file.read_text() for file in FOLDER.iterdir()}


def test_links_lead_to_the_platforms_domain(tmp_path):
    subprocess.run([sys.executable, DOCKER / "grafana" / "boards", tmp_path, "--domain", "shop.example"], check=True)
    for file in tmp_path.iterdir():
        links = set(re.findall(r'"url": "(http[^"]*)"', file.read_text()))
        assert links == {"https://dagster.shop.example", "https://mlflow.shop.example", "https://shop.example"}


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit(panel):
    assert len(panel["description"]) > 10
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}
    assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])
    alerts = re.search(r"Alerts?: ([\w, ]+)\.", panel["description"])
    for alert in re.findall(r"[A-Z]\w+", alerts[1]) if alerts else ():
        assert f"alert: {alert}\n" in "".join(f.read_text() for f in (DOCKER / "prometheus" / "rules").iterdir())


def test_panels_stand_beside_each_other_without_gaps():
    for name, dashboard in dashboards().items():
        seen = set()
        for place in (panel["gridPos"] for panel in dashboard["panels"]):
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & seen, name
            seen |= cells
        assert seen == {(x, y) for x in range(24) for y in range(max(y for _, y in seen) + 1)}, name


def test_every_dashboard_is_another_one_and_provisioned():
    found = dashboards()
    assert set(found) == {"business", "model", "service", "machine", "dagster"}
    assert len({dashboard["uid"] for dashboard in found.values()}) == len(found)
    provisioning = DOCKER / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert (source["uid"], source["url"]) == ("prometheus", "http://prometheus:9090")
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    path = yaml.safe_load((provisioning / "dashboards" / "rakuten.yml").read_text())["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in services["grafana"]["volumes"]
