"""Log lines and spans: what they tell, and what they keep to themselves."""

import json
import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rakuten_assets import telemetry
from rakuten_assets.telemetry import REQUEST, JsonLines, Lines

SECRET = "un titre que personne ne doit lire"


@pytest.fixture
def spans(monkeypatch):
    """What would be sent; the process's own tracer is left alone."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "_TRACER", provider.get_tracer("tests"))
    return exporter.get_finished_spans


def failing():
    """A record of an error whose message is somebody's text."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        return logging.LogRecord(
            "webapp", logging.ERROR, "", 0, "it %s", ("failed",), (ValueError, error, error.__traceback__)
        )


def test_a_line_is_an_object_with_request_and_trace(spans):
    token = REQUEST.set("order-17")
    with telemetry.span("work") as span:
        line = json.loads(JsonLines("webapp").format(logging.LogRecord("webapp", 20, "", 0, "sent %s", (3,), None)))
    REQUEST.reset(token)
    assert list(line) == ["time", "level", "program", "logger", "message", "request_id", "trace_id", "span_id"]
    now = span.get_span_context()
    assert (line["program"], line["level"], line["message"]) == ("webapp", "INFO", "sent 3")
    assert (line["request_id"], int(line["trace_id"], 16), int(line["span_id"], 16)) == (
        "order-17",
        now.trace_id,
        now.span_id,
    )


@pytest.mark.parametrize("formatter", [JsonLines("webapp"), Lines()], ids=["json", "text"])
def test_an_error_is_logged_by_kind_and_place_without_its_message(formatter):
    line = formatter.format(failing())
    assert "ValueError" in line
    assert "in failing" in line
    assert SECRET not in line


def test_a_span_tells_the_kind_of_an_error_and_not_its_message(spans):
    with pytest.raises(ValueError, match=SECRET), telemetry.span("work"):
        raise ValueError(SECRET)
    [span] = spans()
    assert (span.status.status_code.name, span.status.description, span.events) == ("ERROR", "ValueError", ())


def test_a_trace_goes_on_in_another_process(spans):
    with telemetry.span("here") as here:
        header = telemetry.traceparent()
    with telemetry.span("there", context=telemetry.going_on(header)):
        pass
    there = spans()[1]
    assert (there.parent.span_id, there.context.trace_id) == (
        here.get_span_context().span_id,
        here.get_span_context().trace_id,
    )


@pytest.mark.parametrize("header", ["", "nonsense", "00-0-0-01", "x" * 10_000])
def test_a_header_that_is_none_begins_a_new_trace(spans, header):
    with telemetry.span("there", context=telemetry.going_on(header)):
        pass
    assert spans()[0].parent is None


def test_without_a_collector_no_span_is_kept():
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)
    with telemetry.span("work") as span:
        assert not span.is_recording()
        assert telemetry.headers() == {}
