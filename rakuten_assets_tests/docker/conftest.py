"""Caddy where it is missing, and the whole platform, once for the tests that need it."""

import os
import shutil
import subprocess

import pytest

from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.docker.stack import Stack

# The checks of the first are quick; those of the last two start a Dagster each.
STARTED = (
    *("web-app", "worker", "classifier", "mlflow", "metrics", "dagster-webserver"),
    *("code-location", "dagster-daemon"),
)


@pytest.fixture(scope="session")
def caddy():
    """Debian's Caddy; it is installed where there is none."""
    if shutil.which("caddy") is None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "caddy"]):
            subprocess.run([*sudo, *command], check=True, capture_output=True)
    found = shutil.which("caddy")
    assert found, "Caddy could not be installed"
    return found


@pytest.fixture(scope="session")
def stack(caddy):
    folder = HOME / "containers"
    folder.mkdir()
    stack = Stack(folder)
    try:
        stack.start_postgres()
        stack.start_s3()
        done = stack.run("prepare")
        assert done.returncode == 0, done.stderr
        for name in STARTED:
            stack.start(name)
        stack.start_proxy()
        yield stack
    finally:
        stack.stop()
