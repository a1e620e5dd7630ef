"""kubectl by argument list, each call with a deadline. What it prints is only read, never interpreted further."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from dev.demo.errors import DemoError

Manifest = dict[str, Any]
_FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ")


class CommandError(DemoError):
    """A program that the demo calls ended with an error."""


def call(arguments: list[str], *, given: str = "", timeout: float, env: dict[str, str] | None = None) -> str:
    name = " ".join(arguments[:3])
    try:
        done = subprocess.run(
            arguments, input=given, capture_output=True, text=True, timeout=timeout, env=env, check=False
        )
    except FileNotFoundError as error:
        raise CommandError(
            f"{arguments[0]} was not found", f"`make cluster-tools` builds kubectl and helm: {error}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"{name} did not end within {timeout:.0f} s") from error
    if done.returncode != 0:
        raise CommandError(f"{name} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


class Kubectl:
    """One cluster, and one namespace of it unless a call names another."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.env = {**os.environ, "KUBECONFIG": kubeconfig}
        self.namespace = namespace

    def run(self, *arguments: str, given: str = "", timeout: float = 30, namespace: str = "") -> str:
        return call(self._command(arguments, namespace), given=given, timeout=timeout, env=self.env)

    def apply(self, objects: list[Manifest], timeout: float = 60, namespace: str = "") -> None:
        """Server-side, so that no Secret ends up in an annotation."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.run(
            "apply", "--server-side", "--force-conflicts", "-f", "-", given=given, timeout=timeout, namespace=namespace
        )

    def get(self, kind: str, name: str) -> Manifest | None:
        text = self.run("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text.strip() else None

    def watch(self, kind: str, name: str, seconds: float) -> Iterator[Manifest | None]:
        """Each state of an object as it comes, None each second; a stream that ends is opened again."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._process("get", kind, name, "--watch", "-o", "json") as process:
                yield from _objects(process, deadline)

    @contextmanager
    def forward(self, target: str, port: int, timeout: float = 30) -> Iterator[int]:
        """A port of this machine that leads to a port of a pod or Service."""
        with self._process("port-forward", "--address", "127.0.0.1", target, f":{port}") as process:
            for line in _lines(process, time.monotonic() + timeout):
                found = _FORWARDING.match(line or "")
                if found:
                    yield int(found[1])
                    return
        raise CommandError(f"kubectl port-forward {target} did not get ready within {timeout:.0f} s")

    @contextmanager
    def _process(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            self._command(arguments, ""), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.env
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)

    def _command(self, arguments: tuple[str, ...], namespace: str) -> list[str]:
        return ["kubectl", "--namespace", namespace or self.namespace, *arguments]


def _lines(process: subprocess.Popen[str], deadline: float) -> Iterator[str | None]:
    """Lines as they come; None for each second without one. Ends with the process or at the deadline."""
    found: queue.Queue[str | None] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=_pump, args=(process.stdout, found), daemon=True).start()
    while time.monotonic() < deadline:
        try:
            line = found.get(timeout=1)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line.rstrip("\n")


def _pump(stream: IO[str], found: queue.Queue[str | None]) -> None:
    for line in stream:
        found.put(line)
    found.put(None)


def _objects(process: subprocess.Popen[str], deadline: float) -> Iterator[Manifest | None]:
    """kubectl prints each object over several lines, the last of which is a brace alone."""
    lines: list[str] = []
    for line in _lines(process, deadline):
        if line is None:
            yield None
            continue
        lines.append(line)
        if line == "}":
            yield json.loads("\n".join(lines))
            lines.clear()
