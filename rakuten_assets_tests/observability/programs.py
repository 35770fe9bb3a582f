"""The real Prometheus and Alertmanager with the real configuration, and what is put into its place here.

Put in place: addresses (free local ports; jobs whose program does not run here are left out), seconds for intervals and
for `for:`, and a webhook of the test's own. Expressions, labels, texts, routes and inhibitions stay as they are.
"""

import os
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import loads
from pathlib import Path

import httpx
import yaml

from rakuten_assets_tests.serving.conftest import PROJECT, free_port

DOCKER = Path(PROJECT) / "docker"
PACKAGES = {"prometheus-alertmanager": "prometheus-alertmanager", "amtool": "prometheus-alertmanager"}
START_SECONDS = 30


def debian(program):
    """Path of the program; where it is missing, Debian's package is installed, and without it the test fails."""
    if shutil.which(program) is None:
        sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        package = PACKAGES.get(program, "prometheus")
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", package]):
            subprocess.run([*sudo, *command], check=True, capture_output=True)
    found = shutil.which(program)
    assert found, f"{program} could not be installed"
    return found


def says(program, *arguments, **options):
    """What the program prints; fails with it where it does not end well."""
    done = subprocess.run([debian(program), *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Program:
    """A process that answers by HTTP; its files lie in `folder`."""

    def __init__(self, folder, *command):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / "log").open("wb") as log:
            command = [str(part).format(port=self.port) for part in command]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            assert time.monotonic() < deadline, (folder / "log").read_text()
            assert self._process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)

    def _ready(self):
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def get(self, path, **parameters):
        answer = httpx.get(f"{self.url}{path}", params=parameters, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self):
        self._process.kill()
        self._process.wait()


class Prometheus(Program):
    """`targets`: the addresses of each job that runs here."""

    def __init__(self, folder, targets, alertmanager=None, seconds=1):
        whole = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
        whole["global"] |= {"scrape_interval": f"{seconds}s", "evaluation_interval": f"{seconds}s"}
        whole["scrape_configs"] = [
            job | {"static_configs": [{"targets": targets[job["job_name"]]}]}
            for job in whole["scrape_configs"]
            if job["job_name"] in targets
        ]
        static = [{"targets": [f"127.0.0.1:{alertmanager.port}"]}] if alertmanager else []
        whole["alerting"]["alertmanagers"] = [{"static_configs": static}]
        (folder / "rules").mkdir(parents=True)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(whole))
        for file in (DOCKER / "prometheus" / "rules").glob("*.yml"):
            rules = yaml.safe_load(file.read_text())
            for rule in (rule for group in rules["groups"] for rule in group["rules"] if "for" in rule):
                rule["for"] = f"{seconds}s"
            (folder / "rules" / file.name).write_text(yaml.safe_dump(rules))
        super().__init__(
            folder,
            debian("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:{port}",
        )

    def query(self, expression):
        """The samples of an expression, as of now: labels and value."""
        found = self.get("/api/v1/query", query=expression)["data"]
        assert found["resultType"] == "vector", expression
        return [(sample["metric"], float(sample["value"][1])) for sample in found["result"]]


class Alertmanager(Program):
    """`webhook`: where its messages go."""

    def __init__(self, folder, webhook):
        folder.mkdir()
        whole = yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text())
        (folder / "webhook_url").write_text(webhook)
        (folder / "smtp_password").touch()
        whole["global"] |= {
            "slack_api_url_file": str(folder / "webhook_url"),
            "smtp_auth_password_file": str(folder / "smtp_password"),
            "smtp_smarthost": "127.0.0.1:9",
        }
        whole["templates"] = [str(DOCKER / "alertmanager" / "templates" / "*.tmpl")]
        for route in (whole["route"], *whole["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "1s"}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(whole))
        super().__init__(
            folder,
            debian("prometheus-alertmanager"),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            "--cluster.listen-address=",
            "--web.listen-address=127.0.0.1:{port}",
        )

    def firing(self):
        """The alerts that it has been told of, by their name."""
        return {alert["labels"]["alertname"]: alert for alert in self.get("/api/v2/alerts")}


class Webhook:
    """Keeps what is sent to it, as a chat would show it."""

    def __init__(self):
        self.messages = messages = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                messages.append(loads(self.rfile.read(int(self.headers["content-length"])))["attachments"][0])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/secret"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
