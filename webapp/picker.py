"""A field in which a category is found by a few letters of its name, or by its code, without the mouse."""

import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from rakuten_assets.core.taxonomy import CODES
from webapp import texts
from webapp.auth import Visit

CSS = """
.picker-list { display: flex; flex-direction: column; max-height: 15rem; overflow-y: auto; width: 100%;
  border: 1px solid var(--app-line); border-radius: 8px; }
.picker-list .q-btn { justify-content: flex-start; min-height: 2.25rem; border-radius: 0; text-align: left; }
.picker-list .picker-chosen { background: var(--app-note-ground); color: var(--app-note); font-weight: 600; }
"""


class CategoryPicker:
    """The field and the categories below it: Enter takes the first that fits, and Enter again is `confirmed()`.

    A code that is typed and that no category has is handed on as it is: what is allowed, the store decides.
    """

    def __init__(self, visit: Visit, confirmed: Callable[[], Any], changed: Callable[[], Any] = lambda: None) -> None:
        self.visit, self._confirmed, self._changed = visit, confirmed, changed
        self.chosen: int | None = None
        ui.add_css(CSS)
        ui.label(visit.t("picker.hint")).classes("app-soft app-small")
        self._field = ui.input(visit.t("picker.label"), on_change=self._typed).classes("w-full")
        self._field.props("outlined autofocus autocomplete=off")
        self._field.mark("category-field").on("keydown.enter", self._entered)
        self._said = ui.label().classes("app-small app-soft").props("role=status")
        self._list = ui.element("div").classes("picker-list")
        self._draw()

    @property
    def code(self) -> int | None:
        """The category that was chosen, or the code that was typed; None where there is neither."""
        if self.chosen is not None:
            return self.chosen
        typed = self._text
        return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 9 else None

    def complain(self) -> None:
        """Say that a category is missing."""
        self._said.set_text(self.visit.t("picker.missing"))
        self._field.run_method("focus")

    def focus(self) -> None:
        """Let the next letter be typed here; a dialog is there only after it has opened."""
        self._field.run_method("focus")

    @property
    def _text(self) -> str:
        return str(self._field.value or "").strip()

    def _typed(self) -> None:
        if self.chosen is not None and self._text != texts.category(self.chosen, self.visit.language):
            self.chosen = None
            self._changed()
        self._draw()

    def _entered(self) -> None:
        found = fitting(self._text, self.visit.language)
        if self.chosen is not None or (not found and self.code is not None):
            return self._confirmed()
        if found and self._text:
            self.choose(found[0])
        return None

    def choose(self, code: int) -> None:
        """Take this category."""
        self.chosen = code
        self._field.set_value(texts.category(code, self.visit.language))
        self._draw()
        self._changed()

    def _draw(self) -> None:
        found = fitting(self._text, self.visit.language) if self.chosen is None else [self.chosen]
        shown = found or list(CODES)
        self._said.set_text(self.visit.t("picker.found" if found else "picker.none", count=len(shown)))
        self._list.clear()
        with self._list:
            for code in shown:
                self._option(code)

    def _option(self, code: int) -> None:
        name = texts.category(code, self.visit.language)
        option = ui.button(f"{name} ({code})", color=None, on_click=partial(self.choose, code))
        option.props("flat no-caps align=left").mark(f"category-{code}")
        option.props["aria-pressed"] = "true" if code == self.chosen else "false"
        if code == self.chosen:
            option.classes("picker-chosen")


def fitting(text: str, language: str) -> list[int]:
    """The categories in which each word of `text` begins a word, the names that begin so first; or that code."""
    wanted = _plain(text)
    if not wanted:
        return sorted(CODES, key=lambda code: _plain(texts.category(code, language)))
    if wanted.isdigit():
        return [code for code in CODES if str(code).startswith(wanted)]
    found = [code for code in CODES if _fits(wanted, _plain(texts.category(code, language)))]
    return sorted(found, key=lambda code: not _plain(texts.category(code, language)).startswith(wanted))


def _fits(wanted: str, name: str) -> bool:
    words = name.replace(",", " ").replace("'", " ").split()
    return all(any(word.startswith(part) for word in words) for part in wanted.split())


def _plain(text: str) -> str:
    """Small letters without accents."""
    parts = unicodedata.normalize("NFKD", text.strip().lower())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))
