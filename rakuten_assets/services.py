"""All services of one machine as child processes: started together, stopped together."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rakuten_assets.lineage import PROJECT, bury_the_dead, home, instance
from rakuten_assets.postgres import application_url, database_url
from rakuten_assets.registry import Registry
from rakuten_assets.settings import Settings

# What a product needs to be classified.
CLASSIFYING = ("web-app", "worker", "classifier")

# What it takes to learn from people as well.
LOOP = (*CLASSIFYING, "dagster", "dagster-daemon", "mlflow")

# A service that has not answered by then never will.
START_SECONDS = 120

# A service that has not ended by then is made to: the daemon, say, which waits for a run that is under way.
STOP_SECONDS = 20


def serve(
    settings: Settings,
    console: Console,
    once: Callable[[], None] | None = None,
    programs: Sequence[str] = CLASSIFYING,
) -> None:
    """Start every service; print their addresses; end with them, on Ctrl-C, or with the terminal.

    With `once`, start the `programs` that it takes, call it, and end.
    """
    refuse_a_second_time(settings)
    with instance(settings) as opened:
        bury_the_dead(opened, services_stopped=True)
    environment = (
        os.environ
        | _exported(settings)
        | _for_the_classifier(settings)
        | _for_the_web_app(settings)
        | {
            "DAGSTER_HOME": str(home(settings)),
            # In the environment, not on the command line: a process list is everybody's to read.
            "MLFLOW_BACKEND_STORE_URI": database_url("mlflow", settings),
            # What scores prompts in the background, eight processes of MLflow that nobody here has work for.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
    )
    settings.drop_folder.mkdir(parents=True, exist_ok=True)
    logs = settings.local_state / "logs"
    logs.mkdir(exist_ok=True)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    signal.signal(signal.SIGTERM, _end)
    # The terminal was closed; nohup is for those who want the services to outlive it.
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _end)
    # A shell without a terminal lets what it starts in the background ignore this one; here it is how one stops.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for name, command in _commands(settings).items():
            if once is None or name in programs:
                processes[name] = _start(name, command, environment, logs)
        with console.status("starting the services"):
            for name, url in _addresses(settings).items():
                if name in processes:
                    _wait(name, url, processes, logs)
        if once:
            once()
            return
        console.print(_table(settings))
        console.print(f"Deliveries dropped into [bold]{settings.drop_folder}[/bold] are taken in. Ctrl-C stops.")
        _watch(processes, logs, console)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        _ask_once()
        _stop(processes)


def _end(number: int, frame: object) -> None:
    """End as one is told to; who closes a terminal hears of it twice, from the shell and from the system."""
    _ask_once()
    sys.exit(0 if number == signal.SIGTERM else 128 + number)


def _ask_once() -> None:
    """Who is impatient and asks twice must not leave the children behind."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def refuse_a_second_time(settings: Settings) -> None:
    """Raise RuntimeError where a port is taken: by these services, most likely, and their runs are alive."""
    of_programs = (settings.dagster_port, settings.mlflow_port, settings.serving_port, settings.webapp_port)
    of_metrics = (settings.metrics_port, settings.webapp_metrics_port, settings.webapp_worker_metrics_port)
    for port in filter(None, (*of_programs, *of_metrics)):
        with socket.socket() as probe:
            if probe.connect_ex((settings.host, port)) == 0:
                raise RuntimeError(f"Port {port} of {settings.host} is taken: do these services run already?")


def _exported(settings: Settings) -> dict[str, str]:
    """The settings as the services shall read them: also those from a `.env` that is not in their folder."""
    paths = {
        "data_root": str(settings.root),
        "state_dir": str(settings.local_state),
        "drop_folder": str(settings.drop_folder.absolute()),
    }
    values = settings.model_dump(exclude_none=True) | paths
    return {f"RAKUTEN_{name.upper()}": str(value) for name, value in values.items()}


def _for_the_classifier(settings: Settings) -> dict[str, str]:
    """What the prediction service is told; also the champion, where there is one, so that it is ready at once."""
    champion = Registry(str(settings.root)).get("champion")
    folder = settings.local_state / "serving"
    return {
        "RAKUTEN_SERVING_MODELS": str(settings.root),
        "RAKUTEN_SERVING_MODEL": champion.version if champion else "",
        "RAKUTEN_SERVING_STATE_DIR": str(folder),
        "RAKUTEN_SERVING_TOKEN_FILE": str(_token_file(settings)),
        "BENTOML_HOME": str(settings.local_state / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }


def _for_the_web_app(settings: Settings) -> dict[str, str]:
    """What the web app and its worker are told; its database as a role that rewrites no audit line."""
    return {
        "RAKUTEN_WEBAPP_DATABASE_URL": application_url(settings),
        "RAKUTEN_WEBAPP_DATA_ROOT": str(settings.root),
        "RAKUTEN_WEBAPP_HOST": settings.host,
        "RAKUTEN_WEBAPP_SERVING_URL": settings.classifier_url,
        "RAKUTEN_WEBAPP_DAGSTER_URL": settings.dagster_link,
        "RAKUTEN_WEBAPP_MLFLOW_URL": settings.mlflow_link,
    }


def _token_file(settings: Settings) -> Path:
    """The file with the service's admin token, made where it is missing: for this user's eyes only."""
    file = settings.serving_token_file.absolute()
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:  # noqa: PTH123
            new.write(secrets.token_urlsafe(32))
    return file


def _commands(settings: Settings) -> dict[str, list[str]]:
    python, workspace = sys.executable, str(PROJECT / "workspace.yaml")
    host, root = settings.host, settings.root
    log_format = ["--log-format", "json"] if settings.log_format == "json" else []
    metrics = {"metrics": [python, "-m", "rakuten_assets.metrics"]} if settings.metrics_port else {}
    return metrics | {
        "dagster": [
            *(python, "-m", "dagster_webserver", "-w", workspace),
            *("-h", host, "-p", str(settings.dagster_port), *log_format),
        ],
        "classifier": [
            *(python, "-m", "bentoml", "serve", "serving.service:RakutenClassifier"),
            *("--host", host, "--port", str(settings.serving_port)),
        ],
        "web-app": [python, "-m", "webapp"],
        "worker": [python, "-m", "webapp.worker"],
        "dagster-daemon": [python, "-m", "dagster._daemon", "run", "-w", workspace, *log_format],
        "mlflow": [
            *(python, "-m", "mlflow", "server", "--workers", "1", "--uvicorn-opts", "--log-level warning"),
            *("--host", host, "--port", str(settings.mlflow_port)),
            *("--default-artifact-root", str(root / "mlflow"), "--serve-artifacts"),
        ],
    }


def _addresses(settings: Settings) -> dict[str, str]:
    return {
        "dagster": f"http://{settings.host}:{settings.dagster_port}/server_info",
        "mlflow": f"http://{settings.host}:{settings.mlflow_port}/health",
        "classifier": f"http://{settings.host}:{settings.serving_port}/livez",
        "web-app": f"{web_address(settings)}/healthz",
        "metrics": f"http://{settings.host}:{settings.metrics_port}/metrics",
    }


def web_address(settings: Settings) -> str:
    """Where sellers and administrators go."""
    return f"http://{settings.host}:{settings.webapp_port}"


def _start(name: str, command: list[str], environment: dict[str, str], logs: Path) -> subprocess.Popen[bytes]:
    with (logs / f"{name}.log").open("ab") as log:
        # A session of its own: Ctrl-C reaches this process alone, which then stops all of them in order.
        return subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True)


def _wait(name: str, url: str, processes: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if processes[name].poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{name} did not start; its log is {logs / f'{name}.log'}.")


def _watch(processes: dict[str, subprocess.Popen[bytes]], logs: Path, console: Console) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                console.print(f"[red]{name} ended[/red]; its log is {logs / f'{name}.log'}.")
                sys.exit(1)
        time.sleep(1)


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Ask each process group to end, and end those that do not."""
    for process in processes.values():
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        try:
            process.wait(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)


def _table(settings: Settings) -> Table:
    table = Table(title="running")
    table.add_column("service")
    table.add_column("address", no_wrap=True)
    table.add_row("Web app", web_address(settings))
    table.add_row("Dagster UI", f"http://{settings.host}:{settings.dagster_port}")
    table.add_row("Prediction service", f"http://{settings.host}:{settings.serving_port}")
    table.add_row("MLflow", f"http://{settings.host}:{settings.mlflow_port}")
    if settings.metrics_port:
        table.add_row("Metrics", f"http://{settings.host}:{settings.metrics_port}/metrics")
    return table
