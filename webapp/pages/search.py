"""The search for products of all sellers, and the change of a category, whatever was decided before."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from rakuten_assets.store.records import Page, Product, ProductFilter
from webapp import desk, theme
from webapp.auth import Visit, page
from webapp.filters import Wanted
from webapp.listing import Cell, Listing


@page("/search", role="admin")
async def search(visit: Visit) -> None:
    """All products, the newest first, until somebody asks for some."""
    with theme.frame(visit, "find.title"):
        ui.add_css(desk.CSS)
        await Search(visit, Wanted.of(visit.request.query_params)).open()


class Search(Listing[Product]):
    """Products, whatever their state."""

    fields = ("text", "category", "state", "seller", "since", "until")
    path = "/search"

    def fetch(self, filter: ProductFilter, cursor: str | None, size: int) -> tuple[Callable[..., Page[Product]], Any]:
        return self.visit.app.store.products.list, (filter, cursor, size)

    def product(self, item: Product) -> Product:
        return item

    def columns(self) -> Sequence[str]:
        return "listing.state", "listing.category", "listing.confidence", "listing.added", "listing.action"

    def cells(self, item: Product) -> Sequence[Cell]:
        return (
            partial(theme.state_chip, self.visit, item.state),
            partial(self.category_cell, item),
            partial(theme.confidence_bar, self.visit, item.confidence),
            self.day(item),
            partial(self._change_button, item),
        )

    def nothing(self) -> None:
        text = self.wanted.text.strip()
        if text.isascii() and text.isdigit():
            theme.notice(self.visit.t("find.not_found", id=text), "warn", "search_off")
        elif self.wanted.query:
            theme.empty_state(self.visit, "find.nothing", icon="search_off")
        else:
            theme.empty_state(self.visit, "find.empty")

    def _change_button(self, product: Product) -> None:
        button = ui.button(self.visit.t("find.change_short"), on_click=lambda: self._ask_category(product))
        button.props("outline no-caps dense").classes("px-3").mark(f"change-{product.id}")
        button.props["aria-label"] = self.visit.t("find.change_of", id=product.id)

    def _ask_category(self, product: Product) -> None:
        async def change(code: int, reason: str) -> bool:
            return await self._change(product.id, code, reason)

        t = self.visit.t
        title = t("find.change_of", id=product.id)
        lead = (t("find.now", category=theme.category_name(self.visit, product.category)), t("find.change_hint"))
        # On the page, not in the row that was pressed: a list that is drawn anew must not take the dialog with it.
        with self.visit.client:
            desk.fix_dialog(self.visit, title, t("find.change"), change, lead).open()

    async def _change(self, id: int, code: int, reason: str) -> bool:
        changed = await self.visit.act(self.visit.app.store.reviews.change_category, id, code, reason)
        if changed is None:
            return False
        self.visit.tell("find.changed", id=id, category=theme.category_name(self.visit, changed.category))
        await self.reload()
        return True
