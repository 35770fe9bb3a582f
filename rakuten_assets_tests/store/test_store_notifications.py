"""News for people: told once, kept until every channel has taken them, tried again later and later."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from rakuten_assets.store import notifications
from rakuten_assets.store.records import NOBODY, AuditFilter
from rakuten_assets.store.tables import NotificationRow
from rakuten_assets_tests.store.conftest import NUMBERS
from rakuten_assets_tests.store.test_accounts import refusal


@pytest.fixture(autouse=True)
def nothing_to_send(store):
    """What other tests have left is done."""
    with store.notifications._transaction() as session:
        session.execute(update(NotificationRow).values(done_at=datetime.now(UTC)))


@pytest.fixture
def told(store, admin):
    """A notification as it stands now."""

    def told(key):
        [found] = [each for each in store.notifications.history(admin) if each.key == key]
        return found

    return told


@pytest.fixture
def news(store, told):
    """Something new to tell."""

    def news(kind="drift_found"):
        key = f"news {next(NUMBERS)}"
        assert store.notifications.add(key, kind, "Drift", "The score is 2.4.", "http://127.0.0.1:3000/")
        return told(key)

    return news


@pytest.fixture
def seconds_to_the_next_try(store):
    def seconds(id):
        with store.notifications._transaction() as session:
            return (session.get_one(NotificationRow, id).next_at - datetime.now(UTC)).total_seconds()

    return seconds


@pytest.fixture
def later(store):
    """The time of the next try has come."""

    def later(id):
        with store.notifications._transaction() as session:
            session.get_one(NotificationRow, id).next_at = datetime.now(UTC) - timedelta(seconds=1)

    return later


def due(store, most=20):
    return [each.id for each in store.notifications.due(most)]


def test_the_same_key_is_told_once(store, admin, told, news):
    first = news()
    assert not store.notifications.add(first.key, "run_failed", "Other", "Other", "")
    assert told(first.key) == first
    assert (first.kind, first.subject, first.body) == ("drift_found", "Drift", "The score is 2.4.")
    assert (first.link, first.sent, first.attempts, first.done_at) == ("http://127.0.0.1:3000/", [], 0, None)
    [line] = store.audit.page(admin, AuditFilter(subject="notification", subject_id=str(first.id))).items
    assert (line.actor, line.action, line.detail) == ("system", "people_notified", {"kind": "drift_found"})


def test_what_is_new_is_due_at_once_the_oldest_first(store, news):
    ids = [news().id for _ in range(3)]
    assert due(store) == ids
    assert due(store, 2) == ids[:2]


def test_what_every_channel_has_taken_is_done(store, told, news):
    one = news()
    store.notifications.tried(one.id, ["log", "email"], [])
    after = told(one.key)
    assert (after.sent, after.attempts, after.error) == (["email", "log"], 1, "")
    assert datetime.now(UTC) - after.done_at < timedelta(minutes=1)
    assert due(store) == []


def test_a_channel_that_failed_is_tried_again_and_the_others_are_remembered(store, told, news, later):
    one, other = news(), news()
    store.notifications.tried(one.id, ["log"], ["email", "webhook"], "email: refused")
    assert due(store) == [other.id]
    after = told(one.key)
    assert (after.sent, after.attempts, after.done_at, after.error) == (["log"], 1, None, "email: refused")
    later(one.id)
    assert due(store) == [one.id, other.id]
    store.notifications.tried(one.id, ["webhook"], ["email"], "email: refused again")
    later(one.id)
    store.notifications.tried(one.id, ["email"], [])
    after = told(one.key)
    assert (after.sent, after.attempts, after.error) == (["email", "log", "webhook"], 3, "")
    assert after.done_at is not None
    assert due(store) == [other.id]


def test_tries_come_soon_at_first_and_then_every_quarter_of_an_hour(store, news, seconds_to_the_next_try):
    one, waits = news(), []
    for _ in range(14):
        store.notifications.tried(one.id, [], ["email"], "email: down")
        waits.append(seconds_to_the_next_try(one.id))
    expected = [30, 60, 120, 240, 480, *[900] * 9]
    assert waits == pytest.approx(expected, abs=5)


def test_a_server_that_was_down_for_a_week_breaks_nothing(store, news, seconds_to_the_next_try):
    one = news()
    with store.notifications._transaction() as session:
        session.get_one(NotificationRow, one.id).attempts = 5_000
    store.notifications.tried(one.id, [], ["email"], "email: down")
    assert seconds_to_the_next_try(one.id) == pytest.approx(900, abs=5)


def test_history_is_for_administrators_the_newest_first(store, admin, seller, news, monkeypatch):
    ids = [news().id for _ in range(3)]
    assert [each.id for each in store.notifications.history(admin)][:3] == ids[::-1]
    monkeypatch.setattr(notifications, "SHOWN", 2)
    assert [each.id for each in store.notifications.history(admin)] == [ids[2], ids[1]]
    for actor in (seller, NOBODY):
        assert refusal(store.notifications.history, actor).kind == "forbidden"
