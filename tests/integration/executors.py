"""Executors of this checkout as processes of their own, that tests start, kill and start again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

TOP = Path(__file__).parents[2]
MACHINE = "integration"


class ExecutorProcess:
    """Watches one namespace; claims only what is targeted at MACHINE, so that others on the cluster stay out of it."""

    def __init__(self, folder: Path, namespace: str, executor_id: str, **env: str) -> None:
        self._log = folder / f"{executor_id}.log"
        self._env = {
            **os.environ,
            "PYTHONPATH": f"{TOP}/operator:{TOP}",
            "MENTU_EXECUTOR_ID": executor_id,
            "MENTU_MACHINE_ID": MACHINE,
            "MENTU_NAMESPACES": json.dumps([namespace]),
            "MENTU_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/none.db",
            "MENTU_CONCURRENCY_LIMIT": "1000",
            **env,
        }
        self._process: asyncio.subprocess.Process | None = None
        self.ports: dict[str, int] = {}

    async def start(self) -> None:
        self.ports = {"MENTU_METRICS_PORT": _free_port(), "MENTU_LIVENESS_PORT": _free_port()}
        ports = {name: str(port) for name, port in self.ports.items()}
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bugcommand_operator.executor"),
                env={**self._env, **ports},
                stdout=output,
                stderr=output,
                cwd=TOP,
            )

    async def kill(self) -> None:
        """As a node's failure does: without a chance to say good-bye."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await asyncio.wait_for(self._process.wait(), 10)

    def pause(self) -> None:
        """As a node under pressure does, or a machine that is suspended."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    async def exit_code(self, seconds: float = 60) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), seconds)

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
