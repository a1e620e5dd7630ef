"""Runs the project's tests at a ref in a pod of their own, and reads what came of it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from dev.demo import objects
from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl
from dev.demo.settings import Deadlines, Settings
from dev.gitserver.access import GitAccess

_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    exit_code: int
    tests: int
    output: str
    commit: str

    @property
    def passed(self) -> bool:
        """Zero tests prove nothing."""
        return self.exit_code == 0 and self.tests > 0

    @property
    def failed(self) -> bool:
        """Tests ran and failed; that they could not be run at all is something else."""
        return self.exit_code == 1 and self.tests > 0


def outcome(exit_code: int, output: str, commit: str) -> Outcome:
    ran = _RAN.findall(output)
    return Outcome(exit_code, int(ran[-1]) if ran else 0, output, commit.strip())


def run(kubectl: Kubectl, name: str, ref: str, settings: Settings, access: GitAccess) -> Outcome:
    deadlines = Deadlines()
    kubectl.apply([objects.test_pod(name, ref, settings, access)])
    deadline = time.monotonic() + deadlines.test_pod
    while time.monotonic() < deadline:
        pod = kubectl.get("pod", name) or {}
        code = exit_code(pod)
        if code is not None:
            output, commit = (kubectl.run("logs", name, "-c", part) for part in ("test", "clone"))
            return outcome(code, output, commit)
        if (pod.get("status") or {}).get("phase") == "Failed":
            raise DemoError(f"the tests of {ref} could not be run", f"see the pod {name}")
        time.sleep(0.5)
    raise DemoError(f"the tests of {ref} did not end within {deadlines.test_pod:.0f} s", f"see the pod {name}")


def exit_code(pod: dict[str, Any]) -> int | None:
    """Of the container `test`, once it has ended."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == "test" and ended and ended.get("startedAt"):
            return int(ended["exitCode"])
    return None
