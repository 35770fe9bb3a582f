"""What changes in the database, told to the pages that are open: one listening thread for all of them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nicegui import background_tasks, ui
from nicegui.client import Client
from nicegui.helpers import should_await

from webapp.failures import describe

if TYPE_CHECKING:
    from rakuten_assets.store.changes import Change
    from rakuten_assets.store.store import Store

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Watcher:
    """A page that wants to hear of one product, of one seller's, or of everything."""

    client: Client
    told: Callable[["Change"], Any]
    product_id: int | None
    seller_id: int | None

    def wants(self, change: "Change") -> bool:
        """After a lost connection anything may have changed, so everybody is told."""
        if change.kind == "reconnected":
            return True
        if self.product_id is not None:
            return change.kind == "product" and change.product_id == self.product_id
        return self.seller_id in (None, change.seller_id)


class Live:
    """Hands the store's changes on to the open pages; the pages then read what is new with their own rights."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._watchers: list[Watcher] = []
        self._stop: Callable[[], None] | None = None

    def start(self) -> None:
        """Listen; called in the event loop that the pages live in."""
        loop = asyncio.get_running_loop()

        def heard(change: "Change") -> None:
            # The loop may have ended between the change and this call.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._tell, change)

        self._stop = self._store.changes.listen(heard)

    def stop(self) -> None:
        """Listen no longer; a second call does nothing."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def watch(
        self, told: Callable[["Change"], Any], *, product_id: int | None = None, seller_id: int | None = None
    ) -> None:
        """Call `told(change)`, in the context of the page that asks, until that page is gone.

        With neither id it is told of everything; `told` may be a coroutine function.
        """
        watcher = Watcher(ui.context.client, told, product_id, seller_id)
        self._watchers.append(watcher)
        watcher.client.on_delete(lambda: self._forget(watcher))

    @property
    def watching(self) -> int:
        """How many subscriptions there are."""
        return len(self._watchers)

    def _forget(self, watcher: Watcher) -> None:
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def _tell(self, change: "Change") -> None:
        for watcher in [each for each in self._watchers if each.wants(change)]:
            try:
                with watcher.client:
                    result = watcher.told(change)
                    if should_await(result):
                        background_tasks.create(result, name="live", context=watcher.client)
            except Exception as error:  # one page's mistake must not keep the others from hearing
                log.error("A page could not take a change: %s", describe(error))
