"""The web app's programs, started once for the tests that need all of them."""

import pytest

from rakuten_assets_tests.e2e.stack import Stack
from rakuten_assets_tests.serving.conftest import champion as champion


@pytest.fixture(scope="session")
def stack(platform, champion, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stack")
    # The database runs as another user where the tests run as root.
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
    stack = Stack(folder, platform.settings.root, champion.name)
    yield stack
    stack.stop()
