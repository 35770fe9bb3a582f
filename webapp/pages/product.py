"""The page of one product: for its seller, who decides and edits, and for administrators."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Product
from webapp import history, texts, theme
from webapp.auth import Visit, page
from webapp.change_category import ChangeCategory
from webapp.decision import Decision
from webapp.product_form import ProductForm
from webapp.refusals import or_refused

CSS = """
.product-text { white-space: pre-wrap; overflow-wrap: anywhere; max-width: 70ch; max-height: 24rem; overflow-y: auto; }
.product-picture { width: 100%; max-height: 26rem; object-fit: contain; border-radius: 8px;
  background: var(--app-quiet-ground); }
.product-facts { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0; }
.product-facts dt { color: var(--app-soft); } .product-facts dd { margin: 0; overflow-wrap: anywhere; }
"""


@page("/products/{id}")
async def build(visit: Visit, id: str, edit: str = "") -> None:
    """Everything about one product; another seller's is not found."""
    if not (id.isascii() and id.isdigit()):
        raise Refused("not_found", "product_not_found", id=id)
    product = await visit.read(visit.app.store.products.get, int(id))
    said = await visit.read(visit.app.store.products.history, product.id)
    with theme.frame(visit, "product.title", id=product.id):
        shown = ProductPage(visit, product)
        with shown.history:
            history.show(visit, *said)
        if edit and shown.editable:
            shown.edit()


class ProductPage:
    """One product on its page. It is drawn anew, part by part, whenever the product changes."""

    def __init__(self, visit: Visit, product: Product) -> None:
        self._visit, self._product = visit, product
        ui.add_css(CSS)
        back, path = ("product.back_admin", "/search") if visit.admin else ("product.back", "/products")
        ui.link(visit.t(back), path)
        self._form = ui.column().classes("w-full empty:hidden")
        with ui.row().classes("w-full gap-5 items-start"):
            with ui.column().classes("gap-5").style("flex: 3 1 22rem; min-width: 0"), theme.card():
                self._facts = ui.column().classes("w-full gap-4")
            with ui.column().classes("gap-5").style("flex: 2 1 20rem; min-width: 0"):
                self._beside()
        self._draw_facts()

    @property
    def editable(self) -> bool:
        """Only its seller edits a product, as long as it is for sale."""
        return not self._visit.admin and self._product.state != "withdrawn"

    def edit(self) -> None:
        """Open the form above the product."""
        self._form.clear()
        with self._form:
            _Edit(self._visit, self._product, self._edited)

    def _beside(self) -> None:
        with theme.card():
            self._decision = Decision(self._visit, self._product, self._changed)
        if self._visit.admin:
            with theme.card():
                ChangeCategory(self._visit, self._product.id, self._decision.refresh)
        with theme.card():
            theme.title_of(self._visit.t("product.history"))
            self.history = ui.column().classes("w-full")

    async def _changed(self, product: Product) -> None:
        self._product = product
        self._draw_facts()
        said = await self._visit.act(self._visit.app.store.products.history, product.id)
        if said is not None:
            self.history.clear()
            with self.history:
                history.show(self._visit, *said)

    async def _edited(self) -> None:
        self._form.clear()
        await self._decision.refresh()

    def _draw_facts(self) -> None:
        product, visit = self._product, self._visit
        self._facts.clear()
        with self._facts:
            theme.state_chip(visit, product.state)
            theme.title_of(product.designation).classes("app-break")
            _picture(visit, product)
            if product.description:
                ui.label(product.description).classes("product-text").props("tabindex=0")
            else:
                ui.label(visit.t("product.no_description")).classes("app-soft")
            self._particulars()
            if self.editable:
                self._actions()

    def _particulars(self) -> None:
        product, visit = self._product, self._visit
        rows = [
            ("product.seller", product.seller if visit.admin else ""),
            ("product.reference", product.reference),
            ("product.created", texts.moment(product.created_at, visit.language)),
            ("product.updated", texts.moment(product.updated_at, visit.language)),
        ]
        with ui.element("dl").classes("product-facts app-small"):
            for key, value in rows:
                if value:
                    with ui.element("dt"):
                        ui.label(visit.t(key))
                    with ui.element("dd"):
                        ui.label(value)

    def _actions(self) -> None:
        t = self._visit.t
        with ui.element("div").classes("app-bar"):
            ui.button(t("product.edit"), icon="edit", on_click=self.edit).props("outline no-caps")
            withdraw = ui.button(t("product.withdraw"), icon="undo", color="negative", on_click=self._ask_to_withdraw)
            withdraw.props("flat no-caps")

    def _ask_to_withdraw(self) -> None:
        t = self._visit.t
        with self._form, theme.dialog(t("product.withdraw_title")) as dialog:
            ui.label(t("product.withdraw_hint"))
            with ui.row().classes("justify-end w-full gap-2"):
                ui.button(t("product.cancel"), on_click=dialog.close).props("flat no-caps autofocus")
                yes = ui.button(t("product.withdraw_yes"), color="negative", on_click=lambda: withdraw())
                yes.props("unelevated no-caps")

        async def withdraw() -> None:
            dialog.close()
            if await self._visit.act(_done(self._visit.app.store.products.withdraw), self._product.id):
                self._visit.tell("product.withdrawn", "info")
                await self._edited()

        dialog.open()


class _Edit:
    """The form of a product that is there. It knows the revision that its seller has seen."""

    def __init__(self, visit: Visit, product: Product, saved: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._id, self._revision, self._saved = visit, product.id, product.revision, saved
        t, again = visit.t, product.state == "rejected"
        with theme.card():
            theme.title_of(t("product.edit_title"))
            ui.label(t("product.edit_hint")).classes("app-soft")
            self._said = ui.column().classes("w-full empty:hidden")
            self._form = ProductForm(visit, product)
            with ui.row().classes("gap-2"):
                save = ui.button(t("product.save_again" if again else "product.save"), icon="save", on_click=self._save)
                save.props("unelevated no-caps")
                ui.button(t("product.cancel"), on_click=saved).props("flat no-caps")

    async def _save(self) -> None:
        draft = self._form.draft()
        if draft is None:
            return
        products = self._visit.app.store.products
        result = await self._visit.act(or_refused(products.edit), self._id, draft, self._revision)
        if isinstance(result, Refused):
            await self._refused(result)
        elif result is not None:
            self._visit.tell("product.saved")
            await self._saved()

    async def _refused(self, refused: Refused) -> None:
        """What was typed stays; whoever has seen what is there now may save it over that."""
        if refused.code != "changed_meanwhile":
            self._visit.refuse(refused)
            return
        now = await self._visit.act(self._visit.app.store.products.get, self._id)
        if now is not None:
            self._revision = now.revision
            self._said.clear()
            with self._said:
                theme.notice(self._visit.t("product.conflict"), "bad")
                ui.label(now.designation).classes("font-medium app-break")
                ui.label(now.description).classes("product-text")


def _done(verb: Callable[[Actor, int], None]) -> Callable[[Actor, int], bool]:
    """The verb, which answers nothing, so that its success can be told from a refusal."""

    def done(actor: Actor, id: int) -> bool:
        verb(actor, id)
        return True

    return done


def _picture(visit: Visit, product: Product) -> None:
    if product.image is None:
        ui.label(visit.t("picture.none")).classes("app-soft")
        return
    image = ui.element("img").classes("product-picture")
    image.props["src"] = f"/pictures/{product.id}?size=full&of={product.image[:12]}"
    image.props["alt"] = visit.t("picture.of", designation=product.designation[:200])
