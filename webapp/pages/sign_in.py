"""Sign-in and sign-out: a form of HTML, for only an HTTP answer can give a browser a cookie that no script reads."""

import json
import re
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Form, Request
from nicegui import ui
from starlette.responses import RedirectResponse, Response

from rakuten_assets.store.errors import Refused
from webapp import metrics, texts, theme
from webapp.app import Application
from webapp.auth import COOKIE, LANGUAGE_COOKIE, SAID_COOKIE, leave_cookie, page, say_next
from webapp.visit import HOME, SIGN_IN, Visit, own_path, sign_in_path

router = APIRouter(include_in_schema=False)

BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"))
SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux")


@page("/", public=True)
def start(visit: Visit) -> Response:
    """Everybody's first page is another one."""
    return RedirectResponse(HOME.get(visit.actor.role, SIGN_IN), 303)


@page(SIGN_IN, public=True)
def sign_in_page(visit: Visit, next: str = "") -> Response:
    """The form; whoever is signed in already goes on."""
    if visit.signed_in:
        return RedirectResponse(own_path(next) or HOME[visit.actor.role], 303)
    refused, email = _said(visit.request)
    with theme.frame(visit, "sign_in.title", heading=False), theme.card("app-narrow mx-auto mt-4"):
        theme.title_of(visit.t("sign_in.title"), 1)
        if refused:
            theme.notice(texts.said(refused, visit.language), "bad")
        with ui.element("form").classes("w-full flex flex-col gap-4") as form:
            form.props["method"], form.props["action"] = "post", SIGN_IN
            _fields(visit, own_path(next), email)
            ui.button(visit.t("sign_in.button")).props("type=submit unelevated").classes("w-full")
        ui.label(visit.t("sign_in.hint")).classes("app-soft app-small")
    response = visit.client.build_response(visit.request)
    # It is said once.
    response.delete_cookie(SAID_COOKIE, path=SIGN_IN)
    return response


def _fields(visit: Visit, back_to: str, email: str) -> None:
    with ui.element("input") as hidden:
        hidden.props.update({"type": "hidden", "name": "next", "value": back_to})
    name = ui.input(visit.t("sign_in.email"), value=email).mark("email").classes("w-full")
    name.props("outlined type=email name=email autocomplete=username required autofocus maxlength=320")
    password = ui.input(visit.t("sign_in.password"), password=True).mark("password")
    password.classes("w-full").props("outlined name=password autocomplete=current-password required maxlength=200")


@router.post(SIGN_IN)
def sign_in(
    request: Request,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",
) -> Response:
    """A new session where e-mail and password are right; the one that the browser had ends."""
    app: Application = request.app.state.application
    hours = app.settings.session_hours
    try:
        token, actor = app.store.accounts.sign_in(email, password, "browser", device(request), hours)
    except Refused as refused:
        metrics.SIGN_INS.labels("browser", "refused").inc()
        response = RedirectResponse(sign_in_path(own_path(next)), 303)
        say_next(response, refused, email=email)
        return response
    metrics.SIGN_INS.labels("browser", "ok").inc()
    _end(request, app)
    response = RedirectResponse(own_path(next) or HOME[actor.role], 303)
    leave_cookie(response, app, token)
    response.delete_cookie(SAID_COOKIE, path=SIGN_IN)
    response.set_cookie(LANGUAGE_COOKIE, actor.language, max_age=theme.YEAR_SECONDS, samesite="lax")
    return response


@router.post("/sign-out")
def sign_out(request: Request) -> Response:
    """The session ends on the server, so that a copy of its cookie is worth nothing."""
    _end(request, request.app.state.application)
    response = RedirectResponse(SIGN_IN, 303)
    response.delete_cookie(COOKIE)
    return response


def device(request: Request) -> str:
    """Browser and system in a few words, for the list of one's sessions."""
    agent = request.headers.get("user-agent", "")
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for name in SYSTEMS if name in agent.replace("_", " ").replace("Macintosh", "Mac OS")), "")
    return " · ".join(filter(None, (browser, system))) or re.sub(r"[^\w./ -]", "", agent)[:60]


def _end(request: Request, app: Application) -> None:
    if token := request.cookies.get(COOKIE):
        app.store.accounts.sign_out(token)


def _said(request: Request) -> tuple[Refused | None, str]:
    """What the last attempt was answered with, and the e-mail that was typed."""
    try:
        said = json.loads(unquote(request.cookies.get(SAID_COOKIE, "")))
        return Refused("unauthenticated", str(said["code"]), **said["params"]), str(said["email"])
    except (ValueError, KeyError, TypeError):
        return None, ""
