"""However the services are ended, none of them is left behind."""

import os
import pty
import select
import signal
import sys

import psutil
import pytest

# One service that ends when it is told to, and would not by itself.
PROGRAM = """
from rich.console import Console
from rakuten_assets import services
from rakuten_assets.settings import Settings

services._commands = lambda settings: {"sleeper": ["sleep", "1000"]}
services._addresses = lambda settings: {}
services.serve(Settings(), Console())
"""
# Whatever the tests were started with.
AS_USUAL, NOHUP = (f"import signal; signal.signal(signal.SIGHUP, signal.{how})\n" for how in ("SIG_DFL", "SIG_IGN"))


@pytest.fixture
def start(settings, tmp_path, monkeypatch):
    """Start it in a terminal of its own, and wait for its service: both as processes, and the terminal."""
    monkeypatch.setenv("RAKUTEN_DATA_ROOT", str(tmp_path / "data"))
    for name in ("DAGSTER", "MLFLOW", "SERVING", "WEBAPP"):
        monkeypatch.setenv(f"RAKUTEN_{name}_PORT", "0")
    started = []

    def start(before=AS_USUAL):
        number, screen = pty.fork()
        if not number:
            os.execv(sys.executable, [sys.executable, "-W", "ignore", "-c", before + PROGRAM])
        program = psutil.Process(number)
        started.append(program)
        said = b""
        while b"Ctrl-C" not in said:
            assert select.select([screen], [], [], 60)[0], said
            said += os.read(screen, 4096)
        [sleeper] = [each for each in program.children() if each.name() == "sleep"]
        started.append(sleeper)
        return program, sleeper, screen

    yield start
    for process in started:
        if process.is_running():
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_services_first(start, number):
    program, sleeper, screen = start()
    program.send_signal(number)
    assert program.wait(30) == 0
    assert not sleeper.is_running()
    os.close(screen)


def test_a_terminal_that_is_closed_ends_the_services_first(start):
    program, sleeper, screen = start()
    os.close(screen)
    assert program.wait(30) == 128 + signal.SIGHUP
    assert not sleeper.is_running()


def test_with_nohup_they_outlive_their_terminal(start):
    program, sleeper, screen = start(NOHUP)
    os.close(screen)
    with pytest.raises(psutil.TimeoutExpired):
        program.wait(3)
    assert sleeper.is_running()
    program.terminate()
    program.wait(30)
    assert not sleeper.is_running()
