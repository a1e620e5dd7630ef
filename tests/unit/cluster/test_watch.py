"""A watch goes on for ever: over its own end, a version that is forgotten, refusals, and answers that make no sense."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from bugcommand_operator.cluster import watch as module
from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, Expired
from bugcommand_operator.cluster.watch import Broken, Changed, Deleted, Listed, WatchEvent, watch


def obj(name: str, version: int) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


def line(kind: str, name: str, version: int) -> bytes:
    return json.dumps({"type": kind, "object": obj(name, version)}).encode()


class Script:
    """An API server that answers as told: each list and each watch takes the next answer."""

    def __init__(self, lists: list[Any], watches: list[list[bytes] | ClusterError]) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.asked: list[dict[str, str]] = []

    async def request(self, method: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
        answer = self.lists.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        return dict(answer)

    async def lines(self, path: str, *, query: dict[str, str], seconds: float) -> AsyncGenerator[bytes, None]:
        self.asked.append(query)
        answer = self.watches.pop(0)
        if isinstance(answer, ClusterError):
            raise answer
        for one in answer:
            yield one


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSES", (0.0,))


def page(*names: str, version: int = 1, more: str = "") -> dict[str, Any]:
    meta = {"resourceVersion": str(version), "continue": more}
    return {"metadata": meta, "items": [obj(name, version) for name in names]}


async def first(script: Script, count: int, labels: str = "") -> list[WatchEvent]:
    found: list[WatchEvent] = []
    async with aclosing(watch(script, "/apis/x", labels)) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def test_pages_are_put_together_and_changes_follow() -> None:
    script = Script(
        [page("a", more="next"), page("b", version=7)],
        [[line("ADDED", "c", 8), b"", line("BOOKMARK", "", 20), line("DELETED", "c", 21)], [line("MODIFIED", "a", 22)]],
    )
    found = await first(script, 4, "mentu.dev/bridge-command")
    assert found == [
        Listed([obj("a", 1), obj("b", 7)]),
        Changed(obj("c", 8)),
        Deleted(obj("c", 21)),
        Changed(obj("a", 22)),
    ]
    assert [asked["resourceVersion"] for asked in script.asked] == ["7", "21"]
    assert {asked["labelSelector"] for asked in script.asked} == {"mentu.dev/bridge-command"}


GONE = json.dumps({"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}).encode()


@pytest.mark.parametrize("answer", [[GONE], Expired("gone", 410)])
async def test_a_version_that_is_forgotten_means_a_new_list(answer: Any) -> None:
    script = Script([page("a"), page("b", version=5)], [answer, [line("ADDED", "c", 6)]])
    assert await first(script, 3) == [Listed([obj("a", 1)]), Listed([obj("b", 5)]), Changed(obj("c", 6))]


async def test_a_list_whose_pages_have_expired_begins_anew() -> None:
    script = Script([page("a", more="next"), Expired("gone", 410), page("a", "b")], [[line("ADDED", "c", 6)]])
    assert await first(script, 1) == [Listed([obj("a", 1), obj("b", 1)])]


@pytest.mark.parametrize("answer", [ClusterUnavailable("away"), [b"<html>"], [b'{"type": "ADDED"}'], [b"[]"]])
async def test_what_goes_wrong_is_told_and_the_world_is_listed_anew(answer: Any) -> None:
    script = Script([page("a"), page("b", version=5)], [answer, []])
    found = await first(script, 3)
    assert [type(event) for event in found] == [Listed, Broken, Listed]
    assert found[2] == Listed([obj("b", 5)])
