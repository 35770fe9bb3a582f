"""docs/deployment.md and docs/security.md say what is so."""

import json
import re

import pytest
import typer

from rakuten_assets_tests.docker.test_compose import ONCE
from rakuten_assets_tests.docker.tools import DOCKER, PROJECT, composed, programs

DEPLOYMENT, SECURITY = (PROJECT / "docs" / name for name in ("deployment.md", "security.md"))
TESTS = PROJECT / "rakuten_assets_tests"


def test_every_threat_names_tests_and_every_test_exists():
    rows = [row for row in SECURITY.read_text().splitlines() if row.startswith("| ") and "---" not in row][1:]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, row
        assert [test for file, test in named if f"def {test}(" not in (TESTS / file).read_text()] == [], row


@pytest.mark.parametrize("document", [DEPLOYMENT, SECURITY], ids=lambda path: path.name)
def test_every_file_that_is_named_exists(document):
    named = set(re.findall(r"`((?:docker|docs|serving|rakuten_assets\w*|\.github)/[\w./-]+)`", document.read_text()))
    # Made by init.sh, and by hand.
    assert [name for name in named - {"docker/secrets", "docker/.env"} if not (PROJECT / name).exists()] == []


def test_every_variable_and_service_that_is_named_exists():
    text, compose = DEPLOYMENT.read_text(), (DOCKER / "compose.yaml").read_text()
    assert [name for name in re.findall(r"RAKUTEN_\w+|OTEL_\w+", text) if f"${{{name}" not in compose] == []
    drawing = text.partition("flowchart TB")[2].partition("```")[0]
    assert [name for name in composed()["services"] if name not in drawing and name not in ONCE] == []
    images = text.partition("| image")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)`", images, re.MULTILINE)) == programs().keys()


def test_every_command_of_the_platform_exists():
    from rakuten_assets.cli import app

    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"^rakuten (\w+)", DEPLOYMENT.read_text(), re.MULTILINE)) <= commands.keys()


def test_the_baseline_knows_of_nothing_outside_of_tests_and_examples():
    """What detect-secrets takes for a secret in the tree is a test's, or an example's `user:password`."""
    found = json.loads((PROJECT / ".secrets.baseline").read_text())["results"]
    elsewhere = {file for file in found if not file.startswith("rakuten_assets_tests/")}
    assert elsewhere <= {
        *(".env.example", "README.md", "rakuten_assets/settings.py", "rakuten_assets/user_commands.py"),
        *("benchmarks/submissions.py",),
    }
