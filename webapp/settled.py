"""Waiting for a product's category without a thread and without asking again and again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from starlette.concurrency import run_in_threadpool

from rakuten_assets.store.changes import Change
from rakuten_assets.store.records import Product
from rakuten_assets.store.store import Store


class Settled:
    """Tells those who wait for a product that it changed; listens from the first of them on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._stop: Callable[[], None] | None = None
        self._waiting: dict[asyncio.Event, tuple[asyncio.AbstractEventLoop, int]] = {}

    async def product(self, read: Callable[[], Product], id: int, seconds: float) -> Product:
        """The product as soon as it is classified, or as it is after so many seconds."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        deadline = loop.time() + seconds
        self._listen()
        with self._lock:
            self._waiting[event] = (loop, id)
        try:
            while True:
                event.clear()
                product = await run_in_threadpool(read)
                left = deadline - loop.time()
                if product.state != "waiting" or left <= 0:
                    return product
                with suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), left)
        finally:
            with self._lock:
                del self._waiting[event]

    def close(self) -> None:
        """Listen no longer."""
        if self._stop is not None:
            self._stop()

    def _listen(self) -> None:
        with self._lock:
            if self._stop is None:
                self._stop = self._store.changes.listen(self._heard)

    def _heard(self, change: Change) -> None:
        """After a lost connection anything may have changed, so everybody looks again."""
        with self._lock:
            for event, (loop, id) in self._waiting.items():
                about = change.kind == "product" and change.product_id == id
                if (about or change.kind == "reconnected") and not loop.is_closed():
                    loop.call_soon_threadsafe(event.set)
