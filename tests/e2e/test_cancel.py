"""Cancelling: the agent is asked to end, its work is kept."""

from __future__ import annotations

from tests.support.cluster import Lab
from tests.support.cluster_bug import condition, message_of, reason_of
from tests.support.cluster_objects import bug

WORKS = "echo half done > half.txt; echo ready; until [ -e /tmp/go ]; do sleep 0.2; done"


def test_a_cancelled_agent_is_ended_and_its_work_is_kept(lab: Lab) -> None:
    made = lab.run(bug("cancel-running", WORKS, output="Branch"))
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


def test_the_last_lines_of_a_cancelled_agent_are_stored(lab: Lab) -> None:
    made = lab.run(bug("cancel-lines", "trap 'echo last words; exit 0' INT; " + WORKS))
    made.running()
    made.prints("ready")
    command_id = made.status["commandId"]
    made.cancel()
    made.ended()
    stored = lab.stored_up_to(command_id, 3)
    assert [row["seq"] for row in stored] == list(range(1, len(stored) + 1))
    assert stored[-1]["message"].startswith("mentu: Terminated")
    assert any(row["message"].endswith("last words") for row in stored)


def test_a_command_that_is_cancelled_before_it_is_claimed_does_nothing(lab: Lab) -> None:
    made = lab.run(bug("cancel-early", "echo x", suspend=True))
    made.waits("Suspended")
    made.cancel()
    status = made.ended()
    assert reason_of(status) == ("Cancelled", "Cancelled")
    assert ("claim" in status, made.pods(), made.volumes()) == (False, {}, {})


def test_a_command_that_is_cancelled_while_it_cannot_start_ends(lab: Lab) -> None:
    lab.apply({**NO_KEY})
    made = lab.run(bug("cancel-stuck", "echo x", agent="cancel-no-key"))
    made.waits("SecretNotFound", 20)
    made.cancel()
    status = made.ended()
    assert reason_of(status) == ("Cancelled", "Cancelled")
    made.leaves_no_pod()


NO_KEY = {
    "apiVersion": "mentu.dev/v1alpha1",
    "kind": "Agent",
    "metadata": {"name": "cancel-no-key"},
    "spec": {"command": ["bash"], "transcript": "Plain", "credential": {"secretName": "never-made"}},
}
