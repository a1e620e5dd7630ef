"""A command that cannot go on yet says at once what it waits for, and goes on by itself when that comes."""

from __future__ import annotations

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of
from tests.support.cluster_objects import (
    SERVERS,
    START_DEADLINE,
    bug,
    mentu,
    repository,
    secret,
    shell_agent,
)

HELD = "until [ -e /tmp/go ]; do sleep 0.2; done; echo went"


@pytest.fixture(scope="module")
def never(lab: Lab) -> dict[str, Bug]:
    """What nobody will ever bring: begun first, so that their deadlines pass while the other tests run."""
    lab.apply(
        shell_agent("no-key", credential={"secretName": "never-made", "key": "api-key", "env": "ANTHROPIC_API_KEY"}),
        shell_agent("no-image", image="registry.invalid/mentu/nothing:1"),
        mentu(
            "Repository",
            "no-token",
            {
                "url": f"https://git.{SERVERS}.svc/private/pricing.git",
                "credentialsSecret": {"name": "never-made"},
                "caBundle": lab.access.certificate,
                "mirror": {"size": "1Gi"},
            },
        ),
    )
    return {
        "key": lab.run(bug("never-key", "echo x", agent="no-key")),
        "image": lab.run(bug("never-image", "echo x", agent="no-image")),
        "token": lab.run(bug("never-token", "echo x", repository={"name": "no-token"})),
    }


REASONS = {
    "key": ("SecretNotFound", "never-made"),
    "image": ("ImageNotAvailable", "registry.invalid/mentu/nothing:1"),
    "token": ("SecretNotFound", "never-made"),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_holds_up_a_pod_is_told_at_once(never: dict[str, Bug], name: str) -> None:
    made, (reason, told) = never[name], REASONS[name]
    ready = made.waits(reason, 20)
    assert told in ready["message"]
    assert condition(made.status, "Stalled")["status"] == "True"
    assert {e.type for e in made.events(reason) if e.reason == reason} == {"Warning"}


def test_a_command_waits_for_its_repository_and_its_agent_and_then_runs(lab: Lab) -> None:
    made = lab.run(bug("later-both", "echo at last", repository={"name": "later"}, agent="later"))
    assert "'later'" in made.waits("RepositoryNotFound")["message"]
    lab.apply(repository("later", "plain"))
    assert "'later'" in made.waits("AgentNotFound")["message"]
    assert (made.status["phase"], made.pods(), made.volumes()) == ("Pending", {}, {})
    lab.apply(shell_agent("later"))
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert "at last" in made.printed()
    told = [e.reason for e in made.events("Succeeded") if e.reason != "AgentStarted"]  # it may be too quick to be seen
    assert told == ["RepositoryNotFound", "AgentNotFound", "Claimed", "Succeeded"]


def test_a_command_goes_on_when_the_secret_of_its_model_is_made(lab: Lab) -> None:
    credential = {"secretName": "later-key", "key": "api-key", "env": "ANTHROPIC_API_KEY"}
    lab.apply(shell_agent("later-key", credential=credential))
    made = lab.run(bug("later-key", "echo key: ${#ANTHROPIC_API_KEY}", agent="later-key"))
    made.waits("SecretNotFound", 20)
    lab.apply(secret("later-key", **{"api-key": "0123456789"}))
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert "key: 10" in made.printed()


def test_a_command_goes_on_when_the_secret_of_its_repository_is_made(lab: Lab) -> None:
    spec = {
        "url": f"https://git.{SERVERS}.svc/private/pricing.git",
        "credentialsSecret": {"name": "later-token"},
        "caBundle": lab.access.certificate,
        "mirror": {"size": "1Gi"},
    }
    lab.apply(mentu("Repository", "later-token", spec))
    made = lab.run(bug("later-token", "ls", repository={"name": "later-token"}))
    made.waits("SecretNotFound", 20)
    lab.apply(secret("later-token", username=lab.access.user, password=lab.access.token))
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)


def test_at_most_as_many_commands_of_a_repository_run_as_its_limit_says(lab: Lab) -> None:
    lab.apply(repository("limited", "plain", concurrency={"limit": 2}))
    first, second = (lab.run(bug(f"limit-{n}", HELD, repository={"name": "limited"})) for n in (1, 2))
    first.running()
    second.running()
    third = lab.run(bug("limit-3", "echo third", repository={"name": "limited"}))
    third.waits("ConcurrencyLimitReached")
    assert (third.status["phase"], third.pods()) == ("Pending", {})
    first.inside("touch /tmp/go")
    status = third.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert status["startTime"] >= first.ended()["completionTime"]
    second.inside("touch /tmp/go")
    assert reason_of(second.ended()) == ("Succeeded", "Completed")


def test_a_commitment_that_is_being_worked_on_is_refused_to_a_second_command(lab: Lab) -> None:
    first = lab.run(bug("commitment-1", HELD, commitmentId="cmt_e2e_twice"))
    first.running()
    second = lab.run(bug("commitment-2", "echo x", commitmentId="cmt_e2e_twice"))
    status = second.ended()
    assert reason_of(status) == ("Refused", "CommitmentActive")
    assert "'commitment-1'" in message_of(status)
    assert (second.pods(), second.volumes(), "claim" in status) == ({}, {}, False)
    first.inside("touch /tmp/go")
    assert reason_of(first.ended()) == ("Succeeded", "Completed")


@pytest.mark.parametrize("name", REASONS)
def test_what_nobody_brings_fails_at_the_start_deadline(never: dict[str, Bug], name: str) -> None:
    made, (reason, told) = never[name], REASONS[name]
    status = made.ended(START_DEADLINE + 30)
    assert reason_of(status) == ("Failed", reason)
    assert told in message_of(status)
    assert "agentStartTime" not in status
    made.leaves_no_pod()
    uid = made.uid
    made.delete(seconds=15)  # there is no work: nobody waits for a push that the missing Secret would hold up
    made.leaves_nothing(uid)
