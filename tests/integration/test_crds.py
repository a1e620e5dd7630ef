"""What the API server takes and refuses, by the schemas and CEL rules alone: no operator runs here."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.api import Api

from bugcommand_operator.cluster.errors import Refused

PROMPT = {"prompt": "The discount starts one piece too late.", "repository": {"name": "shop"}}
URL = "https://git.example.com/shop.git"
CLAIM = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-01-01T00:00:00Z"}


async def test_defaults_are_filled_in(api: Api) -> None:
    made = await api.make("BugCommand", "plain", PROMPT)
    spec = made["spec"]
    assert (spec["withWorktree"], spec["agentMode"], spec["output"]) == (True, "Terminal", "Branch")
    assert (spec["timeoutSeconds"], spec["priority"], spec["suspend"], spec["cancel"]) == (3600, 0, False, False)
    repository = await api.make("Repository", "shop", {"url": URL})
    assert repository["spec"]["mirror"] == {
        "enabled": True,
        "accessMode": "ReadWriteOnce",
        "size": "10Gi",
        "storageClassName": "",
    }
    agent = await api.make("Agent", "claude", {})
    assert (agent["spec"]["command"], agent["spec"]["transcript"]) == (["claude"], "ClaudeCode")


REFUSED_COMMANDS: dict[str, tuple[dict[str, Any], str]] = {
    "more retries than there may be": ({"retry": {"limit": 11}}, "spec.retry.limit"),
    "an attempt before the first": ({"retry": {"afterAttempt": 0}}, "spec.retry.afterAttempt"),
    "a plain checkout that is tried again": ({"withWorktree": False, "retry": {"limit": 1}}, "never tried again"),
    "a plain checkout asked for again": ({"withWorktree": False, "retry": {"afterAttempt": 1}}, "never tried again"),
    "no prompt": ({"prompt": ""}, "spec.prompt"),
    "a prompt over 64 KiB": ({"prompt": "x" * 65_537}, "spec.prompt"),
    "a prompt over 64 KiB in bytes but not in characters": ({"prompt": "ä" * 40_000}, "64 KiB"),
    "a prompt with NUL": ({"prompt": "a\x00b"}, "NUL"),
    "a prompt of 1.4 MiB": ({"prompt": "x" * 1_400_000}, "spec.prompt"),
    "a working directory that is absolute": ({"workingDirectory": "/etc"}, "relative"),
    "a working directory that climbs out": ({"workingDirectory": "a/../../etc"}, "remove .."),
    "a working directory with a line break": ({"workingDirectory": "a\nb"}, "control"),
    "a timeout of -1": ({"timeoutSeconds": -1}, "timeoutSeconds"),
    "a timeout of 10^12": ({"timeoutSeconds": 10**12}, "timeoutSeconds"),
    "a timeout that is text": ({"timeoutSeconds": "1h"}, "timeoutSeconds"),
    "a pull request, not supported yet": ({"output": "PullRequest"}, "not supported"),
    "a merge queue, not supported yet": ({"output": "MergeQueue"}, "not supported"),
    "an unknown approval": ({"approval": "Maybe"}, "approval"),
    "an unknown output": ({"output": "Email"}, "output"),
    "an unknown agent mode": ({"agentMode": "Telepathy"}, "agentMode"),
    "a command id that is no UUID": ({"commandId": "42"}, "commandId"),
    "a commitment id of another shape": ({"commitmentId": "fix-1"}, "commitmentId"),
    "a commitment id that is too long": ({"commitmentId": "cmt_" + "a" * 60}, "commitmentId"),
    "a base ref that is an option": ({"baseRef": "--upload-pack=touch"}, "branch or tag"),
    "a base ref with ..": ({"baseRef": "main..evil"}, "branch or tag"),
    "a base ref with @{": ({"baseRef": "main@{1}"}, "branch or tag"),
    "a repository's name with a slash": ({"repository": {"name": "../other"}}, "repository.name"),
    "a hostPath in the pod template": ({"podTemplate": {"volumes": [{"hostPath": {"path": "/"}}]}}, "unknown field"),
    "a service account in the pod template": ({"podTemplate": {"serviceAccountName": "admin"}}, "unknown field"),
    "a privileged container": ({"podTemplate": {"securityContext": {"privileged": True}}}, "unknown field"),
    "a field that does not exist": ({"promt": "typo"}, "unknown field"),
}


@pytest.mark.parametrize("case", REFUSED_COMMANDS)
async def test_a_command_is_refused_for(api: Api, case: str) -> None:
    fields, said = REFUSED_COMMANDS[case]
    with pytest.raises(Refused, match=said):
        await api.make("BugCommand", "bad", {**PROMPT, **fields})


@pytest.mark.parametrize("length", [51, 253])
async def test_a_command_whose_name_leaves_no_room_for_its_childrens_names_is_refused(api: Api, length: int) -> None:
    with pytest.raises(Refused, match="at most 50 characters"):
        await api.make("BugCommand", "a" * length, PROMPT)


REFUSED_REPOSITORIES: dict[str, tuple[dict[str, Any], str]] = {
    "a url that runs a program": ({"url": "ext::sh -c touch% /tmp/x"}, "https://"),
    "a local path": ({"url": "file:///etc/passwd"}, "https://"),
    "ssh with an option for a host": ({"url": "ssh://-oProxyCommand=touch/x"}, "https://"),
    "credentials in the url": ({"url": "https://token@git.example.com/shop.git"}, "credentialsSecret"),
    "no host": ({"url": "https:///shop.git"}, "host"),
    "an escaped line break": ({"url": "https://git.example.com/%0ashop.git"}, "escapes"),
    "a query": ({"url": "https://git.example.com/shop.git?--upload-pack=x"}, "query"),
    "a credential over http": (
        {"url": "http://git.example.com/s.git", "credentialsSecret": {"name": "t"}},
        "https only",
    ),
    "a credential without a mirror": (
        {"url": URL, "credentialsSecret": {"name": "t"}, "mirror": {"enabled": False}},
        "mirror.enabled",
    ),
    "an identity with a line break": (
        {"url": URL, "commitIdentity": {"name": "a\nb", "email": "a@b.c"}},
        "commitIdentity",
    ),
    "an unknown genesis policy": ({"url": URL, "genesisPolicy": "Maybe"}, "genesisPolicy"),
    "a size that is no quantity": ({"url": URL, "mirror": {"size": "much"}}, "size"),
}


@pytest.mark.parametrize("case", REFUSED_REPOSITORIES)
async def test_a_repository_is_refused_for(api: Api, case: str) -> None:
    spec, said = REFUSED_REPOSITORIES[case]
    with pytest.raises(Refused, match=said):
        await api.make("Repository", "bad", spec)


async def test_an_agent_may_not_set_what_the_operator_sets(api: Api) -> None:
    with pytest.raises(Refused, match="the operator sets them"):
        await api.make("Agent", "bad", {"env": [{"name": "MENTU_RUN", "value": "{}"}]})


CHANGED = {
    "prompt": "Something else.",
    "repository": {"name": "other"},
    "workingDirectory": "src",
    "agent": "other",
    "withWorktree": False,
    "commandId": "00000000-0000-4000-8000-000000000000",
    "commitmentId": "cmt_other",
    "baseRef": "other",
    "targetMachine": "other",
    "agentMode": "Headless",
    "timeoutSeconds": 7,
    "context": {"objective": "Something else."},
    "output": "None",
    "resources": {"limits": {"memory": "1Gi"}},
    "podTemplate": {"labels": {"a": "b"}},
    "approval": "Required",
}


@pytest.mark.parametrize("field", CHANGED)
async def test_what_an_execution_is_built_on_cannot_change_after_the_claim(api: Api, field: str) -> None:
    await api.make("BugCommand", "claimed", PROMPT)
    change = {"spec": {field: CHANGED[field]}}
    await api.patch("BugCommand", "claimed", {"status": {"claim": CLAIM}}, status=True)
    with pytest.raises(Refused, match=f"spec.{field} cannot change"):
        await api.patch("BugCommand", "claimed", change)


async def test_all_that_changed_too_late_is_named_at_once(api: Api) -> None:
    await api.make("BugCommand", "several", PROMPT)
    await api.patch("BugCommand", "several", {"status": {"claim": CLAIM}}, status=True)
    said = (
        r"spec\.prompt spec\.podTemplate cannot change once the command is claimed or its approval decided: "
        "make a new BugCommand"
    )
    change = {"prompt": "Something else.", "podTemplate": {"labels": {"a": "b"}}, "cancel": True}
    with pytest.raises(Refused, match=said):
        await api.patch("BugCommand", "several", {"spec": change})


@pytest.mark.parametrize("field", ["commandId", "commitmentId", "context", "resources", "podTemplate"])
async def test_what_was_given_cannot_be_taken_away_after_the_claim(api: Api, field: str) -> None:
    await api.make("BugCommand", "given", {**PROMPT, field: CHANGED[field]})
    await api.patch("BugCommand", "given", {"status": {"claim": CLAIM}}, status=True)
    with pytest.raises(Refused, match=f"spec.{field} cannot change"):
        await api.patch("BugCommand", "given", {"spec": {field: None}})


async def test_what_was_approved_cannot_change_either(api: Api) -> None:
    await api.make("BugCommand", "approved", {**PROMPT, "approval": "Required"})
    decided = {"decision": "Approved", "by": "somebody", "at": "2026-01-01T00:00:00Z"}
    await api.patch("BugCommand", "approved", {"status": {"approval": decided}}, status=True)
    with pytest.raises(Refused, match=r"spec\.prompt cannot change once"):
        await api.patch("BugCommand", "approved", {"spec": {"prompt": "Something else."}})
    with pytest.raises(Refused, match="approval stays Required"):
        await api.patch("BugCommand", "approved", {"spec": {"approval": "NotRequired"}})


async def test_everything_can_change_before_the_claim_and_some_things_after_it(api: Api) -> None:
    await api.make("BugCommand", "free", PROMPT)
    await api.patch("BugCommand", "free", {"spec": CHANGED})
    await api.patch("BugCommand", "free", {"status": {"claim": CLAIM}}, status=True)
    changed = await api.patch("BugCommand", "free", {"spec": {"cancel": True, "suspend": True, "priority": 5}})
    assert changed["spec"]["cancel"] is True


async def test_between_two_attempts_only_the_same_can_change(api: Api) -> None:
    await api.make("BugCommand", "between", PROMPT)
    await api.patch("BugCommand", "between", {"status": {"attempt": 1}}, status=True)
    wanted = {"cancel": False, "suspend": True, "retry": {"limit": 2, "afterAttempt": 1}}
    assert (await api.patch("BugCommand", "between", {"spec": wanted}))["spec"]["retry"] == wanted["retry"]
    with pytest.raises(Refused, match=r"spec\.prompt cannot change"):
        await api.patch("BugCommand", "between", {"spec": {"prompt": "Something else."}})


async def test_a_status_that_comes_with_a_new_object_is_dropped(api: Api) -> None:
    body = {
        "apiVersion": "mentu.dev/v1alpha1",
        "kind": "BugCommand",
        "metadata": {"namespace": api.namespace, "name": "forged"},
        "spec": PROMPT,
        "status": {"phase": "Succeeded", "branch": "bug/cmt_x"},
    }
    path = f"/apis/mentu.dev/v1alpha1/namespaces/{api.namespace}/bugcommands"
    made = await api.cluster.request("POST", path, body=body)
    assert "status" not in made
