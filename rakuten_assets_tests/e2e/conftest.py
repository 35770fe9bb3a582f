"""The web app's programs, started once for the tests that need all of them."""

import pytest

from rakuten_assets_tests.conftest import HOME
from rakuten_assets_tests.e2e.stack import Stack, until
from rakuten_assets_tests.serving.conftest import champion as champion


@pytest.fixture(scope="session")
def stack(platform, champion):
    folder = HOME / "stack"
    folder.mkdir()
    stack = Stack(folder, platform.settings.root, champion.name)
    until(stack.answers)
    yield stack
    stack.stop()
