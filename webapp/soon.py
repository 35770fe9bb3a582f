"""What changes faster than it can be read is read once in a while."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nicegui import ui

if TYPE_CHECKING:
    from rakuten_assets.store.changes import Change

# An import changes thousands of products; a page that changes more often cannot be read.
SECONDS = 0.5


class Soon:
    """Calls `refresh()` once, half a second after the first of many changes."""

    def __init__(self, refresh: Callable[[], Awaitable[None]], wanted: Callable[["Change"], bool]) -> None:
        """`wanted` says which changes matter."""
        self._refresh, self._wanted, self._due = refresh, wanted, False

    def __call__(self, change: "Change") -> None:
        if not self._due and (change.kind == "reconnected" or self._wanted(change)):
            self._due = True
            ui.timer(SECONDS, self._now, once=True)

    async def _now(self) -> None:
        self._due = False
        await self._refresh()
