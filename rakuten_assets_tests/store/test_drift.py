"""Drift reports: kept as they were drawn up, for the platform and for administrators."""

from datetime import UTC, datetime, timedelta

import pytest

from rakuten_assets.store import drift
from rakuten_assets.store.records import NOBODY, AuditFilter, DriftReport
from rakuten_assets_tests.store.test_accounts import refusal

UNTIL = datetime(2026, 7, 20, 8, tzinfo=UTC)
PARTS = [
    {"name": "designation_length", "kind": "data", "value": 0.31, "limit": 0.13, "score": 2.38},
    {"name": "category", "kind": "prediction", "value": 0.02, "limit": 0.1, "score": 0.2},
]


@pytest.fixture
def record(store):
    def record(version="0123456789abcdef", score=2.38, labelled=80):
        period = UNTIL - timedelta(days=7), UNTIL
        return store.drift.record(version, 1_234, period, 500, labelled, score, PARTS, "drift/2026-07-20")

    return record


def test_a_report_is_read_as_it_was_recorded(store, admin, record):
    id = record()
    found = store.drift.get(admin, id)
    since = UNTIL - timedelta(days=7)
    assert found == DriftReport(
        id, "0123456789abcdef", 1_234, since, UNTIL, 500, 80, 2.38, PARTS, "drift/2026-07-20", found.at
    )
    assert datetime.now(UTC) - found.at < timedelta(minutes=5)
    assert store.drift.latest() == found


def test_the_latest_is_the_newest_of_whatever_model(store, admin, record):
    ids = [record("fedcba9876543210"), record(), record("00000000000000aa", score=0.4)]
    assert store.drift.latest().version == "00000000000000aa"
    assert [report.id for report in store.drift.history(admin)][:3] == ids[::-1]


def test_history_ends_after_a_year_of_weeks(store, admin, record, monkeypatch):
    assert drift.SHOWN == 52
    monkeypatch.setattr(drift, "SHOWN", 2)
    ids = [record() for _ in range(3)]
    assert [report.id for report in store.drift.history(admin)] == [ids[2], ids[1]]


def test_a_report_that_is_not_there_is_not_found(store, admin, record):
    for id in (0, -1, record() + 1, 10**30):
        assert refusal(store.drift.get, admin, id).kind == "not_found"


def test_reports_are_for_administrators(store, seller, record):
    id = record()
    for actor in (seller, NOBODY):
        assert refusal(store.drift.get, actor, id).kind == "forbidden"
        assert refusal(store.drift.get, actor, id + 1).kind == "forbidden"
        assert refusal(store.drift.history, actor).kind == "forbidden"


def test_the_audit_log_knows_of_each_report(store, admin, record):
    id = record(score=0.4)
    [line] = store.audit.page(admin, AuditFilter(subject="drift", subject_id=str(id))).items
    assert (line.actor, line.action) == ("system", "drift_measured")
    assert line.detail == {"score": 0.4, "version": "0123456789abcdef"}
