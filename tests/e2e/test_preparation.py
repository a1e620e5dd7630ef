"""What the workspace's preparation refuses: the agent never starts, and the message says what to change."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import SERVERS, Raw, bug, mentu, repository

GENESIS = ".mentu/genesis.key"
# phase, reason, what its message must name
ANSWERS: dict[str, tuple[str, str, str]] = {
    "denied": ("Refused", "PermissionDenied", "agent:executor"),
    "malformed": ("Refused", "GenesisMalformed", GENESIS),
    "missing": ("Refused", "GenesisMissing", GENESIS),
    "no-git": ("Failed", "NotAGitRepository", "no git repository"),
    "not-found": ("Failed", "NotAGitRepository", "no git repository"),
    "no-host": ("Failed", "RepositoryUnreachable", "nowhere.invalid"),
    "no-ref": ("Failed", "BaseRefNotFound", "no-such-branch"),
    "no-folder": ("Failed", "WorkingDirectoryNotFound", "deep/nowhere"),
    "link-out": ("Refused", "WorkingDirectoryOutsideTree", "escape"),
}
SPECS: dict[str, Raw] = {
    "no-ref": {"baseRef": "no-such-branch"},
    "no-folder": {"workingDirectory": "deep/nowhere"},
    "link-out": {"workingDirectory": "escape"},
}
REPOSITORIES = ("denied", "malformed", "missing", "no-git", "not-found", "no-host")


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    lab.apply(
        repository("denied"),
        repository("malformed"),
        repository("missing", "plain", genesisPolicy="Deny"),
        repository("not-found"),
        mentu("Repository", "no-git", {"url": f"http://web.{SERVERS}.svc:8000/page.git", "mirror": {"size": "1Gi"}}),
        mentu("Repository", "no-host", {"url": "http://nowhere.invalid/x.git", "mirror": {"size": "1Gi"}}),
    )
    made = {}
    for name in ANSWERS:
        where = {"repository": {"name": name}} if name in REPOSITORIES else {}
        made[name] = lab.run(bug(f"prepare-{name}", "echo must not run", **where, **SPECS.get(name, {})))
    return made


@pytest.mark.parametrize("name", ANSWERS)
def test_what_cannot_be_prepared_ends_with_its_reason_and_no_agent(bugs: dict[str, Bug], name: str) -> None:
    made, (phase, reason, told) = bugs[name], ANSWERS[name]
    status = made.ended(120)
    assert reason_of(status) == (phase, reason), message_of(status)
    assert told in message_of(status)
    assert "\n" not in message_of(status)
    assert condition(status, "WorkspaceReady")["reason"] == reason
    assert condition(status, "AgentRunning").get("status") != "True"
    assert "agentStartTime" not in status
    [warning] = [e for e in made.events(reason) if e.type == "Warning"]
    assert warning.message == message_of(status)
    agents = [c for c in made.pods()[made.agent_pod]["status"]["containerStatuses"] if c["name"] == "agent"]
    assert all("startedAt" not in c["state"].get("terminated", {}) and "running" not in c["state"] for c in agents)


def test_a_working_directory_is_used_exactly_as_given(lab: Lab) -> None:
    made = lab.run(bug("prepare-deep", "pwd; cat file.txt", workingDirectory="deep/er"))
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    tree = f"/workspace/repo/.worktrees/{status['commitmentId']}"
    assert {f"{tree}/deep/er", "This is deep/er/file.txt."} <= set(made.printed())


def test_a_base_ref_may_be_a_tag_and_is_what_the_work_starts_from(lab: Lab) -> None:
    made = lab.run(bug("prepare-tag", "git log -1 --format=at:%H", baseRef="v1"))
    status = made.ended()
    wanted = lab.repositories.on_server("public/plain", "rev-parse", "v1^{commit}").strip()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert status["baseCommit"] == wanted
    assert f"at:{wanted}" in made.printed()
