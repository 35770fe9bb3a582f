"""The way to the operational database: its migrations, its roles, and the connections of the application."""

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text

# What the programs connect as: it may add to the audit log and read it, and change nothing in it.
ROLE = "rakuten_app"

MIGRATIONS = Path(__file__).parent / "migrations"

# Enough for every thread of the web app; a query that waits longer than this has met a wall.
POOL, OVERFLOW, WAIT_SECONDS = 10, 20, 30


def prepare(owner_url: str, password: str | None = None) -> str:
    """Bring the database to the newest form; the result is the URL of the application's own role.

    `password` is that role's, where the server asks for one.
    """
    engine = create_engine(owner_url)
    try:
        with engine.begin() as connection:
            # Programs that start together migrate one after the other.
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('rakuten migrations'))"))
            _make_role(connection, password)
            _upgrade(connection)
    finally:
        engine.dispose()
    return _as_application(make_url(owner_url), password).render_as_string(hide_password=False)


def connect(url: str) -> Engine:
    """A pool of connections, each of which is tried before it is used: the server may have been restarted."""
    return create_engine(
        url,
        pool_size=POOL,
        max_overflow=OVERFLOW,
        pool_timeout=WAIT_SECONDS,
        pool_pre_ping=True,
        # What sellers write must not reach the logs by way of an error.
        hide_parameters=True,
    )


def _as_application(url: URL, password: str | None) -> URL:
    # An embedded server's URL names its owner in the query as well.
    query = {name: value for name, value in url.query.items() if name != "user"}
    return url.set(username=ROLE, password=password, query=query)


def _make_role(connection: Connection, password: str | None) -> None:
    """The role is the server's, not the database's: another database's programs may have made it."""
    if not connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": ROLE}):
        connection.execute(text(f"CREATE ROLE {ROLE} LOGIN"))
    if password:
        # DDL takes no parameters; the server quotes the word itself.
        command = connection.scalar(
            text("SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', CAST(:role AS text), CAST(:password AS text))"),
            {"role": ROLE, "password": password},
        )
        connection.exec_driver_sql(str(command).replace("%", "%%"))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
