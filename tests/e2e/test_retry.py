"""Another attempt goes on with the work of the last one: by itself after a failure that may pass, or on request."""

from __future__ import annotations

from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_objects import bug

# The second attempt finds what the first has left, and ends.
WORKS = (
    "echo begun >> work.txt; echo ready; "
    'until [ "$(wc -l < work.txt)" -gt 1 ] || [ -e /tmp/go ]; do sleep 0.2; done; cat work.txt; echo over'
)
FAILS_ONCE = 'echo begun >> work.txt; echo ready; [ "$(wc -l < work.txt)" -gt 1 ] || exit 3'


def again(made: Bug) -> None:
    """As `kubectl bug retry` asks for it."""
    made.patch({"cancel": False, "retry": {"afterAttempt": made.status["attempt"]}})


def reasons(made: Bug) -> list[str]:
    return [each["reason"] for each in made.status["attempts"]]


def test_a_pod_that_is_lost_is_followed_by_another_attempt(lab: Lab) -> None:
    made = lab.run(bug("retry-lost", WORKS, output="Branch", retry={"limit": 1}))
    made.running()
    made.prints("ready")
    lab.kubectl.run("delete", "pod", made.agent_pod, "--force", "--grace-period=0", "--wait=false")
    status = made.ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert (status["attempt"], status["retries"]) == (2, 1)
    [first, second] = reasons(made)
    assert (first in {"PodLost", "Terminated"}, second) == (True, "Completed")
    assert any(line.strip() == "begun" for line in made.printed(attempt=2)), "the work of the first was there"
    refs = lab.repositories.refs("public/plain")
    assert refs[f"refs/heads/{status['branch']}"] == status["headCommit"]
    assert "RetryBackOff" in {event.reason for event in made.events("RetryBackOff")}


def test_an_agent_that_fails_is_tried_again_only_on_request(lab: Lab) -> None:
    made = lab.run(bug("retry-asked", FAILS_ONCE, output="Branch", retry={"limit": 3}))
    assert reason_of(made.ended()) == ("Failed", "AgentFailed")
    assert "nextAttemptTime" not in made.status
    again(made)
    made.has_condition("Succeeded", "True", "Completed", 90)
    status = made.status
    assert (status["phase"], status["attempt"], reasons(made)) == ("Succeeded", 2, ["AgentFailed", "Completed"])
    lines = lab.stored_up_to(status["commandId"], 1)
    assert {row["attempt"] for row in lines} == {1, 2}


def test_a_cancellation_is_taken_back_and_a_branch_that_was_pushed_is_pushed_on(lab: Lab) -> None:
    made = lab.run(bug("retry-cancelled", WORKS, output="Branch"))
    made.running()
    made.prints("ready")
    made.cancel()
    assert reason_of(made.ended()) == ("Cancelled", "Cancelled")
    again(made)
    made.has_condition("Succeeded", "True", "Completed", 90)
    pushed = made.status["headCommit"]
    again(made)
    made.has_condition("Succeeded", "Unknown", "InProgress")
    made.has_condition("Succeeded", "True", "Completed", 90)
    status = made.status
    assert (status["attempt"], reasons(made)) == (3, ["Cancelled", "Completed", "Completed"])
    refs = lab.repositories.refs("public/plain")
    assert refs[f"refs/heads/{status['branch']}"] == status["headCommit"]
    assert pushed in lab.repositories.on_server("public/plain", "rev-list", status["branch"])
