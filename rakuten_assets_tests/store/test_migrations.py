"""The database is what the tables say, and the application's role has the rights that it needs, and no more."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from rakuten_assets.store import audit
from rakuten_assets.store.database import ROLE, prepare
from rakuten_assets.store.records import SYSTEM, AuditFilter
from rakuten_assets.store.tables import Base


@pytest.fixture
def owner(store, owner_url):
    engine = create_engine(owner_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def application(owner_url, store):
    engine = create_engine(prepare(owner_url))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_migrations_and_tables_describe_the_same_database(owner):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(owner, opts={"compare_type": True})
    assert compare_metadata(context, Base.metadata) == []


def test_migrations_can_be_undone(settings):
    from alembic import command
    from alembic.config import Config

    from rakuten_assets.postgres import database_url
    from rakuten_assets.store.database import MIGRATIONS

    url = database_url("undone_tests", settings)
    prepare(url)
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        left = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    engine.dispose()
    assert left == ["alembic_version"]
    assert prepare(url)


@pytest.mark.parametrize("table", ["audit_log", "feedback", "predictions"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = DEFAULT", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"])
def test_the_application_cannot_rewrite_what_was_said(application, table, statement):
    assert application.scalar(text("SELECT current_user")) == ROLE
    with pytest.raises(ProgrammingError, match="permission denied|must be owner"):
        application.execute(text(statement.format(table)))


def test_not_even_the_owner_rewrites_the_audit_log_by_mistake(owner, store, admin):
    for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
        with pytest.raises(ProgrammingError, match="is only added to"):
            owner.execute(text(statement))
        owner.rollback()


def test_the_application_cannot_take_the_lock_away(application):
    with pytest.raises(ProgrammingError, match="must be owner"):
        application.execute(text("ALTER TABLE audit_log DISABLE TRIGGER locked"))


def test_an_audit_line_is_not_left_by_what_failed(store, admin):
    def fail():
        with store.audit._transaction() as session:
            audit.write(session, SYSTEM, "never_happened", "test", 1)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.audit.page(admin, AuditFilter(action="never_happened")).items == []
