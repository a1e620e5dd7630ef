"""P8: from the start of a process to a worktree that is ready, one or several at once.

Ours is the whole process `mentu-workspace prepare`, as the pod's init container runs it, its interpreter's start and
all that it writes beside the tree included. The peers are git's own processes: `git worktree add` by hand on a mirror
of its own, under one lock where there are several (without one, many fail), and `git clone --depth 1`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import outcome, rounds
from bench.git_http import git_over_http
from bench.outcome import Case, Goal, Row
from bench.programs import ROOT
from bench.repositories import LARGE, SMALL, TINY, Shape, Upstream, make_upstream, mirror_of
from bench.rounds import Tick

OURS, BY_HAND, CLONE = "prepare", "git worktree add", "clone --depth 1"
TRIAL_SECONDS = 300
MEMORY, MEMORY_NEEDED = "/dev/shm", 4 << 30


class Failed(Exception):
    """A process that was measured did not do its work."""


@dataclass(frozen=True)
class Load:
    """How many at once, and about how long measuring it may take. Clones take longest, so not each load has them."""

    shape: Shape
    at_once: int
    seconds: float
    with_clone: bool = False
    goal: Goal = field(default_factory=lambda: outcome.at_most(1.1))


LOADS = (
    Load(LARGE, 1, 45, with_clone=True),
    Load(LARGE, 8, 80),
    Load(SMALL, 8, 30, with_clone=True),
    Load(SMALL, 100, 75),
    Load(TINY, 1, 15, goal=outcome.SHOWN),
)
"""A hundred trees of the large one would be 1.2 million files a trial. The smallest shows what a start alone costs."""

ROUNDS = rounds.LEAST_ROUNDS * sum(1 + load.with_clone for load in LOADS)


@dataclass
class Bench:
    """One repository with its mirrors, and a folder for what the trials make."""

    upstream: Upstream
    ours: Path
    by_hand: Path
    place: Path
    url: str
    """Where a clone comes from."""

    inside: list[float] = field(default_factory=list)
    """Seconds that `prepare` itself says it took for the tree and what goes with it."""

    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def prepare(self, at_once: int) -> float:
        names = self._names(at_once)
        for name in names:
            (self.place / name / "tools").mkdir(parents=True)
        took = await _at_once([self._start_prepare(name) for name in names])
        for name in names:
            self._read_result(self.place / name)
        self._clear()
        return took

    async def worktree_add(self, at_once: int) -> float:
        names = self._names(at_once)
        began = time.perf_counter()
        for name in names:
            options = ("worktree", "add", "--quiet", "-b", f"bug/{name}", str(self.place / name), "main")
            await _run("git", "-C", str(self.by_hand), *options)
        took = time.perf_counter() - began
        self._clear()
        await _run("git", "-C", str(self.by_hand), "worktree", "prune", "--expire", "now")
        shutil.rmtree(self.by_hand / "refs/heads/bug")
        return took

    async def clone(self, at_once: int) -> float:
        target = [str(self.place / name) for name in self._names(at_once)]
        command = ("git", "-c", "http.proxy=", "clone", "--quiet", "--depth=1", self.url)
        took = await _at_once([_run(*command, t) for t in target])
        self._clear()
        return took

    def _names(self, number: int) -> list[str]:
        self.place.mkdir()
        return [f"cmt_{next(self.numbers)}" for _ in range(number)]

    def _clear(self) -> None:
        shutil.rmtree(self.place)

    async def _start_prepare(self, name: str) -> None:
        folder = self.place / name
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}/operator",
            "MENTU_WORKSPACE": json.dumps(_request(name)),
            "MENTU_PROMPT": "Find the bug.",
            "MENTU_WORKSPACE_DIR": str(folder),
            "MENTU_MIRROR_DIR": str(self.ours.parent),
            "MENTU_TOOLS_DIR": str(folder / "tools"),
            "MENTU_TERMINATION_LOG": str(folder / "result"),
        }
        await _run(sys.executable, "-m", "bugcommand_operator.workspace", "prepare", env=env)

    def _read_result(self, folder: Path) -> None:
        result = json.loads((folder / "result").read_text())
        if not Path(result["workingDirectory"], "src").is_dir():
            raise Failed(f"no tree in {result['workingDirectory']}")
        self.inside.append(sum(result["seconds"].values()))


def _request(name: str) -> dict[str, object]:
    return {
        "name": name.replace("_", "-"),
        "namespace": "bench",
        "commandId": f"00000000-0000-4000-8000-{int(name[4:]):012d}",
        "commitmentId": name,
        "attempt": 1,
        "repository": "bench",
        "url": "https://git.invalid/bench.git",
        "defaultBranch": "main",
        "withWorktree": True,
        "mirror": True,
        "genesisPolicy": "Allow",
        "actor": "agent:executor",
        "identity": {"name": "Mentu Agent", "email": "agent@mentu.invalid"},
        "createdAt": "2026-01-01T00:00:00Z",
        "output": "Branch",
    }


async def _at_once(work: Sequence[Awaitable[None]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*work)
    return time.perf_counter() - began


async def _run(*arguments: str, env: dict[str, str] | None = None) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *arguments, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(TRIAL_SECONDS):
        out, err = await process.communicate()
    if process.returncode != 0:
        raise Failed(f"{' '.join(arguments[:4])}: {(out + err).decode(errors='replace')[-500:]}")


async def measure(folder: Path, tick: Tick) -> Row:
    with tempfile.TemporaryDirectory(prefix="mentu-bench-", dir=_memory() or folder) as own:
        return await _measure(Path(own), tick)


def _memory() -> str | None:
    """A file system in memory, where there is one: ext4 puts off using inodes that were deleted in the last minutes,
    at a cost that grows with their number, so that on a disk each trial would slow down the next.
    """
    return MEMORY if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED else None


async def _measure(folder: Path, tick: Tick) -> Row:
    with git_over_http(folder) as url:
        benches = {shape: _bench(folder, shape, url) for shape in (TINY, SMALL, LARGE)}
        return await _measure_loads(benches, tick)


async def _measure_loads(benches: Mapping[Shape, Bench], tick: Tick) -> Row:
    cases: list[Case] = []
    notes: dict[str, str] = {}
    for load in LOADS:
        bench = benches[load.shape]
        bench.inside.clear()
        cases += await _measure_load(bench, load, tick)
        what = f"{load.shape.name}, {load.at_once} at once: prepare without its interpreter's start (p50, ms)"
        notes[what] = f"{median(bench.inside) * 1000:.1f}"
    return Row("P8", "worktree ready", tuple(cases), notes)


def _bench(folder: Path, shape: Shape, url: str) -> Bench:
    upstream = make_upstream(folder, shape)
    own = folder / f"mirror-{shape.files}"
    own.mkdir()
    by_hand = mirror_of(upstream, folder / f"by-hand-{shape.files}.git")
    return Bench(
        upstream, mirror_of(upstream, own / "repo.git"), by_hand, folder / "trees", f"{url}/{upstream.path.name}"
    )


async def _measure_load(bench: Bench, load: Load, tick: Tick) -> list[Case]:
    what = f"{load.shape.name}, {load.at_once} at once"
    ours = rounds.Arm(OURS, lambda: bench.prepare(load.at_once))
    by_hand = rounds.Arm(BY_HAND, lambda: bench.worktree_add(load.at_once))
    clone = rounds.Arm(CLONE, lambda: bench.clone(load.at_once))
    for arm in (ours, by_hand):
        await arm.trial()
    limit = load.seconds
    sample = await rounds.measure([ours, by_hand], rounds.LEAST_ROUNDS, tick, seconds=limit)
    cases = [outcome.case(what, sample, OURS, BY_HAND, load.goal)]
    if load.with_clone:
        sample = await rounds.measure([ours, clone], rounds.LEAST_ROUNDS, tick, seconds=limit)
        cases.append(outcome.case(what, sample, OURS, CLONE, outcome.times_faster(3)))
    return cases
