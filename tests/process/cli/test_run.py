"""`kubectl bug run`: what is made, and how it is waited for, against an API server."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.process.cli.commands import Object, bugcommand, ended, put
from tests.process.cli.conftest import Inside
from tests.process.cli.stub import COMMAND, row

SECONDS = 60
PATH = "/apis/mentu.dev/v1alpha1/namespaces/team-a/bugcommands"


def made(inside: Inside) -> list[Object]:
    assert all(request[:2] == ("POST", PATH) for request in inside.requests())
    return [body for _, _, body in inside.requests()]


def test_flags_set_what_they_say_and_the_rest_is_left_to_the_cluster(inside: Inside) -> None:
    done = inside.run("run", "The discount starts one piece too late.")

    (body,) = made(inside)
    name = body["metadata"]["name"]
    assert (done.returncode, done.stdout) == (0, f"bugcommand.mentu.dev/{name} created\n")
    assert name.startswith("the-discount-starts-one-")
    assert len(name) <= 50
    assert body["spec"] == {
        "prompt": "The discount starts one piece too late.",
        "repository": {"name": "shop"},  # the only one that there is
    }
    assert f"kubectl bug logs -f {name}" in done.stderr


def test_every_flag_has_its_field(inside: Inside) -> None:
    inside.run(
        "run", "Mend it.", "--name", "mend", "-r", "prices", "--label", "app=shop", "--label", "team=a",
        "--base-ref", "v1", "--working-directory", "cart", "--publish", "none", "--agent", "codex", "--headless",
        "--timeout", "1h30m", "--priority", "0", "--machine", "rack", "--retries", "2", "--approval", "--suspended",
        "--objective", "o", "--hypothesis", "h", "--likely-file", "a.py", "--allow", "src/**", "--forbid", "t/**",
        "--max-files", "3",
    )  # fmt: skip

    assert made(inside) == [
        {
            "apiVersion": "mentu.dev/v1alpha1",
            "kind": "BugCommand",
            "metadata": {"name": "mend", "labels": {"app": "shop", "team": "a"}},
            "spec": {
                "prompt": "Mend it.", "repository": {"name": "prices"}, "baseRef": "v1", "workingDirectory": "cart",
                "output": "None", "agent": "codex", "agentMode": "Headless", "timeoutSeconds": 5400, "priority": 0,
                "targetMachine": "rack", "retry": {"limit": 2}, "approval": "Required", "suspend": True,
                "context": {
                    "objective": "o", "hypothesis": "h", "likelyFiles": ["a.py"],
                    "scope": {"allowedPatterns": ["src/**"], "forbiddenPatterns": ["t/**"], "maxFileChanges": 3},
                },
            },
        }
    ]  # fmt: skip


def test_which_repository_is_asked_when_there_are_several_or_none(inside: Inside) -> None:
    shop = inside.state["repositories"][0]
    put(inside, repositories=[shop, {**shop, "metadata": {**shop["metadata"], "name": "prices"}}])
    several = inside.run("run", "x")
    put(inside, repositories=[])
    none = inside.run("run", "x")

    assert (several.returncode, none.returncode, inside.requests()) == (2, 2, [])
    assert "prices, shop" in several.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--name", "x"],
        ["run", "-f", "nothing.yaml", "prompt"],
        ["run", "-f", "nothing.yaml", "--agent", "claude"],
        ["run", "x", "--label", "no-equals-sign"],
        ["run", "x", "--timeout", "soon"],
        ["run", "x", "--priority", "5000"],
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_made(inside: Inside, arguments: list[str]) -> None:
    assert inside.run(*arguments).returncode == 2
    assert inside.requests() == []


def file_of(folder: Path, *documents: Any) -> str:
    path = folder / "bugs.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return str(path)


def document(**metadata: str) -> Object:
    spec = {"prompt": "Mend it.", "repository": {"name": "shop"}, "commandId": COMMAND}
    return {"apiVersion": "mentu.dev/v1alpha1", "kind": "BugCommand", "metadata": metadata, "spec": spec}


def test_a_file_may_hold_several_and_names_are_made_for_those_without(inside: Inside, tmp_path: Path) -> None:
    listed = {"kind": "List", "items": [document(name="b"), {**document(generateName="c-"), "status": {"phase": "x"}}]}
    done = inside.run("run", "-f", file_of(tmp_path, document(name="a"), listed), "-o", "name")

    names = [body["metadata"]["name"] for body in made(inside)]
    assert names[:2] == ["a", "b"]
    assert (names[2][:2], len(names[2])) == ("c-", 7)
    assert all("status" not in body for body in made(inside))
    assert done.stdout.splitlines() == [f"bugcommand.mentu.dev/{name}" for name in names]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([{"kind": "Secret", "metadata": {"name": "s"}}], "kubectl apply"),
        ([document(name="a"), "words"], "no BugCommand"),
        ([], "no BugCommand"),
        ([{"kind": "BugCommand"}], "spec"),
        ([document(name="a", namespace="team-b")], "namespace"),
    ],
)
def test_a_file_with_anything_else_makes_nothing(
    inside: Inside, tmp_path: Path, documents: list[Any], said: str
) -> None:
    done = inside.run("run", "-f", file_of(tmp_path, *documents))
    assert (done.returncode, inside.requests()) == (2, [])
    assert said in done.stderr


def test_a_name_that_is_taken_changes_nothing(inside: Inside) -> None:
    put(inside, bugcommand("mend", "Running"))
    done = inside.run("run", "x", "--name", "mend")
    assert (done.returncode, "kubectl bug status mend" in done.stderr) == (1, True)


def test_a_dry_run_is_checked_by_the_cluster_and_makes_nothing(inside: Inside) -> None:
    done = inside.run("run", "x", "--name", "mend", "--dry-run", "-o", "json", "--wait")
    assert (done.returncode, json.loads(done.stdout)["metadata"]["name"]) == (0, "mend")
    names = [each["metadata"]["name"] for each in json.loads((inside.folder / "state.json").read_text())["bugcommands"]]
    assert names == ["fix"]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def was_told(inside: Inside, what: str) -> bool:
    file = inside.folder / "told"
    return file.exists() and what in file.read_text()


@contextmanager
def operator(inside: Inside, name: str, *states: Object, **state: Any) -> Iterator[None]:
    """Gives a command one status after the other, as soon as it is there."""

    def work() -> None:
        until(inside.requests)
        for number, status in enumerate(states):
            put(inside, {**bugcommand(name, **document(name=name)), "status": status}, cuts=number, **state)
            until(partial(was_told, inside, f"{name} {status['phase']}\n"))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(SECONDS)


def wait_for(inside: Inside, tmp_path: Path, flag: str, *states: Object) -> "subprocess.CompletedProcess[str]":
    with operator(inside, "mend", *states):
        return inside.run("run", "-f", file_of(tmp_path, document(name="mend")), flag)


def phase(name: str, *conditions: Object, **more: Any) -> Object:
    return {"phase": name, "attempt": 1, "conditions": list(conditions), **more}


RUNNING = phase("Running", {"type": "Ready", "status": "False", "reason": "AgentStarted", "message": "Works in pod x."})


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (phase("Succeeded", *ended("Completed", "Done.", "True")), 0),
        (phase("Failed", *ended("TimedOut", "Ended after 60 s.")), 20),
        (phase("Cancelled", *ended("Cancelled", "")), 21),
        (phase("Refused", *ended("PermissionDenied", "No.")), 22),
    ],
)
def test_the_exit_code_follows_the_outcome_over_cut_watches(
    inside: Inside, tmp_path: Path, end: Object, code: int
) -> None:
    done = wait_for(inside, tmp_path, "--wait", phase("Pending"), RUNNING, end)

    assert done.returncode == code, done.stderr
    assert done.stdout == "bugcommand.mentu.dev/mend created\n"
    assert " Running (AgentStarted): Works in pod x.\n" in done.stderr
    assert code == 0 or f"error: mend {end['phase']}" in done.stderr


def test_what_a_person_has_to_do_is_told_while_waiting(inside: Inside, tmp_path: Path) -> None:
    end = phase("Refused", *ended("ApprovalRejected", "Rejected by jane."))
    done = wait_for(inside, tmp_path, "--wait", phase("AwaitingApproval"), end)
    assert "AwaitingApproval (kubectl bug approve mend)" in done.stderr


def test_a_command_that_is_deleted_ends_the_waiting(inside: Inside, tmp_path: Path) -> None:
    def work() -> None:
        until((inside.folder / "told").exists)
        put(inside)

    thread = threading.Thread(target=work)
    thread.start()
    done = inside.run("run", "-f", file_of(tmp_path, document(name="mend")), "--wait")
    thread.join(SECONDS)
    assert (done.returncode, "mend was deleted" in done.stderr) == (3, True)


def test_the_log_is_shown_beside_the_phases_whole(inside: Inside, tmp_path: Path) -> None:
    inside.gateway.add(row(1, 1, "first"), row(1, 2, "second"))
    end = phase("Succeeded", *ended("Completed", "", "True"), commandId=COMMAND, logs={"lastSequence": 3})
    inside.gateway.add(row(1, 3, "third"))
    done = wait_for(inside, tmp_path, "--follow", RUNNING, end)

    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["first", "second", "third"]), done.stderr
    assert "Succeeded" in done.stderr


def test_a_log_that_cannot_be_shown_ends_no_waiting(inside: Inside, tmp_path: Path) -> None:
    inside.gateway.status = 403
    done = wait_for(inside, tmp_path, "--follow", RUNNING, phase("Failed", *ended("PodLost", "Gone.")))

    assert (done.returncode, "its log cannot be shown" in done.stderr) == (20, True)


def test_status_can_be_watched_until_the_end(inside: Inside) -> None:
    put(inside, {**bugcommand("fix"), "status": RUNNING})
    last = {**bugcommand("fix"), "status": phase("Failed", *ended("PodLost", "Gone."))}

    def work() -> None:
        until((inside.folder / "told").exists)
        put(inside, last)

    thread = threading.Thread(target=work)
    thread.start()
    done = inside.run("status", "fix", "--watch")
    thread.join(SECONDS)

    assert done.returncode == 20
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["Running", "Failed"]


def test_who_watches_after_a_retry_does_not_see_the_end_of_the_attempt_before(inside: Inside) -> None:
    asked = {"retry": {"afterAttempt": 1}}
    put(inside, bugcommand("fix", "Failed", spec=asked))

    def work() -> None:
        until(partial(was_told, inside, "fix Failed\n"))
        again = {**bugcommand("fix", spec=asked), "status": {"phase": "Pending", "attempt": 1}}
        put(inside, again)
        until(partial(was_told, inside, "fix Pending\n"))
        put(inside, {**again, "status": {**phase("Succeeded", *ended("Completed", "", "True")), "attempt": 2}})

    thread = threading.Thread(target=work)
    thread.start()
    done = inside.run("status", "fix", "--watch")
    thread.join(SECONDS)
    assert (done.returncode, done.stdout.splitlines()[-1].split()[1:]) == (0, ["Succeeded", "(Completed)"])
