"""News from the database: what others have changed, told as it happens."""

import json
import logging
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import make_url

from rakuten_assets.store.base import CHANNEL

log = logging.getLogger(__name__)

# How long it waits before it connects anew, and for the thread to end.
PAUSE_SECONDS, END_SECONDS = 1.0, 5.0


@dataclass(frozen=True)
class Change:
    """A product or an import is not as it was. `kind` "reconnected": news may have been missed, look at everything."""

    kind: str
    product_id: int = 0
    seller_id: int = 0
    state: str = ""


class Changes:
    """Listens with a connection and a thread of its own (PostgreSQL's LISTEN)."""

    def __init__(self, url: str) -> None:
        self._dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)

    def listen(self, on_change: Callable[[Change], None]) -> Callable[[], None]:
        """Call `on_change`, in a thread of its own, for each change; the result ends it."""
        stopped = threading.Event()
        # What is sent by one end wakes the thread, which waits at the other as it does at the connection.
        waker, bell = socket.socketpair()
        thread = threading.Thread(target=self._run, args=(on_change, stopped, bell), name="changes", daemon=True)
        thread.start()

        def stop() -> None:
            stopped.set()
            waker.close()
            thread.join(timeout=END_SECONDS)

        return stop

    def _run(self, on_change: Callable[[Change], None], stopped: threading.Event, bell: socket.socket) -> None:
        import psycopg2

        with bell:
            while not stopped.is_set():
                try:
                    self._follow(on_change, stopped, bell)
                except psycopg2.Error as error:
                    log.warning("the connection for news was lost: %s", type(error).__name__)
                    stopped.wait(PAUSE_SECONDS)

    def _follow(self, on_change: Callable[[Change], None], stopped: threading.Event, bell: socket.socket) -> None:
        import psycopg2

        connection = psycopg2.connect(self._dsn)
        try:
            connection.autocommit = True
            connection.cursor().execute(f"LISTEN {CHANNEL}")
            on_change(Change("reconnected"))
            while not stopped.is_set():
                if connection in select.select([connection, bell], [], [])[0]:
                    connection.poll()
                    _tell(connection.notifies, on_change)
        finally:
            connection.close()


def _tell(notifies: list[Any], on_change: Callable[[Change], None]) -> None:
    while notifies:
        payload = notifies.pop(0).payload
        try:
            on_change(Change(**json.loads(payload)))
        except Exception:  # one listener's mistake must not end the news for all
            log.exception("a change could not be handled")
