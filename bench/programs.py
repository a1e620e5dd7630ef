"""The programs that are measured, started from this checkout as processes of their own and ended by process id."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bench.kube import kubeconfig

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
END_SECONDS = 20.0


class DidNotStart(Exception):
    """A program ended early, or was not ready in time; the message holds the end of its log."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def says(word: str, log: Path) -> Callable[[], Awaitable[bool]]:
    """Ready once the program has written that word."""

    async def said() -> bool:
        return word in await asyncio.to_thread(log.read_text)

    return said


@asynccontextmanager
async def program(
    arguments: list[str],
    env: Mapping[str, str],
    log: Path,
    ready: Callable[[], Awaitable[bool]],
    executable: str = sys.executable,
) -> AsyncIterator[int]:
    """Runs it (Python, unless another is named) until the block is left; begins once `ready` says so."""
    full = {"KUBECONFIG": str(kubeconfig()), **os.environ, "PYTHONPATH": f"{ROOT}/operator:{ROOT}", **env}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            executable, *arguments, env=full, stdout=output, stderr=output, cwd=ROOT, start_new_session=True
        )
    try:
        await _until_ready(process, ready, log)
        yield process.pid
    finally:
        await _end(process)


async def _until_ready(process: asyncio.subprocess.Process, ready: Callable[[], Awaitable[bool]], log: Path) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await ready():
                if process.returncode is not None:
                    raise DidNotStart(f"ended with {process.returncode}: {_tail(log)}")
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise DidNotStart(f"not ready after {START_SECONDS:.0f} s: {_tail(log)}") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-1500:]
