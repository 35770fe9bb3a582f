"""One opened page: who opened it, and the guard in front of each of its actions."""

import asyncio
import contextvars
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlencode

from nicegui import run, ui
from nicegui.client import Client
from nicegui.element import Element
from starlette.requests import Request

from rakuten_assets import telemetry
from rakuten_assets.store.audit import REQUEST
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import Actor, Language
from webapp import texts
from webapp.app import Application

# Where each role starts.
HOME: dict[str, str] = {"seller": "/products", "admin": "/review"}
SIGN_IN = "/sign-in"

# What takes longer shows that it is under way.
PATIENCE_SECONDS = 0.5

Result = TypeVar("Result")
Access = Literal["seller", "admin", "anybody", "public"]


@dataclass
class Visit:
    """One opened page: what it may use, and who opened it.

    `actor` is as fresh as the last thing that was done: each action reads it again.
    """

    app: Application
    actor: Actor
    language: Language
    token: str
    request: Request
    client: Client
    access: Access = "anybody"
    dark: bool | None = None
    busy: Element | None = None
    """What the frame shows while something is under way."""
    _slow: int = 0

    @property
    def signed_in(self) -> bool:
        return self.actor.user_id is not None

    @property
    def admin(self) -> bool:
        return self.actor.role == "admin"

    def t(self, key: str, **params: Any) -> str:
        """The sentence `key` in the visitor's language."""
        return texts.t(key, self.language, **params)

    async def act(self, verb: Callable[..., Result], *args: Any, **kwargs: Any) -> Result | None:
        """`verb(actor, …)` in a thread, for the actor as they are now: who they are and what they may is read again.

        A refusal is shown, and the result is None; so it is where the session is over, which leads to the sign-in
        page. Over half a second, it shows that it is under way.
        """
        return await self._carried_out(lambda: self._as_actor(verb, *args, **kwargs))

    async def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> bool:
        """`act` for a verb without a result: whether it was carried out."""

        def done(actor: Actor) -> bool:
            verb(actor, *args, **kwargs)
            return True

        return bool(await self.act(done))

    async def ask(self, call: Callable[..., Result], *args: Any, **kwargs: Any) -> Result | None:
        """`call(…)` in a thread, as `act` does it, for what needs no actor: the prediction service or a file.

        Errors of the call itself come through, except refusals, which are shown. Whoever may not act may not ask.
        """
        return await self._carried_out(lambda: self._as_actor(lambda _: call(*args, **kwargs)))

    async def read(self, verb: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """`act` for what a page is built of: a refusal is raised, and becomes the page.

        On a page that is open it is shown as every error of a handler is.
        """
        return await in_thread(lambda: self._as_actor(verb, *args, **kwargs))

    def tell(self, key: str, kind: Literal["positive", "warning", "info"] = "positive", **params: Any) -> None:
        """A short message at the foot of the page."""
        self._notify(self.t(key, **params), kind)

    def refuse(self, refused: Refused) -> None:
        """Show why something was refused."""
        self._notify(texts.said(refused, self.language), "negative")

    def go(self, path: str) -> None:
        """Open another page of this site."""
        if not self.client.is_deleted:
            with self.client:
                ui.navigate.to(path)

    def reload(self) -> None:
        """Open this page again as it is now."""
        self.go(here(self.request))

    def failed(self, error: Exception) -> None:
        """Show what went wrong on an open page; NiceGUI logs it."""
        if not isinstance(error, Refused):
            error = Refused("invalid", "failed")
        self.refuse(error)
        if error.code == "session_over":
            self.go(sign_in_path(here(self.request)))

    async def _carried_out(self, work: Callable[[], Result]) -> Result | None:
        try:
            async with self._patience():
                return await in_thread(work)
        except Refused as refused:
            self.failed(refused)
            return None

    def _as_actor(self, verb: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        """Runs in a thread."""
        actor = self.app.store.accounts.actor(self.token) if self.token else None
        if actor is None:
            raise Refused("unauthenticated", "session_over")
        # A page that was opened by one person stays theirs, whoever the browser belongs to now.
        if actor.user_id != self.actor.user_id or not may(actor, self.access):
            raise Refused("forbidden", "forbidden")
        self.actor = actor
        REQUEST.set(secrets.token_hex(8))
        # What people do on an open page comes by its channel, not as requests.
        with telemetry.span("page action"):
            return verb(actor, *args, **kwargs)

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        notice = asyncio.create_task(self._say_busy())
        try:
            yield
        finally:
            notice.cancel()

    async def _say_busy(self) -> None:
        await asyncio.sleep(PATIENCE_SECONDS)
        self._slow += 1
        self._show_busy()
        try:
            await asyncio.Event().wait()
        finally:
            self._slow -= 1
            self._show_busy()

    def _show_busy(self) -> None:
        if self.busy is not None and not self.client.is_deleted:
            self.busy.set_visibility(self._slow > 0)

    def _notify(self, message: str, kind: Any) -> None:
        if not self.client.is_deleted:
            with self.client:
                ui.notify(
                    message,
                    type=kind,
                    multi_line=len(message) > 80,
                    timeout=8_000 if kind == "negative" else 4_000,
                    close_button=self.t("app.close"),
                )


def may(actor: Actor, access: Access) -> bool:
    """Whether somebody who is signed in may open the page."""
    return access in ("anybody", "public", actor.role)


def sign_in_path(back_to: str = "") -> str:
    """The sign-in page, which leads back afterwards."""
    return f"{SIGN_IN}?{urlencode({'next': back_to})}" if back_to not in ("", "/") else SIGN_IN


def own_path(path: str) -> str:
    """`path` where it is one of this site, else nothing: no link may lead people elsewhere after the sign-in."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if ours else ""


def here(request: Request) -> str:
    """The path and the query that were asked for."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def in_thread(call: Callable[[], Result]) -> Result:
    """The call's result, from a thread: the event loop belongs to everybody."""
    # The thread knows the request's id as well.
    result: Result = await run.io_bound(contextvars.copy_context().run, call)  # type: ignore[assignment]
    return result
