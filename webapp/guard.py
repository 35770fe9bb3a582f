"""In front of everything: whose request it is, how large it may be, and what browsers may do with the answer."""

import logging
import re
import secrets
import time
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rakuten_assets import telemetry
from rakuten_assets.store.audit import REQUEST
from webapp import metrics, texts

log = logging.getLogger(__name__)

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

# NiceGUI's channel: whoever opens it acts as the person whose page it is, whatever the method.
CHANNEL = "/_nicegui_ws/"

# A picture has at most 10 MB; forms and JSON with one picture in base64 a third more.
MAX_BODY = 15_000_000
# An import's ZIP: thousands of pictures. Only people who are signed in have pages that upload.
MAX_IMPORT = 600_000_000
IMPORTS = re.compile(r"/api/v1/imports/?|/_nicegui/client/[0-9a-f-]+/upload/\d+")

# NiceGUI compiles its pages in the browser and starts them by inline scripts. Nothing comes from elsewhere.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=(), payment=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)

# What machines ask for every few seconds, and the parts of every page: neither logged nor traced.
UNSEEN = ("/healthz", "/readyz", "/_nicegui")

METHODS = {*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE"}


class Guard:
    """ASGI middleware: an id, a span and a log line for each request; no foreign origins, no endless bodies."""

    def __init__(self, app: ASGIApp, *, cookie: str, https: bool = False) -> None:
        """`cookie` is the name of the session's; with `https`, browsers are told to come by nothing else."""
        self._app, self._cookie = app, cookie
        self._headers = SECURITY_HEADERS | ({"strict-transport-security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        said = headers.get("x-request-id", "")
        request_id = said if REQUEST_ID.fullmatch(said) else secrets.token_hex(8)
        token = REQUEST.set(request_id)
        try:
            with _Seen(scope, headers) as seen:
                await self._guarded(scope, headers, receive, seen.hearing(self._dressed(send, request_id)))
        finally:
            REQUEST.reset(token)

    async def _guarded(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if not self._is_own(scope, headers):
            await _refuse(scope, receive, send, HTTPStatus.FORBIDDEN, "foreign_origin")
            return
        limited = _Limited(receive, MAX_IMPORT if IMPORTS.fullmatch(scope["path"]) else MAX_BODY)
        if limited.refuses(headers.get("content-length", "0")):
            await _refuse(scope, receive, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")
            return
        await limited.run(self._app, scope, send)

    def _is_own(self, scope: Scope, headers: Headers) -> bool:
        """Whether no other site's page can have made this request with the visitor's cookie.

        Browsers say where a request comes from; what carries a cookie and does not say so is refused as well.
        """
        channel = scope["path"].startswith(CHANNEL)
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS and not channel:
            return True
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None:
            return _host(origin) == _host(f"//{headers.get('host', '')}", origin)
        if site is not None:
            return site in ("same-origin", "none")
        return not channel and f"{self._cookie}=" not in headers.get("cookie", "")

    def _dressed(self, send: Send, request_id: str) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
            await send(message)

        return dressed


class _Seen:
    """What of a request is counted, traced and logged: its method, its route and its status. Never its path."""

    def __init__(self, scope: Scope, headers: Headers) -> None:
        self._scope, self._status = scope, 500
        self._counted = scope["type"] == "http"
        self._told = self._counted and not scope["path"].startswith(UNSEEN)
        self._context = telemetry.going_on(headers.get("traceparent", ""))

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        if self._told:
            self._tracing = telemetry.span("request", SpanKind.SERVER, self._context)
            self._span = self._tracing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds, route = time.perf_counter() - self._start, _route(self._scope)
        method = self._scope.get("method", "")
        method = method if method in METHODS else "other"
        if self._counted:
            metrics.REQUESTS.labels(method, route, self._status).observe(seconds)
        if self._told:
            log.info("%s %s %s %.0f ms", method, route, self._status, seconds * 1000)
            self._span.update_name(f"{method} {route}")
            self._span.set_attributes({"http.route": route, "http.response.status_code": self._status})
            self._tracing.__exit__(kind, error, trace)

    def hearing(self, send: Send) -> Send:
        async def heard(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
            await send(message)

        return heard


def _route(scope: Scope) -> str:
    """The template of the route that answered; paths that callers make up are one."""
    if scope["path"].startswith("/_nicegui"):
        # Each picture field registers a route of its own there, with its page's id in it.
        return "/_nicegui"
    path = getattr(scope.get("route"), "path", None)
    if path is None:
        return "other"
    return f"/api/v1{path}" if scope["path"].startswith("/api/v1/") else str(path)


class _TooLarge(HTTPException):
    """The body goes on after its limit; an application that answers errors itself answers this one too."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class _Limited:
    """The receiving side of a request that may send no more than `most` bytes."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._received = receive, most, 0

    def refuses(self, content_length: str) -> bool:
        """Whether the announced length is too much, or no length."""
        return not content_length.isdecimal() or int(content_length) > self._most

    async def run(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Run `app`; a body that grows past the limit, announced or not, ends in a refusal."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await app(scope, self._counted if scope["type"] == "http" else self._receive, watched)
        except _TooLarge:
            if not started:
                await _refuse(scope, self._receive, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")

    async def _counted(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._most:
            raise _TooLarge
        return message


def _host(url: str, like: str = "") -> tuple[str | None, int | None]:
    """Host and port; the default port is that of the scheme of the URL, or of the URL `like` it.

    The scheme itself is not compared: a proxy in front may speak HTTPS where this program hears HTTP.
    """
    try:
        parts = urlsplit(url)
        default = {"http": 80, "https": 443}.get(parts.scheme or urlsplit(like).scheme)
        return parts.hostname, parts.port or default
    except ValueError:
        return None, -1


async def _refuse(scope: Scope, receive: Receive, send: Send, status: HTTPStatus, code: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    english = Headers(scope=scope).get("accept-language", "").lower().startswith("en")
    sentence = texts.t(f"error.{code}", "en" if english else "fr")
    body = {"error": sentence, "code": code, "request_id": REQUEST.get()}
    await JSONResponse(body, status)(scope, receive, send)
