"""A list of products for administrators: fields above it, pages of rows, a selection, and what is done with it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from nicegui import ui

from rakuten_assets.store.records import Page, Product, ProductFilter
from webapp import desk, texts, theme
from webapp.auth import Visit
from webapp.bulk_actions import BulkActions
from webapp.filters import Filters, Name, Wanted

SIZE = 25

# As many as one person can answer for at once; see `reviews.bulk`.
MOST_SELECTED = 500
GATHERED = 200

CSS = """
.app-bar:empty { display: none; }
.listing-picture { width: 3.5rem; height: 3.5rem; flex: none; object-fit: contain; background: #fff; border-radius: 6px;
  border: 1px solid var(--app-line); }
.listing-product { max-width: 22rem; }
.app-rows td .q-checkbox { margin: -.4rem; }
@media (min-width: 900px) { .listing-bulk { position: sticky; top: 3.75rem; z-index: 5; } }
"""

Item = TypeVar("Item")
Cell = str | Callable[[], Any]


class Listing(ABC, Generic[Item]):
    """The list; what its rows are, and where they come from, its kinds know."""

    fields: Sequence[Name]
    path: str

    def __init__(self, visit: Visit, wanted: Wanted) -> None:
        self.visit, self.wanted = visit, wanted
        self.page: Page[Item] = Page([])
        self.cursor: str | None = None
        self.selected: dict[int, None] = {}
        ui.add_css(CSS)
        Filters(visit, self.fields, wanted, self.ask)
        self._bulk = BulkActions(self)
        self._place = ui.column().classes("w-full gap-4")
        self._aloud = ui.label().classes("sr-only").props("role=status")

    @abstractmethod
    def fetch(self, filter: ProductFilter, cursor: str | None, size: int) -> tuple[Callable[..., Page[Item]], Any]:
        """The store's verb and its arguments."""

    @abstractmethod
    def product(self, item: Item) -> Product:
        """The product of a row."""

    @abstractmethod
    def columns(self) -> Sequence[str]:
        """The keys of the headings, after the selection and the product."""

    @abstractmethod
    def cells(self, item: Item) -> Sequence[Cell]:
        """What stands below them."""

    @abstractmethod
    def nothing(self) -> None:
        """What is shown instead of an empty list."""

    async def open(self) -> None:
        """The first page, while the page is built."""
        verb, args = self.fetch(self.wanted.filter, None, SIZE)
        self.page = await self.visit.read(verb, *args)
        self.draw()

    async def ask(self, wanted: Wanted) -> None:
        """Another list; the address says which, so that the way back leads here."""
        self.wanted = wanted
        self.selected.clear()
        ui.navigate.history.replace(self.path + wanted.query)
        await self.go(None)

    async def go(self, cursor: str | None) -> None:
        """Another page of the list; what is selected stays so."""
        verb, args = self.fetch(self.wanted.filter, cursor, SIZE)
        page = await self.visit.act(verb, *args)
        if page is not None:
            self.page, self.cursor = page, cursor
            self.draw()
            self._aloud.set_text(self.visit.t("listing.updated", count=page.total))

    async def reload(self) -> None:
        """The same page as it is now; the first where nothing is left of it."""
        await self.go(self.cursor)
        if not self.page.items and self.cursor:
            await self.go(None)

    async def everything(self) -> list[int]:
        """The ids of all that the filter lets through, as many as may be selected."""
        ids: list[int] = []
        cursor: str | None = None
        while len(ids) < MOST_SELECTED:
            verb, args = self.fetch(self.wanted.filter, cursor, GATHERED)
            page = await self.visit.act(verb, *args)
            if page is None:
                break
            ids += [self.product(each).id for each in page.items]
            cursor = page.next
            if cursor is None:
                break
        return ids[:MOST_SELECTED]

    def select(self, ids: Sequence[int], chosen: bool = True) -> None:
        """Take the products into the selection, or out of it."""
        for id in ids:
            if chosen and len(self.selected) < MOST_SELECTED:
                self.selected[id] = None
            elif not chosen:
                self.selected.pop(id, None)
        self._bulk.draw()

    def draw(self) -> None:
        """The page of the list."""
        self._place.clear()
        self._bulk.draw()
        with self._place:
            if not self.page.items:
                self.nothing()
                return
            t = self.visit.t
            headings = [t("listing.select"), t("listing.product"), *(t(key) for key in self.columns())]
            theme.table(headings, [self._row(each) for each in self.page.items])
            theme.pager(self.visit, self.page, self.go)

    def _row(self, item: Item) -> list[Cell]:
        product = self.product(item)
        return [partial(self._box, product), partial(self._product, product), *self.cells(item)]

    def _box(self, product: Product) -> None:
        box = ui.checkbox(
            value=product.id in self.selected, on_change=lambda e: self.select([product.id], bool(e.value))
        )
        box.props["aria-label"] = self.visit.t("listing.select_one", id=product.id)
        box.mark(f"select-{product.id}")

    def _product(self, product: Product) -> None:
        with ui.row().classes("items-start gap-3 no-wrap listing-product"):
            if product.image:
                shown = ui.element("img").classes("listing-picture").props("loading=lazy")
                shown.props["src"], shown.props["alt"] = desk.picture_url(product, "thumb"), ""
            with ui.column().classes("gap-0").style("min-width: 0"):
                ui.link(product.designation, f"/products/{product.id}").classes("app-break desk-two-lines")
                about = f"{self.visit.t('listing.id', id=product.id)} · {product.seller}"
                ui.label(about).classes("app-soft app-small app-break")

    def category_cell(self, product: Product) -> None:
        """What it counts as now, and below it what was proposed, where that is something else."""
        with ui.column().classes("gap-0"):
            ui.label(theme.category_name(self.visit, product.category))
            if product.proposed not in (None, product.category):
                proposed = theme.category_name(self.visit, product.proposed)
                ui.label(self.visit.t("listing.proposed", category=proposed)).classes("app-soft app-small")

    def day(self, product: Product) -> str:
        """When it was added."""
        return texts.day(product.created_at, self.visit.language)
