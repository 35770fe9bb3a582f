"""What every program tells of itself: log lines with the request's id, and spans of traces. Never what people wrote.

Logs are lines for people, or JSON where `RAKUTEN_LOG_FORMAT=json`. Spans go by OTLP over HTTP to where the standard
variable `OTEL_EXPORTER_OTLP_ENDPOINT` says; without it they cost next to nothing. This module knows no framework, so
that all programs may import it.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""The id of the request that is being answered: it leads from one program's logs to another's, and to the audit log."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

# The end of the way to an error; the frames before it are those of the frameworks.
FRAMES = 6

# Waits for no collector that is gone: a program that is told to stop must stop.
FLUSH_SECONDS = 5

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER: Tracer = NoOpTracer()
_PROVIDERS: list["TracerProvider"] = []


class TelemetrySettings(BaseSettings):
    """What all programs share, whatever the prefix of their own settings."""

    model_config = SettingsConfigDict(env_prefix="RAKUTEN_", env_file=".env", extra="ignore")

    log_format: Literal["text", "json"] = "text"


def start(program: str, *own: str) -> None:
    """Log and trace as `program`, once for each process; the loggers `own` are its framework's."""
    _log(program, *own)
    _export(program)


def _log(program: str, *own: str) -> None:
    """Write the log to stderr; the loggers `own` lose their handlers, and keep their level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(program))
    root = logging.getLogger()
    root.handlers[:], root.level = [handler], logging.WARNING
    for name in own:
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [], True
    for name in ("rakuten_assets", "webapp"):
        logging.getLogger(name).setLevel(logging.INFO)


def formatter(program: str) -> logging.Formatter:
    """How the lines of a program look; Dagster finds it by its name, in `dagster.yaml`."""
    return JsonLines(program) if TelemetrySettings().log_format == "json" else Lines()


def stop() -> None:
    """Send the spans that are still here; a process that is ended by a signal asks for it itself."""
    for provider in _PROVIDERS:
        provider.force_flush()


def traceparent(context: Context | None = None) -> str:
    """The current span, or that of `context`, as W3C's header has it; empty where there is none."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return carrier.get("traceparent", "")


def headers() -> dict[str, str]:
    """What a request to another program carries: the request's id, and the trace."""
    said = {"x-request-id": REQUEST.get(), "traceparent": traceparent()}
    return {name: value for name, value in said.items() if value}


def going_on(header: str) -> Context:
    """The context of a span in another process; that of no span where the header is empty or damaged."""
    return _PROPAGATOR.extract({"traceparent": header}, Context())


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    context: Context | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """A span around the block, below the current one or that of `context`.

    An error is told by its kind alone: its message may be what a person wrote.
    """
    with _TRACER.start_as_current_span(
        name, context, kind, attributes, record_exception=False, set_status_on_exception=False
    ) as opened:
        try:
            yield opened
        except BaseException as error:
            opened.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def spans(name: str, kind: SpanKind, contexts: Sequence[Context]) -> Iterator[list[Span]]:
    """A span in each of several traces, of work that is done for all of them at once."""
    opened = [_TRACER.start_span(name, context, kind) for context in contexts]
    try:
        yield opened
    except BaseException as error:
        for each in opened:
            each.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for each in opened:
            each.end()


def record(name: str, context: Context, start: int, attributes: Mapping[str, AttributeValue] | None = None) -> None:
    """A span of what began at `start` (nanoseconds since 1970) and ends now."""
    _TRACER.start_span(name, context, attributes=attributes, start_time=start).end()


def within(opened: Span) -> Context:
    """The context of what happens below a span."""
    return trace.set_span_in_context(opened, Context())


@contextmanager
def request(id: str, opened: Span) -> Iterator[None]:
    """The block belongs to a request and to a span that were begun elsewhere."""
    token = REQUEST.set(id)
    try:
        with trace.use_span(opened, record_exception=False, set_status_on_exception=False):
            yield
    finally:
        REQUEST.reset(token)


def describe(error: BaseException) -> str:
    """The kind of the error and where it was raised, without its message."""
    where = "".join(traceback.format_tb(error.__traceback__)[-FRAMES:])
    return f"{type(error).__name__}\n{where}".rstrip()


class Lines(logging.Formatter):
    """Lines for people. Of errors, the kind and the place."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return f"{line} [{REQUEST.get()}]" if REQUEST.get() else line

    def formatException(self, ei) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001, N802
        return describe(ei[1]) if ei[1] else ""


class JsonLines(logging.Formatter):
    """An object a line: when, how bad, which program and logger, what, and of which request and trace."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        now = trace.get_current_span().get_span_context()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "program": self._program,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST.get(),
            "trace_id": trace.format_trace_id(now.trace_id) if now.is_valid else "",
            "span_id": trace.format_span_id(now.span_id) if now.is_valid else "",
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = describe(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _export(program: str) -> None:
    global _TRACER
    if not any(os.environ.get(name) for name in ENDPOINTS):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # The program's own name, which no variable that all programs share may take from it. The provider is not made the
    # global one: FastAPI and others would send spans by it, with callers' addresses and with what people asked for.
    provider = TracerProvider(resource=Resource.create({"service.name": f"rakuten-{program}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=FLUSH_SECONDS)))
    _PROVIDERS.append(provider)
    _TRACER = provider.get_tracer("rakuten")
