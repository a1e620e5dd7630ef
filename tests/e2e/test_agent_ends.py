"""The ways in which an agent's work can end, but for the good one."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import Raw, bug, mentu

IGNORES_ALL = "trap '' INT TERM HUP QUIT; echo deaf > deaf.txt; while true; do sleep 1 || true; done"
BUGS: dict[str, Raw] = {
    "crashes": {"prompt": "echo a; echo broken beyond repair >&2; exit 3"},
    "crashes-headless": {"prompt": "echo broken, headless >&2; exit 7", "agentMode": "Headless"},
    "hangs": {"prompt": "echo half > half.txt; sleep infinity", "timeoutSeconds": 4},
    "deaf": {"prompt": IGNORES_ALL, "timeoutSeconds": 4},
    "no-binary": {"prompt": "x", "agent": "no-binary"},
    "hungry": {
        "prompt": "echo x > kept.txt; python3 -c 'x = bytearray(600 << 20)'",
        "resources": {"limits": {"memory": "200Mi"}},
    },
}


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    lab.apply(mentu("Agent", "no-binary", {"command": ["claudius"], "transcript": "Plain"}))
    return {name: lab.run(bug(f"ends-{name}", **spec)) for name, spec in BUGS.items()}


def ended(made: Bug) -> Raw:
    """With what all of them have in common: a warning that says the same as the status, and nothing that runs on."""
    status = made.ended(120)
    [warning] = [e for e in made.events(condition(status, "Succeeded")["reason"]) if e.type == "Warning"]
    assert warning.message == message_of(status)
    assert condition(status, "AgentRunning")["status"] == "False"
    made.rests()
    return status


def test_an_agent_that_crashes_fails_with_its_exit_code_and_last_words(bugs: dict[str, Bug]) -> None:
    status = ended(bugs["crashes"])
    assert (reason_of(status), status["exitCode"]) == (("Failed", "AgentFailed"), 3)
    assert "exited with 3" in message_of(status)
    assert "broken beyond repair" in message_of(status)


def test_a_headless_agent_that_crashes_does_so_too(bugs: dict[str, Bug]) -> None:
    status = ended(bugs["crashes-headless"])
    assert (reason_of(status), status["exitCode"]) == (("Failed", "AgentFailed"), 7)
    assert "broken, headless" in message_of(status)


def test_an_agent_that_hangs_silently_is_ended_at_its_timeout_and_its_work_is_kept(
    lab: Lab, bugs: dict[str, Bug]
) -> None:
    made = bugs["hangs"]
    status = ended(made)
    assert (reason_of(status), status["exitCode"]) == (("Failed", "TimedOut"), 124)
    assert "4 s" in message_of(status)
    [volume] = made.volumes().values()
    assert not volume["metadata"].get("ownerReferences"), "its work would go with it"
    ref = f"refs/mentu/rescue/{status['commitmentId']}/1"
    shown = f"git -C /workspace/repo -c safe.directory='*' show {ref}:half.txt"
    assert lab.look("hangs", shown, {"/workspace": "ends-hangs-worktree", "/mirror": "plain-mirror"}) == "half\n"


def test_an_agent_that_ignores_every_request_to_leave_is_ended_all_the_same(bugs: dict[str, Bug]) -> None:
    status = ended(bugs["deaf"])
    assert (reason_of(status), status["exitCode"]) == (("Failed", "TimedOut"), 124)


def test_an_agent_whose_program_is_missing_says_so(bugs: dict[str, Bug]) -> None:
    status = ended(bugs["no-binary"])
    assert (reason_of(status), status["exitCode"]) == (("Failed", "AgentStartFailed"), 127)
    assert "claudius" in message_of(status)


def test_an_agent_that_needs_too_much_memory_says_so(bugs: dict[str, Bug]) -> None:
    status = ended(bugs["hungry"])
    assert reason_of(status) == ("Failed", "OutOfMemory")
    assert "resources.limits.memory" in message_of(status)
    assert not next(iter(bugs["hungry"].volumes().values()))["metadata"].get("ownerReferences")
