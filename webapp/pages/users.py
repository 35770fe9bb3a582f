"""Administrators' page of accounts: who has one, who may come in, and as what."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nicegui import ui
from nicegui.element import Element

from rakuten_assets.store.records import Page, Role, User
from webapp import texts, theme
from webapp.auth import page
from webapp.visit import Visit

OTHER_ROLE: dict[Role, Role] = {"seller": "admin", "admin": "seller"}
COLUMNS = ("name", "role", "state", "last_sign_in", "actions")


@page("/users", role="admin")
async def users_page(visit: Visit, q: str = "", cursor: str = "") -> None:
    found = await visit.read(visit.app.store.accounts.users, q, cursor or None)
    with theme.frame(visit, "users.title"):
        with ui.element("div").classes("app-bar"):
            _search(visit, q)
            ui.space()
            new = ui.button(visit.t("users.new"), icon="person_add").props("unelevated")
        accounts = Accounts(visit, q, cursor, ui.element("div").classes("w-full flex flex-col gap-4"))
        new.on_click(accounts.create)
        accounts.show(found)


def _search(visit: Visit, q: str) -> None:
    with ui.element("form").props("role=search method=get action=/users").classes("app-bar w-auto"):
        field = ui.input(visit.t("users.search"), value=q).props("outlined dense name=q maxlength=200")
        field.mark("search")
        ui.button(visit.t("app.search"), icon="search").props("outline type=submit")


@dataclass
class Accounts:
    """The list, and what can be done to each account; it is read anew after each action."""

    visit: Visit
    q: str
    cursor: str
    body: Element

    def show(self, found: Page[User]) -> None:
        self.body.clear()
        t = self.visit.t
        with self.body:
            if not found.items:
                theme.empty_state(self.visit, "users.empty", icon="group_off")
                return
            theme.table([t(f"users.{name}") for name in COLUMNS], [self._row(user) for user in found.items])
            theme.pager(
                self.visit, found, lambda cursor: self.visit.go(theme.address("/users", q=self.q, cursor=cursor))
            )

    async def _refresh(self) -> None:
        found = await self.visit.act(self.visit.app.store.accounts.users, self.q, self.cursor or None)
        if found is not None:
            self.show(found)

    def _row(self, user: User) -> list[Any]:
        seen, t = user.last_sign_in_at, self.visit.t
        return [
            lambda: _name(user),
            t(f"role.{user.role}"),
            lambda: _state(self.visit, user),
            texts.moment(seen, self.visit.language) if seen else t("users.never"),
            lambda: self._actions(user),
        ]

    def _actions(self, user: User) -> None:
        if user.id == self.visit.actor.user_id:
            theme.chip(self.visit.t("users.you"))
            return
        button = ui.button(icon="more_vert").props("flat round dense").mark(f"actions-{user.id}")
        button.props["aria-label"] = self.visit.t("users.actions.of", name=user.name)
        with button, ui.menu():
            for key, action in self._choices(user):
                item = ui.menu_item(self.visit.t(f"users.{key}"), on_click=lambda action=action: action(user))
                item.mark(f"{key}-{user.id}")

    def _choices(self, user: User) -> list[tuple[str, Callable[[User], Any]]]:
        """What can be done to this account; a lockout after failures is lifted like a blocking."""
        blocked = user.blocked_at is not None
        return [
            *([] if blocked else [("block", self.block)]),
            ("unblock" if blocked else "unlock", self.unblock),
            (f"make.{OTHER_ROLE[user.role]}", self.change_role),
            ("reset", self.reset),
        ]

    def create(self) -> None:
        t = self.visit.t
        with theme.dialog(t("users.new")) as dialog:
            name = ui.input(t("users.name")).props("outlined autofocus maxlength=100").mark("new-name")
            email = ui.input(t("users.email")).props("outlined type=email maxlength=320").mark("new-email")
            roles = {role: t(f"role.{role}") for role in OTHER_ROLE}
            role = ui.select(roles, value="seller", label=t("users.role")).props("outlined").mark("new-role")

            async def create() -> None:
                # Nobody thinks up a password for somebody else: it is handed over once, and then changed.
                password = secrets.token_urlsafe(12)
                verb = self.visit.app.store.accounts.create
                user = await self.visit.act(verb, email.value or "", name.value or "", password, role.value)
                if user is not None:
                    dialog.close()
                    await self._refresh()
                    self._hand_over(user, password)

            theme.dialog_buttons(self.visit, dialog, t("users.new"), create)
        dialog.open()

    def block(self, user: User) -> None:
        t = self.visit.t
        with theme.dialog(t("users.block.title", name=user.name)) as dialog:
            ui.label(t("users.block.hint")).classes("app-soft")
            needed = {t("error.reason_needed"): lambda text: bool((text or "").strip())}
            reason = ui.textarea(t("users.block.reason"), validation=needed).without_auto_validation()
            reason.props("outlined autofocus maxlength=500").mark("reason")

            async def block() -> None:
                if reason.validate():
                    await self._finish(dialog, "blocked", user, self.visit.app.store.accounts.block, reason.value)

            theme.dialog_buttons(self.visit, dialog, t("users.block"), block, color="negative")
        dialog.open()

    async def unblock(self, user: User) -> None:
        await self._finish(None, "unblocked", user, self.visit.app.store.accounts.unblock)

    def change_role(self, user: User) -> None:
        other, t = OTHER_ROLE[user.role], self.visit.t
        with theme.dialog(t("users.role.title", name=user.name, role=t(f"role.{other}"))) as dialog:
            ui.label(t("users.role.hint")).classes("app-soft")

            async def change() -> None:
                await self._finish(dialog, "role.done", user, self.visit.app.store.accounts.set_role, other)

            theme.dialog_buttons(self.visit, dialog, t(f"users.make.{other}"), change)
        dialog.open()

    def reset(self, user: User) -> None:
        t = self.visit.t
        with theme.dialog(t("users.reset.title", name=user.name)) as dialog:
            ui.label(t("users.reset.hint")).classes("app-soft")

            async def reset() -> None:
                password = await self.visit.act(self.visit.app.store.accounts.reset_password, user.id)
                dialog.close()
                if password is not None:
                    self._hand_over(user, password)

            theme.dialog_buttons(self.visit, dialog, t("users.reset"), reset, color="negative")
        dialog.open()

    def _hand_over(self, user: User, password: str) -> None:
        """Shown once: the store has only its hash."""
        t = self.visit.t
        with self.visit.client, theme.dialog(t("users.password.title", name=user.name)) as dialog:
            dialog.props("persistent")
            ui.label(password).classes("app-code").mark("new-password")
            ui.label(t("users.password.hint")).classes("app-soft")

            def copy() -> None:
                ui.clipboard.write(password)
                self.visit.tell("users.password.copied")

            with ui.element("div").classes("app-bar justify-end"):
                ui.button(t("users.password.copy"), icon="content_copy", on_click=copy).props("outline")
                # Closed is gone: the page keeps no copy either.
                ui.button(t("app.close"), on_click=dialog.delete).props("unelevated").mark("seen")
        dialog.open()

    async def _finish(
        self, dialog: ui.dialog | None, key: str, user: User, verb: Callable[..., Any], *args: Any
    ) -> None:
        """Carry out, say so, and show the list as it is now."""
        if not await self.visit.do(verb, user.id, *args):
            return
        if dialog is not None:
            dialog.close()
        role = self.visit.t(f"role.{OTHER_ROLE[user.role]}")
        self.visit.tell(f"users.{key}", name=user.name, role=role)
        await self._refresh()


def _name(user: User) -> None:
    with ui.element("div"):
        ui.label(user.name).classes("font-medium app-break")
        ui.label(user.email).classes("app-soft app-small app-break")


def _state(visit: Visit, user: User) -> None:
    if user.blocked_at is None:
        theme.chip(visit.t("users.state.active"), "good", "check")
        return
    with ui.element("div"):
        theme.chip(visit.t("users.state.blocked"), "bad", "block")
        ui.label(user.blocked_reason).classes("app-soft app-small app-break")
