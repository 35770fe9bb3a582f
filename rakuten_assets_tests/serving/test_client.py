"""The typed client, against servers that behave badly."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from rakuten_assets_tests.serving.conftest import free_port
from serving.client import Client, ServiceRefused, ServiceUnavailable

ANSWER = {"version": "0123456789abcdef", "challenger": None, "categories": []}


@pytest.fixture
def server():
    """A server that gives the answers that a test puts into its list, one after the other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers, body = running.answers.pop(0)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    running.answers = []
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def client(server):
    return Client(f"http://127.0.0.1:{server.server_port}")


def json_answer(status, content, **headers):
    return status, headers, json.dumps(content).encode()


def test_an_overloaded_service_is_asked_again_after_the_pause_that_it_asks_for(server):
    busy = json_answer(429, {"error": "Too much.", "code": "overloaded"}, **{"retry-after": "0.2"})
    server.answers += [busy, busy, json_answer(200, ANSWER)]
    start = time.monotonic()
    assert client(server).model().version == ANSWER["version"]
    assert time.monotonic() - start >= 0.4


def test_a_service_that_stays_overloaded_is_left_alone(server):
    busy = json_answer(429, {"error": "Too much.", "code": "overloaded"}, **{"retry-after": "0"})
    server.answers += [busy] * 10
    with pytest.raises(ServiceRefused, match="Too much") as refusal:
        client(server).model()
    assert (refusal.value.code, refusal.value.status, len(server.answers)) == ("overloaded", 429, 7)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (json_answer(503, {"error": "No champion.", "code": "no_model"}), "No champion"),
        ((502, {}, b"<html>bad gateway</html>"), "HTTP 502"),
        ((500, {}, b'["x"]'), "HTTP 500"),
    ],
)
def test_a_service_that_fails_is_unavailable_and_says_why(server, answer, said):
    server.answers.append(answer)
    with pytest.raises(ServiceUnavailable, match=said):
        client(server).model()


def test_a_service_that_is_not_there_is_unavailable():
    nobody = Client(f"http://127.0.0.1:{free_port()}", timeout=2)
    assert not nobody.ready()
    with pytest.raises(ServiceUnavailable, match="does not answer"):
        nobody.predict("Piscine")
