"""A running command is suspended and resumed: its place is free meanwhile, its work and its session go on."""

from __future__ import annotations

import json

from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_objects import bug, repository

# The second attempt finds what the first has left, and ends.
WORKS = (
    "echo begun >> work.txt; echo ready; "
    'until [ "$(wc -l < work.txt)" -gt 1 ] || [ -e /tmp/go ]; do sleep 0.2; done; cat work.txt; echo over'
)
SOON = 90


def parked(made: Bug) -> dict[str, object]:
    made.patch({"suspend": True})
    made.waits("Suspended", SOON)
    status = made.status
    assert (status["phase"], "claim" in status, status["attempt"]) == ("Parked", False, 1)
    assert [each["reason"] for each in status["attempts"]] == ["Suspended"]
    made.leaves_no_pod()
    return dict(status)


def test_a_suspended_agent_is_parked_gives_its_place_back_and_goes_on(lab: Lab) -> None:
    lab.apply(repository("one-at-a-time", path="plain", concurrency={"limit": 1}))
    first = lab.run(bug("suspend-first", WORKS, repository={"name": "one-at-a-time"}, output="Branch"))
    first.running()
    first.prints("ready")
    second = lab.run(bug("suspend-second", "echo quick", repository={"name": "one-at-a-time"}))
    second.waits("ConcurrencyLimitReached")
    parked(first)
    assert reason_of(second.ended()) == ("Succeeded", "Completed"), "its place was free"

    first.patch({"suspend": False})
    status = first.ended(SOON)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert (status["attempt"], status["claim"]["epoch"]) == (2, 2)
    assert [each["reason"] for each in status["attempts"]] == ["Suspended", "Completed"]
    assert "retries" not in status
    lines = lab.stored_up_to(status["commandId"], 1)
    assert {row["attempt"] for row in lines} == {1, 2}
    assert lab.repositories.refs("public/plain")[f"refs/heads/{status['branch']}"] == status["headCommit"]


def test_claude_goes_on_with_its_session_and_is_not_told_the_task_again(lab: Lab) -> None:
    made = lab.run(bug("suspend-claude", "Please park the work.", agent="claude", output="Branch", timeoutSeconds=240))
    made.running()
    made.prints("I begin, and wait to be parked.")
    parked(made)
    made.patch({"suspend": False})
    status = made.ended(150)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert status["attempt"] == 2
    printed = made.printed(attempt=2)
    assert any("an earlier attempt's session is resumed" in line for line in printed)
    assert any("Go on with the task" in line for line in printed)
    assert not any("Please park the work" in line for line in printed), json.dumps(printed[:20])
    assert status["diff"]["files"] == 1


def test_what_is_parked_can_be_cancelled_and_deleted(lab: Lab) -> None:
    made = lab.run(bug("suspend-cancel", WORKS, output="Branch"))
    made.running()
    made.prints("ready")
    status = parked(made)
    made.cancel()
    ended = made.ended()
    assert reason_of(ended) == ("Cancelled", "Cancelled")
    uid = made.uid
    made.delete()
    made.leaves_nothing(uid)
    ref = f"refs/mentu/rescue/{status['commitmentId']}/1"
    assert ref in lab.repositories.refs("public/plain"), "its work was pushed"
