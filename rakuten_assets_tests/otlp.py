"""A receiver of OTLP over HTTP, as a collector is one: what it is sent are OpenTelemetry's own messages."""

import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import decompress

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """A span: of which program, below which other one (empty for the first of a trace), and when (nanoseconds)."""

    trace: str
    id: str
    parent: str
    program: str
    name: str
    start: int
    end: int
    attributes: dict


class Receiver:
    """Listens on a free port until it is closed."""

    def __init__(self):
        self.spans, self.bodies, self._lock = [], [], threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.take(decompress(body, 31) if self.headers.get("content-encoding") == "gzip" else body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self):
        """What makes a program send its spans here, and soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "500"}

    def take(self, body):
        message = ExportTraceServiceRequest.FromString(body)
        found = [
            Seen(
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                attributes(part.resource)["service.name"],
                span.name,
                span.start_time_unix_nano,
                span.end_time_unix_nano,
                attributes(span),
            )
            for part in message.resource_spans
            for scope in part.scope_spans
            for span in scope.spans
        ]
        with self._lock:
            self.bodies.append(body)
            self.spans += found

    def traces(self):
        """All spans, by their trace."""
        traces = defaultdict(list)
        with self._lock:
            for span in self.spans:
                traces[span.trace].append(span)
        return traces

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def attributes(of):
    """As a dictionary; numbers as numbers."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


# What one submission passes through: program, span, and the span that it must be below.
WAY = (
    ("rakuten-webapp", "POST /api/v1/products", ""),
    ("rakuten-webapp", "outbox enqueue classify", "POST /api/v1/products"),
    ("rakuten-worker", "worker classify", "outbox enqueue classify"),
    ("rakuten-worker", "POST /predict_batch", "worker classify"),
    ("rakuten-serving", "predict", "POST /predict_batch"),
    ("rakuten-serving", "batch wait", "predict"),
    ("rakuten-serving", "model inference", "predict"),
    ("rakuten-worker", "store answer", "worker classify"),
)


def missing(trace):
    """The parts of the way that a trace lacks, or has below another parent, and the spans whose parent it lacks.

    Empty for a complete trace. Programs send their spans when it suits them, so a child may come before its parent.
    """
    names = {span.id: span.name for span in trace}
    there = {(span.program, span.name, names.get(span.parent, span.parent)) for span in trace}
    orphans = [(span.program, span.name, span.parent) for span in trace if span.parent and span.parent not in names]
    return [step for step in WAY if step not in there] + orphans
