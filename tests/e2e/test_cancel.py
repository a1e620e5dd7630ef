"""Cancelling: the agent is asked to end, its work is kept."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import Raw, bug, shell_agent

WORKS = "echo half done > half.txt; echo ready; until [ -e /tmp/go ]; do sleep 0.2; done"


LAST_WORDS = "trap 'echo last words; exit 0' INT; " + WORKS
BUGS: dict[str, Raw] = {
    "running": {"prompt": WORKS, "output": "Branch"},
    "lines": {"prompt": LAST_WORDS},
    "early": {"prompt": "echo x", "suspend": True},
    "stuck": {"prompt": "echo x", "agent": "cancel-stuck"},
}


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    lab.apply(shell_agent("cancel-stuck", credential={"secretName": "never-made", "key": "api-key"}))
    return {name: lab.run(bug(f"cancel-{name}", **spec)) for name, spec in BUGS.items()}


def test_a_cancelled_agent_is_ended_and_its_work_is_kept(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["running"]
    made.running()
    made.prints("ready")
    made.cancel()
    status = made.ended()
    assert reason_of(status) == ("Cancelled", "Cancelled")
    assert "kept" in message_of(status)
    assert condition(status, "AgentRunning")["status"] == "False"
    made.leaves_no_pod()
    [(name, volume)] = made.volumes().items()
    assert not volume["metadata"].get("ownerReferences"), "its work would go with it"
    ref = f"refs/mentu/rescue/{status['commitmentId']}/1"
    script = f"cd /workspace/repo && git -c safe.directory='*' show {ref}:half.txt"
    assert lab.look("cancelled", script, {"/workspace": name, "/mirror": "plain-mirror"}) == "half done\n"
    assert f"refs/heads/{status['commitmentId']}" not in str(lab.repositories.refs("public/plain"))
    told = [e.reason for e in made.events("Cancelled")]
    assert told == ["Claimed", "AgentStarted", "Cancelled"]


def test_the_last_lines_of_a_cancelled_agent_are_stored(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["lines"]
    made.running()
    made.prints("ready")
    command_id = made.status["commandId"]
    made.cancel()
    made.ended()
    stored = lab.stored_up_to(command_id, 3)
    assert [row["seq"] for row in stored] == list(range(1, len(stored) + 1))
    assert stored[-1]["message"].startswith("mentu: Terminated")
    assert any(row["message"].endswith("last words") for row in stored)


def test_a_command_that_is_cancelled_before_it_is_claimed_does_nothing(bugs: dict[str, Bug]) -> None:
    made = bugs["early"]
    made.waits("Suspended")
    made.cancel()
    status = made.ended()
    assert reason_of(status) == ("Cancelled", "Cancelled")
    assert ("claim" in status, made.pods(), made.volumes()) == (False, {}, {})


def test_a_command_that_is_cancelled_while_it_cannot_start_ends(bugs: dict[str, Bug]) -> None:
    made = bugs["stuck"]
    made.waits("SecretNotFound", 20)
    made.cancel()
    status = made.ended()
    assert reason_of(status) == ("Cancelled", "Cancelled")
    made.leaves_no_pod()
