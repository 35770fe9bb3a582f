"""What stands in front of the pages and the API."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rakuten_assets.store.audit import REQUEST
from webapp import guard
from webapp.auth import COOKIE
from webapp.guard import Guard


async def echo(request):
    return PlainTextResponse(f"{len(await request.body())} {REQUEST.get()}")


async def channel(socket):
    await socket.accept()
    await socket.send_text("in")
    await socket.close()


@pytest.fixture
def browser():
    """A small application behind the guard; the visitor has a session."""
    routes = [
        Route("/", echo, methods=["GET", "POST", "PUT", "DELETE"]),
        Route("/api/v1/imports", echo, methods=["POST"]),
        Route("/_nicegui_ws/socket.io/", echo, methods=["GET", "POST"]),
        WebSocketRoute("/_nicegui_ws/socket.io/", channel),
    ]
    app = Guard(Starlette(routes=routes), cookie=COOKIE)
    with TestClient(app, base_url="http://shop.example:8080", cookies={COOKIE: "token"}) as client:
        yield client


CHANNEL = "ws://shop.example:8080/_nicegui_ws/socket.io/"

OWN = [
    {"Origin": "http://shop.example:8080"},
    # A proxy in front speaks HTTPS; the host is what counts.
    {"Origin": "https://shop.example:8080"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://SHOP.example:8080", "Sec-Fetch-Site": "same-origin"},
]
FOREIGN = [
    {},
    {"Origin": "https://evil.example"},
    {"Origin": "https://shop.example.evil.example:8080"},
    {"Origin": "http://shop.example"},
    {"Origin": "http://shop.example:9999"},
    {"Origin": "null"},
    {"Origin": "http://shop.example:eight"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", OWN)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_ones_own_pages_send_passes(browser, method, headers):
    assert browser.request(method, "/", headers=headers).status_code == 200


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_other_sites_make_a_browser_send_is_refused(browser, method, headers):
    answer = browser.request(method, "/", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("headers", OWN[:2])
def test_ones_own_pages_open_the_channel(browser, headers):
    with browser.websocket_connect(CHANNEL, headers=headers) as socket:
        assert socket.receive_text() == "in"


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_other_site_opens_the_channel(browser, headers):
    with (
        pytest.raises(WebSocketDisconnect),
        browser.websocket_connect(CHANNEL, headers=headers),
    ):
        pass


@pytest.mark.parametrize("headers", FOREIGN)
def test_no_other_site_opens_the_channel_over_plain_http(browser, headers):
    assert browser.get("/_nicegui_ws/socket.io/", headers=headers).status_code == 403


def test_links_from_other_sites_lead_here(browser):
    assert browser.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_programs_have_no_cookie_and_need_no_origin(browser):
    browser.cookies.clear()
    assert browser.post("/", headers={"Authorization": "Bearer token"}).status_code == 200


def test_a_body_over_the_limit_is_refused_by_its_announced_length(browser, monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODY", 1_000)
    assert browser.post("/", content=b"x" * 1_000, headers=OWN[0]).status_code == 200
    assert browser.post("/", content=b"x" * 1_001, headers=OWN[0]).status_code == 413


def test_a_body_over_the_limit_is_refused_where_nothing_was_announced(browser, monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODY", 1_000)
    assert browser.post("/", content=(b"x" * 100 for _ in range(10)), headers=OWN[0]).status_code == 200
    assert browser.post("/", content=(b"x" * 100 for _ in range(11)), headers=OWN[0]).status_code == 413


def test_an_import_may_be_larger(browser, monkeypatch):
    monkeypatch.setattr(guard, "MAX_BODY", 1_000)
    assert browser.post("/api/v1/imports", content=b"x" * 2_000, headers=OWN[0]).status_code == 200


def test_each_request_has_an_id_that_the_audit_log_takes(browser):
    first, second = browser.get("/"), browser.get("/")
    ids = [answer.headers["x-request-id"] for answer in (first, second)]
    assert [answer.text.split()[1] for answer in (first, second)] == ids
    assert ids[0] != ids[1]


@pytest.mark.parametrize(("said", "taken"), [("abc-123.x", True), ("a b", False), ("x" * 65, False)])
def test_a_callers_id_is_taken_where_it_can_be_one(browser, said, taken):
    assert (browser.get("/", headers={"X-Request-ID": said}).headers["x-request-id"] == said) is taken


def test_answers_may_not_be_framed_sniffed_or_filled_from_elsewhere(browser):
    headers = browser.get("/").headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"


async def test_the_guard_stands_in_front_of_the_web_app(http, seller):
    form = {"email": seller.email, "password": seller.password}
    answer = await http.post("/sign-in", data=form, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_an_unknown_address_gets_a_page_that_says_so(user):
    await user.open("/no/such/page")
    assert user.status == 404
    await user.should_see("Page introuvable")


async def test_the_process_and_its_database_can_be_asked_after(http, application, monkeypatch):
    assert (await http.get("/healthz")).text == "ok"
    assert (await http.get("/readyz")).status_code == 200
    application.store.close()
    monkeypatch.setattr(application.store, "reachable", lambda: False)
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 503


def test_routes_that_pages_register_with_their_own_id_are_one_in_the_metrics():
    class Route:
        path = "/_nicegui/client/0a1b-2c3d/upload/7"

    assert guard._route({"path": Route.path, "route": Route}) == "/_nicegui"
    assert guard._route({"path": "/products", "route": type("Page", (), {"path": "/products"})}) == "/products"
    assert guard._route({"path": "/made-up"}) == "other"
