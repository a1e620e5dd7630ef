"""The real gateway as a process of its own, and a sender that speaks to it as the runner does."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

COMMAND = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"
SOURCES = Path(__file__).parents[3] / "operator"


def line(seq: int, message: str | None = None) -> dict[str, Any]:
    text = f"line {seq}" if message is None else message
    return {"seq": seq, "stream": "stdout", "ts": "2026-01-01T00:00:00.000000Z", "message": text}


def batch(seqs: Iterable[int], attempt: int = 1, command_id: str = COMMAND) -> dict[str, Any]:
    lines = [line(seq) for seq in seqs]
    return {"commandId": command_id, "attempt": attempt, "epoch": 1, "machineId": "lab", "lines": lines}


@dataclass
class Answer:
    status: int
    body: dict[str, Any]
    headers: dict[str, str]


class Sender:
    """One connection to the gateway."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def send(self, body: Any) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._connection.request("POST", "/intake/v1/logs", data, self._headers)
        response = self._connection.getresponse()
        return Answer(response.status, json.loads(response.read()), dict(response.headers))

    def get(self, path: str) -> tuple[int, str]:
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        return response.status, response.read().decode()


class GatewayProcess:
    """Start it, end it, kill it; the port stays the same over restarts."""

    def __init__(self, database: Path | str, kubeconfig: Path, **environment: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as reserved:
            self.port: int = reserved.getsockname()[1]
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCES),
            "MENTU_DATABASE_URL": database if isinstance(database, str) else f"sqlite+aiosqlite:///{database}",
            "MENTU_KUBECONFIG": str(kubeconfig),
            "MENTU_HOST": "127.0.0.1",
            "MENTU_PORT": str(self.port),
            "MENTU_LOCK_WAIT_SECONDS": "0.3",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        program = [sys.executable, "-m", "bugcommand_operator.gateway.main"]
        self._process = subprocess.Popen(program, env=self._environment)
        self.wait_until_ready()
        return self

    def migrate(self, seconds: float = 60) -> int:
        """`mentu-gateway migrate`, and its exit code."""
        program = [sys.executable, "-m", "bugcommand_operator.gateway.main", "migrate"]
        return subprocess.run(program, env=self._environment, check=False, timeout=seconds).returncode

    def wait_until_ready(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the gateway ended with {self.process.returncode}"
            try:
                if Sender(self.port, "").get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("the gateway did not become ready")

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            self.kill()
