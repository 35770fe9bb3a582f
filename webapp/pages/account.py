"""One's own account: language, password, and where one is signed in."""

from typing import Any

from nicegui import ui
from nicegui.element import Element

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Session
from webapp import texts, theme
from webapp.auth import page
from webapp.visit import SIGN_IN, Visit


@page("/account")
async def account_page(visit: Visit) -> None:
    sessions = await visit.read(visit.app.store.accounts.sessions)
    with theme.frame(visit, "account.title"):
        _person(visit)
        _password(visit)
        with theme.card() as card:
            _sessions(visit, card, sessions)


def _person(visit: Visit) -> None:
    with theme.card():
        with ui.element("div").classes("app-bar"):
            theme.title_of(visit.actor.name)
            theme.chip(visit.t(f"role.{visit.actor.role}"))
        ui.label(visit.actor.email).classes("app-soft app-break")
        choice = ui.select(theme.LANGUAGES, value=visit.language, label=visit.t("account.language"))
        choice.classes("w-full app-narrow").props("outlined").mark("language")
        choice.on_value_change(lambda event: theme.switch_language(visit, event.value))


def _password(visit: Visit) -> None:
    with theme.card():
        theme.title_of(visit.t("account.password"))
        ui.label(visit.t("account.password.hint")).classes("app-soft")
        with theme.form():
            # Password managers keep it with the account that it belongs to.
            hidden = ui.element("input").props("type=text autocomplete=username hidden")
            hidden.props["value"] = visit.actor.email
            fields = {name: _password_field(visit, name) for name in ("old", "new", "again")}
            button = ui.button(visit.t("account.password.button"), on_click=lambda: _change(visit, fields))
            button.props("unelevated type=submit")


def _password_field(visit: Visit, name: str) -> ui.input:
    field = ui.input(visit.t(f"account.password.{name}"), password=True, password_toggle_button=True)
    kind = "current" if name == "old" else "new"
    field.props(f"outlined maxlength=200 autocomplete={kind}-password")
    return field.classes("w-full").mark(f"password-{name}")


async def _change(visit: Visit, fields: dict[str, ui.input]) -> None:
    old, new, again = (field.value or "" for field in fields.values())
    if new != again:
        visit.refuse(Refused("invalid", "passwords_differ"))
        return
    if await visit.do(visit.app.store.accounts.change_password, old, new):
        for field in fields.values():
            field.set_value("")
        visit.tell("account.password.done")


def _sessions(visit: Visit, card: Element, sessions: list[Session]) -> None:
    card.clear()
    with card:
        theme.title_of(visit.t("account.sessions"))
        headings = [visit.t(f"account.sessions.{name}") for name in ("device", "since", "seen")]
        theme.table(headings, [_row(visit, session) for session in sessions])
        with ui.element("div").classes("app-bar"):
            if len(sessions) > 1:
                others = ui.button(visit.t("account.others.button"), on_click=lambda: _end_others(visit, card))
                others.props("outline")
            everywhere = ui.button(visit.t("account.everywhere.button"), on_click=lambda: _end_all(visit))
            everywhere.props("outline color=negative")


def _row(visit: Visit, session: Session) -> list[Any]:
    def device() -> None:
        with ui.element("div").classes("app-bar"):
            ui.label(session.device or visit.t("account.sessions.unknown")).classes("app-break")
            if session.id == visit.actor.session:
                theme.chip(visit.t("account.sessions.this"), "good")
            if session.kind == "api":
                theme.chip(visit.t("account.sessions.api"))

    return [
        device,
        texts.moment(session.created_at, visit.language),
        texts.moment(session.last_seen_at, visit.language),
    ]


async def _end_others(visit: Visit, card: Element) -> None:
    accounts = visit.app.store.accounts
    ended = await visit.act(accounts.sign_out_everywhere, keep_this=True)
    if ended is not None:
        visit.tell("account.others.done", count=ended)
        _sessions(visit, card, await visit.read(accounts.sessions))


async def _end_all(visit: Visit) -> None:
    if await visit.do(visit.app.store.accounts.sign_out_everywhere):
        visit.go(SIGN_IN)
