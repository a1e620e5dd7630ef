"""The program as people run it: a process, with a stand-in for kubectl in its PATH."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli.fake_api import ApiServer
from tests.process.cli.stub import COMMAND, TOKEN, StubGateway

from bugcommand_operator.cli import main
from bugcommand_operator.cli.kube import proxy

SOURCES = Path(__file__).parents[3] / "operator"
SECONDS = 60


@dataclass
class Lab:
    """What kubectl answers, and the program."""

    folder: Path
    gateway: StubGateway
    state: dict[str, Any]

    def save(self) -> None:
        """At once or not at all: kubectl may be reading."""
        (self.folder / "state.new").write_text(json.dumps(self.state))
        (self.folder / "state.new").replace(self.folder / "state.json")

    def status(self, **status: Any) -> None:
        self.state["bugcommands"][0]["status"] = {"commandId": COMMAND, **status}
        self.save()

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        return {
            "PATH": path, "PYTHONPATH": str(SOURCES), "FAKE_KUBECTL": str(self.folder), "LANG": "C.UTF-8",
            "HOME": str(self.folder), "TERM": "xterm",
        }  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "bugcommand_operator.cli", *arguments]

    def start(self, *arguments: str, **more: Any) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(self.command(*arguments), env=self.environment, text=True, **pipes)

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment, **environment},
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )

    def forwards(self) -> list[int]:
        """The process ids of all port-forwards that there were."""
        file = self.folder / "forwards"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def requests(self) -> list[tuple[str, str, Any]]:
        """What was sent to the API server to change something: method, path, body."""
        file = self.folder / "requests"
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [(method, path.partition("?")[0], body) for method, path, body in found]

    def command_of(self, name: str) -> dict[str, Any]:
        """As the API server has it by now."""
        state = json.loads((self.folder / "state.json").read_text())
        return next(each for each in state["bugcommands"] if each["metadata"]["name"] == name)

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]


@dataclass
class Inside(Lab):
    """The program's commands in this process, which is quicker; kubectl is only started where it is more than a way to
    the API server."""

    patch: pytest.MonkeyPatch
    captured: pytest.CaptureFixture[str]

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        where = () if "-n" in arguments or "-A" in arguments else ("--namespace=team-a",)
        given = [*arguments[:1], *where, *arguments[1:]]
        with self.patch.context() as patch:
            for name, value in {"MENTU_GATEWAY": self.gateway.url, **self.environment, **environment}.items():
                patch.setenv(name, value)
            self.captured.readouterr()
            try:
                code = main.run(given)
            except SystemExit as end:
                code = int(end.code or 0)
        out, err = self.captured.readouterr()
        return subprocess.CompletedProcess(given, code, out, err)


class _Socket:
    """What `proxy.Proxy` does, without kubectl."""

    path = ""

    def __init__(self, kubectl: object) -> None:
        pass

    def connection(self, seconds: float) -> HTTPConnection:
        return proxy.SocketConnection(self.path, seconds)

    def close(self) -> None:
        pass


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    (tmp_path / "bin").mkdir()
    kubectl = tmp_path / "bin" / "kubectl"
    fake = Path(__file__).with_name("fake_kubectl.py")
    kubectl.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {fake} "$@"\n')
    kubectl.chmod(0o755)
    with StubGateway() as gateway:
        lab = Lab(tmp_path, gateway, _state(gateway.port))
        lab.save()
        yield lab
    left = [pid for pid in lab.forwards() if is_running(pid)]
    for pid in left:
        os.kill(pid, 9)
    assert not left, "a port-forward was left behind"


@pytest.fixture
def inside(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Inside]:
    path = str(tmp_path_factory.mktemp("s") / "api")
    monkeypatch.setattr(proxy, "Proxy", type("Here", (_Socket,), {"path": path}))
    with ApiServer.at(path, lab.folder) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield Inside(lab.folder, lab.gateway, lab.state, monkeypatch, capfd)
        lab.state["cuts"] = -1  # watches that are still open end
        lab.save()
        server.shutdown()


def _state(port: int) -> dict[str, Any]:
    place = {"namespace": "mentu-system", "name": "mentu-gateway"}
    bugcommand = {"namespace": "team-a", "name": "fix", "uid": "0000"}
    return {
        "port": port,
        "token": "requested-token",
        "config": {"users": [{"name": "me", "user": {"token": TOKEN}}]},
        "services": [{"metadata": place, "spec": {"ports": [{"name": "http", "port": 80}]}}],
        "serviceaccounts": [{"metadata": {**place, "name": "mentu-log-reader"}}],
        "repositories": [
            {"metadata": {"namespace": "team-a", "name": "shop"}, "spec": {"url": "https://git.test/shop.git"}}
        ],
        "bugcommands": [{"metadata": bugcommand, "spec": {}, "status": {"commandId": COMMAND, "phase": "Running"}}],
    }
