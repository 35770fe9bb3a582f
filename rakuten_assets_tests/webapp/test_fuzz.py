"""The API against inputs that schemathesis makes from its OpenAPI document: never a 5xx."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn

from rakuten_assets_tests.serving.conftest import free_port
from rakuten_assets_tests.webapp.conftest import opened, prepared
from webapp.worker import Worker

pytest_plugins = ["rakuten_assets_tests.webapp.programs"]

PROGRAM = Path(sys.executable).with_name("schemathesis")

# They would end the session that the other requests need; they are tried by nobody, below.
ENDING = "^/(session|sessions|me/password)$"


@pytest.fixture(scope="module")
def database(settings):
    """One of its own: what comes in by chance (accounts, a retraining, drift that was looked at) is nobody else's."""
    return prepared("rakuten_fuzz_tests", settings)


@pytest.fixture(scope="module")
def store(database):
    yield from opened(database)


@pytest.fixture(scope="module")
def serving_url(service):
    return service.url


@pytest.fixture(scope="module")
def address(small_web, service, store):
    """The running web app, with a worker beside it."""
    port, stop = free_port(), threading.Event()
    application = small_web.state.application
    server = uvicorn.Server(uvicorn.Config(small_web, port=port, log_level="error"))
    worker = Worker(store, service.client, application.root)
    threads = [threading.Thread(target=server.run), threading.Thread(target=worker.run, args=(stop,))]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/api/v1"
    server.should_exit = True
    stop.set()
    for thread in threads:
        thread.join(30)


def fuzz(address, folder, *options):
    command = [
        str(PROGRAM),
        "run",
        f"{address}/openapi.json",
        *("--url", address),
        *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
        *("--phases", "examples,fuzzing"),
        *("--max-examples", "8", "--seed", "1", "--workers", "2", "--no-color"),
        *("--request-timeout", "60"),
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


@pytest.mark.parametrize("role", ["seller", "admin"])
def test_no_input_that_the_document_allows_or_forbids_leads_to_a_5xx(address, make_account, role, tmp_path, caplog):
    account = make_account(role)
    credentials = {"email": account.email, "password": account.password}
    token = httpx.post(f"{address}/session", json=credentials, timeout=30).json()["token"]
    header = {"Authorization": f"Bearer {token}"}
    fuzz(address, tmp_path, "--header", f"Authorization: Bearer {token}", "--exclude-path-regex", ENDING)
    assert httpx.get(f"{address}/me", headers=header, timeout=30).status_code == 200
    assert "failed" not in caplog.text


def test_nor_does_it_where_nobody_is_signed_in(address, tmp_path):
    fuzz(address, tmp_path, "--include-path-regex", ENDING)
