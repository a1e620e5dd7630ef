"""What watches show of our own writes is dropped before it is parsed; anything else never is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.builders import NAME, NAMESPACE, UID
from tests.support.cluster_model import bug_command

from bugcommand_operator.executor import echoes as module
from bugcommand_operator.executor.echoes import Echoes
from bugcommand_operator.executor.world import World


def line(event: str, version: int, **more: Any) -> bytes:
    obj = {"kind": "Pod", "metadata": {"name": "p", "resourceVersion": str(version), **more}}
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode()


def expecting(*versions: int, kind: str = "Pod") -> Echoes:
    echoes = Echoes()
    for version in versions:
        echoes.expect(kind, {"metadata": {"resourceVersion": str(version)}})
    return echoes


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED"])
def test_what_an_answer_has_shown_is_an_echo_once(event: str) -> None:
    echoes = expecting(7)

    assert [echoes.is_echo("Pod", line(event, 7)) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("Pod", line("MODIFIED", 8)),
        ("Pod", line("DELETED", 7)),
        ("Pod", line("MODIFIED", 77)),
        ("Pod", line("MODIFIED", 8, labels={"resourceVersion": "7"})),
        ("BugCommand", line("MODIFIED", 7)),
        ("Pod", b'{"type":"ERROR","object":{"code":410}}'),
        ("Pod", b""),
    ],
    ids=[
        "another version",
        "an end",
        "a longer version",
        "a label of that name",
        "another kind",
        "an error",
        "nothing",
    ],
)
def test_anything_else_is_news(kind: str, shown: bytes) -> None:
    assert not expecting(7).is_echo(kind, shown)


def test_a_text_that_looks_like_a_version_hides_no_echo() -> None:
    assert expecting(7).is_echo("Pod", line("MODIFIED", 7, annotations={"a": '"resourceVersion":"8"'}))


def test_what_never_comes_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EXPECTED", 2)
    echoes = expecting(1, 2, 3)

    assert [echoes.is_echo("Pod", line("ADDED", version)) for version in (1, 2, 3)] == [False, True, True]


def test_the_echo_of_a_claim_is_dropped_too_and_says_that_all_earlier_claims_are_known_by_now() -> None:
    world, shown = World(), list[tuple[str, str]]()
    world.claim_was_shown = shown.append
    claim = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-11-21T00:00:00Z"}
    obj = bug_command(NAME, NAMESPACE, UID)
    obj["metadata"]["resourceVersion"] = "2"
    command = world.put_command({**obj, "status": {"claim": claim}})
    assert command is not None
    assert (world.heard_for(command), shown) == (None, [])

    assert world.echoes.is_echo("BugCommand", line("MODIFIED", 2))

    assert world.heard_for(command) is not None
    assert shown == [command.key]


def test_any_other_echo_says_nothing() -> None:
    world, shown = World(), list[tuple[str, str]]()
    world.claim_was_shown = shown.append
    claim = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-11-21T00:00:00Z"}
    obj = bug_command(NAME, NAMESPACE, UID)
    for version, status in enumerate(({}, {"claim": claim, "podName": "p"}), 1):
        obj["metadata"]["resourceVersion"] = str(version)
        world.put_command({**obj, "status": status})

    assert all(world.echoes.is_echo("BugCommand", line("MODIFIED", version)) for version in (1, 2))
    assert shown == []
