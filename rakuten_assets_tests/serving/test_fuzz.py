"""The service against inputs that schemathesis makes from its OpenAPI document: never a 5xx."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from rakuten_assets_tests.serving.conftest import TOKEN

PROGRAM = Path(sys.executable).with_name("schemathesis")


ADMIN = ["--header", f"Authorization: Bearer {TOKEN}", "--include-path-regex", "^/admin"]


@pytest.mark.parametrize("whose", [[], ADMIN], ids=["anybody", "admin"])
def test_no_input_that_the_document_allows_or_forbids_leads_to_a_5xx(service, whose, tmp_path):
    """By everybody, and by an admin."""
    command = [
        str(PROGRAM),
        "run",
        f"{service.url}/docs.json",
        *("--url", service.url),
        *("--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "25", "--seed", "1", "--workers", "2", "--no-color"),
        *("--request-timeout", "20"),
        *whose,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert service.client.predict("Piscine").categories
    assert "Traceback" not in service.log


def test_every_example_of_the_document_is_answered(service):
    """Pressing `Execute` on the page works at once."""
    document = httpx.get(f"{service.url}/docs.json").json()
    pressed = 0
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if content and not path.startswith("/admin"):
            answer = httpx.post(service.url + path, json=content["example"], timeout=60)
            assert answer.status_code == 200, (path, answer.text)
            pressed += 1
    assert pressed == 5
