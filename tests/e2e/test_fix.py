"""The real claude fixes a real bug: everything that a user sees of a command that succeeds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of, rows
from tests.support.cluster_objects import SERVERS, Raw, bug, mentu

CONTEXT = {
    "objective": "The discount starts at exactly the quantities in the price list.",
    "hypothesis": "The threshold itself is left out.",
    "likelyFiles": ["pricing/discount.py"],
    "scope": {"allowedPatterns": ["pricing/**"], "forbiddenPatterns": ["tests/**"], "maxFileChanges": 2},
    "constraints": ["Do not change the rates."],
    "successCriteria": ["python3 -m unittest passes"],
}
BRANCH = "bug/cmt_e2e_full_fix"


@pytest.fixture(scope="module")
def private(lab: Lab) -> str:
    """A private repository over https, whose certificate only the Repository knows."""
    spec = {
        "url": f"https://git.{SERVERS}.svc/private/pricing.git",
        "credentialsSecret": {"name": "git-token"},
        "caBundle": lab.access.certificate,
        "genesisPolicy": "Deny",
        "mirror": {"size": "1Gi"},
        "worktree": {"size": "1Gi"},
        "commitIdentity": {"name": "A Careful Agent", "email": "careful@agents.example.com"},
    }
    lab.apply(mentu("Repository", "private-pricing", spec))
    return "private-pricing"


@pytest.fixture(scope="module")
def fixed(lab: Lab, private: str) -> tuple[Bug, Raw]:
    """A bug that was fixed in a terminal, and the status it ended with."""
    made = lab.run(
        bug(
            "full-fix",
            "Please fix the discount from end to end.",
            repository={"name": private},
            agent="claude",
            commitmentId="cmt_e2e_full_fix",
            context=CONTEXT,
            output="Branch",
        )
    )
    return made, made.ended(150)


def test_a_fix_ends_as_succeeded_and_says_what_was_pushed(fixed: tuple[Bug, Raw]) -> None:
    _, status = fixed
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert message_of(status) == f"Pushed as {BRANCH}."
    assert (status["branch"], status["exitCode"], status["attempt"]) == (BRANCH, 0, 1)
    assert status["diff"] == {"files": 1, "insertions": 1, "deletions": 1}
    assert status["claim"]["epoch"] == 1
    assert status["claim"]["executor"].startswith("bridge-")
    for name in ("WorkspaceReady", "Published", "Ready"):
        assert condition(status, name)["status"] == "True", name
    assert condition(status, "AgentRunning")["reason"] == "AgentEnded"
    assert condition(status, "Reconciling")["status"] == "False"
    assert status["startTime"] <= status["agentStartTime"] <= status["completionTime"]


def test_each_step_of_a_fix_is_told_once_as_an_event(fixed: tuple[Bug, Raw]) -> None:
    made, _ = fixed
    told = [(e.type, e.reason) for e in made.events("Succeeded")]
    assert told == [("Normal", reason) for reason in ("Claimed", "AgentStarted", "Publishing", "Succeeded")]


def test_the_branch_continues_the_base_with_the_fix_alone(lab: Lab, fixed: tuple[Bug, Raw]) -> None:
    _, status = fixed
    refs = lab.repositories.refs("private/pricing")
    assert refs[f"refs/heads/{BRANCH}"] == status["headCommit"]
    assert refs["refs/heads/main"] == status["baseCommit"]
    span = f"{status['baseCommit']}..{status['headCommit']}"
    log = lab.repositories.on_server("private/pricing", "log", "--format=%an <%ae>, %cn <%ce>: %s", span)
    who = "A Careful Agent <careful@agents.example.com>"
    assert log.splitlines() == [f"{who}, {who}: Count the threshold itself"]
    changed = lab.repositories.on_server("private/pricing", "diff", "--name-only", *span.split(".."))
    assert changed.splitlines() == ["pricing/discount.py"]


def test_the_failing_test_passes_on_the_pushed_branch(lab: Lab, fixed: tuple[Bug, Raw]) -> None:
    before = run_tests(lab.repositories.clone("private/pricing", "main", "before"))
    after = run_tests(lab.repositories.clone("private/pricing", BRANCH, "after"))
    assert before.returncode == 1, before.stderr
    assert "test_the_discount_starts_at_the_quantity_in_the_price_list" in before.stderr
    assert after.returncode == 0, after.stderr
    assert "Ran 0 tests" not in after.stderr


def test_every_line_is_stored_once_and_is_what_kubectl_shows(lab: Lab, fixed: tuple[Bug, Raw]) -> None:
    made, status = fixed
    printed = made.printed()
    stored = lab.stored_up_to(status["commandId"], len(printed))
    assert [row["seq"] for row in stored] == list(range(1, len(stored) + 1))
    assert rows(stored) == printed
    times = [row["ts"] for row in stored]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert {row["attempt"] for row in stored} == {1}


def test_the_status_holds_the_tail_of_the_log_within_its_limits(lab: Lab, fixed: tuple[Bug, Raw]) -> None:
    made, status = fixed
    printed = made.printed()
    logs = made.logs_up_to(len(printed))
    assert logs["lines"] == logs["lastSequence"] == len(printed)
    assert len(logs["tail"]) <= 50
    assert sum(len(line.encode()) for line in logs["tail"]) <= 16 * 1024
    assert logs["tail"][-1].endswith("mentu: Completed: the agent finished")
    assert any("The fix is committed." in line for line in logs["tail"])
    assert status["usage"]["inputTokens"] >= 1200


def test_after_a_fix_the_volume_belongs_to_its_command(fixed: tuple[Bug, Raw]) -> None:
    """So that a deletion takes it along; while the work was only there, it did not."""
    made, _ = fixed
    [volume] = made.volumes().values()
    assert [owner["uid"] for owner in volume["metadata"]["ownerReferences"]] == [made.uid]


def test_the_git_token_reaches_nothing_that_the_agent_sees(lab: Lab, fixed: tuple[Bug, Raw]) -> None:
    made, _ = fixed
    token = lab.access.token
    for name, pod in made.pods().items():
        containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
        for container in containers:
            assert token not in lab.kubectl.run("logs", name, "-c", container["name"])
            assert token not in str(container.get("env"))
    claims = {"/workspace": "full-fix-worktree", "/mirror": "private-pricing-mirror"}
    found = lab.look("token", f"grep -rlF -e '{token}' /workspace /mirror; echo done", claims)
    assert found.split() == ["done"]
    assert token not in lab.executor_log()


def test_a_headless_agent_fixes_it_too(lab: Lab, private: str) -> None:
    made = lab.run(
        bug(
            "headless-fix",
            "An order of exactly 50 folders is invoiced with 5 % off. Fix it.",
            repository={"name": private},
            agent="claude",
            agentMode="Headless",
            output="Branch",
        )
    )
    status = made.ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert lab.repositories.refs("private/pricing")[f"refs/heads/{status['branch']}"] == status["headCommit"]
    printed = made.printed()
    assert rows(lab.stored_up_to(status["commandId"], len(printed))) == printed
    assert any("Give the quantity discount from the threshold on" in line for line in printed)


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "unittest"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
