"""How an administrator gives a product another category, whatever its state."""

import re
from collections.abc import Awaitable, Callable

from nicegui import ui

from rakuten_assets.store.errors import Refused
from webapp import texts, theme
from webapp.auth import Visit
from webapp.refusals import or_refused


class ChangeCategory:
    """A field that takes a category's code or its name, and says which ones there are where it is neither."""

    def __init__(self, visit: Visit, product_id: int, changed: Callable[[], Awaitable[None]]) -> None:
        self._visit, self._product_id, self._changed = visit, product_id, changed
        t, options = visit.t, list(theme.category_options(visit).values())
        theme.title_of(t("product.change"))
        with ui.column().classes("w-full gap-3 app-narrow"):
            self._code = ui.input(t("product.change_code"), autocomplete=options).classes("w-full").props("outlined")
            self._reason = ui.input(t("product.change_reason")).classes("w-full").props("outlined")
            ui.button(t("product.change_send"), on_click=self._send).props("unelevated no-caps")
        self._wrong = ui.column().classes("w-full gap-2 empty:hidden")

    async def _send(self) -> None:
        self._wrong.clear()
        typed = str(self._code.value or "").strip()
        code = read_code(typed, self._visit)
        if code is None:
            self._not_allowed(typed)
            return
        change = or_refused(self._visit.app.store.reviews.change_category)
        result = await self._visit.act(change, self._product_id, code, str(self._reason.value or ""))
        if isinstance(result, Refused):
            self._not_allowed(typed) if result.code == "category_not_allowed" else self._visit.refuse(result)
        elif result is not None:
            self._code.value, self._reason.value = "", ""
            self._visit.tell("product.changed", category=theme.category_name(self._visit, code))
            await self._changed()

    def _not_allowed(self, typed: str) -> None:
        with self._wrong:
            theme.notice(self._visit.t("product.not_allowed", typed=typed), "bad")
            with ui.element("ul").classes("q-my-none app-small").style("columns: 16rem; padding-left: 1.25rem"):
                for name in theme.category_options(self._visit).values():
                    with ui.element("li"):
                        ui.label(name)


def read_code(typed: str, visit: Visit) -> int | None:
    """The code that was typed, alone or after a name in brackets, or that belongs to the name; it may not exist."""
    number = re.fullmatch(r"(?:.*\()?([0-9]{1,9})\)?", typed)
    if number:
        return int(number[1])
    names = {name.lower(): code for code, name in texts.CATEGORY_NAMES[visit.language].items()}
    return names.get(typed.lower())
