"""The program as the operator sees it: exit codes, the termination log, requests that make no sense."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from tests.process.workspace.conftest import Place, git

from bugcommand_operator.api import names
from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.workspace import errors
from bugcommand_operator.workspace.git_errors import error_from
from bugcommand_operator.workspace.main import MAX_RESULT, encoded, run
from bugcommand_operator.workspace.request import request_from


def test_one_json_object_goes_to_the_termination_log_and_to_the_output(place: Place) -> None:
    process = place.start("prepare", "--fetch")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    log = (place.folder / "termination-log").read_text()
    assert json.loads(log) == json.loads(out)
    assert json.loads(log)["branch"] == "bug/cmt_fix_login"


def test_a_refusal_is_in_the_termination_log_with_its_exit_code(place: Place) -> None:
    process = place.start("prepare", "--fetch", workingDirectory="../x")
    process.communicate(timeout=60)
    assert process.returncode == 20
    assert json.loads((place.folder / "termination-log").read_text())["reason"] == "WorkingDirectoryOutsideTree"


def test_a_message_is_one_short_line_whatever_is_in_it(place: Place) -> None:
    failed = place.fails("prepare", "--fetch", workingDirectory="/a\nb\udcff" + "x" * 100_000)
    assert "\n" not in failed["message"]
    assert len(json.dumps(failed)) < 3500


@pytest.mark.parametrize("arguments", [[], ["destroy"], ["prepare", "--force"], ["fetch", "x"], ["export", "publish"]])
def test_only_the_four_steps_exist(place: Place, arguments: list[str]) -> None:
    assert place.fails(*arguments)["reason"] == "InvalidSpec"


@pytest.mark.parametrize(
    "changes",
    [
        {"commitmentId": "../../etc"},
        {"commitmentId": "cmt_"},
        {"commitmentId": "cmt_A"},
        {"commitmentId": "cmt_a\n"},
        {"commandId": "a/b"},
        {"commandId": ".."},
        {"attempt": 0},
        {"attempt": -1},
        {"attempt": True},
        {"attempt": "1"},
        {"attempt": 10**30},
        {"baseCommit": "main"},
        {"url": 7},
        {"workingDirectory": "a\0b"},
    ],
)
def test_a_request_with_a_field_that_cannot_be_is_refused(place: Place, changes: dict[str, Any]) -> None:
    failed = place.fails("prepare", "--fetch", **changes)
    assert (failed["reason"], failed["code"]) == ("InvalidSpec", 20)
    assert list(place.workspace.iterdir()) == []


@pytest.mark.parametrize("text", ["", "null", "[]", "{", "[" * 100_000])
def test_a_request_that_is_not_an_object_is_refused(text: str) -> None:
    assert run(["prepare"], {"MENTU_WORKSPACE": text})[1]["reason"] == "InvalidSpec"


def test_an_identity_cannot_add_a_line_to_the_config(place: Place) -> None:
    place.request["identity"] = {"name": 'Eve"\n[core]\n\tfsmonitor = evil', "email": "eve@example.test\\"}
    place.prepare()
    assert git(place.tree, "config", "user.name") == "Eve[core]fsmonitor = evil"
    assert "fsmonitor" not in git(place.tree, "config", "--list", "--name-only")


def test_a_policy_that_is_not_clearly_an_allowance_denies(place: Place) -> None:
    for policy in ("Deny", "allow", "", 1):
        assert place.fails("prepare", "--fetch", genesisPolicy=policy)["reason"] == "GenesisMissing"


def test_a_crash_is_reported_as_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("bugcommand_operator.workspace.prepare.prepare", crash)
    assert place.fails("prepare") == {
        "reason": "WorkspaceFailed",
        "message": "ZeroDivisionError: by zero",
        "code": 1,
    }


def test_every_reason_is_one_that_the_operator_knows() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.WorkspaceError)
    ]
    abstract = {"WorkspaceError", "Permanent", "Transient", "Refused"}
    named = {kind.__name__ for kind in kinds} - abstract
    assert named <= {str(reason) for reason in Reason}


def test_names_are_the_ones_that_the_rest_of_the_operator_uses(place: Place) -> None:
    request = request_from(place.environ())
    assert request.branch == names.branch_name(request.commitment_id)
    rescue = request._replace(rescue=True)
    assert rescue.target_ref == names.rescue_ref(request.commitment_id, request.attempt)


def test_the_program_starts_without_anything_heavy() -> None:
    code = (
        "import sys, bugcommand_operator.workspace.main, bugcommand_operator.workspace.prepare;"
        " print(' '.join(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "operator"}, capture_output=True, check=True)
    loaded = set(out.stdout.decode().split())
    assert not loaded & {
        "pydantic", "kopf", "kubernetes", "aiohttp", "sqlalchemy", "yaml", "dataclasses", "inspect", "pathlib",
        "urllib.parse", "tempfile", "shutil", "argparse", "logging", "hashlib", "asyncio", "ipaddress",
        "typing", "subprocess", "threading", "contextlib", "base64",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ("fatal: unable to access 'https://x/': Could not resolve host: x", "RepositoryUnreachable"),
        ("error: RPC failed; curl 56\nfatal: early EOF", "RepositoryUnreachable"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", "AuthenticationFailed"),
        ("remote: Permission to a/b.git denied to c.\nfatal: unable to access", "AuthenticationFailed"),
        ("fatal: couldn't find remote ref nope", "BaseRefNotFound"),
        ("fatal: write error: No space left on device", "VolumeFull"),
        ("error: object file objects/aa/bb is empty\nfatal: loose object aa is corrupt", "MirrorCorrupt"),
        ("fatal: https://x/ not valid: is this a git repository?", "NotAGitRepository"),
        ("fatal: something new", "WorkspaceFailed"),
        ("", "WorkspaceFailed"),
    ],
)
def test_what_git_complains_about_becomes_a_reason(messages: str, reason: str) -> None:
    assert error_from(messages, 128).reason == reason


@pytest.mark.parametrize("character", ["a", "\\", "ä", "中", "🎉", "\ud800"])
def test_a_long_message_gives_way_so_that_its_reason_arrives(character: str) -> None:
    data = encoded({"reason": "VolumeFull", "message": character * 1500, "code": 20})
    told = json.loads(data)
    assert len(data) <= MAX_RESULT
    assert (told["reason"], told["code"]) == ("VolumeFull", 20)
    assert len(told["message"]) > 300
