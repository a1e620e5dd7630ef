"""What a watch shows goes on to kopf when it is news, whole and in order; what changes nothing goes no further."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import pytest
from aiohttp import StreamReader
from tests.support.builders import NAMESPACE, UID

from bugcommand_operator.executor.news import News, OnlyNews
from bugcommand_operator.executor.world import World

KINDS = pytest.mark.parametrize("kind", ["Pod", "PersistentVolumeClaim"])


def child(kind: str, version: int, **status: Any) -> dict[str, Any]:
    meta = {"name": "c", "namespace": NAMESPACE, "uid": "u", "resourceVersion": str(version)}
    return {"kind": kind, "metadata": {**meta, "labels": {"mentu.dev/command-uid": UID}}, "status": status}


def line(event: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode()


def knowing(kind: str, version: int, **status: Any) -> World:
    world = World()
    (world.hear_pod if kind == "Pod" else world.hear_volume)(child(kind, version, **status))
    return world


@KINDS
@pytest.mark.parametrize(
    ("event", "version", "status", "is_news"),
    [
        ("MODIFIED", 6, {"hostIP": "10.0.0.1"}, False),
        ("MODIFIED", 5, {}, False),
        ("MODIFIED", 4, {"phase": "Bound"}, False),
        ("ADDED", 6, {}, False),
        ("MODIFIED", 6, {"phase": "Bound"}, True),
        ("DELETED", 6, {}, True),
    ],
    ids=[
        "what is not looked at",
        "the same version",
        "an older version",
        "a watch that begins anew",
        "another phase",
        "an end",
    ],
)
def test_a_child_is_news_when_something_about_it_is(
    kind: str, event: str, version: int, status: dict[str, Any], is_news: bool
) -> None:
    news = News(knowing(kind, 5))

    assert news.is_news(kind, line(event, child(kind, version, **status))) is is_news


@KINDS
def test_one_that_is_not_known_is_news(kind: str) -> None:
    assert News(World()).is_news(kind, line("ADDED", child(kind, 5)))


@KINDS
def test_what_is_news_is_left_to_whoever_hears_it(kind: str) -> None:
    world = knowing(kind, 5)
    shown = child(kind, 6, phase="Bound")

    assert News(world).is_news(kind, line("MODIFIED", shown))
    assert (world.hear_pod if kind == "Pod" else world.hear_volume)(shown)


def test_the_version_of_what_changes_nothing_is_known_from_then_on() -> None:
    """A pod is deleted, and a volume owned, as exactly the version that was observed."""
    world = knowing("Pod", 5)
    News(world).is_news("Pod", line("MODIFIED", child("Pod", 6, hostIP="10.0.0.1")))

    assert world.pods.items[NAMESPACE, "c"].version == "6"


@pytest.mark.parametrize("shown", [b"", b"{", b"[]", b'{"type":"ERROR","object":{"code":410}}', b'{"type":"MODIFIED"}'])
def test_what_does_not_read_is_told(shown: bytes) -> None:
    assert News(knowing("Pod", 5)).is_news("Pod", shown)


def test_other_kinds_are_told_as_they_are() -> None:
    assert News(World()).is_news("BugCommand", b"{}")


class Body:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    async def iter_chunked(self, _most: int) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def body_of(chunks: Iterable[bytes], world: World) -> OnlyNews:
    return OnlyNews(cast(StreamReader, Body(chunks)), "Pod", News(world))


def is_bookmark(told: bytes) -> bool:
    return told.startswith(b'{"type":"BOOKMARK"')


async def test_a_watch_that_shows_nothing_new_is_alive_and_gets_on() -> None:
    """Begun anew from before what was kept from kopf, it would show the same again, and be taken for stalled again."""
    known = [line("MODIFIED", child("Pod", version, hostIP="10.0.0.1")) for version in (6, 7)]
    echo = line("MODIFIED", child("Pod", 8, phase="Running"))
    world = knowing("Pod", 5)
    world.echoes.expect("Pod", child("Pod", 8))
    chunks = [b"\n".join((*known, b"")), echo + b"\n"]

    told = [json.loads(chunk) for chunk in [c async for c in body_of(chunks, world).iter_chunked(1)]]

    assert [one["type"] for one in told] == ["BOOKMARK", "BOOKMARK"]
    assert [one["object"] for one in told] == [
        {"kind": "Pod", "metadata": {"resourceVersion": version}} for version in ("7", "8")
    ]


async def test_news_that_comes_last_says_itself_how_far_the_watch_has_come() -> None:
    known, news = line("MODIFIED", child("Pod", 6)), line("MODIFIED", child("Pod", 7, phase="Running"))
    told = [chunk async for chunk in body_of([b"\n".join((known, news, b""))], knowing("Pod", 5)).iter_chunked(1)]
    assert told == [news + b"\n"]


@pytest.mark.parametrize("size", [1, 10, 100, 1000])
async def test_news_is_told_whole_and_in_order_however_it_arrives(size: int) -> None:
    lines = [line("ADDED", child("Pod", version)) for version in range(1, 9)]
    sent = b"\n".join(lines)  # the last one has no end: the connection was closed
    chunks = (sent[start : start + size] for start in range(0, len(sent), size))
    world = World()
    for version in (1, 2, 4, 7):
        world.echoes.expect("Pod", child("Pod", version))

    told = b"".join([chunk async for chunk in body_of(chunks, world).iter_chunked(1)]).split(b"\n")

    assert [one for one in told if not is_bookmark(one)] == [lines[index] for index in (2, 4, 5, 7)]
