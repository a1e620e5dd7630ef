"""What is there and what becomes of it: a list, then its changes, for ever.

A watch that the API server has forgotten (410) begins with a new list. Each request ends by itself before long, so
that one which has silently stalled is noticed in less than a minute. Nothing is remembered here but a version.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.cluster.errors import ClusterError, ClusterUnavailable, Expired, error_for

PAGE = 500
WATCH_SECONDS = 45.0
_GRACE_SECONDS = 5.0
_TOO_SHORT_SECONDS = 0.5  # something between us ends every watch at once
_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """All that is there now; what was there before and is not among these is gone."""

    items: list[Raw]


@dataclass(frozen=True, slots=True)
class Changed:
    obj: Raw


@dataclass(frozen=True, slots=True)
class Deleted:
    obj: Raw


@dataclass(frozen=True, slots=True)
class Broken:
    """The API server could not be heard; after a pause it is asked again, for a list first."""

    error: ClusterError


WatchEvent = Listed | Changed | Deleted | Broken


class Streams(Protocol):
    """The part of `cluster.client.Cluster` that this module uses."""

    async def request(self, method: str, path: str, *, query: dict[str, str]) -> Raw: ...

    def lines(self, path: str, *, query: dict[str, str], seconds: float) -> AsyncGenerator[bytes, None]: ...


async def watch(
    cluster: Streams, path: str, labels: str = "", *, seconds: float = WATCH_SECONDS
) -> AsyncGenerator[WatchEvent, None]:
    """The objects of a path, with these labels. It ends only when it is closed."""
    selector = {"labelSelector": labels} if labels else {}
    version, fruitless = "", 0
    while True:
        began, error = time.monotonic(), None
        try:
            if not version:
                items, version = await _list(cluster, path, selector)
                yield Listed(items)
            async with aclosing(_changes(cluster, path, selector, version, seconds)) as changes:
                async for event, seen in changes:
                    version, fruitless = seen, 0
                    if event is not None:
                        yield event
        except ClusterError as failed:
            version, error = "", failed
            if not isinstance(failed, Expired):
                yield Broken(failed)
        if error is not None or time.monotonic() - began < _TOO_SHORT_SECONDS:
            fruitless += 1
            await asyncio.sleep(_pause(fruitless, error))


def _pause(fruitless: int, error: ClusterError | None) -> float:
    pause = _PAUSES[min(fruitless, len(_PAUSES)) - 1]
    asked = error.retry_after if error is not None else None
    return max(pause * random.uniform(0.5, 1.5), min(asked or 0, 30))  # noqa: S311


async def _list(cluster: Streams, path: str, selector: dict[str, str]) -> tuple[list[Raw], str]:
    items: list[Raw] = []
    query = {**selector, "limit": str(PAGE)}
    while True:
        page = await cluster.request("GET", path, query=query)
        meta = page.get("metadata") or {}
        items += page.get("items") or []
        if not meta.get("continue"):
            return items, str(meta.get("resourceVersion") or "")
        query = {**selector, "limit": str(PAGE), "continue": meta["continue"]}


async def _changes(
    cluster: Streams, path: str, selector: dict[str, str], version: str, seconds: float
) -> AsyncGenerator[tuple[WatchEvent | None, str], None]:
    """Each change with the version that it makes; a bookmark is a version alone."""
    asked = {**selector, "watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
    query = {**asked, "timeoutSeconds": str(max(1, int(seconds)))}
    async with aclosing(cluster.lines(path, query=query, seconds=seconds + _GRACE_SECONDS)) as lines:
        async for line in lines:
            if line.strip():
                yield _read(line, path)


def _read(line: bytes, path: str) -> tuple[WatchEvent | None, str]:
    try:
        event = json.loads(line)
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise error_for(int(obj.get("code") or 500), str(obj.get("reason", "")), f"{path}: {obj.get('message')}")
        version = str(obj["metadata"]["resourceVersion"])
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterUnavailable(f"{path}: an event that cannot be read: {error!r}") from error
    if kind == "BOOKMARK":
        return None, version
    return (Deleted(obj) if kind == "DELETED" else Changed(obj)), version
