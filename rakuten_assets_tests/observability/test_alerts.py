"""Alerts as they fire: real programs, one of them killed, the real Prometheus and Alertmanager, and a real message."""

import os
import subprocess
import sys

import httpx
import pytest

from rakuten_assets.postgres import application_url
from rakuten_assets.settings import Settings
from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.e2e.stack import until
from rakuten_assets_tests.observability.programs import Alertmanager, Prometheus, Webhook
from rakuten_assets_tests.serving.conftest import PROJECT, free_port


class Started:
    """A program of the platform, and the address of its metrics."""

    def __init__(self, module, log, **environment):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        told = {name: value.format(port=port) for name, value in environment.items()}
        self._command = {"args": [sys.executable, "-m", module], "cwd": PROJECT, "env": os.environ | told}
        self._log = log
        self.start()

    def start(self):
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(**self._command, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def answers(self):
        try:
            return httpx.get(f"http://{self.address}/metrics").status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def webhook():
    webhook = Webhook()
    yield webhook
    webhook.close()


@pytest.fixture(scope="module")
def programs():
    """The platform's metrics and the worker of a new platform, where nothing has happened yet."""
    folder = HOME / "alerts"
    folder.mkdir()
    own = {"RAKUTEN_DATA_ROOT": str(folder / "data"), "RAKUTEN_STATE_DIR": str(folder / "state")}
    settings = Settings(data_root=own["RAKUTEN_DATA_ROOT"], state_dir=own["RAKUTEN_STATE_DIR"])
    worker = Started(
        "webapp.worker",
        folder / "worker.log",
        RAKUTEN_WEBAPP_DATABASE_URL=application_url(settings),
        RAKUTEN_WEBAPP_DATA_ROOT=str(folder / "data"),
        RAKUTEN_WEBAPP_WORKER_METRICS_PORT="{port}",
    )
    # Nothing answers as MLflow there.
    elsewhere = f"http://127.0.0.1:{free_port()}"
    metrics = Started(
        "rakuten_assets.metrics",
        folder / "metrics.log",
        RAKUTEN_METRICS_PORT="{port}",
        RAKUTEN_MLFLOW_URL=elsewhere,
        **own,
    )
    started = {"worker": worker, "metrics": metrics}
    until(lambda: all(program.answers() for program in started.values()), 60)
    yield started
    for program in started.values():
        program.kill()


@pytest.fixture(scope="module")
def alertmanager(webhook, tmp_path_factory):
    alertmanager = Alertmanager(tmp_path_factory.mktemp("alertmanager") / "home", webhook.url)
    yield alertmanager
    alertmanager.stop()


@pytest.fixture(scope="module")
def prometheus(programs, alertmanager, tmp_path_factory):
    targets = {name: [program.address] for name, program in programs.items()}
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus") / "home", targets, alertmanager)
    until(lambda: [value for _, value in prometheus.query("up")] == [1, 1], 30)
    yield prometheus
    prometheus.stop()


def test_a_program_that_is_killed_is_told_of_with_what_to_do_and_again_when_it_is_back(
    prometheus, alertmanager, programs, webhook
):
    assert "WorkerDown" not in alertmanager.firing()
    programs["worker"].kill()
    alert = until(lambda: alertmanager.firing().get("WorkerDown"), 30)
    assert alert["labels"]["severity"] == "critical"
    assert alert["labels"]["instance"] == programs["worker"].address
    assert "documentation" not in alert["labels"]
    assert alert["receivers"] == [{"name": "on-call"}]
    assert alert["annotations"]["runbook_url"].endswith("/docs/runbook.md#workerdown")
    assert programs["worker"].address in alert["annotations"]["description"]
    told = until(lambda: [m for m in webhook.messages if m["title"] == "critical: WorkerDown"], 20)[0]
    assert told["color"] == "danger"
    assert told["title_link"] == alert["annotations"]["runbook_url"]
    assert "https://" in told["text"]
    assert "/docs/runbook.md#workerdown" in told["text"]

    programs["worker"].start()
    over = until(lambda: [m for m in webhook.messages if m["title"] == "Over: WorkerDown"], 40)[0]
    assert over["color"] == "good"


def test_what_the_platform_lacks_is_told_from_its_own_metrics(prometheus, alertmanager):
    """No daemon has run here, no backup was made, and no MLflow answers."""
    found = until(
        lambda: {"DaemonMissing", "BackupMissing", "SourceDown"} <= alertmanager.firing().keys() and alertmanager, 60
    ).firing()
    assert found["SourceDown"]["annotations"]["summary"] == "The platform's mlflow cannot be read"
    assert found["DaemonMissing"]["labels"]["severity"] == "critical"
    assert "NoChampion" not in found
    texts = [text for alert in found.values() for text in alert["annotations"].values()]
    assert not [text for text in texts if "error expanding" in text or "<no value>" in text]


def test_an_alert_that_follows_from_another_is_held_back(alertmanager):
    posted = [
        {"labels": {"alertname": name, "severity": "critical"}}
        for name in ("PredictionServiceDown", "PredictionErrors")
    ]
    assert httpx.post(f"{alertmanager.url}/api/v2/alerts", json=posted).status_code == 200
    found = alertmanager.firing()
    assert until(lambda: alertmanager.firing()["PredictionErrors"]["status"]["inhibitedBy"], 10) == [
        found["PredictionServiceDown"]["fingerprint"]
    ]
