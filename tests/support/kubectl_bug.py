"""`kubectl bug` as a process of its own, with the kubeconfig of the tests and no token: as somebody with a client
certificate has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.demo.kubectl import Kubectl, call

PROGRAM = (sys.executable, "-m", "bugcommand_operator.cli")
OPERATOR = Path(__file__).parents[2] / "operator"


@dataclass(frozen=True)
class KubectlBug:
    """Of one installation, whose namespace is `system`."""

    commands: Kubectl
    system: str

    def run(self, *arguments: str, timeout: float = 60) -> str:
        return call(self._command(arguments), timeout=timeout, env=self.env())

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return parsed(self.run(*arguments, "-o", "json"))

    @contextmanager
    def started(self, output: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Writes into a file until it ends, or the test does."""
        with output.open("wb") as file:
            process = subprocess.Popen(self._command(arguments), stdout=file, env=self.env())
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        where = ("--namespace", self.commands.namespace, "--gateway-namespace", self.system)
        return [*PROGRAM, arguments[0], *where, *arguments[1:]]

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in self.commands.env.items() if not name.startswith("MENTU_")}
        return {**kept, "PYTHONPATH": os.pathsep.join([str(OPERATOR), kept.get("PYTHONPATH", "")])}


def parsed(text: str) -> list[dict[str, Any]]:
    """Whole lines of JSON; one that is being written is left for later."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
