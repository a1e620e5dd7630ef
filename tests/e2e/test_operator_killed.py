"""The operator dies while agents work: they go on, nothing runs twice, no line is lost or doubled."""

from __future__ import annotations

from tests.support.cluster import EXECUTOR, Lab
from tests.support.cluster_bug import Bug, message_of, reason_of, rows
from tests.support.cluster_objects import Raw, bug

COUNTS = (
    "n=0; until [ -e /tmp/go ]; do n=$((n + 1)); echo line $n; sleep 0.02; done; echo counted $n; echo x > counted.txt"
)


def kill_operator(lab: Lab) -> str:
    """The uid of the pod that was killed, without a moment to tidy up."""
    uid = str((lab.system.get("pod", EXECUTOR) or {})["metadata"]["uid"])
    lab.system.run("delete", "pod", EXECUTOR, "--force", "--grace-period=0")
    return uid


def test_agents_outlive_the_operator_and_end_as_if_nothing_had_happened(lab: Lab) -> None:
    claude = lab.run(bug("killed-claude", "Please hold the line.", agent="claude", output="Branch"))
    counts = lab.run(bug("killed-counts", COUNTS, output="Branch"))
    claude.running()
    counts.running()
    claude.prints("I begin, once.")
    counts.prints("line 20")
    before = {made.name: (made.status, made.agent_container) for made in (claude, counts)}

    killed = kill_operator(lab)
    so_far = len(counts.printed())
    counts.prints(f"line {so_far + 50}")
    lab.executor_is_back()
    assert (lab.system.get("pod", EXECUTOR) or {})["metadata"]["uid"] != killed
    for made in (claude, counts):
        status, container = before[made.name]
        assert made.status["attempt"] == status["attempt"] == 1
        assert made.agent_container["containerID"] == container["containerID"]
        assert made.agent_container["restartCount"] == 0
        made.inside("touch /tmp/go")

    for made in (claude, counts):
        status = made.ended(120)
        assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
        assert (status["attempt"], status["claim"]["epoch"]) == (1, 1)
        refs = lab.repositories.refs("public/plain")
        assert refs[f"refs/heads/{status['branch']}"] == status["headCommit"]
        every_line_once(lab, made, status)
    begun = [line for line in claude.printed() if line.strip() in ("begun", "⎿ begun")]
    assert len(begun) == 1, "the prompt ran once"
    assert [e.reason for e in claude.events("Succeeded")] == ["Claimed", "AgentStarted", "Publishing", "Succeeded"]


def test_what_happens_while_the_operator_is_away_is_made_up_for(lab: Lab) -> None:
    """Lines wait on the volume for the gateway; commands that were made and deleted meanwhile are seen."""
    counts = lab.run(bug("away-counts", COUNTS))
    counts.running()
    counts.prints("line 20")
    command_id = counts.status["commandId"]
    lab.stored_up_to(command_id, 10)

    lab.executor_goes_away()
    made = lab.run(bug("away-made", "echo here"))
    deleted = lab.run(bug("away-deleted", "echo there", suspend=True))
    deleted.delete()
    so_far = len(counts.printed())
    counts.prints(f"line {so_far + 100}")
    lab.executor_is_back()

    lab.stored_up_to(command_id, so_far + 100)
    counts.inside("touch /tmp/go")
    for each in (counts, made):
        status = each.ended()
        assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
        every_line_once(lab, each, status)


def every_line_once(lab: Lab, made: Bug, status: Raw) -> None:
    """In the store, in the pod's log, in the status: the same lines, each once, in order."""
    printed = made.printed()
    stored = lab.stored_up_to(status["commandId"], len(printed))
    assert [row["seq"] for row in stored] == list(range(1, len(printed) + 1))
    assert rows(stored) == printed
    assert made.logs_up_to(len(printed))["lines"] == len(printed)
    numbered = [line for line in printed if line.startswith("line ")]
    assert numbered == [f"line {n}" for n in range(1, len(numbered) + 1)]
