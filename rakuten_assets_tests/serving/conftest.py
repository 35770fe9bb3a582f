"""A real `bentoml serve` of the platform's champion, with two workers."""

import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import httpx
import pytest

from rakuten_assets.core import parity
from rakuten_assets.core.calibration import Calibration
from rakuten_assets.core.classifier import ProductClassifier
from rakuten_assets.core.sample_pictures import draw_picture, encode
from serving.client import Client

PROJECT = Path(__file__).parents[2]
TOKEN = "a token for the tests"
START_SECONDS = 90


@dataclass
class Running:
    """A service that runs, and what a test needs to speak to it."""

    url: str
    folder: Path
    process: subprocess.Popen
    environment: dict

    @property
    def client(self):
        return Client(self.url, TOKEN)

    @property
    def log(self):
        return (self.folder / "log").read_text()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder, models, version="", target="serving.service:RakutenClassifier", cwd=PROJECT, **environment):
    """A service in a process of its own; returns when it lives."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    token.write_text(TOKEN)
    port = free_port()
    variables = {
        "RAKUTEN_SERVING_MODELS": str(models),
        "RAKUTEN_SERVING_MODEL": version,
        "RAKUTEN_SERVING_STATE_DIR": str(folder / "state"),
        "RAKUTEN_SERVING_TOKEN_FILE": str(token),
        "RAKUTEN_SERVING_WORKERS": "2",
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        **environment,
    }
    command = [sys.executable, "-m", "bentoml", "serve", target, "--port", str(port), "--host", "127.0.0.1"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=os.environ | variables, stdout=log, stderr=log, start_new_session=True
        )
    running = Running(f"http://127.0.0.1:{port}", folder, process, variables)
    until(lambda: answers(running), START_SECONDS, running)
    return running


def stop(running):
    running.process.terminate()
    try:
        running.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(running.process.pid, 9)
        running.process.wait()


def until(condition, seconds, running):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert running.process.poll() is None, running.log
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(running.log)


def answers(running):
    try:
        return httpx.get(f"{running.url}/livez", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def champion(platform):
    """The folder of the platform's champion."""
    registered = platform.registry.get("champion")
    return Path(str(platform.settings.root)) / registered.folder


@pytest.fixture(scope="session")
def classifier(champion):
    return ProductClassifier.load(champion)


@pytest.fixture(scope="session")
def service(platform, champion, tmp_path_factory):
    """The champion, served; tests that change what is served start a service of their own."""
    running = start(tmp_path_factory.mktemp("service"), platform.settings.root, champion.name)
    until(running.client.ready, START_SECONDS, running)
    yield running
    stop(running)


@pytest.fixture(scope="session")
def picture():
    """A drawn product of 500 x 500 pixels, as a JPEG's bytes."""
    return encode(draw_picture(Random(5), 2583))


def as_base64(data):
    return base64.b64encode(data).decode()


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def other_version(champion, models, temperature):
    """The champion with another temperature, stored under the version that it has thereby become."""
    whole = ProductClassifier.load(champion)
    changed = replace(whole, fusion=replace(whole.fusion, calibrations=(Calibration(temperature),) * 3))
    draft = models / "draft"
    shutil.copytree(champion, draft)
    version = changed.save(draft)
    parity.write_examples(draft, ProductClassifier.load(draft))
    (draft / "COMPLETE").touch()
    target = models / "models" / "stacked_model" / version
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(target)
    return version
