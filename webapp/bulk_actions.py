"""One action on many selected products: asked for once, done in portions, with a result for each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from nicegui import ui

from rakuten_assets.store.errors import Refused
from webapp import desk, texts, theme

if TYPE_CHECKING:
    from webapp.listing import Listing

Action = Literal["accept", "fix", "reject"]

# So much is done between two steps of the progress bar.
PORTION = 25


class BulkActions:
    """The bar above a list: what is selected, and what can be done with it."""

    def __init__(self, listing: "Listing[Any]") -> None:
        self.listing, self.visit = listing, listing.visit
        self._bar = ui.element("div").classes("app-bar listing-bulk")

    def draw(self) -> None:
        """The bar, as the selection is now."""
        t, count = self.visit.t, len(self.listing.selected)
        self._bar.clear()
        if not self.listing.page.items:
            return
        with self._bar, theme.card("py-3"), ui.element("div").classes("app-bar"):
            text = t("bulk.selected", count=count) if count else t("bulk.none")
            ui.label(text).classes("font-medium").props("role=status")
            self._button("page", "checklist", self._select_page)
            if self.listing.page.next or self.listing.page.previous:
                self._button("all", "done_all", self._select_everything)
            if count:
                self._button("clear", "close", self._clear)
                ui.space()
                for action, icon in (("accept", "check"), ("fix", "edit"), ("reject", "block")):
                    button = ui.button(t(f"bulk.{action}"), icon=icon, on_click=getattr(self, f"_ask_{action}"))
                    button.props("unelevated no-caps dense" if action == "accept" else "outline no-caps dense")
                    button.classes("px-3").mark(f"bulk-{action}")

    def _button(self, word: str, icon: str, way: Any) -> None:
        from webapp.listing import MOST_SELECTED

        text = self.visit.t(f"bulk.{word}", most=MOST_SELECTED)
        ui.button(text, icon=icon, on_click=way).props("flat no-caps dense").classes("px-2")

    def _select_page(self) -> None:
        self.listing.select([self.listing.product(each).id for each in self.listing.page.items])
        self.listing.draw()

    async def _select_everything(self) -> None:
        self.listing.select(await self.listing.everything())
        self.listing.draw()

    def _clear(self) -> None:
        self.listing.selected.clear()
        self.listing.draw()

    def _ask_accept(self) -> None:
        t = self.visit.t
        with self._bar, theme.dialog(t("bulk.accept_title", count=len(self.listing.selected))) as dialog:
            ui.label(t("bulk.accept_hint"))

            async def accept() -> None:
                dialog.close()
                await self._run("accept")

            with ui.row().classes("w-full justify-end gap-2"):
                ui.button(t("app.cancel"), on_click=dialog.close).props("flat no-caps")
                ui.button(t("bulk.accept"), on_click=accept).props("unelevated no-caps autofocus").mark("confirm")
        dialog.open()

    def _ask_fix(self) -> None:
        async def fix(code: int, reason: str) -> bool:
            return await self._run("fix", code, reason)

        title = self.visit.t("bulk.fix_title", count=len(self.listing.selected))
        with self._bar:
            desk.fix_dialog(self.visit, title, self.visit.t("desk.fix"), fix).open()

    def _ask_reject(self) -> None:
        async def reject(reason: str) -> bool:
            return await self._run("reject", None, reason)

        title = self.visit.t("bulk.reject_title", count=len(self.listing.selected))
        with self._bar:
            desk.reject_dialog(self.visit, title, self.visit.t("bulk.reject"), reject).open()

    async def _run(self, action: Action, code: int | None = None, reason: str = "") -> bool:
        """Whether it began: portion by portion, until all is done or the store refuses the whole."""
        ids = list(self.listing.selected)
        progress = Progress(self.listing, len(ids))
        for start in range(0, len(ids), PORTION):
            portion = ids[start : start + PORTION]
            bulk = self.visit.app.store.reviews.bulk
            result = await self.visit.act(bulk, portion, action, code, reason)
            if result is None:
                break
            progress.add(portion, result.refused)
        if not progress.done:
            progress.close()
            return False
        progress.finish(len(ids))
        return True


class Progress:
    """A dialog with a bar, and in the end a line for each product."""

    def __init__(self, listing: "Listing[Any]", total: int) -> None:
        self.listing, self.visit, self.total = listing, listing.visit, total
        self.done: dict[int, str] = {}
        with self.visit.client.layout, theme.dialog(self.visit.t("bulk.results")) as self._dialog:
            self._said = ui.label().props("role=status")
            self._bar = ui.linear_progress(value=0, show_value=False).props("rounded size=10px")
            self._place = ui.column().classes("w-full gap-3")
        self._dialog.props("persistent")
        self._step()
        self._dialog.open()

    def add(self, ids: Sequence[int], refused: Sequence[tuple[int, str]]) -> None:
        """Another portion is done."""
        why = dict(refused)
        self.done |= {id: why.get(id, "") for id in ids}
        self._step()

    def close(self) -> None:
        """Nothing was done."""
        self._dialog.close()

    def finish(self, asked: int) -> None:
        """What became of each."""
        t, refused = self.visit.t, sum(1 for code in self.done.values() if code)
        self._said.set_text(t("bulk.result", done=len(self.done) - refused, refused=refused))
        with self._place:
            if asked > len(self.done):
                theme.notice(t("bulk.stopped", left=asked - len(self.done)), "bad")
            with ui.element("div").style("max-height: 50vh; overflow-y: auto; width: 100%"):
                self._results()
            with ui.row().classes("w-full justify-end"):
                ui.button(t("app.close"), on_click=self._end).props("unelevated no-caps autofocus").mark("close")

    def _step(self) -> None:
        self._bar.set_value(len(self.done) / max(self.total, 1))
        self._said.set_text(self.visit.t("bulk.progress", done=len(self.done), total=self.total))

    def _results(self) -> None:
        """The refused first: they need a person."""
        t = self.visit.t
        rows = [
            [t("listing.id", id=id), self._sentence(code)]
            for id, code in sorted(self.done.items(), key=lambda each: not each[1])
        ]
        theme.table([t("listing.product"), t("bulk.result_of")], rows)

    def _sentence(self, code: str) -> str:
        if not code:
            return self.visit.t("bulk.done_one")
        # Who it is stands in the list; the result has the code alone.
        if code == "claimed":
            return self.visit.t("bulk.claimed")
        return texts.said(Refused("conflict", code), self.visit.language)

    async def _end(self) -> None:
        self._dialog.close()
        self.listing.selected.clear()
        await self.listing.reload()
