"""P3: from the request that makes a command to the agent's first line in the store, on a real kubelet.

The agent is `sh -c "echo ready"` in a terminal, so that no agent's own start is measured; what the real one takes with
a replayed model is told beside it. The peers are pods with the same image and the same line, by hand: one with a new
volume and an init container that runs `git worktree add`, one without any volume. Theirs ends when the kubelet's
runtime has read the line from the container, by its own time stamp: earlier than anybody could see it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median

from bench import objects, outcome, rounds, start_pods
from bench.executor import MACHINE, executor
from bench.kube import GROUP, Api, Raw, Watch, WentWrong
from bench.namespaces import fresh_namespace
from bench.outcome import Row
from bench.repositories import SMALL, make_upstream
from bench.rounds import Tick
from bench.rows import until_stored
from bench.servers import gateway, git_server, node_address, replay
from bench.wait import until

ROUNDS = rounds.LEAST_ROUNDS
LONGEST_SECONDS = 150
CLAUDE_TRIALS = 3
WAIT_SECONDS = 60.0
NAMESPACE = "mentu-bench-start"
OURS, BY_HAND, BARE = "operator", "Pod, volume, worktree by hand", "Pod without a volume"
SCENARIO = """\
scenarios:
  - name: bench
    when: {promptContains: Say hello}
    steps:
      - text: hello from the model
"""


@dataclass
class Bench:
    api: Api
    pods: Watch
    database: Path
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def commands(self) -> str:
        return f"{GROUP}/namespaces/{NAMESPACE}/bugcommands"

    async def command(self, agent: str, prompt: str, line: str) -> float:
        name, command_id = f"ours-{next(self.numbers)}", str(uuid.uuid4())
        body = objects.command(
            name,
            prompt=prompt,
            repository={"name": "bench"},
            agent=agent,
            commandId=command_id,
            targetMachine=MACHINE,
            output="None",
        )
        reader = asyncio.create_task(
            asyncio.to_thread(until_stored, self.database, command_id, f"%{line}%", WAIT_SECONDS)
        )
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        await self.api.post(self.commands, body)
        took = await reader - began
        await self._until_finished(f"{self.commands}/{name}")
        await self._remove_command(name)
        return took

    async def pod(self, name: str, manifest: Raw, claim: Raw | None) -> float:
        ended = self.pods.expect(lambda event: _succeeded(event, name))
        began = time.time()
        if claim is not None:
            await self.api.post(f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims", claim)
        await self.api.post(f"/api/v1/namespaces/{NAMESPACE}/pods", manifest)
        async with asyncio.timeout(WAIT_SECONDS):
            await ended
        container = manifest["spec"]["containers"][0]["name"]
        text = await self.api.text(
            f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log?timestamps=true&container={container}"
        )
        await self.remove(name)
        return (moment(text.split(" ", 1)[0]) - began) if text else 0.0

    async def by_hand(self) -> float:
        name = f"hand-{next(self.numbers)}"
        return await self.pod(name, start_pods.by_hand(name), start_pods.claim(name))

    async def bare(self) -> float:
        name = f"bare-{next(self.numbers)}"
        return await self.pod(name, start_pods.bare(name), None)

    async def remove(self, pod: str) -> None:
        """Volumes stay until the end: ext4 makes files slowly right after many were deleted."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}"
        await self.api.delete(path)
        await until(f"end of {path}", lambda: self.api.is_gone(path), WAIT_SECONDS)

    async def _until_finished(self, path: str) -> None:
        async def finished() -> bool:
            phase = ((await self.api.get(path)).get("status") or {}).get("phase")
            if phase in ("Failed", "Refused", "Cancelled"):
                raise RuntimeError(f"{path} has ended as {phase}")
            return bool(phase == "Succeeded")

        await until(f"end of {path}", finished, WAIT_SECONDS, every=0.2)

    async def _remove_command(self, name: str) -> None:
        """Its finalizer is taken off by hand: what this agent has done is not worth a rescue."""
        path = f"{self.commands}/{name}"
        await self.api.patch(path, {"metadata": {"finalizers": None}})
        await self.api.delete(path)
        await self.remove(f"{name}-1-agent")


def moment(stamp: str) -> float:
    """RFC 3339 with nanoseconds, as the runtime writes it, in seconds since the epoch."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _succeeded(event: Raw, name: str) -> bool:
    item = event["object"]
    if item["metadata"].get("name") != name:
        return False
    phase = item["status"].get("phase")
    if phase == "Failed":
        raise WentWrong(f"pod {name} has failed: {item['status']}")
    return bool(phase == "Succeeded")


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with AsyncExitStack() as stack:
        bench = await _set_up(api, folder, stack)
        arms = [
            rounds.Arm(OURS, lambda: bench.command("plain", "Nothing.", start_pods.LINE)),
            rounds.Arm(BY_HAND, bench.by_hand),
            rounds.Arm(BARE, bench.bare),
        ]
        for arm in arms:
            await arm.trial()
        sample = await rounds.measure(arms, ROUNDS, tick, seconds=LONGEST_SECONDS)
        claude = [await bench.command("claude", "Say hello.", "hello from the model") for _ in range(CLAUDE_TRIALS)]
    cases = (
        outcome.case("create → agent's first line stored", sample, OURS, BY_HAND, outcome.at_most_more(0.3)),
        outcome.case("create → agent's first line stored", sample, OURS, BARE, outcome.SHOWN),
    )
    shown = f"{median(claude) * 1000:.0f} ms (n={len(claude)}; Claude Code's own start and a replayed model included)"
    return Row("P3", "apply → agent's first line stored", cases, {"the same with the real agent, p50": shown})


async def _set_up(api: Api, folder: Path, stack: AsyncExitStack) -> Bench:
    address = await node_address(api)
    await stack.enter_async_context(fresh_namespace(api, NAMESPACE))
    url = await git_server(api, NAMESPACE, make_upstream(folder, SMALL))
    scenarios = folder / "scenario.yaml"
    scenarios.write_text(SCENARIO)
    model = await stack.enter_async_context(replay(folder, address, scenarios))
    await _definitions(api, url, model)
    database = folder / "start.db"
    intake = await stack.enter_async_context(gateway(folder, address, database))
    env = {"MENTU_INTAKE_URL": intake, "MENTU_DATABASE_URL": f"sqlite+aiosqlite:///{database}"}
    await stack.enter_async_context(executor(folder, NAMESPACE, env))
    pods = await stack.enter_async_context(Watch(api, f"/api/v1/namespaces/{NAMESPACE}/pods"))
    bench = Bench(api, pods, database)
    claims = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims"
    await api.post(claims, start_pods.claim(start_pods.MIRROR))
    await bench.pod("fill", start_pods.fill_mirror("fill", url), None)
    return bench


async def _definitions(api: Api, url: str, model: str) -> None:
    base = f"{GROUP}/namespaces/{NAMESPACE}"
    await api.apply(f"{base}/repositories", "bench", objects.repository("bench", url))
    plain = objects.agent("plain", command=["sh", "-c", f"echo {start_pods.LINE}"], transcript="Plain")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"api-key": "any"}}
    await api.apply(f"/api/v1/namespaces/{NAMESPACE}/secrets", "key", secret)
    claude = objects.agent(
        "claude",
        args=["--dangerously-skip-permissions"],
        credential={"secretName": "key"},
        baseURL=model,
        env=[{"name": "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "value": "1"}],
    )
    for item in (plain, claude):
        await api.apply(f"{base}/agents", item["metadata"]["name"], item)
