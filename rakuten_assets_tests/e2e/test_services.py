"""The real services, as `rakuten up` starts them: web server, daemon and MLflow, with their sensors."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import dagster as dg
import pytest
from rich.console import Console

from rakuten_assets.core.deliveries import batch_keys
from rakuten_assets.core.sample import write_sample
from rakuten_assets.demonstration import accounts, submit_one
from rakuten_assets.postgres import application_url
from rakuten_assets.store.records import Actor
from rakuten_assets.store.store import Store
from serving.client import Client

# From dropping a delivery to the gate's verdict; three runs that each wait for a sensor's tick.
PATIENCE_SECONDS = 300

ENDED = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def services(platform):
    names = ("DAGSTER", "MLFLOW", "SERVING", "WEBAPP", "METRICS", "WEBAPP_METRICS", "WEBAPP_WORKER_METRICS")
    ports = {f"RAKUTEN_{name}_PORT": str(free_port()) for name in names}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "rakuten_assets", "up"], env=os.environ | ports, stderr=subprocess.PIPE
    )
    yield process, ports
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0


def until(condition, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"{condition.__name__} did not come true in {seconds} s")


def answers(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def test_a_delivery_in_the_drop_folder_is_learnt_from_without_a_hand(platform, services):
    process, ports = services
    before = set(batch_keys(platform.settings.root))
    until(lambda: answers(ports["RAKUTEN_DAGSTER_PORT"], "/server_info"), 120)
    until(lambda: answers(ports["RAKUTEN_MLFLOW_PORT"], "/health"), 120)
    delivery = platform.settings.drop_folder / "wednesday"
    write_sample(delivery, 60, seed=9, prefix="new", first_id=50_001)

    def trained():
        assert process.poll() is None, "the services ended"
        runs = platform.instance.get_runs(dg.RunsFilter(job_name="retrain"), limit=3)
        mine = [run for run in runs if "wednesday" in run.tags.get("rakuten/reason", "")]
        return mine[0] if mine and mine[0].status in ENDED else None

    run = until(trained, PATIENCE_SECONDS)
    new = set(batch_keys(platform.settings.root)) - before
    assert len(new) == 1
    reasons = [each.tags.get("rakuten/reason", "") for each in platform.instance.get_runs(limit=10)]
    assert "delivery wednesday in the drop folder" in reasons
    computed = platform.instance.get_runs(dg.RunsFilter(job_name="prepare_batch"), limit=20)
    by_sensor = {each.tags["dagster/partition"] for each in computed if "dagster/sensor_name" in each.tags}
    assert by_sensor == new
    champion = platform.registry.get("champion").version

    def champion_answers():
        with Client(f"http://127.0.0.1:{ports['RAKUTEN_SERVING_PORT']}") as client:
            return client.ready() and client.predict("Piscine").model_version == champion

    until(champion_answers, PATIENCE_SECONDS)
    a_product_goes_through_the_web_app(platform.settings, int(ports["RAKUTEN_WEBAPP_PORT"]), champion)
    metrics_say_who_is_champion_and_that_all_live(ports, champion)
    verdict = platform.registry.get("challenger").tags["gate"]
    assert verdict.split(":")[0] in {"promoted", "refused", "kept"}
    assert (run.status == dg.DagsterRunStatus.SUCCESS) == (not verdict.startswith("refused"))


def metrics_say_who_is_champion_and_that_all_live(ports, champion):
    def scrape(name):
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[f'RAKUTEN_{name}_PORT']}/metrics", timeout=5) as answer:
            return answer.read().decode()

    def all_live():
        told = scrape("METRICS")
        return 'rakuten_registry_champion{number="' in told and f'version="{champion}"}} 1.0' in told and told

    told = until(all_live, 60)
    for source in ("store", "dagster", "mlflow", "machine"):
        assert f'rakuten_metrics_source_up{{source="{source}"}} 1.0' in told
    for daemon in ("SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR"):
        assert f'rakuten_dagster_daemon_heartbeat_timestamp_seconds{{daemon="{daemon}"}}' in told
    assert 'rakuten_dagster_tick_timestamp_seconds{kind="sensor",name="new_deliveries"}' in told
    assert 'rakuten_webapp_submissions_total{source="api"} 1.0' in scrape("WEBAPP_METRICS")
    assert 'rakuten_worker_retries_total{kind="classify"}' in scrape("WEBAPP_WORKER_METRICS")


def a_product_goes_through_the_web_app(settings, port, champion):
    """As `rakuten demo --once` has it: web API, prediction service, database."""
    shown = Console(file=io.StringIO())
    seller = accounts(settings)[0]
    submit_one(settings.model_copy(update={"webapp_port": port}), seller, shown)
    assert "Autour de la piscine" in shown.file.getvalue()
    store = Store(application_url(settings))
    user = store.accounts.find(seller.email)
    [product] = store.products.list(Actor(user.id, user.email, user.name, "seller")).items
    [predicted], _ = store.products.history(Actor(user.id, user.email, user.name, "seller"), product.id)
    store.close()
    assert (product.proposed, predicted.model_version) == (2583, champion)
