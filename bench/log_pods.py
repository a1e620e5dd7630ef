"""What P4 and P5 share: an executor and a gateway on this machine, and pods that write lines with the time in them.

Containers and this process share one monotonic clock, so a line's age is known to whoever reads it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import objects, start_pods
from bench.executor import MACHINE, executor
from bench.kube import GROUP, Api, Raw, Watch, kubeconfig
from bench.namespaces import fresh_namespace
from bench.programs import ROOT
from bench.repositories import TINY, make_upstream
from bench.rows import POLL_SECONDS, NoLine
from bench.servers import gateway, git_server, node_address
from bench.wait import until

WAIT_SECONDS = 90.0
MARK = "written at "
NEXT_LINES = "SELECT seq, message FROM spawn_logs WHERE command_id = ? AND seq > ? ORDER BY seq LIMIT 5000"
Line = tuple[str, float]
"""A line's text, and the monotonic time at which it could be read."""


def writer(lines: int, pause: float, settle: float, padding: int = 0) -> list[str]:
    """A program that writes so many lines, each with the time at which it was written. They are due `pause` seconds
    apart: one that was held up catches up, so that what is slow is not asked less."""
    script = (
        f"import time; time.sleep({settle}); pad = 'x' * {padding}; began = time.perf_counter()\n"
        f"for n in range({lines}):\n"
        f"    {pause} and time.sleep(max(0, began + n * {pause} - time.perf_counter()))\n"
        f"    print(f'{MARK}{{time.perf_counter()}} {{pad}}', flush={pause > 0})"
    )
    return ["python3", "-c", script]


def written_at(text: str) -> float | None:
    return float(text[len(MARK) :].split(maxsplit=1)[0]) if text.startswith(MARK) else None


@dataclass
class LogBench:
    api: Api
    pods: Watch
    namespace: str
    database: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def agent(self, name: str, command: list[str], **more: Any) -> None:
        definition = objects.agent(name, command=command, transcript="Plain", **more)
        await self.api.apply(f"{GROUP}/namespaces/{self.namespace}/agents", name, definition)

    async def ours(self, agent: str, lines: int) -> list[Line]:
        """The lines as the table showed them."""
        name, command_id = f"ours-{next(self.numbers)}", str(uuid.uuid4())
        commands = f"{GROUP}/namespaces/{self.namespace}/bugcommands"
        body = objects.command(
            name,
            prompt="Write lines.",
            repository={"name": "bench"},
            agent=agent,
            agentMode="Headless",
            commandId=command_id,
            targetMachine=MACHINE,
            output="None",
        )
        reading = asyncio.create_task(asyncio.to_thread(read_table, self.database, command_id, lines))
        await self.api.post(commands, body)
        found = await reading
        await until(f"end of {name}", lambda: self._is_finished(f"{commands}/{name}"), WAIT_SECONDS)
        await self.api.patch(f"{commands}/{name}", {"metadata": {"finalizers": None}})
        await self.api.delete(f"{commands}/{name}")
        await self._remove(f"{name}-1-agent")
        return found

    async def by_kubectl(self, command: list[str], lines: int) -> list[Line]:
        """The lines of a plain pod with the same program, as `kubectl logs -f` shows them."""
        name = f"plain-{next(self.numbers)}"
        manifest = start_pods.bare(name)
        manifest["spec"]["containers"][0]["command"] = command
        started = self.pods.expect(lambda event: _has_started(event, name))
        await self.api.post(f"/api/v1/namespaces/{self.namespace}/pods", manifest)
        async with asyncio.timeout(WAIT_SECONDS):
            await started
            found = await self._follow(name, lines)
        await self._remove(name)
        return found

    async def _follow(self, name: str, lines: int) -> list[Line]:
        program = shutil.which("kubectl", path=f"{ROOT}/.cluster/bin:{os.environ['PATH']}") or "kubectl"
        follow = (program, "--kubeconfig", str(kubeconfig()), "-n", self.namespace, "logs", "-f", name)
        process = await asyncio.create_subprocess_exec(*follow, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        found: list[Line] = []
        try:
            async for raw in process.stdout:
                found.append((raw.decode(errors="replace"), time.perf_counter()))
                if len(found) == lines:
                    break
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        if len(found) < lines:
            raise NoLine(f"kubectl logs showed {len(found)} of {lines} lines")
        return found

    async def _is_finished(self, path: str) -> bool:
        phase = ((await self.api.get(path)).get("status") or {}).get("phase")
        if phase in ("Failed", "Refused", "Cancelled"):
            raise RuntimeError(f"{path} has ended as {phase}")
        return bool(phase == "Succeeded")

    async def _remove(self, pod: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}"
        await self.api.delete(path)
        await until(f"end of {path}", lambda: self.api.is_gone(path), WAIT_SECONDS)


def read_table(database: Path, command_id: str, lines: int) -> list[Line]:
    """Blocks, so run it in a thread. Asks for what is new each two milliseconds, until so many lines were there."""
    deadline, last = time.perf_counter() + WAIT_SECONDS, 0
    found: list[Line] = []
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    try:
        while time.perf_counter() < deadline:
            rows = connection.execute(NEXT_LINES, (command_id, last)).fetchall()
            seen = time.perf_counter()
            found += [(message, seen) for _, message in rows if message.startswith(MARK)]
            last = rows[-1][0] if rows else last
            if len(found) >= lines:
                return found
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()
    raise NoLine(f"{len(found)} of {lines} lines of command {command_id} within {WAIT_SECONDS:g} s")


def _has_started(event: Raw, name: str) -> bool:
    item = event["object"]
    states = item.get("status", {}).get("containerStatuses") or [{}]
    return bool(item["metadata"]["name"] == name and {"running", "terminated"} & set(states[0].get("state") or {}))


@asynccontextmanager
async def log_bench(api: Api, folder: Path, namespace: str) -> AsyncIterator[LogBench]:
    async with AsyncExitStack() as stack:
        address = await node_address(api)
        await stack.enter_async_context(fresh_namespace(api, namespace))
        url = await git_server(api, namespace, make_upstream(folder, TINY))
        await api.apply(f"{GROUP}/namespaces/{namespace}/repositories", "bench", objects.repository("bench", url))
        database = folder / f"{namespace}.db"
        intake = await stack.enter_async_context(gateway(folder, address, database))
        env = {"MENTU_INTAKE_URL": intake, "MENTU_DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
        await stack.enter_async_context(executor(folder, namespace, env))
        pods = await stack.enter_async_context(Watch(api, f"/api/v1/namespaces/{namespace}/pods"))
        yield LogBench(api, pods, namespace, database)
