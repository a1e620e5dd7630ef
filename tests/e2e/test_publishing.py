"""What becomes of the work once the agent has ended."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import Raw, bug

COMMIT = "git add -A && git commit -q -m 'A change'"
HOSTILE = """
cd $(git rev-parse --git-common-dir)
git config core.fsmonitor false; git config filter.steal.clean 'echo stolen'; git config core.hooksPath hooks
mkdir -p hooks; printf '#!/bin/sh\nexit 1\n' | tee hooks/reference-transaction > hooks/pre-push; chmod +x hooks/*
cd - > /dev/null; echo '* filter=steal' > .gitattributes; echo mine > mine.txt
"""
BORROWS = "echo /mirror/elsewhere/objects > /workspace/repo/.git/objects/info/alternates; echo x > x.txt"
BUGS: dict[str, Raw] = {
    "leftovers": {"prompt": "echo new > new.txt; echo more >> README.md; rm src/main.txt"},
    "both": {"prompt": f"echo one > one.txt; {COMMIT}; echo two > two.txt"},
    "nothing": {"prompt": "echo I looked around"},
    "scope": {
        "prompt": f"echo x > src/secret.txt; {COMMIT}",
        "context": {"scope": {"forbiddenPatterns": ["src/**"]}},
    },
    "mentu": {"prompt": "rm .mentu; mkdir .mentu; echo x > .mentu/mine; git add -f .mentu; git commit -qm mine; ls -a"},
    "taken": {"prompt": "echo x > x.txt", "commitmentId": "cmt_e2e_taken"},
    "hostile": {"prompt": HOSTILE},
    "borrows": {"prompt": BORROWS},
    "none": {"prompt": f"echo x > unpublished.txt; {COMMIT}", "output": "None"},
}


@pytest.fixture(scope="module")
def bugs(lab: Lab) -> dict[str, Bug]:
    lab.repositories.on_server("public/plain", "update-ref", "refs/heads/bug/cmt_e2e_taken", "refs/heads/main")
    return {name: lab.run(bug(f"publish-{name}", **{"output": "Branch", **spec})) for name, spec in BUGS.items()}


def branch_of(lab: Lab, status: Raw) -> str | None:
    return lab.repositories.refs("public/plain").get(f"refs/heads/bug/{status['commitmentId']}")


def shown(lab: Lab, *arguments: str) -> list[str]:
    return lab.repositories.on_server("public/plain", *arguments).splitlines()


def test_changes_that_were_not_committed_are_committed_once(lab: Lab, bugs: dict[str, Bug]) -> None:
    status = bugs["leftovers"].ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert "had not committed" in message_of(status)
    head = branch_of(lab, status)
    assert head == status["headCommit"]
    [subject] = shown(lab, "log", "--format=%an: %s", f"{status['baseCommit']}..{head}")
    assert subject == "Mentu Agent: Commit what the agent left uncommitted"
    changed = shown(lab, "diff", "--name-status", status["baseCommit"], str(head))
    assert changed == ["M\tREADME.md", "A\tnew.txt", "D\tsrc/main.txt"]
    assert status["diff"]["files"] == 3


def test_beside_commits_of_the_agent_nothing_is_committed_but_it_is_said(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["both"]
    status = made.ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert condition(status, "Published")["reason"] == "PublishedInPart"
    assert not next(iter(made.volumes().values()))["metadata"].get("ownerReferences"), "the rest would go with it"
    assert "1 changed files were left uncommitted" in message_of(status)
    assert shown(lab, "diff", "--name-only", status["baseCommit"], status["headCommit"]) == ["one.txt"]


def test_an_agent_that_changes_nothing_fails_with_that_reason_and_no_branch(lab: Lab, bugs: dict[str, Bug]) -> None:
    status = bugs["nothing"].ended(120)
    assert reason_of(status) == ("Failed", "NoChanges")
    assert "without changing anything" in message_of(status)
    assert (branch_of(lab, status), "branch" in status, status["exitCode"]) == (None, False, 0)


@pytest.mark.parametrize(
    ("name", "reason", "told"), [("scope", "ScopeViolated", "src/secret.txt"), ("mentu", "MentuPathChanged", ".mentu")]
)
def test_work_that_breaks_a_rule_is_kept_and_not_pushed(
    lab: Lab, bugs: dict[str, Bug], name: str, reason: str, told: str
) -> None:
    made = bugs[name]
    status = made.ended(120)
    assert reason_of(status) == ("Failed", reason), message_of(status)
    assert told in message_of(status)
    assert condition(status, "Published")["reason"] == reason
    assert branch_of(lab, status) is None
    [volume] = made.volumes().values()
    assert not volume["metadata"].get("ownerReferences"), "its work would go with it"
    assert reason in {e.reason for e in made.events(reason)}


def test_with_output_none_nothing_is_pushed_and_the_work_stays_on_its_volume(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["none"]
    status = made.ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert branch_of(lab, status) is None
    assert list(made.pods()) == [made.agent_pod]
    assert not next(iter(made.volumes().values()))["metadata"].get("ownerReferences")


def test_a_branch_that_is_there_already_is_not_overwritten(lab: Lab, bugs: dict[str, Bug]) -> None:
    made = bugs["taken"]
    status = made.ended(120)
    assert reason_of(status) == ("Failed", "PushRejected"), message_of(status)
    assert "bug/cmt_e2e_taken" in message_of(status)
    refs = lab.repositories.refs("public/plain")
    assert refs["refs/heads/bug/cmt_e2e_taken"] == refs["refs/heads/main"]
    assert not next(iter(made.volumes().values()))["metadata"].get("ownerReferences")


def test_hooks_and_filters_that_an_agent_set_up_do_not_take_part(lab: Lab, bugs: dict[str, Bug]) -> None:
    status = bugs["hostile"].ended(120)
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert shown(lab, "show", f"{status['branch']}:mine.txt") == ["mine"]


def test_objects_that_an_agent_borrows_from_elsewhere_are_not_exported(lab: Lab, bugs: dict[str, Bug]) -> None:
    status = bugs["borrows"].ended(120)
    assert reason_of(status) == ("Failed", "ExportFailed"), message_of(status)
    assert branch_of(lab, status) is None
