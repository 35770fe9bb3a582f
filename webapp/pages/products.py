"""The list of a seller's own products: filtered, searched and paged, and as fresh as the database."""

from functools import partial
from typing import get_args
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element

from rakuten_assets.store.base import COUNTED
from rakuten_assets.store.records import Page, Product, ProductFilter, State
from webapp import texts, theme
from webapp.auth import Visit, page
from webapp.soon import Soon

CSS = """
.products-list > * { width: 100%; }
.products-row { display: grid; grid-template-columns: 3.5rem 1fr auto; gap: .5rem 1rem; align-items: center;
  padding: .75rem 1rem; color: var(--app-text); text-decoration: none; border-bottom: 1px solid var(--app-line); }
.products-row:hover { background: var(--app-quiet-ground); }
.products-list > :last-child .products-row { border-bottom: none; }
.products-thumb { width: 3.5rem; height: 3.5rem; border-radius: 8px; object-fit: cover;
  background: var(--app-quiet-ground); }
.products-title { font-weight: 500; overflow-wrap: anywhere; display: -webkit-box; -webkit-line-clamp: 2;
  -webkit-box-orient: vertical; overflow: hidden; }
@media (max-width: 599px) {
  .products-row { grid-template-columns: 3.5rem 1fr; }
  .products-row > .app-chip { grid-column: 2; justify-self: start; }
}
"""


@page("/products", role="seller")
async def build(visit: Visit, state: str = "", q: str = "", category: str = "", cursor: str = "") -> None:
    """My products; the address says what is filtered, so that it can be kept and gone back to."""
    states = (state,) if state in get_args(State) else ()
    code = int(category) if category.isascii() and category.isdigit() else None
    shown = MyProducts(visit, ProductFilter(q, states, code), cursor)  # type: ignore[arg-type]
    with theme.frame(visit, "products.title"):
        await shown.draw()


class MyProducts:
    """The list as its seller has filtered it."""

    def __init__(self, visit: Visit, filter: ProductFilter, cursor: str) -> None:
        self._visit, self._filter, self._cursor = visit, filter, cursor
        self._store = visit.app.store.products
        self._rows: dict[int, tuple[Product, Element]] = {}

    async def draw(self) -> None:
        """Everything, for the first time."""
        ui.add_css(CSS)
        page = await self._visit.read(self._store.list, self._filter, self._cursor or None)
        counts = await self._visit.read(self._store.counts)
        self._links()
        self._states = ui.element("div").classes("app-bar").props("role=group")
        self._states.props["aria-label"] = self._visit.t("products.states")
        self._fields()
        self._list = ui.column().classes("w-full gap-4")
        self._show(counts, page)
        about_products = Soon(self._refresh, lambda change: change.kind == "product")
        self._visit.app.live.watch(about_products, seller_id=self._visit.actor.user_id)

    def _links(self) -> None:
        with ui.element("div").classes("app-bar"):
            theme.link_button(self._visit.t("products.submit"), "/submit", icon="add_a_photo")
            theme.link_button(self._visit.t("products.import"), "/imports", icon="upload_file", flat=True)

    def _fields(self) -> None:
        t = self._visit.t
        with ui.element("div").classes("app-bar"):
            search = ui.input(t("products.search"), value=self._filter.text).classes("grow")
            search.props("outlined dense clearable debounce=400 type=search").style("min-width: min(20rem, 100%)")
            with search.add_slot("prepend"):
                ui.icon("search").props("aria-hidden=true")
            options = theme.category_options(self._visit)
            chosen = self._filter.category if self._filter.category in options else None
            select = ui.select(options, label=t("products.category"), value=chosen, with_input=True, clearable=True)
            select.classes("grow").props("outlined dense options-dense").style("min-width: min(16rem, 100%)")
        search.on_value_change(lambda event: self._narrow(text=event.value or ""))
        select.on_value_change(lambda event: self._narrow(category=event.value))

    async def _narrow(self, **changed: object) -> None:
        self._filter = ProductFilter(**{**vars(self._filter), **changed})
        await self._go("")

    async def _go(self, cursor: str) -> None:
        self._cursor = cursor
        ui.navigate.history.replace(self._address())
        await self._refresh()

    def _address(self) -> str:
        kept = {
            "state": next(iter(self._filter.states), ""),
            "q": self._filter.text,
            "category": self._filter.category or "",
            "cursor": self._cursor,
        }
        given = {name: value for name, value in kept.items() if value}
        return f"/products?{urlencode(given)}" if given else "/products"

    async def _refresh(self) -> None:
        page = await self._visit.act(self._store.list, self._filter, self._cursor or None)
        counts = await self._visit.act(self._store.counts)
        if page is not None and counts is not None:
            self._show(counts, page)

    def _show(self, counts: dict[State, int], page: Page[Product]) -> None:
        self._show_states(counts)
        if self._rows and [product.id for product in page.items] == list(self._rows):
            self._renew(page)
        else:
            self._show_rows(page, empty=not sum(counts.values()))

    def _show_states(self, counts: dict[State, int]) -> None:
        """One filter a state that there is; `All` takes the filter off."""
        chosen = next(iter(self._filter.states), None)
        self._states.clear()
        with self._states:
            self._state_button(self._visit.t("products.all"), None, chosen is None)
            for state in get_args(State):
                if counts.get(state) or state == chosen:
                    self._state_button(self._counted(state, counts.get(state, 0)), state, state == chosen)

    def _counted(self, state: State, count: int) -> str:
        key = "products.many" if count >= COUNTED else "products.count"
        return self._visit.t(key, state=self._visit.t(f"state.{state}"), count=count)

    def _state_button(self, text: str, state: State | None, chosen: bool) -> None:
        button = ui.button(text, on_click=partial(self._narrow, states=(state,) if state else ()))
        button.props("unelevated no-caps rounded dense" if chosen else "outline no-caps rounded dense").classes("px-3")
        button.props["aria-pressed"] = "true" if chosen else "false"
        button.mark(f"state-{state or 'all'}")

    def _show_rows(self, page: Page[Product], empty: bool) -> None:
        self._list.clear()
        self._rows = {}
        with self._list:
            if not page.items:
                self._nothing(empty)
                return
            with ui.element("div").classes("app-card products-list").style("padding: 0; gap: 0").props("role=list"):
                for product in page.items:
                    with ui.element("div").props("role=listitem") as place:
                        self._row(product)
                    self._rows[product.id] = (product, place)
            theme.pager(self._visit, page, self._go)

    def _renew(self, page: Page[Product]) -> None:
        """The same products in the same order: only what changed is drawn anew, and the focus stays."""
        for product in page.items:
            before, place = self._rows[product.id]
            if product != before:
                place.clear()
                with place:
                    self._row(product)
                self._rows[product.id] = (product, place)

    def _nothing(self, empty: bool) -> None:
        if empty:
            key, action, href = "products.empty", "products.submit", "/submit"
        else:
            key, action, href = "products.nothing", "products.clear", "/products"
        theme.empty_state(self._visit, key, action=action, href=href)

    def _row(self, product: Product) -> None:
        visit = self._visit
        with ui.link(target=f"/products/{product.id}").classes("products-row app-plain"):
            _thumbnail(product)
            with ui.column().classes("gap-1").style("min-width: 0"):
                ui.label(product.designation).classes("products-title")
                with ui.row().classes("gap-x-4 gap-y-1 items-center"):
                    ui.label(self._category(product)).classes("app-soft app-small")
                    if product.category is not None and product.category == product.proposed:
                        theme.confidence_bar(visit, product.confidence)
                when = visit.t("products.rest", when=texts.ago(product.updated_at, visit.language))
                ui.label(when).classes("app-soft app-small")
            theme.state_chip(visit, product.state)

    def _category(self, product: Product) -> str:
        if product.category is None:
            return self._visit.t("products.no_category")
        return theme.category_name(self._visit, product.category)


def _thumbnail(product: Product) -> None:
    """Beside its title a picture has nothing to say to those who do not see it."""
    if product.image:
        image = ui.element("img").classes("products-thumb").props('loading=lazy alt=""')
        image.props["src"] = f"/pictures/{product.id}?size=thumb&of={product.image[:12]}"
    else:
        with ui.element("div").classes("products-thumb flex items-center justify-center"):
            ui.icon("image_not_supported").props("aria-hidden=true")
