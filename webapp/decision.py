"""A product's category: what the model proposes, and what its seller says to it. It follows the product by itself."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from nicegui import ui

from rakuten_assets.store.records import Candidate, Product
from webapp import theme
from webapp.auth import Visit, in_thread

if TYPE_CHECKING:
    from rakuten_assets.store.changes import Change

RUNNERS_UP = 4

# What would be rounded to nothing is not nothing.
FAINT = 0.005

# How often a page that waits asks whether the prediction service is there.
ASK_SECONDS = 10

UNDECIDED = ("proposed", "to_confirm", "failed")


class Decision:
    """Where the decision about one product is shown and made.

    `changed(product)` is awaited whenever the product is not as it was; an administrator sees, and does nothing here.
    """

    def __init__(self, visit: Visit, product: Product, changed: Callable[[Product], Awaitable[None]]) -> None:
        self.visit, self.product, self._changed = visit, product, changed
        self._aloud = ui.label().classes("sr-only").props("role=status")
        self._choices = ui.column().classes("w-full gap-3").mark("decision")
        self._rating = ui.column().classes("w-full gap-2")
        self._draw()
        self._draw_rating()
        visit.app.live.watch(self._heard, product_id=product.id)

    async def show(self, product: Product) -> None:
        """The product as it is now; what has not changed is left alone, with what somebody is typing there."""
        before, self.product = self.product, product
        if product == before:
            return
        if _decided(product) != _decided(before):
            self._draw()
        if _rated(product) != _rated(before):
            self._draw_rating()
        await self._changed(product)

    async def refresh(self) -> None:
        """Read the product anew."""
        product = await self.visit.act(self.visit.app.store.products.get, self.product.id)
        if product is not None:
            await self.show(product)

    async def _heard(self, change: "Change") -> None:
        # The form for another product may stand in its place by now.
        if not self._choices.is_deleted:
            await self.refresh()

    def _draw(self) -> None:
        product = self.product
        self._choices.clear()
        with self._choices:
            {"waiting": self._waiting, "rejected": self._rejected, "withdrawn": self._withdrawn}.get(
                product.state, self._decided
            )()
        name = theme.category_name(self.visit, product.category)
        self._aloud.set_text(f"{self.visit.t(f'state.{product.state}')} {name if product.category else ''}")

    def _waiting(self) -> None:
        """Stored, and not yet classified; where the service is the reason, that is said."""
        with ui.row().classes("items-center gap-3 no-wrap"):
            ui.spinner(size="1.5em").props("aria-hidden=true")
            said = ui.label(self.visit.t("decision.waiting"))

        async def look() -> None:
            ready = await in_thread(self.visit.app.client.ready)
            # The answer may have come in the meantime.
            if not said.is_deleted:
                said.set_text(self.visit.t("decision.waiting" if ready else "decision.waiting_long"))

        ui.timer(ASK_SECONDS, look)

    def _rejected(self) -> None:
        theme.notice(self.visit.t("decision.rejected"), "bad")
        if self.product.reason:
            ui.label(self.visit.t("decision.rejected_why", reason=self.product.reason)).classes("app-break")
        if not self.visit.admin:
            again = self.visit.t("decision.send_again")
            theme.link_button(again, f"/products/{self.product.id}?edit=1", icon="edit")

    def _withdrawn(self) -> None:
        theme.notice(self.visit.t("decision.withdrawn"), "quiet")

    def _decided(self) -> None:
        """There is a category, or at least somebody who can choose one."""
        if self.product.state in ("to_confirm", "failed"):
            self._why_by_hand()
        self._category()
        if self.visit.admin or self.product.state == "accepted":
            return
        if self.product.state in UNDECIDED:
            self._ways()
        else:
            with ui.expansion(self.visit.t("decision.other")).classes("w-full").props("dense"):
                self._ways()

    def _why_by_hand(self) -> None:
        product, t = self.product, self.visit.t
        why = product.review or "low_confidence"
        if self.visit.admin:
            theme.notice(t(f"review.{why}"), "warn")
        else:
            theme.notice(t(f"decision.because.{why}", confidence=product.confidence), "warn")
        # In the service's own words, which are for those who run it.
        if product.state == "failed" and product.reason and self.visit.admin:
            ui.label(t("decision.failed_why", reason=product.reason)).classes("app-soft app-break")

    def _category(self) -> None:
        product, visit = self.product, self.visit
        if product.category is None:
            return
        state = {"confirmed": "confirmed", "accepted": "accepted"}.get(product.state, "proposed")
        own = "_admin" if visit.admin and state == "confirmed" else ""
        ui.label(visit.t(f"decision.{state}{own}")).classes("app-soft app-small")
        with ui.row().classes("items-center gap-4"):
            ui.label(theme.category_name(visit, product.category)).classes("text-xl font-semibold").mark("category")
            if product.category == product.proposed:
                theme.confidence_bar(visit, product.confidence)
        if product.waiting_for_review and product.state == "confirmed":
            ui.label(visit.t("decision.in_review")).classes("app-soft app-small")

    def _ways(self) -> None:
        """All that the seller can say to the proposal."""
        t, proposed = self.visit.t, self.product.proposed
        if proposed is not None and self.product.category is not None and self.product.state != "confirmed":
            confirm = ui.button(t("decision.confirm"), icon="check", on_click=partial(self._decide, proposed))
            confirm.props("unelevated no-caps").mark("confirm")
        self._runners_up()
        self._any_other()
        ui.button(t("decision.none"), icon="help_outline", on_click=self._ask_what_it_is).props("flat no-caps")

    def _runners_up(self) -> None:
        others = [each for each in _candidates(self.product) if each.code != self.product.category][:RUNNERS_UP]
        if not others:
            return
        ui.label(self.visit.t("decision.or")).classes("app-soft app-small")
        with ui.row().classes("gap-2"):
            for each in others:
                button = ui.button(named(self.visit, each), on_click=partial(self._decide, each.code))
                button.props("outline no-caps").mark(f"runner-up-{each.code}")

    def _any_other(self) -> None:
        t = self.visit.t
        with ui.row().classes("w-full items-center gap-2"):
            select = ui.select(theme.category_options(self.visit), label=t("decision.other"), with_input=True)
            select.classes("grow").props("outlined dense options-dense").style("min-width: 15rem")
            button = ui.button(t("decision.choose"), on_click=lambda: self._decide(select.value))
            button.props("outline no-caps").bind_enabled_from(select, "value", backward=lambda code: code is not None)

    async def _decide(self, code: int | None) -> None:
        if code is None:
            return
        if await self.visit.act(self.visit.app.store.products.decide, self.product.id, code) is not None:
            self.visit.tell("decision.saved", category=theme.category_name(self.visit, code))
            await self.refresh()

    def _ask_what_it_is(self) -> None:
        t = self.visit.t
        with self._choices, theme.dialog(t("decision.none_title")) as dialog:
            ui.label(t("decision.none_hint"))
            comment = ui.textarea(t("decision.none_comment")).props("outlined autogrow autofocus").classes("w-full")
            with ui.row().classes("justify-end w-full gap-2"):
                ui.button(t("product.cancel"), on_click=dialog.close).props("flat no-caps")
                ui.button(t("decision.none_send"), on_click=lambda: send()).props("unelevated no-caps")

        async def send() -> None:
            dialog.close()
            said = str(comment.value or "")
            if await self.visit.act(self.visit.app.store.products.no_category, self.product.id, said) is not None:
                self.visit.tell("decision.none_sent")
                await self.refresh()

        dialog.open()

    def _draw_rating(self) -> None:
        self._rating.clear()
        if self.visit.admin or self.product.prediction is None or self.product.state == "withdrawn":
            return
        with self._rating:
            ui.separator()
            _Rating(self)


class _Rating:
    """What the seller thinks of the proposal, from 1 to 5, with a comment."""

    def __init__(self, decision: Decision) -> None:
        self._decision, t = decision, decision.visit.t
        ui.label(t("rating.title")).classes("font-medium")
        self._stars = ui.rating(value=decision.product.rating or 0, icon="star_border", icon_selected="star", size="md")
        self._stars.props["aria-label"] = t("rating.label")
        self._comment = ui.input(t("rating.comment")).classes("w-full").props("outlined dense")
        ui.button(t("rating.send"), on_click=self._send).props("outline no-caps")

    async def _send(self) -> None:
        visit, stars = self._decision.visit, int(self._stars.value or 0)
        if not stars:
            visit.tell("rating.missing", "warning")
            return
        rate, said = visit.app.store.products.rate, str(self._comment.value or "")
        if await visit.act(rate, self._decision.product.id, stars, said) is not None:
            visit.tell("rating.thanks")
            await self._decision.refresh()


def named(visit: Visit, candidate: Candidate) -> str:
    """A category that the model thinks of, and how sure it is."""
    key = "decision.runner_up" if candidate.confidence >= FAINT else "decision.faint"
    name = theme.category_name(visit, candidate.code)
    return visit.t(key, category=name, confidence=candidate.confidence)


def _candidates(product: Product) -> list[Candidate]:
    return list(product.prediction.candidates) if product.prediction else []


def _decided(product: Product) -> tuple[Any, ...]:
    """What the choices show."""
    asked = product.prediction.id if product.prediction else None
    return (product.state, product.category, product.review, product.reason, product.waiting_for_review, asked)


def _rated(product: Product) -> tuple[Any, ...]:
    """What the rating shows."""
    return product.rating, product.prediction is None, product.state == "withdrawn"
