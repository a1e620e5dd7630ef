"""Several pods that write numbered lines as fast as they are read, each with a runner of its own.

A pod here is the real runner process on a folder of its own, with a token of its own. Its program prints `line 1`,
`line 2`, …: what is stored can be compared with what was written, line by line.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.process.runner.running import Running, Volume
from tests.unit.gateway.fake_cluster import FakeCluster

TEXT = "line {}"
WHOLE_SECONDS = 900


@dataclass
class Pod:
    """One attempt's pod of one command; the volume stays for the next one."""

    command_id: str
    volume: Volume
    lines: int
    url: str
    running: Running | None = None

    def start(self, attempt: int = 1, program: str = "numbers") -> Running:
        self.running = self.volume.run(
            "Write.",
            mode="Headless",
            transcript="Plain",
            command=[program],
            commandId=self.command_id,
            attempt=attempt,
            intakeUrl=self.url,
            timeoutSeconds=WHOLE_SECONDS,
        )
        return self.running

    def kill(self) -> None:
        """As the kernel does when memory runs out: the runner, and with it whatever it started."""
        assert self.running is not None
        self.running.process.kill()
        self.running.process.wait(10)

    def printed(self) -> int:
        """The last number in the container's log, where a line comes once it is spooled."""
        assert self.running is not None
        return max((int(line[5:]) for line in self.running.log() if line.startswith("line ")), default=0)


def make_pods(root: Path, cluster: FakeCluster, url: str, count: int, lines: int) -> list[Pod]:
    return [_pod(root / f"pod-{number}", cluster, url, lines) for number in range(count)]


def _pod(root: Path, cluster: FakeCluster, url: str, lines: int) -> Pod:
    root.mkdir()
    command_id = str(uuid.uuid4())
    cluster.add(f"token-{command_id}", command_id, 2)  # a later attempt's token may send what an earlier one left
    volume = Volume(root)
    (root / "token").write_text(f"token-{command_id}")
    volume.program("numbers", f"#!/bin/sh\nexec seq -f '{TEXT.format('%.0f')}' 1 {lines}\n")
    volume.program("nothing", "#!/bin/sh\nexit 0\n")
    return Pod(command_id, volume, lines, url)


def wait_for(what: str, holds: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)


def end_children(pod: Pod) -> None:
    """What a killed runner has left running, by the mark in its environment."""
    mark = f"MENTU_SCRATCH={pod.volume.root}/scratch".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
