"""The review desk: one product at a time, kept from other administrators meanwhile, judged with the keyboard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nicegui import Client, ui

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Feedback, Page, Product, QueueItem
from rakuten_assets.store.store import Store
from webapp import desk, texts, theme
from webapp.auth import Visit, in_thread, page
from webapp.insight import Insights
from webapp.judgement import Judgement, Ways

if TYPE_CHECKING:
    from rakuten_assets.store.changes import Change

# The head of the queue: enough to see who holds what, and what may come next.
AHEAD = 10

# Pages that wait for work look again after a change, but not for each of many.
PAUSE_SECONDS = 1.0


@page("/review", role="admin")
async def review(visit: Visit, id: str = "") -> None:
    """What is most pressing, or the product `id`."""
    with theme.frame(visit, "desk.title"):
        ui.add_css(desk.CSS)
        await Desk(visit).open(int(id) if id.isascii() and id.isdigit() else None)


@dataclass(frozen=True)
class Turn:
    """What lies on the desk: the claimed product, what was said of it, and the head of the queue behind it."""

    item: QueueItem | None
    said: Sequence[Feedback]
    queue: Page[QueueItem]


def take(actor: Actor, store: Store, id: int | None = None) -> Turn:
    """Claim a product, and read all that the desk shows of it."""
    item = store.reviews.next(actor) if id is None else store.reviews.claim(actor, id)
    said = store.products.history(actor, item.product.id)[1] if item else []
    return Turn(item, said, store.reviews.queue(actor, size=AHEAD))


def judge(actor: Actor, store: Store, verb: Callable[..., Any], *args: Any) -> Turn:
    """Carry out a judgement, and take the next product."""
    verb(actor, *args)
    return take(actor, store)


class Desk:
    """One administrator's desk in one open page."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.store = visit, visit.app.store
        self.insights = Insights(visit.app)
        self.item: QueueItem | None = None
        self._busy, self._looking, self._dealt = False, False, 0
        self._dialog: ui.dialog | None = None
        self._ways = Ways(self._accept, self._ask_category, self._ask_reason, self._skip, self._awake)
        self._head = ui.element("div").classes("app-bar")
        self._last = ui.element("div").classes("app-bar app-small").props("role=status")
        self._table = ui.element("div").classes("w-full")
        self._asking = ui.element("div")
        visit.client.on_delete(self._leave)
        visit.app.live.watch(self._heard)

    async def open(self, id: int | None) -> None:
        """Take the first product."""
        try:
            turn = await self.visit.read(take, self.store, id)
        except Refused as refused:
            with self._last:
                theme.notice(texts.said(refused, self.visit.language), "warn")
            turn = await self.visit.read(take, self.store)
        self._show(turn)

    # What is shown

    def _show(self, turn: Turn) -> None:
        self.item = turn.item
        if self._dialog is not None:
            # What was asked there was about the product before.
            self._dialog.close()
        # Another page of the same person may show the same product: see `_leave`.
        self.visit.client.storage["claim"] = self._claim
        self._draw_head(turn.queue)
        self._table.clear()
        with self._table:
            if turn.item is None:
                key = "desk.empty_for_you" if turn.queue.total else "desk.empty"
                theme.empty_state(self.visit, key, icon="task_alt")
                return
            self._draw(turn.item, turn.said)
        self._look_ahead(turn)

    def _draw_head(self, queue: Page[QueueItem]) -> None:
        t = self.visit.t
        self._head.clear()
        with self._head:
            ui.label(t("desk.waiting_capped" if queue.capped else "desk.waiting", count=queue.total))
            ui.link(t("desk.list"), "/review/queue")
            others = [each for each in queue.items if each.claimed_by and each.product.id != self._id]
            if others:
                names = ", ".join(t("desk.others.one", name=each.claimed_by, id=each.product.id) for each in others)
                ui.label(t("desk.others", names=names)).classes("app-soft app-small")

    def _draw(self, item: QueueItem, said: Sequence[Feedback]) -> None:
        product = item.product
        with ui.element("div").classes("desk"):
            with ui.element("div").classes("desk-side"):
                with ui.element("div").classes("desk-1"):
                    desk.picture(self.visit, product)
                with theme.card("desk-2"):
                    desk.product_text(self.visit, product)
                self._similar = ui.element("section").classes("app-card desk-5")
            with ui.element("div").classes("desk-side"):
                with theme.card("desk-3"):
                    desk.why(self.visit, product, said)
                    Judgement(self.visit, product, self._ways)
                    self._draw_hold(item)
                with theme.card("desk-4"):
                    theme.title_of(self.visit.t("insight.title"))
                    self._insight = ui.column().classes("w-full gap-4")
        self._load_insight(product)

    def _draw_hold(self, item: QueueItem) -> None:
        self._hold = ui.element("div").classes("app-bar app-small")
        if item.claimed_until is None:
            return
        with self._hold:
            ui.label(self.visit.t("desk.held", time=desk.clock(self.visit, item.claimed_until))).classes("app-soft")
        left = (item.claimed_until - datetime.now(UTC)).total_seconds()
        ui.timer(max(left, 0), self._hold_over, once=True)

    def _hold_over(self) -> None:
        self._hold.clear()
        with self._hold:
            theme.notice(self.visit.t("desk.held_over"), "warn")
            ui.button(self.visit.t("desk.hold_again"), on_click=self._hold_again).props("outline no-caps")

    # What is loaded afterwards

    def _load_insight(self, product: Product) -> None:
        self._insight.clear()
        self._similar.set_visibility(False)
        with self._insight:
            with ui.row().classes("items-center gap-3").props("role=status"):
                ui.spinner(size="1.5em").props("aria-hidden=true")
                ui.label(self.visit.t("insight.busy"))
            ui.timer(0, lambda: self._show_insight(product), once=True)

    async def _show_insight(self, product: Product) -> None:
        found = await self.insights.of(product)
        if self._id != product.id:
            return
        self._insight.clear()
        with self._insight:
            desk.show_insight(self.visit, product, found, lambda: self._load_insight(product))
        self._similar.clear()
        self._similar.set_visibility(not found.trouble)
        with self._similar:
            desk.show_similar(self.visit, found.similar)

    def _look_ahead(self, turn: Turn) -> None:
        """Have the picture and the insight of the next product ready when this one is judged."""
        free = [each.product for each in turn.queue.items if not each.claimed_by and each.product.id != self._id]
        if not free:
            return
        with self._table:
            if free[0].image:
                ui.element("img").classes("hidden").props["src"] = desk.picture_url(free[0])

            async def ahead() -> None:
                if turn.item is not None:
                    await self.insights.of(turn.item.product)
                    self.insights.ask(free[0])

            ui.timer(0.1, ahead, once=True)

    # What the administrator does

    async def _accept(self, code: int, reason: str = "") -> bool:
        name = theme.category_name(self.visit, code)
        return await self._judge("accepted", self.store.reviews.accept, code, reason, category=name)

    async def _skip(self) -> None:
        waits = self.item is not None and self.item.product.waiting_for_review
        await self._judge("skipped", self.store.reviews.skip if waits else self.store.reviews.release)

    async def _ask_category(self) -> None:
        t = self.visit.t
        self._ask(lambda: desk.fix_dialog(self.visit, t("desk.fix_title"), t("desk.fix"), self._accept))

    async def _ask_reason(self) -> None:
        t = self.visit.t

        async def reject(reason: str) -> bool:
            return await self._judge("rejected", self.store.reviews.reject, reason)

        self._ask(lambda: desk.reject_dialog(self.visit, t("desk.reject_title"), t("desk.reject"), reject))

    def _ask(self, make: Callable[[], ui.dialog]) -> None:
        self._asking.clear()
        with self._asking:
            self._dialog = make()
        self._dialog.open()

    async def _judge(self, what: str, verb: Callable[..., Any], *args: Any, **params: Any) -> bool:
        """Whether it was done; then the next product lies on the desk."""
        if self.item is None or self._busy:
            return False
        self._busy, id = True, self.item.product.id
        try:
            turn = await self.visit.act(judge, self.store, verb, id, *args)
        finally:
            self._busy = False
        if turn is None:
            return False
        self._dealt += what != "skipped"
        self._say_last(id, self.visit.t(f"desk.done.{what}", **params))
        self._show(turn)
        return True

    def _say_last(self, id: int, what: str) -> None:
        self._last.clear()
        with self._last:
            ui.label(self.visit.t("desk.done", count=self._dealt, id=id, what=what)).classes("app-soft")
            ui.link(self.visit.t("desk.look_again"), f"/review?id={id}")

    async def _hold_again(self) -> None:
        if self._id is not None:
            await self._turn(self._id)

    async def _turn(self, id: int | None) -> None:
        turn = await self.visit.act(take, self.store, id)
        if turn is not None:
            self._show(turn)

    # What others do

    async def _heard(self, change: "Change") -> None:
        if self._busy:
            return
        if self.item is None:
            self._announce()
        elif change.kind == "product" and change.product_id == self._id:
            await self._look_whether_it_is_the_same()

    def _announce(self) -> None:
        """There may be something to do again; who is not there claims nothing, so a person must ask for it."""
        if self._looking:
            return
        self._looking = True

        async def look() -> None:
            self._looking = False
            queue = await self.visit.act(self.store.reviews.queue, None, None, 1)
            if queue is None or self.item is not None or not queue.total:
                return
            self._draw_head(queue)
            self._table.clear()
            with self._table, ui.element("div").classes("app-empty"):
                ui.label(self.visit.t("desk.arrived"))
                start = ui.button(self.visit.t("desk.start"), on_click=lambda: self._turn(None))
                start.props("unelevated no-caps")

        with self._table:
            ui.timer(PAUSE_SECONDS, look, once=True)

    async def _look_whether_it_is_the_same(self) -> None:
        """Its seller may have changed the product or taken it back, or another administrator decided."""
        before = self.item
        if before is None:
            return
        now = await self.visit.act(self.store.products.get, before.product.id)
        if now is None or self.item is not before or _same(now, before.product):
            return
        self.visit.tell("desk.changed", "warning", id=now.id)
        await self._turn(None)

    async def _leave(self) -> None:
        """Who leaves lets the product go, unless another of their pages shows it, as after a reload."""
        claim = self._claim
        others = (each for each in Client.instances.values() if each is not self.visit.client)
        if claim is None or any(each.storage.get("claim") == claim for each in others):
            return
        await in_thread(lambda: self.store.reviews.release(self.visit.actor, claim[1]))

    def _awake(self) -> bool:
        """Whether a key means the product: not while something is asked, or carried out."""
        return self.item is not None and not self._busy and not (self._dialog and self._dialog.value)

    @property
    def _id(self) -> int | None:
        return self.item.product.id if self.item else None

    @property
    def _claim(self) -> tuple[int | None, int] | None:
        return (self.visit.actor.user_id, self.item.product.id) if self.item else None


def _same(one: Product, other: Product) -> bool:
    return (one.revision, one.state, one.category) == (other.revision, other.state, other.category)
