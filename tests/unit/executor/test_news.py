"""What a watch shows of commands and their children goes past kopf and wakes the command when it is news; the rest goes
on to kopf, whole and in order, but for echoes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest
from aiohttp import StreamReader
from tests.support.builders import NAME, NAMESPACE, OTHER_UID, UID
from tests.support.cluster_model import bug_command

from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor.handlers import Routes
from bugcommand_operator.executor.news import News, OnlyNews
from bugcommand_operator.executor.world import Key, World

KINDS = pytest.mark.parametrize("kind", ["Pod", "PersistentVolumeClaim"])


def child(kind: str, version: int, **status: Any) -> dict[str, Any]:
    meta = {"name": "c", "namespace": NAMESPACE, "uid": "u", "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**meta, "labels": {"mentu.dev/command-uid": UID}}, "status": status}


def line(event: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode()


class Hearing:
    """A world that knows one command, and a child of it of this version."""

    def __init__(self, kind: str, version: int = 5) -> None:
        self.world = World()
        command = bug_command(NAME, NAMESPACE, UID)
        command["metadata"]["resourceVersion"] = "1"
        self.world.hear_command(command)
        self.woken: list[Key] = []
        routes = Routes(self.world, self.woken.append, lambda: None, self.woken.append)
        self.news = News(self.world.echoes, routes.past_kopf)
        routes.past_kopf[kind]["ADDED"](child(kind, version))
        self.woken.clear()

    def goes_on(self, kind: str, event: str, version: int, **status: Any) -> bool:
        return self.news.goes_on(kind, line(event, child(kind, version, **status)))


@KINDS
@pytest.mark.parametrize(
    ("event", "version", "status", "is_news"),
    [
        ("MODIFIED", 6, {"hostIP": "10.0.0.1"}, False),
        ("MODIFIED", 5, {}, False),
        ("MODIFIED", 4, {"phase": "Bound"}, False),
        ("ADDED", 6, {}, False),
        ("MODIFIED", 6, {"phase": "Bound"}, True),
        ("ADDED", 6, {"phase": "Bound"}, True),
    ],
    ids=[
        "what is not looked at",
        "the same version",
        "an older version",
        "a watch that begins anew",
        "another phase",
        "a watch that begins anew with another phase",
    ],
)
def test_a_child_wakes_its_command_past_kopf_when_something_about_it_is_news(
    kind: str, event: str, version: int, status: dict[str, Any], is_news: bool
) -> None:
    hearing = Hearing(kind)

    assert not hearing.goes_on(kind, event, version, **status)
    assert hearing.woken == [(NAMESPACE, NAME)] * is_news


@KINDS
def test_one_that_is_not_known_yet_wakes_its_command(kind: str) -> None:
    hearing = Hearing(kind)
    other = child(kind, 6)
    other["metadata"]["name"] = "d"

    assert not hearing.news.goes_on(kind, line("ADDED", other))
    assert hearing.woken == [(NAMESPACE, NAME)]


@KINDS
def test_an_end_is_for_kopf_and_changes_nothing_before_it_has_heard(kind: str) -> None:
    hearing = Hearing(kind)

    assert hearing.goes_on(kind, "DELETED", 6)
    assert hearing.woken == []
    assert (NAMESPACE, "c") in (hearing.world.pods if kind == "Pod" else hearing.world.volumes).items


@KINDS
async def test_an_end_that_kopf_tells_late_does_not_take_one_made_anew(kind: str) -> None:
    """Its name is free again: the new one has come past kopf by then."""
    hearing = Hearing(kind)
    routes = Routes(hearing.world, hearing.woken.append, lambda: None, hearing.woken.append)
    hearing.goes_on(kind, "ADDED", 7, phase="Bound")
    end: Any = {"type": "DELETED", "object": child(kind, 6)}

    await (routes.pod if kind == "Pod" else routes.volume)(end)

    assert (NAMESPACE, "c") in (hearing.world.pods if kind == "Pod" else hearing.world.volumes).items


def test_the_version_of_what_changes_nothing_is_known_from_then_on() -> None:
    """A pod is deleted, and a volume owned, as exactly the version that was observed."""
    hearing = Hearing("Pod")
    hearing.goes_on("Pod", "MODIFIED", 6, hostIP="10.0.0.1")

    assert hearing.world.pods.items[NAMESPACE, "c"].version == "6"


@pytest.mark.parametrize(
    "shown",
    [
        b"",
        b"{",
        b"[]",
        b'{"type":"ERROR","object":{"code":410}}',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}',
        b'{"type":"MODIFIED"}',
        b'{"type":"MODIFIED","object":{"metadata":7}}',
        b'{"type":"MODIFIED","object":null}',
    ],
)
@pytest.mark.parametrize("kind", ["BugCommand", "Pod"])
def test_what_shows_no_object_goes_on(kind: str, shown: bytes) -> None:
    assert Hearing("Pod").news.goes_on(kind, shown)


@pytest.mark.parametrize("kind", ["Repository", "Agent"])
def test_definitions_go_on_as_they_are(kind: str) -> None:
    assert Hearing("Pod").news.goes_on(kind, line("MODIFIED", child(kind, 6)))


def shown_command(version: int, uid: str = UID, **spec: Any) -> dict[str, Any]:
    command = bug_command(NAME, NAMESPACE, uid, **spec)
    command["metadata"]["resourceVersion"] = str(version)
    return command


@pytest.mark.parametrize(("event", "version", "is_news"), [("ADDED", 1, False), ("MODIFIED", 2, True)])
def test_a_command_is_heard_past_kopf_and_looked_at_when_it_is_news(event: str, version: int, is_news: bool) -> None:
    hearing = Hearing("Pod")

    assert not hearing.news.goes_on("BugCommand", line(event, shown_command(version, suspend=True)))
    assert hearing.woken == [(NAMESPACE, NAME)] * is_news
    assert hearing.world.commands.items[NAMESPACE, NAME].spec.suspend is is_news


def test_an_end_of_a_command_is_known_before_what_was_written_after_it_is_looked_at() -> None:
    """A command that has gone must not stand in the way of one that was made once it had: that would be refused."""
    hearing = Hearing("Pod")
    claim = {"executor": "another", "machine": "m", "epoch": 1, "at": "2026-11-21T00:00:00Z"}
    gone = shown_command(2, commitmentId="cmt_one") | {"status": {"claim": claim, "attempt": 1}}
    later = shown_command(4, uid=OTHER_UID, commitmentId="cmt_one")
    later["metadata"]["name"] = "later"
    told = [
        hearing.news.goes_on("BugCommand", line(event, obj)) for event, obj in [("MODIFIED", gone), ("ADDED", later)]
    ]
    world, identity = hearing.world, Identity("bridge-0", "m")
    command = world.commands.items[NAMESPACE, "later"]
    assert (told, world.room.load_for(command, identity).commitment_taken_by) == ([False, False], NAME)

    gone["metadata"]["resourceVersion"] = "3"
    assert not hearing.news.goes_on("BugCommand", line("DELETED", gone))

    assert world.room.load_for(command, identity).commitment_taken_by is None
    assert list(world.commands.items) == [(NAMESPACE, "later")]


def test_a_command_that_ends_does_not_take_one_that_was_made_anew() -> None:
    hearing = Hearing("Pod")
    shown = [("ADDED", shown_command(3, uid=OTHER_UID)), ("DELETED", shown_command(2))]

    assert not any(hearing.news.goes_on("BugCommand", line(event, obj)) for event, obj in shown)
    assert hearing.world.commands.items[NAMESPACE, NAME].uid == OTHER_UID


def test_a_line_that_is_not_understood_ends_no_watch() -> None:
    def fails(_obj: dict[str, Any]) -> None:
        raise IndexError

    assert News(World().echoes, {"Pod": {"ADDED": fails}}).goes_on("Pod", line("ADDED", child("Pod", 6)))


class Body:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    async def iter_chunked(self, _most: int) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def body_of(chunks: Iterable[bytes], news: News) -> OnlyNews:
    return OnlyNews(cast(StreamReader, Body(chunks)), "Pod", news)


def is_bookmark(told: bytes) -> bool:
    return told.startswith(b'{"type":"BOOKMARK"')


async def test_a_watch_of_which_nothing_goes_on_is_alive_and_gets_on() -> None:
    """Begun anew from before what was kept from kopf, it would show the same again, and be taken for stalled again."""
    known, news = (
        line("MODIFIED", child("Pod", 6, hostIP="10.0.0.1")),
        line("MODIFIED", child("Pod", 7, phase="Running")),
    )
    echo = line("MODIFIED", child("Pod", 8, phase="Running"))
    hearing = Hearing("Pod")
    hearing.world.echoes.expect("Pod", child("Pod", 8))
    chunks = [b"\n".join((known, news, b"")), echo + b"\n"]

    told = [json.loads(chunk) for chunk in [c async for c in body_of(chunks, hearing.news).iter_chunked(1)]]

    assert [one["type"] for one in told] == ["BOOKMARK", "BOOKMARK"]
    assert [one["object"] for one in told] == [
        {"kind": "Pod", "metadata": {"resourceVersion": version}} for version in ("7", "8")
    ]


async def test_what_goes_on_and_comes_last_says_itself_how_far_the_watch_has_come() -> None:
    news, end = line("MODIFIED", child("Pod", 6, phase="Running")), line("DELETED", child("Pod", 7))
    chunks = [b"\n".join((news, end, b""))]

    assert [chunk async for chunk in body_of(chunks, Hearing("Pod").news).iter_chunked(1)] == [end + b"\n"]


async def test_what_is_heard_after_an_end_tells_how_far_the_watch_has_come() -> None:
    end, news = line("DELETED", child("Pod", 6)), line("ADDED", child("Pod", 7))
    told = [chunk async for chunk in body_of([b"\n".join((end, news, b""))], Hearing("Pod").news).iter_chunked(1)]

    first, second, rest = b"".join(told).split(b"\n")
    assert (first, rest) == (end, b"")
    assert is_bookmark(second)
    assert json.loads(second)["object"]["metadata"]["resourceVersion"] == "7"


@pytest.mark.parametrize("size", [1, 10, 100, 1000])
async def test_what_goes_on_is_told_whole_and_in_order_however_it_arrives(size: int) -> None:
    events = ["ADDED", "DELETED", "MODIFIED", "DELETED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    lines = [line(event, child("Pod", version)) for version, event in enumerate(events, 10)]
    sent = b"\n".join(lines)  # the last one has no end: the connection was closed
    chunks = (sent[start : start + size] for start in range(0, len(sent), size))

    told = b"".join([chunk async for chunk in body_of(chunks, Hearing("Pod").news).iter_chunked(1)]).split(b"\n")

    assert [one for one in told if not is_bookmark(one)] == [lines[index] for index in (1, 3, 4, 7)]
