"""What the demo reads out of pods, test output and kubectl."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest
from dev.demo import diagnose, kubectl
from dev.demo.project_tests import exit_code, outcome

FAILED = "...F\nRan 11 tests in 0.002s\n\nFAILED (failures=4)\n"
PASSED = "....\nRan 1 test in 0.002s\n\nOK\n"


@pytest.mark.parametrize(
    ("code", "output", "failed", "passed"),
    [
        (1, FAILED, True, False),
        (0, PASSED, False, True),
        (0, "Ran 0 tests in 0.000s\n\nOK\n", False, False),
        (1, "python3: No module named unittest\n", False, False),
        (127, "sh: python3: not found\n", False, False),
        (5, "Ran 0 tests in 0.000s\n\nNO TESTS RAN\n", False, False),
        (0, "", False, False),
    ],
)
def test_only_tests_that_ran_prove_something(code: int, output: str, failed: bool, passed: bool) -> None:
    found = outcome(code, output, "abc\n")
    assert (found.failed, found.passed, found.commit) == (failed, passed, "abc")


def pod(name: str = "p", inits: list[Any] | None = None, containers: list[Any] | None = None) -> dict[str, Any]:
    status = {"initContainerStatuses": inits or [], "containerStatuses": containers or []}
    return {"metadata": {"name": name}, "status": status}


def container(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "state": state}


def test_an_exit_code_is_only_read_from_a_test_container_that_ran() -> None:
    ended = {"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z"}
    assert exit_code(pod(containers=[container("test", terminated=ended)])) == 1
    assert exit_code(pod(containers=[container("test", waiting={"reason": "PodInitializing"})])) is None
    assert exit_code(pod(containers=[container("test", terminated={"exitCode": 137, "startedAt": None})])) is None
    assert exit_code({}) is None


def test_containers_that_are_not_well_are_named() -> None:
    pods = [
        pod("a", inits=[container("fetch", terminated={"exitCode": 20})]),
        pod("b", containers=[container("agent", waiting={"reason": "ImagePullBackOff"})]),
        pod("c", containers=[container("agent", running={}), container("x", terminated={"exitCode": 0})]),
        pod("d", containers=[container("agent", waiting={"reason": "ContainerCreating"})]),
    ]
    assert diagnose.troubled(pods) == [("a", "fetch"), ("b", "agent")]


def test_conditions_are_told_with_their_message() -> None:
    command = {
        "metadata": {"name": "fix"},
        "status": {
            "phase": "Failed",
            "conditions": [{"type": "Succeeded", "status": "False", "reason": "TimedOut", "message": "after 9 s"}],
        },
    }
    assert diagnose.conditions([command]) == "fix: Failed\n  Succeeded=False TimedOut: after 9 s"


def talker(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_objects_are_read_from_a_watch_as_they_come() -> None:
    first, second = {"a": {"b": "}"}}, {"c": 1}
    text = json.dumps(first, indent=4) + "\n" + json.dumps(second, indent=4) + "\n"
    with talker(f"print({text!r}, end='')") as process:
        found = [item for item in kubectl._objects(process, time.monotonic() + 20) if item is not None]
    assert found == [first, second]


def test_a_silent_process_is_left_at_the_deadline() -> None:
    process = talker("import time; time.sleep(30)")
    try:
        started = time.monotonic()
        assert list(kubectl._lines(process, started + 0.2)) == [None]
        assert time.monotonic() - started < 5
    finally:
        process.kill()
        process.communicate()


def test_a_program_that_fails_hangs_or_is_missing_is_a_demo_error() -> None:
    with pytest.raises(kubectl.CommandError, match="broken"):
        kubectl.call([sys.executable, "-c", "import sys; sys.exit('broken')"], timeout=20)
    with pytest.raises(kubectl.CommandError, match="did not end"):
        kubectl.call([sys.executable, "-c", "import time; time.sleep(30)"], timeout=0.2)
    with pytest.raises(kubectl.CommandError, match="was not found"):
        kubectl.call(["no-such-program-here"], timeout=20)
