"""A real S3 API (moto's server) in a process of its own, and a network in front of it that can fail."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from upath import UPath

START_SECONDS = 60

# What opens a store that asks nobody.
ANYTHING = "anything"
PIECE = 1 << 16


class ObjectStore:
    """Moto's server: buckets in the memory of another process; credentials are any, unless it is `strict`."""

    def __init__(self, log, strict=False):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        strictness = {"INITIAL_NO_AUTH_ACTION_COUNT": "0"} if strict else {}
        with log.open("ab") as file:
            self.process = subprocess.Popen(command, env=os.environ | strictness, stdout=file, stderr=file)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    def _answers(self):
        try:
            return urllib.request.urlopen(f"{self.url}/moto-api/", timeout=5).status == 200
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def environment(self, url=None):
        """What a program is told: the AWS SDK's own variables and nothing else."""
        return {
            "AWS_ENDPOINT_URL": url or self.url,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": ANYTHING,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def path(self, name, url=None):
        """`s3://name` in this process, whose environment says nothing of S3."""
        return UPath(f"s3://{name}", key="tester", secret=ANYTHING, endpoint_url=url or self.url)


class Network:
    """A TCP proxy in front of a port of this machine, which can go down, and be so slow that nothing arrives."""

    def __init__(self, port):
        self._behind, self._open = port, set()
        self.down, self.passed, self.stall_after = False, 0, None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, seconds):
        """Break every connection, and let nobody through for so long."""
        self.down = True
        for connection in list(self._open):
            _close(connection)
        time.sleep(seconds)
        self.down = False

    def stop(self):
        self.down = True
        _close(self._listener)
        for connection in list(self._open):
            _close(connection)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                _close(client)
                continue
            server = socket.create_connection(("127.0.0.1", self._behind))
            self._open |= {client, server}
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, target, counted):
        try:
            while data := source.recv(PIECE):
                if counted:
                    self.passed += len(data)
                    while self.stall_after is not None and self.passed > self.stall_after and not self.down:
                        time.sleep(0.01)
                target.sendall(data)
        except OSError:
            pass
        finally:
            _close(source)
            _close(target)
            self._open -= {source, target}


def _close(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
