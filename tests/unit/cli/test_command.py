"""Which command a name means, and whether it has ended."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.fakes import COMMAND

from bugcommand_operator.api.conditions import FINISHED_PHASES as PHASES_OF_THE_API
from bugcommand_operator.cli import command as module
from bugcommand_operator.cli.command import Command, command_id, finished, is_command_id
from bugcommand_operator.cli.errors import CliError, KindUnknown, NotAllowed, NotFound, Unreachable
from bugcommand_operator.cli.following import Finished
from bugcommand_operator.cli.kube.facts import FINISHED
from bugcommand_operator.cli.kubectl import Kubectl, error_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def bugcommand(name: str = "fix", uid: str = "uid-1", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team-a", "uid": uid}, "spec": {}, "status": status}


class FakeKubectl(Kubectl):
    objects: list[dict[str, Any]] = []
    fails: CliError | None = None

    def get(self, *arguments: str, namespace: str = "", seconds: float = 30) -> dict[str, Any]:
        if FakeKubectl.fails:
            raise FakeKubectl.fails
        names = [each for each in arguments[1:] if not each.startswith("-")]
        if not names:
            return {"items": FakeKubectl.objects}
        for each in FakeKubectl.objects:
            if each["metadata"]["name"] == names[0]:
                return each
        raise NotFound("(NotFound)")


@pytest.fixture(autouse=True)
def kubectl(monkeypatch: pytest.MonkeyPatch) -> type[FakeKubectl]:
    monkeypatch.setattr(module, "Kubectl", FakeKubectl)
    FakeKubectl.objects, FakeKubectl.fails = [], None
    return FakeKubectl


def test_the_phases_that_end_a_command_are_those_of_the_api() -> None:
    assert {phase.value for phase in PHASES_OF_THE_API} == FINISHED


def test_a_finished_command_that_was_asked_for_again_has_not_ended() -> None:
    again = {**bugcommand(phase="Failed", attempt=1), "spec": {"retry": {"afterAttempt": 1}}}
    assert finished(again, NOW) is None
    again["status"]["attempt"] = 2
    assert finished(again, NOW) == Finished({})


def test_the_id_is_what_the_status_says_else_the_spec_else_the_uid() -> None:
    whole = {**bugcommand(commandId="from-status"), "spec": {"commandId": "from-spec"}}
    assert command_id(whole) == "from-status"
    assert command_id({**whole, "status": {}}) == "from-spec"
    assert command_id(bugcommand()) == "uid-1"


def test_a_uuid_is_a_command_id_and_asks_no_cluster(kubectl: type[FakeKubectl]) -> None:
    kubectl.fails = Unreachable("away")
    assert is_command_id(COMMAND.upper())
    assert Command(FakeKubectl(), COMMAND.upper()).id == COMMAND


def test_a_name_is_looked_up_and_an_unknown_one_tells_what_to_do(kubectl: type[FakeKubectl]) -> None:
    kubectl.objects = [bugcommand(commandId=COMMAND)]
    assert Command(FakeKubectl(), "fix").id == COMMAND
    with pytest.raises(NotFound) as refusal:
        _ = Command(FakeKubectl(), "other").id
    assert "kubectl get bugcommands" in refusal.value.hint


@pytest.mark.parametrize("name", ["--all", "a b", "x/y", "", "\x1b[2J"])
def test_what_cannot_be_a_name_never_gets_to_kubectl(kubectl: type[FakeKubectl], name: str) -> None:
    kubectl.fails = AssertionError("asked")  # type: ignore[assignment]
    with pytest.raises(NotFound):
        _ = Command(FakeKubectl(), name).id


def test_a_finished_command_says_how_many_lines_there_are() -> None:
    ended = bugcommand(phase="Succeeded", attempt=2, logs={"lastSequence": 50}, completionTime=NOW.isoformat())
    assert finished(ended, NOW) == Finished({2: 50})
    assert finished(bugcommand(phase="Running", attempt=2), NOW) is None
    assert finished(bugcommand(), NOW) is None
    assert finished(bugcommand(phase="Refused"), NOW) == Finished({})


def test_lines_of_long_ago_are_not_waited_for() -> None:
    ended = bugcommand(phase="Failed", attempt=1, logs={"lastSequence": 50}, completionTime="2026-01-01T10:00:00Z")
    assert finished(ended, NOW) == Finished({})
    assert finished(ended, NOW - timedelta(hours=2)) == Finished({1: 50})


def test_a_deleted_command_has_ended(kubectl: type[FakeKubectl]) -> None:
    by_name, by_id = Command(FakeKubectl(), "fix"), Command(FakeKubectl(), COMMAND)
    kubectl.objects = [bugcommand(commandId=COMMAND, phase="Running")]
    assert by_name.state() is by_id.state() is None
    kubectl.objects = []
    assert by_name.state() == by_id.state() == Finished({})


def test_an_id_that_this_cluster_never_had_may_be_running_in_another(kubectl: type[FakeKubectl]) -> None:
    said: list[str] = []
    command = Command(FakeKubectl(), COMMAND, said.append)
    assert command.state() is command.state() is None
    assert command.exists() is False
    assert len(said) == 1, "a person is told, once, why it will not end"
    kubectl.objects = [bugcommand(commandId=COMMAND, phase="Succeeded")]
    assert command.state() == Finished({})


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize(
    "failure",
    [
        NotAllowed("forbidden"),
        Unreachable("away"),
        CliError("kubectl was not found"),
        error_of('error: the server doesn\'t have a resource type "bugcommands"'),
        error_of("Error from server (NotFound): the server could not find the requested resource"),
    ],
)
def test_whatever_keeps_kubectl_from_answering_is_no_end(
    kubectl: type[FakeKubectl], failure: CliError, *, seen: bool
) -> None:
    by_name, by_id = Command(FakeKubectl(), "fix"), Command(FakeKubectl(), COMMAND)
    if seen:
        kubectl.objects = [bugcommand(commandId=COMMAND, phase="Running")]
        assert by_name.state() is by_id.state() is None
    kubectl.fails = failure
    assert by_name.state() is by_id.state() is None
    assert by_name.exists() is by_id.exists() is None


def test_an_id_is_found_among_the_objects_and_then_asked_for_by_name(kubectl: type[FakeKubectl]) -> None:
    kubectl.objects = [bugcommand("other"), bugcommand(commandId=COMMAND, phase="Running")]
    command = Command(FakeKubectl(), COMMAND)
    assert command.exists() is True
    kubectl.objects = [bugcommand(commandId=COMMAND, phase="Succeeded")]
    assert command.state() == Finished({})
    assert command.kubectl.namespace == "team-a"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('Error from server (NotFound): bugcommands.mentu.dev "x" not found', NotFound),
        ('error: the server doesn\'t have a resource type "bugcommands"', KindUnknown),
        ("Error from server (NotFound): the server could not find the requested resource", KindUnknown),
        ('Error from server (Forbidden): bugcommands is forbidden: User "a" cannot list', NotAllowed),
        ("error: You must be logged in to the server (Unauthorized)", NotAllowed),
        ("The connection to the server localhost:8080 was refused - did you specify", Unreachable),
        ("Unable to connect to the server: dial tcp: lookup x: no such host", Unreachable),
        ('error: context "x" does not exist', CliError),
        ("", CliError),
    ],
)
def test_what_kubectl_says_is_classified(said: str, kind: type[CliError]) -> None:
    assert type(error_of(said)) is kind
