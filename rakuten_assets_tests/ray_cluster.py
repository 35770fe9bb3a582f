"""A real Ray cluster on this machine: a head with the job server, and nodes that can be lost."""

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
START_SECONDS = 180

BIN = Path(sys.executable).parent


class RayCluster:
    """Nodes of one core each, `ray start` for each of them; the first is the head."""

    def __init__(self, folder: Path, nodes: int = 2, **environment: str):
        """`environment`: what the nodes, and so the steps that run on them, are told as well."""
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
        folder.mkdir(parents=True, exist_ok=True)
        head = ("--head", f"--port={self._port}", f"--dashboard-port={self._dashboard}", f"--temp-dir={folder}/ray")
        self.nodes = [self._start(*head)]
        self._until(self._answers)
        for _ in range(1, nodes):
            self.add()

    def add(self) -> None:
        """One node more; returns when it is there."""
        self.nodes.append(self._start(f"--address=127.0.0.1:{self._port}"))
        wanted = sum(node.poll() is None for node in self.nodes)
        self._until(lambda: len(self.believed()) == wanted)

    def lose(self, node: int) -> None:
        """Kill a node and everything that runs on it, at once, as when its machine is gone."""
        for process in _family(self.nodes[node].pid):
            process.kill()
        self.nodes[node].wait()

    def stop(self) -> None:
        for number in reversed(range(len(self.nodes))):
            if self.nodes[number].poll() is None:
                self.lose(number)

    def believed(self) -> list[dict]:
        """The nodes that the head believes in, as Ray describes them."""
        with urllib.request.urlopen(f"{self.address}/nodes?view=summary", timeout=10) as answer:
            summary = json.load(answer)["data"]["summary"]
        return [node["raylet"] for node in summary if node["raylet"].get("state") == "ALIVE"]

    def _start(self, *arguments: str) -> subprocess.Popen:
        command = [
            str(BIN / "ray"),
            "start",
            *arguments,
            "--node-ip-address=127.0.0.1",
            "--num-cpus=1",
            "--disable-usage-stats",
            "--block",
        ]
        # Two nodes of one machine would want the same ports.
        ports = [f"--dashboard-agent-listen-port={free_port()}", f"--node-manager-port={free_port()}"]
        memory = ["--object-store-memory=100000000"]
        with (self._folder / "nodes.log").open("ab") as log:
            return subprocess.Popen(
                [*command, *ports, *memory], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api/jobs/", timeout=5) as answer:
                return answer.status == 200 and len(self.believed()) == 1
        except OSError:
            return False

    def _until(self, condition) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            log = (self._folder / "nodes.log").read_text()
            assert all(node.poll() is None for node in self.nodes), log
            assert time.monotonic() < deadline, log
            time.sleep(0.5)


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return []
    return [parent, *parent.children(recursive=True)]
