from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import create_engine, text

from rakuten_assets.postgres import DRIVER, _create_database, database_url, lock


def test_a_database_is_made_when_it_is_first_asked_for(settings):
    url = database_url("first_time", settings)
    assert url.startswith(f"{DRIVER}://")
    with create_engine(url).connect() as connection:
        assert connection.scalar(text("SELECT current_database()")) == "first_time"


def test_two_processes_may_ask_for_the_same_new_database(settings):
    from sqlalchemy import make_url

    server = make_url(database_url("postgres", settings))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: _create_database(server, "asked by eight"), range(8)))
    engine = create_engine(server.set(database="asked by eight"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_the_second_to_ask_for_a_lock_waits_for_the_first(settings):
    from threading import Event, Thread

    entered, order = Event(), []

    def second():
        entered.wait()
        with lock("tests", settings):
            order.append("second")

    other = Thread(target=second)
    other.start()
    with lock("tests", settings):
        entered.set()
        other.join(timeout=0.5)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_a_configured_server_is_used_as_it_is(settings):
    """The embedded server stands for somebody's own: the same URL, given as a setting."""
    from sqlalchemy import make_url

    embedded = make_url(database_url("postgres", settings)).set(drivername="postgresql")
    configured = settings.model_copy(
        update={"database_url": embedded.render_as_string(hide_password=False), "state_dir": None}
    )
    assert database_url("configured", configured).startswith(f"{DRIVER}://")
