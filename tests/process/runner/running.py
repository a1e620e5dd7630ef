"""The runner as a pod starts it: a process of its own, on a volume of its own, with a fake agent in its PATH."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.process.runner.builders import run_settings
from tests.process.runner.git import repository

import bugcommand_operator.runner

SOURCE = Path(bugcommand_operator.runner.__file__).parents[2]
KEY = "sk-ant-made-up-0123456789abcdefghij"  # gitleaks:allow, made up


class Volume:
    """What one command's pods share; `run` starts the runner of one of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repo = repository(root / "repo")
        self.bin = root / "bin"
        self.bin.mkdir()
        (root / "state").mkdir()
        self.program(
            "agent", f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).with_name("fake_agent.py")}" "$@"\n'
        )

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, prompt: str, env: dict[str, str] | None = None, **changes: Any) -> Running:
        return Running(self, prompt, env or {}, changes)


class Running:
    def __init__(self, volume: Volume, prompt: str, env: dict[str, str], changes: dict[str, Any]) -> None:
        self.volume = volume
        root = volume.root
        self._log = root / "termination-log"
        self.socket = str(root / "tmux")
        whole = {
            "PATH": f"{volume.bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(SOURCE),
            "MENTU_RUN": json.dumps(run_settings(root, **changes)),
            "MENTU_PROMPT": prompt,
            "MENTU_SCRATCH": str(root / "scratch"),
            "MENTU_TMUX_SOCKET": self.socket,
            "MENTU_TERMINATION_LOG": str(self._log),
            "MENTU_TOKEN_FILE": str(root / "token"),
            "ANTHROPIC_API_KEY": KEY,
            **env,
        }
        argv = [sys.executable, "-m", "bugcommand_operator.runner"]
        self._out = (root / "container.log").open("wb")
        self.process = subprocess.Popen(argv, env=whole, stdout=self._out, stderr=subprocess.STDOUT)
        self.code: int | None = None

    def log(self) -> list[str]:
        return (self.volume.root / "container.log").read_text().splitlines()

    def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "\n".join(self.log())
            assert self.process.poll() is None or condition(), "\n".join(self.log())
            time.sleep(0.02)

    def until_said(self, text: str, seconds: float = 30.0) -> None:
        self.until(lambda: any(text in line for line in self.log()), seconds)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self, seconds: float = 60.0) -> dict[str, Any]:
        """Its termination message."""
        self.code = self.process.wait(seconds)
        self._out.close()
        told = json.loads(self._log.read_bytes())
        assert isinstance(told, dict)
        assert told["exitCode"] == self.code
        return told

    def spooled(self, attempt: int = 1) -> list[dict[str, Any]]:
        path = self.volume.root / "state" / "spool" / f"{attempt}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def leftovers(self) -> list[str]:
        """Processes that still run with this volume in their environment."""
        mark, found = f"MENTU_SCRATCH={self.volume.root}/scratch".encode(), []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found
