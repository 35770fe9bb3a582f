"""The page where a seller submits a product, and sees and decides its category without leaving it."""

from uuid import uuid4

from nicegui import ui

from rakuten_assets.store.records import Product
from webapp import metrics, theme
from webapp.auth import Visit, page
from webapp.decision import Decision
from webapp.product_form import ProductForm


@page("/submit", role="seller")
def build(visit: Visit) -> None:
    """The form; once it is sent, the product with its decision in its place."""
    with theme.frame(visit, "submit.title"):
        Submission(visit, ui.column().classes("w-full gap-4"))


class Submission:
    """One product on its way in."""

    def __init__(self, visit: Visit, place: ui.column) -> None:
        self._visit, self._place = visit, place
        self._ask()

    def _ask(self) -> None:
        """An empty form. Its key makes one product of it, however often it is sent."""
        self._key, t = uuid4().hex, self._visit.t
        self._place.clear()
        with self._place:
            ui.label(t("submit.lead"))
            with theme.card():
                self._form = ProductForm(self._visit)
                self._button = ui.button(t("submit.send"), icon="send", on_click=self._send)
                self._button.props("unelevated no-caps").classes("self-start")
            ui.link(t("submit.import_instead"), "/imports")

    async def _send(self) -> None:
        draft = self._form.draft()
        if draft is None:
            return
        self._button.disable()
        product = await self._visit.act(self._visit.app.store.products.submit, draft, self._key)
        self._button.enable()
        if product is not None:
            metrics.SUBMISSIONS.labels("form").inc()
            await self._sent(product)

    async def _sent(self, product: Product) -> None:
        t = self._visit.t
        self._place.clear()
        with self._place:
            theme.notice(t("submit.sent", id=product.id), "good")
            with theme.card("submit-result"), ui.row().classes("w-full gap-6 items-start"):
                _picture(self._visit, product)
                with ui.column().classes("grow gap-3").style("flex-basis: 20rem; min-width: 0"):
                    theme.title_of(product.designation).classes("app-break")
                    self._state = ui.row()
                    Decision(self._visit, product, self._show_state)
            with ui.row().classes("gap-3"):
                ui.button(t("submit.another"), icon="add", on_click=self._ask).props("unelevated no-caps")
                theme.link_button(t("submit.open"), f"/products/{product.id}", flat=True)
        await self._show_state(product)

    async def _show_state(self, product: Product) -> None:
        self._state.clear()
        with self._state:
            theme.state_chip(self._visit, product.state)


def _picture(visit: Visit, product: Product) -> None:
    if product.image:
        image = (
            ui.element("img").classes("picture-preview").style("max-width: min(100%, 16rem); align-self: flex-start")
        )
        image.props["src"] = f"/pictures/{product.id}?size=thumb"
        image.props["alt"] = visit.t("picture.of", designation=product.designation[:200])
