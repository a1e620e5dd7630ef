"""The fidelity run: pods flood a gateway that is killed again and again; a pod is killed too; a database crashes.

Seeded, so that a run can be repeated; the moments of the kills still depend on the machine. What a killed pod had
spooled is sent by the next pod on its volume, so for that one the boundary is what its spool held.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.process.fidelity.fleet import Pod, end_children, make_pods
from tests.process.fidelity.oracle import Verdict, judge, stored
from tests.process.gateway.process import GatewayProcess
from tests.unit.gateway.fake_cluster import FakeCluster

from bugcommand_operator.store import migrate

PODS = 4


@dataclass(frozen=True)
class Load:
    lines: int
    """Of all pods together."""

    gateway_kills: int = 5
    seed: int = 1


@dataclass(frozen=True)
class Found:
    verdict: Verdict
    gateway_kills: int
    of_killed_pod: int
    """Lines that the killed pod had spooled, at least."""


def run(root: Path, url: str, load: Load, crash_database: Callable[[], None] = lambda: None) -> Found:
    asyncio.run(migrate.upgrade(url))
    with FakeCluster() as cluster:
        gateway = GatewayProcess(root / "logs.db", cluster.kubeconfig(root), MENTU_DATABASE_URL=url)
        with gateway:
            pods = make_pods(root, cluster, f"http://127.0.0.1:{gateway.port}", PODS, load.lines // PODS)
            for pod in pods:
                pod.start()
            faults = _Faults(gateway, pods[0], load, crash_database)
            faults.start()
            for pod in pods[1:]:
                assert pod.running is not None
                told = pod.running.end(900)
                assert (told["reason"], told["unshipped"]) == ("Completed", 0), told
            faults.join(300)
            assert not faults.is_alive()
            survived = _next_pod_ships(pods[0])
            verdicts = [judge(stored(url, pod.command_id), pod.lines) for pod in pods[1:]]
            of_killed = stored(url, pods[0].command_id)
            verdicts.append(judge(of_killed, max([survived, *of_killed])))
            assert gateway.end() == 0
    return Found(sum(verdicts, Verdict()), faults.kills, survived)


def _next_pod_ships(pod: Pod) -> int:
    """The last number that is known to have been spooled: later ones may be there, and then without a gap."""
    printed = pod.printed()
    told = pod.start(attempt=2, program="nothing").end(300)
    assert (told["reason"], told["unshipped"]) == ("Completed", 0), told
    return printed


class _Faults(threading.Thread):
    """Kills, spread over the run by how much has been stored, not by the clock."""

    def __init__(self, gateway: GatewayProcess, victim: Pod, load: Load, crash_database: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._gateway, self._victim, self._load, self._crash = gateway, victim, load, crash_database
        self._random = random.Random(load.seed)
        self.kills = 0

    def run(self) -> None:
        pause = threading.Event()
        for number in range(self._load.gateway_kills):
            pause.wait(self._random.uniform(0.5, 3.0))
            self._gateway.kill()
            self.kills += 1
            if number == 1:
                self._victim.kill()
                end_children(self._victim)
            if number == 2:
                self._crash()
            pause.wait(self._random.uniform(0.0, 1.0))
            self._gateway.start()
