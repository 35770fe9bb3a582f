"""One theme: the frame around every page, and the small things that pages are made of.

A page stands inside `with theme.frame(visit, "title.key"):`. Every part below takes the visit first, for its language.
Classes for a page's own elements: `app-card`, `app-bar` (a row that wraps), `app-soft` (quieter text), `app-small`,
`app-break` (long words), `app-notice` with a tone (`app-good`, `app-warn`, `app-bad`, `app-note`, `app-quiet`),
`app-wide` and `app-tight` (only on wide or only on narrow screens), `app-narrow` (a form's width).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from rakuten_assets.store.records import Page, State
from webapp import texts
from webapp.auth import DARK_COOKIE, LANGUAGE_COOKIE
from webapp.visit import HOME, SIGN_IN, Visit

Tone = Literal["good", "warn", "bad", "note", "quiet"]

CSS = (Path(__file__).parent / "theme.css").read_text(encoding="utf-8")

NAVIGATION: dict[str, tuple[tuple[str, str, str], ...]] = {
    "seller": (
        ("nav.submit", "/submit", "add_a_photo"),
        ("nav.products", "/products", "inventory_2"),
        ("nav.imports", "/imports", "upload_file"),
        ("nav.try", "/try", "science"),
    ),
    "admin": (
        ("nav.review", "/review", "fact_check"),
        ("nav.search", "/search", "search"),
        ("nav.model", "/model", "insights"),
        ("nav.audit", "/audit", "history"),
        ("nav.users", "/users", "group"),
        ("nav.try", "/try", "science"),
    ),
}

STATES: dict[State, tuple[Tone, str]] = {
    "waiting": ("quiet", "hourglass_empty"),
    "proposed": ("note", "lightbulb"),
    "to_confirm": ("warn", "help"),
    "confirmed": ("good", "check"),
    "accepted": ("good", "verified"),
    "rejected": ("bad", "block"),
    "withdrawn": ("quiet", "undo"),
    "failed": ("bad", "error"),
}

LANGUAGES = {"fr": "Français", "en": "English"}

YEAR_SECONDS = 365 * 24 * 3600


@contextmanager
def frame(visit: Visit, title: str, *, heading: bool = True, **params: Any) -> Iterator[Element]:
    """The page's frame; `title` is the key of the document's title, and of the heading where there is one."""
    text = visit.t(title, **params)
    visit.client.title = f"{text} · {visit.t('app.title')}"
    ui.add_head_html(f"<style>{CSS}</style>")
    visit.client.content.classes("p-0 gap-0")
    dark = ui.dark_mode(visit.dark)
    _header(visit, dark)
    with ui.element("main").classes("app-main").props('tabindex="-1"') as main:
        if heading:
            title_of(text, 1)
    ui.skip_link(visit.t("app.skip"), target=main)
    visit.busy = _busy(visit)
    with main:
        yield main


def title_of(text: str, level: int = 2) -> Element:
    """A heading, of the document's outline as well as of its looks."""
    return _Text(f"h{level}", text)


@contextmanager
def card(classes: str = "") -> Iterator[Element]:
    """A surface for what belongs together."""
    with ui.element("section").classes(f"app-card {classes}") as element:
        yield element


def chip(text: str, tone: Tone = "quiet", icon: str = "") -> Element:
    """A short word on a coloured ground."""
    with ui.element("span").classes(f"app-chip app-{tone}") as element:
        if icon:
            ui.icon(icon).props("aria-hidden=true")
        _Text("span", text)
    return element


def state_chip(visit: Visit, state: State) -> Element:
    """Where a product stands."""
    tone, icon = STATES[state]
    return chip(visit.t(f"state.{state}"), tone, icon)


def category_name(visit: Visit, code: int | None, *, with_code: bool = False) -> str:
    """What people call a category, on request followed by its code."""
    name = texts.category(code, visit.language)
    return f"{name} ({code})" if with_code and code is not None else name


def category_options(visit: Visit) -> dict[int, str]:
    """All categories for a `ui.select`, in the order of their names; the code can be searched for as well."""
    names = texts.CATEGORY_NAMES[visit.language]
    return {code: f"{names[code]} ({code})" for code in sorted(names, key=lambda code: names[code].lower())}


def confidence_bar(visit: Visit, confidence: float | None) -> Element:
    """How sure the model is, as a bar and a number."""
    with ui.element("span").classes("app-confidence") as element:
        if confidence is not None:
            with ui.element("span").classes("app-track").props("aria-hidden=true"):
                ui.element("div").style(f"width: {confidence:.0%}")
            number = _Text("span", texts.percent(confidence, visit.language)).classes("app-digits")
            number.props["title"] = visit.t("confidence.label", share=confidence)
        else:
            _Text("span", "–")
    return element


def empty_state(visit: Visit, key: str, *, icon: str = "inbox", action: str = "", href: str = "") -> Element:
    """What a list says that is empty: `key` is the sentence, `action` the key of the button that leads to `href`."""
    with ui.element("div").classes("app-empty") as element:
        ui.icon(icon).props("aria-hidden=true")
        ui.label(visit.t(key))
        if action:
            link_button(visit.t(action), href)
    return element


def link_button(text: str, href: str, *, icon: str = "", flat: bool = False) -> Element:
    """A link that looks like a button, and can be opened in another tab like any link."""
    button = ui.button(text, icon=icon or None).props("no-caps")
    button.props["href"] = href
    return button.props("outline" if flat else "unelevated")


def notice(text: str, tone: Tone = "note", icon: str = "") -> Element:
    """A message that stays on the page; a bad one is read out at once."""
    with ui.element("div").classes(f"app-notice app-{tone}") as element:
        element.props["role"] = "alert" if tone == "bad" else "status"
        ui.icon(icon or {"good": "check_circle", "warn": "warning", "bad": "error"}.get(tone, "info")).props(
            "size=sm aria-hidden=true"
        )
        ui.label(text).classes("app-break")
    return element


def pager(visit: Visit, page: Page[Any], go: Callable[[str], Any]) -> Element:
    """How much there is, and the ways to the next and the previous part: `go` is handed the cursor."""
    with ui.element("nav").classes("app-bar") as element:
        element.props["aria-label"] = visit.t("pager.label")
        key = "pager.capped" if page.capped else "pager.total"
        ui.label(visit.t(key, count=page.total)).classes("app-soft app-small")
        ui.space()
        for name, icon, cursor in (
            ("previous", "chevron_left", page.previous),
            ("next", "chevron_right", page.next),
        ):
            if page.next or page.previous:
                _pager_button(visit.t(f"pager.{name}"), icon, cursor, go)
    return element


@contextmanager
def form(classes: str = "app-narrow") -> Iterator[Element]:
    """Fields whose last button, of type submit, is pressed by Enter too; the browser itself sends nothing."""
    with ui.element("form").classes(f"w-full flex flex-col items-start gap-4 {classes}") as element:
        element.on("submit", js_handler="(event) => event.preventDefault()")
        yield element


@contextmanager
def dialog(title: str) -> Iterator[ui.dialog]:
    """A dialog with a heading; open it with `.open()`, or await it for what was submitted."""
    with ui.dialog() as element, ui.element("div").classes("app-dialog"):
        element.props["aria-label"] = title
        title_of(title)
        yield element


def dialog_buttons(
    visit: Visit, dialog: ui.dialog, text: str, on_click: Callable[[], Any], *, color: str = "primary"
) -> None:
    """The end of a dialog: the way out, and what it is about."""
    with ui.element("div").classes("app-bar justify-end"):
        ui.button(visit.t("app.cancel"), on_click=dialog.close).props("outline")
        ui.button(text, on_click=on_click, color=color).props("unelevated").mark("do-it")


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Callable[[], Any]]]) -> Element:
    """A table whose cells are texts, or functions that build them; on a telephone each row is a list."""
    with (
        ui.element("div").classes("app-scroll app-card"),
        ui.element("table").classes("app-rows app-stack") as table,
    ):
        with ui.element("thead"), ui.element("tr"):
            for heading in headings:
                _Text("th", heading).props("scope=col")
        with ui.element("tbody"):
            for row in rows:
                _row(headings, row)
    return table


def address(path: str, **query: str | int | None) -> str:
    """A path of this site with what is set of the query."""
    filled = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(filled)}" if filled else path


def problem(visit: Visit, kind: str, sentence: str = "") -> None:
    """The page instead of a page: `kind` is forbidden, not_found or failed."""
    kind = kind if kind in ("forbidden", "not_found") else "failed"
    with frame(visit, f"page.{kind}"):
        ui.label(sentence or visit.t(f"page.{kind}.hint")).classes("app-soft")
        link_button(visit.t("app.home"), HOME.get(visit.actor.role, SIGN_IN))


class _Text(TextElement):
    """An element of HTML that holds a text and nothing else."""

    def __init__(self, tag: str, text: str) -> None:
        super().__init__(tag=tag, text=text)


def _busy(visit: Visit) -> Element:
    """What is seen and read out while an action takes its time."""
    with ui.element("div").classes("app-busy").props("role=status").mark("busy") as element:
        ui.spinner(size="1.25em", color=None).props("aria-hidden=true")
        _Text("span", visit.t("app.busy"))
    element.set_visibility(False)
    return element


def _row(headings: Sequence[str], cells: Sequence[str | Callable[[], Any]]) -> None:
    with ui.element("tr"):
        for heading, cell in zip(headings, cells, strict=True):
            with ui.element("td") as element:
                element.props["data-label"] = heading
                ui.label(cell).classes("app-break") if isinstance(cell, str) else cell()


def _pager_button(text: str, icon: str, cursor: str | None, go: Callable[[str], Any]) -> None:
    button = ui.button(text, icon=icon, on_click=lambda: go(cursor or "")).props("outline no-caps")
    button.set_enabled(cursor is not None)


def _header(visit: Visit, dark: ui.dark_mode) -> None:
    with ui.header().classes("app-header").props("role=banner"):
        if visit.signed_in:
            _narrow_navigation(visit)
        ui.link(visit.t("app.title"), HOME.get(visit.actor.role, SIGN_IN)).classes("app-brand")
        if visit.signed_in:
            _wide_navigation(visit)
        ui.space()
        _language_switch(visit)
        _dark_switch(visit, dark)
        if visit.signed_in:
            _account_menu(visit)


def _wide_navigation(visit: Visit) -> None:
    with ui.element("nav").classes("app-nav app-wide") as nav:
        nav.props["aria-label"] = visit.t("app.navigation")
        for key, path, _ in NAVIGATION[visit.actor.role]:
            _current(visit, ui.link(visit.t(key), path), path)


def _narrow_navigation(visit: Visit) -> None:
    with _header_button("menu", visit.t("app.menu")).classes("app-tight"), ui.menu():
        for key, path, icon in NAVIGATION[visit.actor.role]:
            _menu_link(visit, visit.t(key), path, icon)


def _account_menu(visit: Visit) -> None:
    with _header_button("account_circle", visit.t("app.account_menu", name=visit.actor.name)), ui.menu():
        ui.label(visit.actor.name).classes("px-4 pt-3 font-medium")
        ui.label(visit.actor.email).classes("px-4 pb-2 app-soft app-small")
        ui.separator()
        _menu_link(visit, visit.t("nav.account"), "/account", "manage_accounts")
        form = ui.element("form").props("method=post action=/sign-out")
        with form, ui.element("button").classes("app-menu-item").props("type=submit"):
            ui.icon("logout").props("aria-hidden=true")
            _Text("span", visit.t("nav.sign_out"))


def _menu_link(visit: Visit, text: str, path: str, icon: str) -> None:
    with ui.link(target=path).classes("app-menu-item") as link:
        ui.icon(icon).props("aria-hidden=true")
        _Text("span", text)
    _current(visit, link, path)


def _current(visit: Visit, link: ui.link, path: str) -> None:
    here = visit.request.url.path
    if here == path or here.startswith(f"{path}/"):
        link.props["aria-current"] = "page"


def _header_button(icon: str, label: str, **options: Any) -> ui.button:
    button = ui.button(icon=icon, color=None, **options).props("flat round")
    button.props.update({"aria-label": label, "title": label})
    return button


async def switch_language(visit: Visit, language: str) -> None:
    """Another language from the next page on, in this account and in this browser."""
    if not visit.signed_in or await visit.do(visit.app.store.accounts.set_language, language):
        ui.run_javascript(f"{_cookie(LANGUAGE_COOKIE, language)}; location.reload()")


def _language_switch(visit: Visit) -> None:
    other = "en" if visit.language == "fr" else "fr"
    button = ui.button(other.upper(), color=None, on_click=lambda: switch_language(visit, other))
    button.props("flat dense").classes("px-2").mark("language-switch").props.update(
        {"lang": other, "aria-label": LANGUAGES[other], "title": LANGUAGES[other]}
    )


def _dark_switch(visit: Visit, dark: ui.dark_mode) -> None:
    """Follows the system until somebody chooses; the choice stays in this browser."""

    async def toggle() -> None:
        now_dark = await ui.run_javascript("document.body.classList.contains('body--dark')")
        dark.set_value(not now_dark)
        ui.run_javascript(_cookie(DARK_COOKIE, "0" if now_dark else "1"))

    _header_button("contrast", visit.t("app.theme"), on_click=toggle)


def _cookie(name: str, value: str) -> str:
    return f"document.cookie = '{name}={value}; path=/; max-age={YEAR_SECONDS}; SameSite=Lax'"
