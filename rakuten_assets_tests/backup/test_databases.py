"""What backup and restore need of a server: a dump that is fed whole, a lock that is not lost, addresses that move."""

import time

import pytest
from sqlalchemy import create_engine, text

from rakuten_assets.backup import databases
from rakuten_assets.backup.errors import BackupError
from rakuten_assets.postgres import database_url, lock
from rakuten_assets.store import recovery

LOCKS = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")


@pytest.fixture
def url(settings):
    """A database of the test's own."""
    url = database_url("backup_tests", settings)
    with recovery.connected(url) as connection:
        connection.execute(text("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    return url


def test_what_is_wrong_with_a_dump_is_said_also_when_pg_restore_is_content(url):
    """Whether an object holds what its backup says is known at its end, when `pg_restore` may have ended."""
    with recovery.connected(url) as connection:
        connection.execute(text("CREATE TABLE a AS SELECT 1 AS b"))
    with recovery.snapshot(url) as moment, databases.dump(url, moment.id) as stream:
        dumped = stream.read()
    with recovery.connected(url) as connection:
        connection.execute(text("DROP TABLE a"))

    def feed(target):
        target.write(dumped)
        target.flush()
        until(lambda: recovery.rows(url) == {"a": 1})
        raise BackupError("not what its backup says")

    with pytest.raises(BackupError, match="not what its backup says"):
        databases.load(url, feed)


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def test_a_lock_is_held_however_long_its_holder_is_idle(settings):
    owner = create_engine(database_url("rakuten", settings), isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        before = connection.scalar(LOCKS)
        connection.execute(text("ALTER DATABASE rakuten SET idle_in_transaction_session_timeout = 50"))
        try:
            with lock("a test", settings):
                time.sleep(0.5)
                assert connection.scalar(LOCKS) == before + 1
            until(lambda: connection.scalar(LOCKS) == before)
        finally:
            connection.execute(text("ALTER DATABASE rakuten RESET idle_in_transaction_session_timeout"))
    owner.dispose()


@pytest.mark.parametrize(
    ("before", "after"), [("s3://old/", "s3://new/"), ("s3://old", "/data"), ("/a/b", "s3://new/")]
)
def test_addresses_lead_to_the_new_root_however_it_is_written(url, before, after):
    with recovery.connected(url) as connection:
        connection.execute(text("CREATE TABLE experiments (artifact_location text)"))
        old = f"{before.rstrip('/')}/mlflow"
        connection.execute(text("INSERT INTO experiments VALUES (:old), ('s3://older/mlflow')"), {"old": old})
    assert recovery.move(url, before, after) == 1
    with recovery.connected(url) as connection:
        found = connection.scalars(text("SELECT artifact_location FROM experiments ORDER BY 1")).all()
    assert set(found) == {f"{after.rstrip('/')}/mlflow", "s3://older/mlflow"}
