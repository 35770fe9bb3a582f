"""Who is there: the session's cookie, and the guard in front of each page. `Visit` is what a page is handed."""

import functools
import inspect
import json
import logging
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import nicegui
from fastapi import HTTPException
from nicegui import ui
from nicegui.client import Client
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from rakuten_assets.store.errors import Refused
from rakuten_assets.store.records import NOBODY, Actor, Language, Role
from webapp import texts
from webapp.app import Application
from webapp.failures import describe
from webapp.visit import HOME as HOME
from webapp.visit import SIGN_IN, Access, here, may, sign_in_path
from webapp.visit import Visit as Visit
from webapp.visit import in_thread as in_thread

COOKIE = "rakuten_session"
LANGUAGE_COOKIE = "rakuten_language"
DARK_COOKIE = "rakuten_dark"
SAID_COOKIE = "rakuten_said"

# A page may wait for the prediction service.
BUILD_SECONDS = 30.0

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
            return RedirectResponse(sign_in_path(here(request)), 303)
        visit = Visit(app, actor or NOBODY, language_of(request, actor), token, request, client, this.access)
        _dress(visit)
        if actor is not None and not may(actor, this.access):
            _problem(visit, 403, "forbidden")
            return None
        return await _built(visit, this.build, params)

    guarded.__signature__ = _signature(this.build)  # type: ignore[attr-defined]
    guarded.__name__ = this.build.__name__
    return guarded


async def _built(visit: Visit, build: Callable[..., Any], params: dict[str, Any]) -> Response | None:
    """The page, or the page that says why there is none."""
    try:
        result = build(visit, **params)
        response: Response | None = await result if inspect.isawaitable(result) else result
        return response
    except Refused as refused:
        if refused.code == "session_over":
            return RedirectResponse(sign_in_path(here(visit.request)), 303)
        status = {"not_found": 404, "forbidden": 403}.get(refused.kind, 400)
        _problem(visit, status, refused.kind, texts.said(refused, visit.language))
    except Exception as error:
        log.error("The page %s could not be built: %s", visit.client.page.path, describe(error))
        _problem(visit, 500, "failed")
    return None


def _problem(visit: Visit, status: int, kind: str, sentence: str = "") -> None:
    """Another page instead of what there is of this one."""
    from webapp import theme

    visit.client.content.clear()
    for element in visit.client.layout.default_slot.children[:]:
        if element is not visit.client.page_container:
            element.delete()
    visit.client.status_code = status
    theme.problem(visit, kind, sentence)


def _dress(visit: Visit) -> None:
    """The document's language and darkness are the visitor's, on a copy of the page that all visits share."""
    visit.dark = dark_of(visit.request)
    page = copy(visit.client.page)
    page.dark, page.language = visit.dark, "fr" if visit.language == "fr" else "en-GB"
    visit.client.page = page
    visit.client.on_exception(visit.failed)


def _signature(build: Callable[..., Any]) -> inspect.Signature:
    """The page's own parameters without the visit, which the guard makes, with what the guard needs."""
    _, *own = inspect.signature(build, eval_str=True).parameters.values()
    kind = inspect.Parameter.KEYWORD_ONLY
    request = inspect.Parameter("request", kind, annotation=Request)
    client = inspect.Parameter("client", kind, annotation=Client)
    return inspect.Signature([request, client, *(each.replace(kind=kind) for each in own)])
