"""The door of the service: request ids, and the end of requests that are too large, too slow, or no task."""

import asyncio
import logging
import re
import time
import uuid

from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rakuten_assets import telemetry
from serving import metrics
from serving.errors import Refused
from serving.reading import read_json
from serving.schemas import TaskIn

logger = logging.getLogger("bentoml.rakuten")

REQUEST_ID = re.compile(r"[\w.:-]{1,64}")

# A picture of 10 MB is 13.4 MB of base64.
MAX_BODY = 16_000_000
MAX_BATCH_BODY = 64_000_000
LARGE = ("/predict_batch", "/predict_many")
# On average; a reconnection costs a fraction of a millisecond.
ANSWERS_A_CONNECTION = 50

TASKS = ("/predict_many", "/predict_many/submit")

# Asked every few seconds by machines: neither logged nor traced.
PROBES = ("/healthz", "/livez", "/readyz", "/metrics")

# BentoML's own routes, which bring no template with them.
OWN = frozenset({*TASKS, "/predict_many/status", "/predict_many/get", "/predict_many/cancel"})


class Guard:
    """ASGI middleware: gives every request an id, a span and a line in the log, and its body limits to keep to."""

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app = app
        self._seconds = body_seconds
        self._answers = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["request_id"] = request_id = _request_id(scope)
        telemetry.REQUEST.set(request_id)
        if scope["path"] in PROBES:
            await self._limited(scope, receive, send, request_id)
            return
        given = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        # Not below the span that BentoML's own middleware may have opened, which nobody is sent.
        with telemetry.span(scope["method"], SpanKind.SERVER, telemetry.going_on(given)) as span:
            start, status = time.perf_counter(), 500

            async def heard(message: Message) -> None:
                nonlocal status
                status = message["status"] if message["type"] == "http.response.start" else status
                await send(message)

            try:
                await self._limited(scope, receive, heard, request_id)
            finally:
                seconds, route = time.perf_counter() - start, _route(scope)
                metrics.REQUESTS.labels(route, status).observe(seconds)
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                logger.info("%s %s %s %.0f ms", scope["method"], route, status, seconds * 1000)

    async def _limited(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        most = MAX_BATCH_BODY if scope["path"].startswith(LARGE) else MAX_BODY

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
                message["headers"] = headers + ([(b"connection", b"close")] if self._moves_on() else [])
            await send(message)

        await self._app(scope, _Body(receive, most, self._seconds), sending)

    def _moves_on(self) -> bool:
        """Whether a connection ends with this answer, so that it finds its way to a worker with less to do.

        Workers accept from one socket; connections that stay open would stay as unevenly spread as they came.
        """
        self._answers += 1
        return self._answers % ANSWERS_A_CONNECTION == 0


class TaskDoor:
    """ASGI middleware: looks at a task when it is handed in. BentoML takes anything, and fails much later."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in TASKS:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            await read_json(request, TaskIn)
        except Refused as error:
            await _refuse(scope, receive, send, error)
            return
        read: list[Message] = [{"type": "http.request", "body": await request.body(), "more_body": False}]

        async def again() -> Message:
            return read.pop() if read else await receive()

        await self._app(scope, again, send)


class _Body:
    """`receive` of one request; raises `Refused` where the body is too large or too slow."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most, self._seconds = receive, most, seconds
        self._read = 0
        self._complete = False
        self._deadline: float | None = None

    async def __call__(self) -> Message:
        if self._complete:  # what is still waited for is the client's going away
            return await self._receive()
        loop = asyncio.get_running_loop()
        self._deadline = self._deadline or loop.time() + self._seconds
        try:
            message = await asyncio.wait_for(self._receive(), self._deadline - loop.time())
        except TimeoutError as error:
            text = f"The request was not complete after {self._seconds:g} seconds."
            raise Refused(408, "too_slow", text) from error
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._read > self._most:
            raise Refused(413, "too_large", f"The request has more than {self._most:,} bytes.")
        return message


def _request_id(scope: Scope) -> str:
    """The caller's id where it is one, else a new one."""
    given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _route(scope: Scope) -> str:
    """The template of the route that answered; paths that callers make up are one."""
    path = getattr(scope.get("route"), "path", None) or scope["path"]
    return str(path) if scope.get("route") or path in OWN else "other"


async def _refuse(scope: Scope, receive: Receive, send: Send, error: Refused) -> None:
    metrics.REFUSED.labels(error.code).inc()
    content = {"error": error.message, "code": error.code, "request_id": scope["state"]["request_id"]}
    await JSONResponse(content, error.status, error.headers)(scope, receive, send)
