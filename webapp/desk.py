"""The parts of the review desk: the product, why it is there, the insight, and the dialogs that ask for more."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from babel.dates import format_time
from nicegui import ui

from rakuten_assets.store.records import Feedback, Product
from webapp import explanation, texts, theme
from webapp.auth import Visit
from webapp.insight import Insight, Neighbour
from webapp.picker import CategoryPicker

CSS = (Path(__file__).parent / "desk.css").read_text(encoding="utf-8")

# The sentences that rejections mostly are.
REASONS = ("picture", "text", "bundle", "forbidden")


BLOCKS = frozenset({"br", "p", "div", "li", "tr", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6"})


def clock(visit: Visit, at: datetime) -> str:
    """The time of day, where the marketplace is."""
    return str(format_time(at, "HH:mm", tzinfo=texts.ZONE, locale=texts.LOCALES[visit.language]))


def picture_url(product: Product, size: str = "full") -> str:
    """Where the product's picture is; another picture has another address, so that no old one is shown."""
    return f"/pictures/{product.id}?size={size}&of={(product.image or '')[:8]}"


def picture(visit: Visit, product: Product) -> None:
    """The picture as large as there is room, or the word that there is none."""
    if product.image is None:
        with ui.element("div").classes("desk-no-picture"):
            ui.icon("image_not_supported", size="3rem").props("aria-hidden=true")
            ui.label(visit.t("desk.no_picture"))
        return
    with ui.link(target=picture_url(product), new_tab=True).classes("app-plain desk-picture"):
        shown = ui.element("img")
    shown.props["src"], shown.props["alt"] = picture_url(product), visit.t("desk.picture")


def product_text(visit: Visit, product: Product) -> None:
    """Title, description, and whose it is; a seller's words are shown as they are, never as HTML."""
    theme.title_of(product.designation).classes("app-break desk-designation")
    about = visit.t("desk.about", id=product.id, seller=product.seller, at=product.created_at)
    with ui.element("div").classes("app-bar"):
        ui.label(about).classes("app-soft app-small app-break")
        if product.reference:
            ui.label(visit.t("desk.reference", reference=product.reference)).classes("app-soft app-small app-break")
        ui.link(visit.t("desk.open"), f"/products/{product.id}").classes("app-small")
    described = readable(product.description)
    label = ui.label(described or visit.t("desk.no_description")).classes("app-break desk-description")
    # Whoever has no mouse must be able to scroll it.
    label.props["tabindex"] = "0"
    if not described:
        label.classes("app-soft")


class _Words(HTMLParser):
    """The words of a text that may hold HTML, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag in BLOCKS:
            self.parts.append("\n")


def readable(text: str) -> str:
    """A seller's text without the tags that many of them carry; what a browser would run is only words here."""
    words = _Words()
    words.feed(text)
    words.close()
    lines = (" ".join(line.split()) for line in "".join(words.parts).splitlines())
    return "\n".join(line for line in lines if line)


def why(visit: Visit, product: Product, said: Sequence[Feedback]) -> None:
    """Why a person must look, and what its seller said."""
    if product.waiting_for_review:
        theme.notice(visit.t(f"desk.why.{product.review or 'unknown'}"), "warn", "help")
    else:
        state = visit.t(f"state.{product.state}").lower()
        theme.notice(visit.t("desk.why.done", state=state), "note")
    if product.state == "failed" and product.reason:
        ui.label(product.reason).classes("app-soft app-small app-break")
    for sentence in _sellers_words(visit, said):
        ui.label(sentence).classes("app-break")


def _sellers_words(visit: Visit, said: Sequence[Feedback]) -> list[str]:
    """What the seller chose, wrote and rated; of each the last."""
    last: dict[str, str] = {}
    for each in said:
        if each.role != "seller":
            continue
        if each.action in ("choose", "confirm"):
            last.setdefault("chose", visit.t("desk.seller_chose", category=theme.category_name(visit, each.after)))
        if each.rating is not None:
            last.setdefault("rated", visit.t("desk.seller_rated", rating=each.rating))
        if each.reason:
            last.setdefault("said", visit.t("desk.seller_said", comment=each.reason))
    return list(last.values())


def show_insight(visit: Visit, product: Product, found: Insight, again: Callable[[], Any]) -> None:
    """Why the model proposes what it does, or a sentence that it does not say, with a way to ask again."""
    if found.explanation is None:
        theme.notice(visit.t(found.trouble), "note", "cloud_off")
        ui.button(visit.t("insight.again"), icon="refresh", on_click=again).props("outline no-caps")
        return
    explanation.show(visit, found.explanation, product.designation, product.description)


def show_similar(visit: Visit, similar: Sequence[Neighbour]) -> None:
    """Known products that are like this one, and whether they really are."""
    theme.title_of(visit.t("insight.similar"))
    if not similar:
        ui.label(visit.t("insight.no_similar")).classes("app-soft")
        return
    if similar[0].similarity < visit.app.settings.far:
        theme.notice(visit.t("insight.far"), "warn")
    with ui.element("div").classes("desk-similar").mark("similar"):
        for each in similar:
            _neighbour(visit, each)


def _neighbour(visit: Visit, found: Neighbour) -> None:
    with ui.element("div").classes("desk-neighbour"):
        if found.thumbnail:
            shown = ui.element("img").props("loading=lazy")
            shown.props["src"] = found.thumbnail
            shown.props["alt"] = visit.t("insight.picture_of", designation=found.designation)
        else:
            ui.icon("image_not_supported").classes("desk-no-thumbnail").props("aria-hidden=true")
        with ui.element("div").classes("desk-neighbour-text"):
            ui.label(theme.category_name(visit, found.code)).classes("font-medium")
            ui.label(found.designation).classes("app-small app-break desk-two-lines")
            ui.label(visit.t("insight.similarity", share=max(found.similarity, 0.0))).classes("app-small app-soft")


def fix_dialog(
    visit: Visit, title: str, confirm: str, done: Callable[[int, str], Any], lead: Sequence[str] = ()
) -> ui.dialog:
    """Asks for a category and perhaps a reason; `done(code, reason)` says whether it was done."""
    with theme.dialog(title) as dialog:
        for sentence in lead:
            ui.label(sentence).classes("app-soft")
        picker = CategoryPicker(visit, lambda: send())
        reason = ui.input(visit.t("desk.fix_reason")).props("outlined dense maxlength=2000").classes("w-full")
        reason.on("keydown.enter", lambda: send())
        _buttons(visit, dialog, confirm, lambda: send(), "primary")

    async def send() -> None:
        if picker.code is None:
            picker.complain()
            return
        await _sent(dialog, done, picker.code, str(reason.value or ""))

    dialog.on("show", picker.focus)
    return dialog


def reject_dialog(visit: Visit, title: str, confirm: str, done: Callable[[str], Any]) -> ui.dialog:
    """Asks for the reason of a rejection, with the usual ones a click away; `done(reason)` as above."""
    with theme.dialog(title) as dialog:
        ui.label(visit.t("desk.reject_hint")).classes("app-soft")
        usual = ui.element("div").classes("desk-choices")
        reason = ui.textarea(visit.t("desk.reject_reason")).props("outlined autogrow maxlength=2000").classes("w-full")
        reason.mark("reject-reason").on("keydown.ctrl.enter", lambda: send())
        _buttons(visit, dialog, confirm, lambda: send(), "negative")
    with usual:
        for key in REASONS:
            text = visit.t(f"desk.reason.{key}")
            ui.button(text, on_click=partial(reason.set_value, text), color=None).props("flat no-caps align=left")

    async def send() -> None:
        await _sent(dialog, done, str(reason.value or ""))

    dialog.on("show", lambda: reason.run_method("focus"))
    return dialog


def _buttons(visit: Visit, dialog: ui.dialog, confirm: str, send: Callable[[], Any], colour: str) -> None:
    with ui.row().classes("w-full justify-end gap-2"):
        ui.button(visit.t("app.cancel"), on_click=dialog.close).props("flat no-caps")
        ui.button(confirm, on_click=send, color=colour).props("unelevated no-caps").mark("confirm")


async def _sent(dialog: ui.dialog, done: Callable[..., Any], *args: Any) -> None:
    """The dialog stays, with what was typed, where the store refused."""
    if await done(*args):
        dialog.close()
