"""What becomes of each command, and each pod that was made for one, by watches of the benchmark's own.

A watch that ends goes on after the last version that was seen, so nothing is missed; where the API server has forgotten
that version, the census fails rather than say something about what it has not seen.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from bench.kube import GROUP, Api, Raw, WentWrong

OVER = frozenset({"Succeeded", "Failed", "Cancelled", "Refused"})


@dataclass
class Life:
    """One command's; times are of the monotonic clock, as the events were read."""

    seen: float
    uid: str = ""
    is_resting: bool = False
    """Made suspended: it is there, and nothing else."""
    phase: str = ""
    claimed: float | None = None
    running: float | None = None
    ended: float | None = None
    gone: bool = False
    counted: bool = False


@dataclass
class Census:
    """Pure: fed by events, asked afterwards."""

    lives: dict[str, Life] = field(default_factory=dict)
    agents: dict[str, set[str]] = field(default_factory=dict)
    """By command UID: each agent's pod that was ever there, by its own UID, whatever its attempt."""
    phases: Counter[str] = field(default_factory=Counter)
    """How many are in each, of those that are there."""
    ended: list[str] = field(default_factory=list)
    """In the order of their ends, those that are gone too."""
    on_node: set[str] = field(default_factory=set)
    """Pods that have been given a node, by UID; of Jobs, too."""

    def command(self, event: Raw, now: float) -> None:
        meta, status = event["object"]["metadata"], event["object"].get("status") or {}
        is_resting = bool((event["object"].get("spec") or {}).get("suspend"))
        life = self.lives.setdefault(meta["name"], Life(now, meta.get("uid", ""), is_resting))
        if event["type"] == "DELETED":
            self.leaves(meta["name"])
        self._turns(life, status.get("phase") or life.phase)
        if status.get("claim") and life.claimed is None:
            life.claimed = now
        if life.phase == "Running" and life.running is None:
            life.running = now
        if life.phase in OVER and life.ended is None:
            life.ended = now
            self.ended.append(meta["name"])

    def _turns(self, life: Life, phase: str) -> None:
        if not life.gone:
            self.phases[life.phase] -= life.counted
            self.phases[phase] += 1
            life.counted = True
        life.phase = phase

    def leaves(self, name: str) -> None:
        """Deleted, or about to be."""
        life = self.lives[name]
        if not life.gone:
            self.phases[life.phase] -= life.counted
            life.gone = True

    def pod(self, event: Raw, _now: float) -> None:
        obj = event["object"]
        labels = obj["metadata"].get("labels") or {}
        if labels.get("mentu.dev/role") == "agent":
            self.agents.setdefault(labels["mentu.dev/command-uid"], set()).add(obj["metadata"]["uid"])
        if obj["spec"].get("nodeName"):
            self.on_node.add(obj["metadata"]["uid"])

    @property
    def executed_twice(self) -> int:
        """Commands that more than one agent's pod was made for. None of ours asks for a retry."""
        return sum(len(pods) > 1 for pods in self.agents.values())

    @property
    def present(self) -> int:
        return self.phases.total()

    def waits(self) -> list[float]:
        """Seconds from the command's first event to that of its claim."""
        return [life.claimed - life.seen for life in self.executed() if life.claimed is not None]

    def unended(self) -> int:
        return sum(life.ended is None and not life.gone for life in self.executed())

    def executed(self) -> list[Life]:
        """Those that are, or were meant to be."""
        return [life for life in self.lives.values() if not life.is_resting]

    def resting(self) -> list[Life]:
        return [life for life in self.lives.values() if life.is_resting]

    def has_begun(self, life: Life) -> bool:
        """Claimed, brought to an end, or given a pod."""
        return life.claimed is not None or life.ended is not None or life.uid in self.agents


class Watching:
    """Feeds a census while the block runs."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.census = Census()
        self._tasks: list[asyncio.Task[None]] = []
        self._paths = {
            f"{GROUP}/namespaces/{namespace}/bugcommands": self.census.command,
            f"/api/v1/namespaces/{namespace}/pods": self.census.pod,
        }

    async def __aenter__(self) -> Census:
        open_: list[asyncio.Event] = []
        for path, put in self._paths.items():
            open_.append(asyncio.Event())
            self._tasks.append(asyncio.create_task(self._follow(path, put, open_[-1])))
        async with asyncio.timeout(10):
            for each in open_:
                await each.wait()
        return self.census

    async def __aexit__(self, *_: object) -> None:
        """Raises what went wrong with a watch: then nothing may be concluded."""
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _follow(self, path: str, put: Callable[[Raw, float], None], opened: asyncio.Event) -> None:
        version = ""
        while True:
            try:
                async for event in self._api.watch(path, version):
                    opened.set()
                    if event["type"] == "ERROR":
                        raise WentWrong(f"the watch of {path} has a gap: {event['object'].get('message')}")
                    if event["type"] == "LISTED":
                        version = event["version"]
                        continue
                    put(event, time.perf_counter())
                    version = event["object"]["metadata"]["resourceVersion"]
            except aiohttp.ClientError:
                await asyncio.sleep(0.2)
