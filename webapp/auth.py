"""Who is there: the session's cookie, the guard in front of each page, and the guard in front of each action."""

import asyncio
import contextvars
import functools
import inspect
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from urllib.parse import quote, urlencode

import nicegui
from fastapi import HTTPException
from nicegui import run, ui
from nicegui.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from rakuten_assets.store.audit import REQUEST
from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import NOBODY, Actor, Language, Role
from webapp import texts
from webapp.app import Application

COOKIE = "rakuten_session"
LANGUAGE_COOKIE = "rakuten_language"
DARK_COOKIE = "rakuten_dark"
SAID_COOKIE = "rakuten_said"

# Where each role starts.
HOME: dict[str, str] = {"seller": "/products", "admin": "/review"}
SIGN_IN = "/sign-in"

# What takes longer shows that it is under way.
PATIENCE_SECONDS = 0.5
# A page may wait for the prediction service.
BUILD_SECONDS = 30.0

Result = TypeVar("Result")
Access = Literal["seller", "admin", "anybody", "public"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PageOf:
    """A page that waits to be registered with an application."""

    path: str
    build: Callable[..., Any]
    access: Access


PAGES: list[PageOf] = []


def page(path: str, role: Role | None = None, *, public: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Register `build(visit, …)` as the page at `path`, for one role, or for everybody who is signed in.

    Path parameters and query parameters are further arguments of `build`, as in FastAPI. It may be a coroutine
    function. A visitor who is not signed in is sent to the sign-in page and comes back; another role sees that
    the page is not theirs. `public` pages are for everybody; their `visit.actor` is nobody where none is signed in.
    """

    def register(build: Callable[..., Any]) -> Callable[..., Any]:
        PAGES.append(PageOf(path, build, "public" if public else role or "anybody"))
        return build

    return register



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
    shown: dict[str, Any] = field(default_factory=dict)

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
        """`verb(actor, …)` in a thread while the page is built; a refusal is raised, and becomes the page.

        The actor is the one whom the page's guard has just read.
        """
        return await in_thread(functools.partial(verb, self.actor, *args, **kwargs))

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
        self.go(_here(self.request))

    async def _carried_out(self, work: Callable[[], Result]) -> Result | None:
        try:
            async with self._patience():
                return await in_thread(work)
        except Refused as refused:
            self.refuse(refused)
            if refused.kind == "unauthenticated" and refused.code == "session_over":
                self.go(sign_in_path(_here(self.request)))
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
        if self.client.is_deleted:
            return
        with self.client:
            notification = ui.notification(self.t("app.busy"), spinner=True, timeout=None)
        try:
            await asyncio.Event().wait()
        finally:
            notification.dismiss()

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


def application(request: Request) -> Application:
    """What a route stands on, as a dependency of FastAPI."""
    app: Application = request.app.state.application
    return app


def signed_in_as(*roles: Role) -> Callable[[Request], Actor]:
    """A dependency for routes that a browser opens with its cookie: the actor, or 401, or 403."""

    def signed_in(request: Request) -> Actor:
        token = request.cookies.get(COOKIE, "")
        actor = application(request).store.accounts.actor(token) if token else None
        if actor is None:
            raise HTTPException(401, "not signed in")
        if roles and actor.role not in roles:
            raise HTTPException(403, "forbidden")
        return actor

    return signed_in


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


def language_of(request: Request, actor: Actor | None) -> Language:
    """The account's language; before the sign-in the one chosen in this browser, or French."""
    if actor is not None:
        return actor.language
    return "en" if request.cookies.get(LANGUAGE_COOKIE) == "en" else "fr"


def dark_of(request: Request) -> bool | None:
    """What was chosen in this browser; None follows the system's setting."""
    return {"1": True, "0": False}.get(request.cookies.get(DARK_COOKIE, ""))


def leave_cookie(response: Response, app: Application, token: str) -> None:
    """Give the browser its new session; scripts cannot read it, and other sites' forms do not send it."""
    hours = app.settings.session_hours
    response.set_cookie(
        COOKIE, token, max_age=hours * 3600, httponly=True, samesite="lax", secure=app.settings.secure_cookies
    )


def say_next(response: Response, refused: Refused, **beside: str) -> None:
    """Let the sign-in page say why it was refused, and know what else it is told."""
    said = quote(json.dumps({"code": refused.code, "params": refused.params} | beside))
    response.set_cookie(SAID_COOKIE, said, max_age=60, httponly=True, samesite="lax", path=SIGN_IN)


async def in_thread(call: Callable[[], Result]) -> Result:
    """The call's result, from a thread: the event loop belongs to everybody."""
    # The thread knows the request's id as well.
    result: Result = await run.io_bound(contextvars.copy_context().run, call)  # type: ignore[assignment]
    return result


def register_pages(app: Application) -> None:
    """Hand every page over to NiceGUI."""
    for each in PAGES:
        ui.page(each.path, response_timeout=BUILD_SECONDS)(_guarded(app, each))
    _register_missing(app)


def _register_missing(app: Application) -> None:
    """An address without a page gets one that says so, in the visitor's language."""
    missing = ui.page("")._wrap(_guarded(app, PageOf("", _missing, "public")))

    async def not_found(request: Request, error: Exception) -> Response:
        if _is_pages(request):
            return await missing(request=request)
        return JSONResponse({"detail": "Not Found"}, 404)

    nicegui.app.add_exception_handler(404, not_found)


def _missing(visit: Visit) -> None:
    raise Refused("not_found", "page_not_found")


def _is_pages(request: Request) -> bool:
    """Whether a person may have typed the address; scripts and programs are not answered with a page."""
    return not request.url.path.startswith(("/api/", "/_nicegui"))


def _guarded(app: Application, this: PageOf) -> Callable[..., Any]:
    """The page behind its guard."""

    async def guarded(request: Request, client: Client, **params: Any) -> Response | None:
        token = request.cookies.get(COOKIE, "")
        actor = await in_thread(functools.partial(app.store.accounts.actor, token)) if token else None
        if actor is None and this.access != "public":
            return RedirectResponse(sign_in_path(_here(request)), 303)
        visit = Visit(app, actor or NOBODY, language_of(request, actor), token, request, client, this.access)
        _dress(visit)
        if actor is not None and not may(actor, this.access):
            return _problem(visit, 403, "forbidden")
        return await _built(visit, this.build, params)

    guarded.__signature__ = _signature(this.build)  # type: ignore[attr-defined]
    guarded.__name__ = this.build.__name__
    return guarded


async def _built(visit: Visit, build: Callable[..., Any], params: dict[str, Any]) -> Response | None:
    """The page, or the page that says why there is none."""
    try:
        result = build(visit, **params)
        return await result if inspect.isawaitable(result) else result
    except Refused as refused:
        visit.client.content.clear()
        statuses = {"not_found": 404, "forbidden": 403}
        return _problem(visit, statuses.get(refused.kind, 400), refused.kind, texts.said(refused, visit.language))
    except Exception:
        log.exception("The page %s could not be built", visit.client.page.path)
        visit.client.content.clear()
        return _problem(visit, 500, "failed")


def _problem(visit: Visit, status: int, kind: str, sentence: str = "") -> None:
    from webapp import theme

    visit.client.status_code = status
    theme.problem(visit, kind, sentence)


def _dress(visit: Visit) -> None:
    """The document's language and darkness are the visitor's, on a copy of the page that all visits share."""
    visit.dark = dark_of(visit.request)
    page = copy(visit.client.page)
    page.dark, page.language = visit.dark, "fr" if visit.language == "fr" else "en-GB"
    visit.client.page = page


def _signature(build: Callable[..., Any]) -> inspect.Signature:
    """The page's own parameters without the visit, which the guard makes, with what the guard needs."""
    _, *own = inspect.signature(build, eval_str=True).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    request = inspect.Parameter("request", kind, annotation=Request)
    client = inspect.Parameter("client", kind, annotation=Client)
    return inspect.Signature([request, client, *(each.replace(kind=kind) for each in own)])


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
