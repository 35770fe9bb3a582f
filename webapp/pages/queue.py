"""The review queue as a list: who holds what, and one action on many."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from rakuten_assets.store.records import Page, Product, ProductFilter, QueueItem
from webapp import desk, theme
from webapp.auth import Visit, page
from webapp.filters import Wanted
from webapp.listing import Cell, Listing


@page("/review/queue", role="admin")
async def queue(visit: Visit) -> None:
    """Everything that waits for a review, the most pressing first."""
    with theme.frame(visit, "queue.title"):
        ui.add_css(desk.CSS)
        with ui.element("div").classes("app-bar"):
            ui.label(visit.t("queue.lead")).classes("app-soft")
            ui.space()
            theme.link_button(visit.t("queue.back"), "/review", icon="play_arrow")
        await Queue(visit, Wanted.of(visit.request.query_params)).open()


class Queue(Listing[QueueItem]):
    """Products that wait."""

    fields = ("text", "review", "category", "seller")
    path = "/review/queue"

    def fetch(self, filter: ProductFilter, cursor: str | None, size: int) -> tuple[Callable[..., Page[QueueItem]], Any]:
        return self.visit.app.store.reviews.queue, (filter, cursor, size)

    def product(self, item: QueueItem) -> Product:
        return item.product

    def columns(self) -> Sequence[str]:
        return "listing.reason", "listing.category", "listing.confidence", "listing.held", "listing.action"

    def cells(self, item: QueueItem) -> Sequence[Cell]:
        product = item.product
        return (
            self.visit.t(f"review.{product.review}") if product.review else "–",
            partial(self.category_cell, product),
            partial(theme.confidence_bar, self.visit, product.confidence),
            self._holder(item),
            partial(self._review, product),
        )

    def nothing(self) -> None:
        if self.wanted.query:
            theme.empty_state(self.visit, "queue.nothing", icon="search_off")
        else:
            theme.empty_state(self.visit, "queue.empty", icon="task_alt")

    def _holder(self, item: QueueItem) -> str:
        if item.claimed_by is None or item.claimed_until is None:
            return self.visit.t("queue.free")
        return self.visit.t("queue.held_by", name=item.claimed_by, time=desk.clock(self.visit, item.claimed_until))

    def _review(self, product: Product) -> None:
        button = theme.link_button(self.visit.t("queue.review"), f"/review?id={product.id}", flat=True)
        button.props("dense").classes("px-3")
        button.props["aria-label"] = self.visit.t("queue.review_one", id=product.id)
