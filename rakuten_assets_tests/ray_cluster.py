"""A real Ray cluster on this machine: a head with the job server, and nodes that can be lost."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from rakuten_assets_tests.object_store import free_port

# On a machine with two cores that others use as well.
START_SECONDS = 300

BIN = Path(sys.executable).parent


class RayCluster:
    """Nodes of one core each, `ray start` for each of them; the first is the head."""

    def __init__(self, folder: Path, nodes: int = 2, **environment: str):
        """`environment`: what the nodes, and so what runs on them, are told as well."""
        self._folder, self._port, self._dashboard = folder, free_port(), free_port()
        self.address = f"http://127.0.0.1:{self._dashboard}"
        self._environment = (
            os.environ
            | environment
            | {
                "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                # By default a node gives its agents some seconds to start, too few while others compute.
                "RAY_agent_register_timeout_ms": str(START_SECONDS * 1000),
            }
        )
        self.nodes: list[subprocess.Popen] = []
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for _ in range(nodes):
                self.add()
        except BaseException:
            self.stop()
            raise

    def add(self) -> None:
        """One node more, the head where there is none; returns when it is there."""
        before = len(self._believed_in())
        deadline = time.monotonic() + START_SECONDS
        self.nodes.append(self._start())
        while len(self._believed_in()) <= before:
            if self.nodes[-1].poll() is not None:
                # Ray gives a node half a minute to be known to the head, whatever else the machine is doing.
                self.lose(-1)
                self.nodes[-1] = self._start()
            assert time.monotonic() < deadline, (self._folder / "nodes.log").read_text()
            time.sleep(0.5)

    def lose(self, node: int) -> None:
        """Kill a node and everything that runs on it, at once, as when its machine is gone."""
        for process in _of_session(self.nodes[node].pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.nodes[node].wait()

    def stop(self) -> None:
        for number in reversed(range(len(self.nodes))):
            self.lose(number)

    def believed(self) -> list[dict]:
        """The nodes that the head believes in, as Ray describes them."""
        with urllib.request.urlopen(f"{self.address}/nodes?view=summary", timeout=10) as answer:
            summary = json.load(answer)["data"]["summary"]
        return [node["raylet"] for node in summary if node["raylet"].get("state") == "ALIVE"]

    def _believed_in(self) -> list[dict]:
        """Nobody, where there is no head yet or its job server does not answer."""
        try:
            with urllib.request.urlopen(f"{self.address}/api/jobs/", timeout=10):
                return self.believed()
        except OSError:
            return []

    def _start(self) -> subprocess.Popen:
        head = (
            "--head",
            f"--port={self._port}",
            f"--dashboard-port={self._dashboard}",
            f"--temp-dir={self._folder}/ray",
        )
        role = (f"--address=127.0.0.1:{self._port}",) if self._believed_in() else head
        # Two nodes of one machine would want the same ports.
        ports = (f"--dashboard-agent-listen-port={free_port()}", f"--node-manager-port={free_port()}")
        size = ("--num-cpus=1", "--object-store-memory=100000000")
        with (self._folder / "nodes.log").open("ab") as log:
            return subprocess.Popen(
                [str(BIN / "ray"), "start", *role, *ports, *size, "--disable-usage-stats", "--block"],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _of_session(leader: int) -> list[psutil.Process]:
    """What `ray start` has started, also where it has ended itself; nothing of it leaves the session."""

    def session(process: psutil.Process) -> int:
        try:
            return os.getsid(process.pid)
        except OSError:
            return 0

    return [process for process in psutil.process_iter() if session(process) == leader]
