"""`kubectl bug list`, `status`, `describe`, `executors`, against an API server."""

import json
import os
import signal
import subprocess

import pytest
import yaml
from tests.process.cli.commands import Object, ago, bugcommand, ended, put
from tests.process.cli.conftest import Inside, Lab


def shop(name: str, phase: str, reason: str, repository: str = "shop", **more: object) -> Object:
    status = {"agent": "claude", "branch": f"bug/{name}", "conditions": ended(reason, "")}
    return bugcommand(name, phase, spec={"repository": {"name": repository}}, status=status, metadata=more)


@pytest.fixture
def four(inside: Inside) -> Inside:
    put(
        inside,
        shop("fix-cart", "Running", "InProgress", creationTimestamp="2026-01-01T00:00:02Z"),
        shop("fix-prices", "Failed", "TimedOut", "prices", creationTimestamp="2026-01-01T00:00:01Z"),
        shop("fix-tax", "Succeeded", "Completed", creationTimestamp="2026-01-01T00:00:03Z"),
        {"metadata": {"namespace": "team-b", "name": "new", "uid": "u"}, "spec": {"repository": {"name": "shop"}}},
    )
    return inside


def names(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()[1:]]


def test_the_table_looks_like_kubectl_s(four: Inside) -> None:
    assert four.run("list").stdout == (
        "NAME         PHASE       REASON       AGENT    REPOSITORY   AGE\n"
        "fix-cart     Running     InProgress   claude   shop         5m\n"
        "fix-prices   Failed      TimedOut     claude   prices       5m\n"
        "fix-tax      Succeeded   Completed    claude   shop         5m\n"
    )
    wide = four.run("list", "-A", "-o", "wide", "--no-headers").stdout.splitlines()
    assert wide[0].split() == ["team-a", "fix-cart", "Running", "InProgress", "claude", "shop", "bug/fix-cart", "5m"]
    assert wide[3].split() == ["team-b", "new", "shop", "5m"]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--phase", "failed"], ["fix-prices"]),
        (["--phase", "Failed", "--phase", "Running"], ["fix-cart", "fix-prices"]),
        (["--unfinished"], ["fix-cart"]),
        (["--repository", "prices"], ["fix-prices"]),
        (["--sort-by", "age"], ["fix-prices", "fix-cart", "fix-tax"]),
        (["--sort-by", "Phase", "--reverse"], ["fix-tax", "fix-cart", "fix-prices"]),
    ],
)
def test_rows_are_chosen_and_ordered(four: Inside, flags: list[str], expected: list[str]) -> None:
    assert names(four.run("list", *flags)) == expected


def test_the_same_are_chosen_for_programs_and_all_of_them_is_there(four: Inside) -> None:
    by_json = json.loads(four.run("list", "-A", "--unfinished", "-o", "json").stdout)
    by_yaml = yaml.safe_load(four.run("list", "-A", "--unfinished", "-o", "yaml").stdout)

    assert [each["metadata"]["name"] for each in by_json["items"]] == ["fix-cart", "new"]
    assert by_yaml == by_json
    assert by_json["items"][0]["status"]["conditions"] == ended("InProgress", "")
    assert four.run("list", "--phase", "Failed", "-o", "name").stdout == "bugcommand.mentu.dev/fix-prices\n"
    for form in ("json", "yaml"):
        nothing = four.run("list", "--phase", "Parked", "-o", form).stdout
        assert yaml.safe_load(nothing)["items"] == []


def test_a_column_that_is_not_there_is_told_with_those_that_are(four: Inside) -> None:
    done = four.run("list", "--sort-by", "colour")
    assert (done.returncode, done.stdout, "repository" in done.stderr) == (2, "", True)


@pytest.mark.parametrize("form", ["json", "yaml", "name"])
def test_what_is_for_programs_is_not_sorted_and_says_so(four: Inside, form: str) -> None:
    done = four.run("list", "--sort-by", "age", "-o", form)
    assert (done.returncode, done.stdout, "order tables" in done.stderr) == (2, "", True)


def test_nothing_to_list_is_no_error_and_says_so_beside_the_output(inside: Inside) -> None:
    put(inside)
    done = inside.run("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no BugCommands in namespace team-a" in done.stderr


def test_ten_thousand_are_listed_page_by_page(inside: Inside) -> None:
    put(inside, *(bugcommand(f"bug-{number:05}", "Pending" if number % 2 else "Failed") for number in range(10_000)))
    found = names(inside.run("list", "--phase", "Failed"))

    assert found == [f"bug-{number:05}" for number in range(0, 10_000, 2)]
    pages = [json.loads(line) for line in (inside.folder / "lists").read_text().splitlines()]
    assert [page.get("continue") for page in pages] == [None, *(str(first) for first in range(500, 10_000, 500))]
    assert {page["limit"] for page in pages} == {"500"}


def test_a_name_cannot_write_to_the_terminal(inside: Inside) -> None:
    put(inside, bugcommand("fix", "Failed", status={"agent": "x\x1b[2Jy"}))
    assert "x␛[2Jy" in inside.run("list").stdout
    assert "\x1b" not in inside.run("status", "fix").stdout


def test_changes_are_shown_as_they_come_over_cut_watches_and_a_killed_proxy(lab: Lab) -> None:
    put(lab, bugcommand("fix", "Pending"), bugcommand("other", "Failed"))
    watching = lab.start("list", "-w", "--unfinished")
    assert watching.stdout is not None
    try:
        assert watching.stdout.readline().split()[:2] == ["NAME", "PHASE"]
        assert watching.stdout.readline().split()[:2] == ["fix", "Pending"]
        for cut, phase in enumerate(("Claimed", "Running", "Publishing"), 1):
            put(lab, bugcommand("fix", phase), bugcommand("other", "Cancelled"), cuts=cut)
            assert watching.stdout.readline().split()[:2] == ["fix", phase]
        for pid in lab.forwards():
            os.kill(pid, signal.SIGKILL)
        put(lab, bugcommand("fix", "Verifying"), cuts=4)
        assert watching.stdout.readline().split()[:2] == ["fix", "Verifying"]
        watching.terminate()
        assert watching.wait(60) == 130
    finally:
        watching.kill()
        watching.wait()


def test_programs_may_watch_in_json_a_line_for_each(lab: Lab) -> None:
    text = _watched(lab, "json", "Pending", "Claimed")
    assert [json.loads(line)["status"]["phase"] for line in text.splitlines()] == ["Pending", "Claimed"]


def test_programs_may_watch_in_yaml_a_document_for_each(lab: Lab) -> None:
    found = list(yaml.safe_load_all(_watched(lab, "yaml", "Pending", "Claimed")))
    assert [each["status"]["phase"] for each in found] == ["Pending", "Claimed"]


def test_programs_may_watch_the_names_of_what_changes(lab: Lab) -> None:
    assert _watched(lab, "name", "Pending", "Claimed") == "bugcommand.mentu.dev/fix\n" * 2


def _watched(lab: Lab, form: str, *phases: str) -> str:
    """What is printed for a command that goes through these phases, one after the other."""
    put(lab, bugcommand("fix", phases[0]))
    watching = lab.start("list", "-w", "-o", form)
    assert watching.stdout is not None
    text = ""
    try:
        for cuts, phase in enumerate(phases):
            if cuts:
                put(lab, bugcommand("fix", phase), cuts=cuts)
            ends_with = "bugcommand.mentu.dev/fix" if form == "name" else phase
            for line in watching.stdout:
                text += line
                if ends_with in line:
                    break
    finally:
        watching.kill()
        watching.wait()
    return text


def test_status_shows_what_is_known_and_leaves_out_what_is_not(inside: Inside) -> None:
    status = {
        "phase": "Failed", "attempt": 2, "agent": "claude", "claim": {"executor": "bridge-0", "machine": "rack"},
        "conditions": ended("TimedOut", "Ended after 60 s."), "startTime": ago(minutes=30),
        "completionTime": ago(minutes=25),
        "baseCommit": "a" * 40, "headCommit": "b" * 40, "branch": "bug/x", "diff": {"files": 1, "insertions": 3},
        "logs": {"lines": 7, "tail": ["one", "two"]}, "usage": {"inputTokens": 5, "outputTokens": 6, "costUSD": "0.01"},
        "approval": {"decision": "Approved", "by": "jane", "at": ago(hours=1), "message": "do"},
    }  # fmt: skip
    spec = {"prompt": "Wrong sum.\nIn the cart.", "repository": {"name": "shop"}, "retry": {"limit": 3}, "cancel": True}
    put(
        inside,
        bugcommand("fix", "Failed", spec=spec, status=status, metadata={"creationTimestamp": ago(hours=2, seconds=30)}),
    )
    shown = dict(line.split(":", 1) for line in inside.run("status", "fix").stdout.splitlines() if ":" in line)

    assert {key: value.strip() for key, value in shown.items()} == {
        "Name": "fix", "Namespace": "team-a", "Phase": "Failed (TimedOut)", "Message": "Ended after 60 s.",
        "Prompt": "Wrong sum. …", "Repository": "shop", "Agent": "claude (Terminal)", "Attempt": "2 of 4",
        "Executor": "bridge-0 on machine rack", "Time": "made 120m ago, waited 90m, took 5m", "Branch": "bug/x",
        "Changes": "1 file, +3 -0 (aaaaaaaaaaaa..bbbbbbbbbbbb)", "Lines": "7",
        "Usage": "5 tokens in, 6 out, 0.01 USD", "Approval": "Approved by jane 60m ago: do", "Log": "",
    }  # fmt: skip
    assert inside.run("status", "fix").stdout.endswith("Log:\n  one\n  two\n")


def test_a_command_that_waits_says_where_in_the_queue_and_for_whom(inside: Inside) -> None:
    put(inside, bugcommand("a", "Pending", status={"queuePosition": 3}), bugcommand("b", "AwaitingApproval"))
    assert "position 3\n" in inside.run("status", "a").stdout
    assert "kubectl bug approve b" in inside.run("status", "b").stdout


def test_the_object_is_given_to_programs_whole(inside: Inside) -> None:
    put(inside, bugcommand("fix", "Running"))
    assert json.loads(inside.run("status", "fix", "-o", "json").stdout)["metadata"]["uid"] == "uid-of-fix"
    assert yaml.safe_load(inside.run("status", "fix", "-o", "yaml").stdout)["status"]["phase"] == "Running"


def test_what_is_not_there_is_told_by_the_exit_code(inside: Inside) -> None:
    for verb in ("status", "describe", "diff"):
        done = inside.run(verb, "gone")
        assert (done.returncode, "kubectl bug list" in done.stderr) == (3, True), verb


def pod(name: str, command_uid: str) -> Object:
    labels = {"mentu.dev/command-uid": command_uid}
    return {"metadata": {"name": name, "namespace": "team-a", "labels": labels}, "status": {"phase": "Running"}}


def test_describe_goes_on_where_one_may_not_look(inside: Inside) -> None:
    tries = [{"attempt": 1, "reason": "PodLost", "exitCode": 137, "podName": "fix-1-agent", "message": "gone"}]
    put(
        inside,
        bugcommand("fix", "Running", status={"attempts": tries, "conditions": ended("InProgress", "", "Unknown")}),
        pods=[pod("fix-2-agent", "uid-of-fix"), pod("other-1-agent", "uid-of-other")],
        persistentvolumeclaims=[],
        api_refusals={"events": 403},
        events=[],
    )
    shown = inside.run("describe", "fix").stdout

    assert "  1         PodLost          137         fix-1-agent   gone\n" in shown
    assert "Pods:\n  NAME          PHASE     NODE   AGE\n  fix-2-agent   Running" in shown
    assert "other-1-agent" not in shown
    assert "Volumes:  <none>\n" in shown
    assert "Events:\n  <events is forbidden>" in shown


def executor(name: str, **spec: object) -> Object:
    status = {"pid": f"{name}-pod", "startedAt": ago(hours=1), "running": 2}
    place = {"name": name, "namespace": "mentu-system", "creationTimestamp": ago(days=3)}
    return {
        "metadata": place,
        "spec": {"type": "kubernetes", "machineId": "rack", "capacity": 8, **spec},
        "status": status,
    }


def lease(name: str, renewed: str, holder: str = "a pod") -> Object:
    return {
        "metadata": {"name": name, "namespace": "mentu-system"},
        "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15},
    }


@pytest.mark.parametrize("arguments", ["executors", "status --executors", "status --executors -A -o wide"])
def test_executors_are_shown_with_who_is_alive(inside: Inside, arguments: str) -> None:
    there = [executor("bridge-0"), executor("bridge-1", solo=True), executor("bridge-2")]
    leases = [lease("bridge-0", ago(seconds=1)), lease("bridge-1", ago(minutes=5))]
    put(inside, executors=there, leases=leases)
    lines = [line.split() for line in inside.run(*arguments.split(), "-n", "mentu-system").stdout.splitlines()]

    assert lines[0] == ["NAME", "TYPE", "MACHINE", "PID", "ALIVE", "RUNNING", "CAPACITY", "SOLO", "STARTED", "AGE"]
    row = ["kubernetes", "rack"]
    assert lines[1] == ["bridge-0", *row, "bridge-0-pod", "True", "2", "8", "false", "60m", "3d"]
    assert [line[4] for line in lines[1:]] == ["True", "False", "False"]
    assert lines[2][7] == "true"


def test_an_executor_that_has_given_its_lease_back_is_not_alive(inside: Inside) -> None:
    put(inside, executors=[executor("bridge-0")], leases=[lease("bridge-0", ago(seconds=1), holder="")])
    done = inside.run("executors", "-n", "mentu-system")
    assert dict(zip(*map(str.split, done.stdout.splitlines()), strict=True))["ALIVE"] == "False", done.stderr


def test_a_command_is_looked_for_in_one_namespace(inside: Inside) -> None:
    done = inside.run("status", "fix", "-A")
    assert (done.returncode, "with -n" in done.stderr) == (2, True)


def test_a_cluster_without_a_registry_says_so(inside: Inside) -> None:
    done = inside.run("executors", "-n", "mentu-system")
    assert (done.returncode, "registry" in done.stderr) == (3, True)
