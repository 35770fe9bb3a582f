"""compose.yaml, the Dockerfile, the Caddyfile and the secrets, together and alive: real programs, no engine."""

import base64
import json
import re
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import psycopg2
import pytest

from rakuten_assets_tests.docker.conftest import STARTED

EMAIL, PASSWORD = "vendeuse@example.org", "a password of some length"
HOSTS = ("localhost", "api.localhost", "dagster.localhost", "mlflow.localhost", "grafana.localhost")


@pytest.fixture(scope="module")
def people(stack):
    """Every program is healthy, and somebody has an account, made as the documentation says."""
    for name in STARTED:
        stack.until(lambda name=name: stack.healthy(name), name)
    file = stack.folder / "password"
    file.write_text(PASSWORD)
    command = ["python", "-m", "rakuten_assets", "user", "add", EMAIL, "--password-file", str(file)]
    done = stack.run("code-location", *command)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def ask(stack, people):
    """Ask a host through the proxy by HTTPS, trusting its own authority and nobody else."""
    trusted = ssl.create_default_context(cafile=stack.authority)
    with httpx.Client(verify=trusted, timeout=30) as client:

        def ask(method, host, path, headers=None, **options):
            client.cookies.clear()
            url = f"https://127.0.0.1:{stack.https}{path}"
            request = client.build_request(
                method, url, headers={"Host": host, **(headers or {})}, extensions={"sni_hostname": host}, **options
            )
            return client.send(request)

        yield ask


@pytest.fixture(scope="module")
def operator(stack):
    return basic("operator", (stack.secrets / "operator_password").read_text())


@pytest.fixture(scope="module")
def caller(stack):
    return basic("caller", (stack.secrets / "caller_password").read_text())


def basic(name, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def sign_in(ask, password=PASSWORD, email=EMAIL, **headers):
    return ask("POST", "localhost", "/api/v1/session", headers, json={"email": email, "password": password})


def test_every_program_is_healthy_by_its_own_check(stack, people):
    quick = [name for name in STARTED if name not in ("code-location", "dagster-daemon")]
    assert [name for name in quick if not stack.healthy(name)] == []


def test_a_health_check_fails_where_the_program_is_gone(stack):
    done = stack.run("web-app", "python", "/usr/local/lib/healthy.py", "http://127.0.0.1:9/readyz")
    assert done.returncode != 0


def test_the_database_asks_for_a_password_and_takes_the_right_one(stack, people):
    place = {"host": "127.0.0.1", "port": stack.ports["postgres"], "dbname": "rakuten", "user": "rakuten_app"}
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(**place, password="wrong")
    connection = psycopg2.connect(**place, password=(stack.secrets / "app_password").read_text())
    cursor = connection.cursor()
    cursor.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname IN ('rakuten', 'rakuten_app') ORDER BY 1")
    assert cursor.fetchall() == [("rakuten", False), ("rakuten_app", False)]
    connection.close()


def test_no_password_is_in_the_environment_or_command_of_a_program(stack, people):
    secrets = {file.read_text().strip() for file in stack.secrets.glob("*_password")} - {""}
    assert len(secrets) >= 8
    for name, process in stack.processes.items():
        for file in ("environ", "cmdline"):
            said = Path(f"/proc/{process.pid}/{file}").read_text()
            assert [secret for secret in secrets if secret in said] == [], f"{name} {file}"


def test_somebody_signs_in_through_the_proxy(ask):
    """The form of the page, as a browser sends it."""
    assert ask("GET", "localhost", "/sign-in").status_code == 200
    form = {"email": EMAIL, "password": PASSWORD}
    answer = ask("POST", "localhost", "/sign-in", {"Origin": "https://localhost"}, data=form)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert all(word in cookie for word in ("rakuten_session=", "HttpOnly", "Secure"))
    session = re.search(r"rakuten_session=[^;]+", cookie)[0]
    assert ask("GET", "localhost", answer.headers["location"], {"Cookie": session}).status_code == 200


def test_dagster_and_mlflow_are_for_operators(ask, operator):
    for host, path in (("dagster.localhost", "/server_info"), ("mlflow.localhost", "/version")):
        assert ask("GET", host, path).status_code == 401
        assert ask("GET", host, path, basic("operator", "wrong")).status_code == 401
        assert ask("GET", host, path, operator).status_code == 200
    found = ask("POST", "mlflow.localhost", "/api/2.0/mlflow/experiments/search", operator, json={"max_results": 1})
    assert found.status_code == 200, found.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_acts_with_an_operators_password(ask, operator, site):
    """Browsers send it along, and Dagster takes mutations from plain forms and by GET."""
    query = "/graphql?query=mutation{setNuxSeen}"
    said = {**operator, "Sec-Fetch-Site": site, "Origin": "https://evil.example"}
    form = {**said, "Sec-Fetch-Mode": "navigate", "Content-Type": "application/x-www-form-urlencoded"}
    assert ask("POST", "dagster.localhost", query, form).status_code == 403
    assert ask("GET", "dagster.localhost", query, {**said, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert ask("GET", "dagster.localhost", "/runs", {**said, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    own = {**operator, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert ask("POST", "dagster.localhost", "/graphql", own, json={"query": "{ version }"}).status_code == 200


def test_the_webserver_has_the_code_location_by_grpc(ask, operator):
    query = {
        "query": "{ locationStatusesOrError { ... on WorkspaceLocationStatusEntries { entries { loadStatus } } } }"
    }
    found = ask("POST", "dagster.localhost", "/graphql", operator, json=query).json()
    assert found["data"]["locationStatusesOrError"]["entries"] == [{"loadStatus": "LOADED"}]


def test_the_service_answers_programs_that_are_known_and_its_administration_stays_inside(ask, caller):
    assert ask("GET", "api.localhost", "/livez").status_code == 401
    assert ask("GET", "api.localhost", "/livez", caller).status_code == 200
    for path in (
        "/admin/deployment",
        "/admin/champion",
        "/metrics",
        "/admin/",
        "//admin/deployment",
        "/%61dmin/deployment",
    ):
        assert ask("GET", "api.localhost", path, caller).status_code == 404, path
    assert ask("POST", "api.localhost", "/admin/rollback", caller).status_code == 404


def test_metrics_stay_inside(ask):
    assert ask("GET", "localhost", "/metrics").status_code == 404


@pytest.mark.parametrize("host", HOSTS)
def test_every_host_tells_browsers_to_be_careful(ask, host):
    headers = ask("GET", host, "/").headers
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] in ("DENY", "SAMEORIGIN")
    assert "referrer-policy" in headers
    assert "permissions-policy" in headers
    assert "server" not in headers


def test_http_leads_to_https(stack, people):
    answer = httpx.get(f"http://127.0.0.1:{stack.http}/", headers={"Host": "localhost"})
    assert answer.status_code in (301, 308)
    assert answer.headers["location"].startswith("https://localhost")


def test_pages_are_sent_compressed(ask):
    assert ask("GET", "localhost", "/sign-in", {"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("host", "path", "protocol"),
    [
        ("localhost", "/_nicegui_ws/socket.io/?EIO=4&transport=websocket", None),
        ("dagster.localhost", "/graphql", "graphql-ws"),
    ],
)
def test_channels_of_pages_go_through(stack, ask, operator, host, path, protocol):
    context = ssl.create_default_context(cafile=stack.authority)
    lines = [
        *(f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket"),
        *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Origin: https://{host}"),
        *([f"Sec-WebSocket-Protocol: {protocol}"] if protocol else []),
        *([f"Authorization: {operator['Authorization']}"] if protocol else []),
    ]
    with (
        socket.create_connection(("127.0.0.1", stack.https), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as channel,
    ):
        channel.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert b" 101 " in channel.recv(4096).split(b"\r\n")[0]


def test_guesses_of_a_password_end_whatever_address_they_claim(ask, stack):
    other = "guessed@example.org"
    answers = [
        sign_in(ask, f"wrong {n}", other, **{"X-Forwarded-For": f"203.0.113.{n}", "X-Real-IP": f"203.0.113.{n}"})
        for n in range(7)
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert [answer.json()["code"] for answer in answers] == ["wrong_credentials"] * 4 + ["locked"] * 3


def test_programs_hear_the_true_address_and_no_password_of_the_proxys(stack, ask, operator):
    """Something that repeats what it heard stands where Grafana does."""
    heard = {}

    class Repeater(BaseHTTPRequestHandler):
        def do_GET(self):
            heard.update({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", stack.ports["grafana"]), Repeater) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        spoofed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}
        assert ask("GET", "grafana.localhost", "/", operator | spoofed).status_code == 200
    assert heard["x-forwarded-for"] == "127.0.0.1"
    assert heard["x-forwarded-proto"] == "https"
    assert heard["x-forwarded-host"] == "grafana.localhost"
    assert "authorization" not in heard


def test_endless_bodies_are_refused(ask):
    body = b"x" * 16_000_000

    def pieces():
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    for content in (body, pieces()):
        answer = ask("POST", "localhost", "/api/v1/session", {"Content-Type": "application/json"}, content=content)
        assert answer.status_code == 413


def test_the_access_log_tells_nothing_of_people(stack, ask):
    ask("GET", "localhost", f"/sign-in?next=%2F&who={EMAIL}", {"User-Agent": "a telling browser"})
    stack.until(lambda: '"uri":"/sign-in"' in stack.log("proxy"), "proxy")
    lines = [json.loads(line) for line in stack.log("proxy").splitlines() if '"http.log.access' in line]
    assert {"method", "host", "uri"} <= lines[-1]["request"].keys()
    said = json.dumps(lines)
    assert [word for word in (EMAIL, "a telling browser", "127.0.0.1", "operator", "?") if word in said] == []


def test_nothing_is_written_beside_the_volumes(stack, people):
    """In the containers all of this is read-only; here, a file would stand where none was copied."""
    assert stack.unexpected_files() == []
