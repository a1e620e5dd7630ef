"""`kubectl bug cancel`, `suspend`, `resume`, `retry`, `approve` against an API server."""

from typing import Any

import pytest
from tests.process.cli.commands import bugcommand, put
from tests.process.cli.conftest import Inside

ASKED = "the agent is asked to end"
VOLUME = "volume fix-worktree"


@pytest.mark.parametrize(
    ("verb", "before", "change", "said"),
    [
        ("cancel", bugcommand("fix", "Running"), {"cancel": True}, f"requested; {ASKED}, its work is kept on {VOLUME}"),
        ("cancel", bugcommand("fix"), {"cancel": True}, "requested; it was not started, there is no work to keep"),
        ("suspend", bugcommand("fix", "Running"), {"suspend": True}, f"its work stays on {VOLUME}"),
        ("suspend", bugcommand("fix", "Pending"), {"suspend": True}, "suspended: it is not started"),
        ("resume", bugcommand("fix", "Parked", spec={"suspend": True}), {"suspend": False}, "a new attempt goes on"),
        ("retry", bugcommand("fix", "Failed"), {"retry": {"afterAttempt": 1}}, "attempt 2 requested"),
        (
            "retry",
            bugcommand("fix", "Cancelled", spec={"cancel": True, "retry": {"limit": 3}}, status={"attempt": 4}),
            {"retry": {"afterAttempt": 4}, "cancel": False},
            "attempt 5 requested",
        ),
    ],
)  # fmt: skip
def test_a_verb_changes_what_it_says_and_nothing_else_and_twice_is_harmless(
    inside: Inside, verb: str, before: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    put(inside, before)
    first = inside.run(verb, "bug/fix")
    again = inside.run(verb, "fix")

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("bugcommand.mentu.dev/fix ")
    assert said in first.stdout
    path = "/apis/mentu.dev/v1alpha1/namespaces/team-a/bugcommands/fix"
    assert inside.requests() == [("PATCH", path, {"spec": change})]
    assert (again.returncode, again.stdout.count("\n")) == (0, 1), again.stderr


def test_what_works_in_a_plain_checkout_is_not_suspended(inside: Inside) -> None:
    put(inside, bugcommand("fix", "Running", spec={"withWorktree": False}))
    done = inside.run("suspend", "fix")

    assert (done.returncode, inside.requests()) == (1, [])
    assert "plain checkout" in done.stderr


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume"])
def test_what_has_ended_stays_as_it_is(inside: Inside, verb: str) -> None:
    put(inside, bugcommand("fix", "Succeeded"))
    done = inside.run(verb, "fix")

    assert (done.returncode, inside.requests()) == (0, [])
    assert "has ended already: Succeeded" in done.stdout


@pytest.mark.parametrize(
    ("before", "hint"),
    [
        (bugcommand("fix", "Running"), "--watch"),
        (bugcommand("fix", "Refused"), "kubectl bug run"),
        (bugcommand("fix", "Failed", spec={"withWorktree": False}), "kubectl bug run"),
        (bugcommand("fix", "Refused", status={"attempt": 0}), "kubectl bug run"),
    ],
)
def test_what_cannot_be_retried_says_what_to_do_instead(inside: Inside, before: dict[str, Any], hint: str) -> None:
    put(inside, before)
    done = inside.run("retry", "fix")

    assert (done.returncode, done.stdout, inside.requests()) == (1, "", [])
    assert hint in done.stderr


def test_several_are_done_one_by_one_and_a_missing_one_stops_none(inside: Inside) -> None:
    put(inside, bugcommand("a", "Running"), bugcommand("b", "Running"))
    done = inside.run("cancel", "a", "gone", "b", "a")

    assert [line.split()[0] for line in done.stdout.splitlines()] == [f"bugcommand.mentu.dev/{name}" for name in "ab"]
    assert (done.returncode, '"gone" not found' in done.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["cancel", "--all"], ["runs", "waits", "held"]),
        (["cancel", "-l", "app=shop"], ["waits"]),
        (["resume", "--all"], ["held"]),
        (["retry", "--all"], ["failed"]),
    ],
)
def test_all_means_those_that_it_makes_sense_for(inside: Inside, arguments: list[str], meant: list[str]) -> None:
    elsewhere = bugcommand("other", "Running")
    elsewhere["metadata"]["namespace"] = "team-b"
    put(
        inside, bugcommand("runs", "Running"), bugcommand("waits", labels={"app": "shop"}), elsewhere,
        bugcommand("held", "Parked", spec={"suspend": True}), bugcommand("failed", "Failed"),
        bugcommand("done", "Succeeded", labels={"app": "shop"}),
    )  # fmt: skip
    dry = inside.run(*arguments, "--dry-run")
    assert (dry.returncode, dry.stdout.count("(dry run)"), inside.requests()) == (0, len(meant), [])
    done = inside.run(*arguments)

    assert done.returncode == 0, done.stderr
    assert sorted(path.rpartition("/")[2] for _, path, _ in inside.requests()) == sorted(meant)


@pytest.mark.parametrize("arguments", [[], ["fix", "--all"], ["fix", "-l", "a=b"], ["pod/fix"], ["Fix!"]])
def test_it_has_to_be_said_which_ones(inside: Inside, arguments: list[str]) -> None:
    done = inside.run("cancel", *arguments, "-n", "team-a")
    assert (done.returncode, inside.requests()) == (2, []), done.stderr


def test_a_field_that_the_cluster_drops_is_not_reported_as_done(inside: Inside) -> None:
    put(inside, bugcommand("fix", "Failed"), unknown_fields=["afterAttempt"])
    done = inside.run("retry", "fix")

    assert (done.returncode, done.stdout) == (1, "")
    assert "'afterAttempt'" in done.stderr
    assert "upgrade" in done.stderr


def test_a_refusal_of_the_cluster_is_told_with_its_code_and_a_hint(inside: Inside) -> None:
    put(inside, bugcommand("fix", "Running"), api_refusals={"bugcommands": 403})
    done = inside.run("cancel", "fix")

    assert (done.returncode, "forbidden" in done.stderr, "-n" in done.stderr) == (4, True, True)


def test_a_cluster_that_does_not_serve_bugcommands_says_that_they_are_not_installed(inside: Inside) -> None:
    del inside.state["bugcommands"]
    inside.save()
    done = inside.run("cancel", "fix")
    assert (done.returncode, "CRDs" in done.stderr) == (3, True)


def test_a_decision_goes_to_the_gateway_with_the_person_s_own_token(inside: Inside) -> None:
    put(inside, bugcommand("fix", "AwaitingApproval", metadata={"generation": 3}))
    done = inside.run("approve", "fix", "-m", "go on")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bugcommand.mentu.dev/fix approved")
    path = "/bridge/commands/team-a/fix/approval"
    assert inside.gateway.posted == [(path, {"decision": "Approved", "message": "go on", "generation": 3})]
    assert set(inside.gateway.seen_tokens) == {"a-good-token"}
    assert inside.requests() == []


def test_those_that_wait_can_be_rejected_all_at_once(inside: Inside) -> None:
    put(inside, bugcommand("a", "AwaitingApproval"), bugcommand("b", "Running"), bugcommand("c", "AwaitingApproval"))
    done = inside.run("approve", "--all", "--reject")

    assert done.returncode == 0, done.stderr
    assert [path.split("/")[4] for path, _ in inside.gateway.posted] == ["a", "c"]
    assert {body["decision"] for _, body in inside.gateway.posted} == {"Rejected"}
    assert "ends as Refused" in done.stdout


def test_the_same_decision_twice_is_harmless_and_another_one_comes_too_late(inside: Inside) -> None:
    decided = {"approval": {"decision": "Approved", "by": "jane"}}
    put(inside, bugcommand("fix", "Running", status=decided))
    same, other = inside.run("approve", "fix"), inside.run("approve", "fix", "--reject")

    assert (same.returncode, "approved before, by jane" in same.stdout) == (0, True)
    assert (other.returncode, "kubectl bug cancel fix" in other.stderr) == (1, True)
    assert inside.gateway.posted == []


def test_one_more_attempt_of_an_approved_command_is_approved_anew(inside: Inside) -> None:
    status = {"attempt": 1, "approval": {"decision": "Approved", "by": "jane"}}
    put(inside, bugcommand("fix", "AwaitingApproval", status=status))
    done = inside.run("approve", "fix")

    assert (done.returncode, len(inside.gateway.posted)) == (0, 1), done.stderr


def test_with_a_certificate_nobody_decides_by_the_token_that_readers_share(inside: Inside) -> None:
    put(inside, bugcommand("fix", "AwaitingApproval"))
    inside.state["config"] = {"users": [{"name": "me", "user": {"client-certificate-data": "AAAA"}}]}
    inside.save()
    done = inside.run("approve", "fix")

    assert (done.returncode, "--token" in done.stderr) == (4, True)
    assert (inside.gateway.posted, inside.gateway.seen_tokens) == ([], [])
    assert inside.run("approve", "fix", MENTU_TOKEN="mine").returncode == 0


def test_who_may_not_look_for_the_gateway_is_told_how_to_name_it(inside: Inside) -> None:
    put(
        inside, bugcommand("fix", "AwaitingApproval"), refusals={"services": "Error from server (Forbidden): forbidden"}
    )
    done = inside.run("approve", "fix", MENTU_GATEWAY="")
    assert (done.returncode, "--gateway-namespace" in done.stderr) == (4, True)


@pytest.mark.parametrize(("status", "code"), [(403, 4), (404, 3), (409, 1)])
def test_a_gateway_that_refuses_is_told_from_one_that_agrees(inside: Inside, status: int, code: int) -> None:
    put(inside, bugcommand("fix", "AwaitingApproval"))
    inside.gateway.status = status
    done = inside.run("approve", "fix")

    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert status != 403 or "right to `approve`" in done.stderr


def test_an_answer_that_was_lost_is_asked_for_again(inside: Inside) -> None:
    put(inside, bugcommand("fix", "AwaitingApproval"))
    inside.gateway.broken = 1
    done = inside.run("approve", "fix")

    assert (done.returncode, len(inside.gateway.posted)) == (0, 2), done.stderr
    assert inside.gateway.posted[0] == inside.gateway.posted[1]
