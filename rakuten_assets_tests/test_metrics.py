"""The platform's metrics: what they say, how fast, and what they say when a source is down."""

import re
import socket
import threading
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from rakuten_assets.metrics import platform as sources
from rakuten_assets.metrics.collector import Collector, gauge
from rakuten_assets.settings import Settings
from rakuten_assets.store.database import connect
from rakuten_assets.store.figures import Figures
from rakuten_assets_tests.store.conftest import *  # noqa: F403
from rakuten_assets_tests.store.conftest import draft

# What the tests' own machine may take longer for than Prometheus would like.
SCRAPE_SECONDS = 0.2


def scrape(collector):
    """Samples as Prometheus reads them: (name, labels) and value."""
    registry = CollectorRegistry()
    registry.register(collector)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def read(**sources):
    """A collector that has read its sources once."""
    collector = Collector(sources)
    for source in collector.sources:
        source.refresh()
    return collector


def broken():
    raise ConnectionError("secret of a database")


def test_a_source_that_is_down_is_told_and_keeps_no_other_from_answering(caplog):
    collector = read(dagster=broken, store=lambda: [gauge("rakuten_products", "", 3)])
    samples = scrape(collector)
    assert value(samples, "rakuten_metrics_source_up", source="dagster") == 0
    assert value(samples, "rakuten_metrics_source_up", source="store") == 1
    assert value(samples, "rakuten_products") == 3
    assert "secret" not in caplog.text


def test_what_a_source_said_is_forgotten_when_it_goes_down_and_back_when_it_comes():
    up = threading.Event()
    up.set()
    collector = read(store=lambda: [gauge("rakuten_products", "", 3)] if up.is_set() else broken())
    assert ("rakuten_products", ()) in scrape(collector)
    up.clear()
    collector.sources[0].refresh()
    assert ("rakuten_products", ()) not in scrape(collector)
    up.set()
    collector.sources[0].refresh()
    assert ("rakuten_products", ()) in scrape(collector)


def test_a_source_that_hangs_holds_up_no_answer_and_is_down_after_a_while():
    hangs, begun, end = threading.Event(), threading.Event(), threading.Event()

    def slow():
        if hangs.is_set():
            begun.set()
            end.wait(30)
        return [gauge("rakuten_products", "", 3)]

    collector = Collector({"store": slow}, every=0.1)
    collector.start()
    until(lambda: ("rakuten_products", ()) in scrape(collector))
    hangs.set()
    assert begun.wait(10)
    start = time.perf_counter()
    scrape(collector)
    assert time.perf_counter() - start < SCRAPE_SECONDS
    until(lambda: value(scrape(collector), "rakuten_metrics_source_up", source="store") == 0)
    end.set()
    hangs.clear()
    until(lambda: value(scrape(collector), "rakuten_metrics_source_up", source="store") == 1)


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_store_says_what_waits_and_what_people_said(store, seller, classified):
    figures = Figures(store._engine)
    before = scrape(read(store=lambda: sources.store(figures.read())))
    doubtful = classified(seller, review="low_confidence")
    sure = classified(seller)
    store.products.decide(seller, sure.id, sure.proposed)
    store.products.submit(seller, draft(), "waits")
    after = scrape(read(store=lambda: sources.store(figures.read())))

    def more(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    assert doubtful.state == "to_confirm"
    assert more("rakuten_products", state="to_confirm") == 1
    assert more("rakuten_products", state="confirmed") == 1
    assert more("rakuten_products", state="waiting") == 1
    assert more("rakuten_reviews_waiting") == 1
    assert more("rakuten_outbox_jobs", kind="classify") == 1
    confirmed = {"role": "seller", "action": "confirm"}
    assert value(after, "rakuten_feedback", **confirmed) >= 1
    assert 0 < value(after, "rakuten_acceptance_ratio") <= 1
    assert abs(time.time() - value(after, "rakuten_reviews_oldest_timestamp_seconds")) < 3600
    assert not any("@" in str(labels) or "Piscine" in str(labels) for _, labels in after)


def test_the_drift_report_and_its_parts_are_told(store):
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    parts = [{"name": "unseen_words", "kind": "data", "value": 0.8, "limit": 0.1, "score": 8.0, "detail": ""}]
    store.drift.record("0" * 16, 9, (now, now), 500, 60, 8.0, parts, "reports/drift/x")
    samples = scrape(read(store=lambda: sources.store(Figures(store._engine).read())))
    assert value(samples, "rakuten_drift_score") == 8
    assert value(samples, "rakuten_drift_part_score", part="unseen_words", kind="data") == 8
    assert time.time() - value(samples, "rakuten_drift_report_timestamp_seconds") < 60


def test_a_database_that_is_gone_is_a_source_that_is_down():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    figures = Figures(connect(f"postgresql+psycopg2://nobody@127.0.0.1:{port}/rakuten"))
    collector = read(
        store=lambda: sources.store(figures.read()), mlflow=lambda: sources.mlflow(f"http://127.0.0.1:{port}")
    )
    samples = scrape(collector)
    assert value(samples, "rakuten_metrics_source_up", source="store") == 0
    assert value(samples, "rakuten_metrics_source_up", source="mlflow") == 0


def test_the_machine_says_what_it_has(settings):
    samples = scrape(read(machine=lambda: sources.machine(settings)))
    assert 0 < value(samples, "rakuten_machine_disk_free_bytes") <= value(samples, "rakuten_machine_disk_bytes")
    assert value(samples, "rakuten_machine_memory_available_bytes") > 0


def test_gpus_are_read_where_the_drivers_tool_is(tmp_path, monkeypatch, settings):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '37, 1024, 81559'\necho '0, 4, 81559'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    samples = scrape(read(machine=lambda: sources.machine(settings)))
    assert value(samples, "rakuten_machine_gpu_busy_ratio", gpu="0") == pytest.approx(0.37)
    assert value(samples, "rakuten_machine_gpu_memory_used_bytes", gpu="0") == 2**30
    assert value(samples, "rakuten_machine_gpu_memory_bytes", gpu="1") == 81559 * 2**20


def test_a_gpu_that_cannot_tell_takes_no_other_number_with_it(tmp_path, monkeypatch, settings):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '[N/A], [N/A], [N/A]'\necho '50, 4, 81559'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    samples = scrape(read(machine=lambda: sources.machine(settings)))
    assert value(samples, "rakuten_machine_gpu_busy_ratio", gpu="1") == pytest.approx(0.5)
    assert value(samples, "rakuten_machine_gpu_memory_bytes", gpu="1") == 81559 * 2**20


def test_dagster_and_the_store_know_the_champion_and_how_fresh_everything_is(platform):
    collector = Collector({k: v for k, v in sources.platform(Settings()).items() if k in ("store", "dagster")})
    for source in collector.sources:
        source.refresh()
    start = time.perf_counter()
    samples = scrape(collector)
    assert time.perf_counter() - start < SCRAPE_SECONDS
    champion = platform.registry.get("champion")
    assert value(samples, "rakuten_champion", version=champion.version, number=champion.number) == 1
    gold = platform.summary["scores"]["stacked"]["weighted_f1"]
    assert value(samples, "rakuten_gold_f1_ratio", version=champion.version, kind="stacked") == pytest.approx(gold)
    assert value(samples, "rakuten_dagster_runs_ended", job="retrain", status="success") >= 1
    assert time.time() - value(samples, "rakuten_asset_success_timestamp_seconds", asset="champion") < 7200
    assert value(samples, "rakuten_asset_success_timestamp_seconds", asset="drift_report") >= 0
    names = {name for name, _ in samples}
    assert all(re.fullmatch(r"rakuten_[a-z0-9_]+", name) for name in names)
