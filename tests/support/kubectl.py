"""Waiting for things on a cluster: by watches and bounded polling, never by sleeping a guessed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from dev.demo.errors import DemoError
from dev.demo.kubectl import Kubectl

Raw = dict[str, Any]
T = TypeVar("T")
BETWEEN_LOOKS = 0.25


class NotInTime(AssertionError):
    """What was waited for did not come; the message shows what there was instead."""


def watched(kubectl: Kubectl, kind: str, name: str, good: Callable[[Raw], bool], seconds: float, what: str) -> Raw:
    """The first state of an object, from now on, that is as wanted."""
    last: Raw = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for obj in kubectl.watch(kind, name, deadline - time.monotonic()):
            last = obj or last
            if obj is not None and good(obj):
                return obj
    raise NotInTime(f"{kind} {name}: not within {seconds:.0f} s: {what}; it is {last.get('status')}")


def eventually(look: Callable[[], T], good: Callable[[T], bool], seconds: float, what: str) -> T:
    """Looks again and again until what is seen is as wanted. A cluster that does not answer counts as a look."""
    deadline = time.monotonic() + seconds
    seen: Any = None
    while True:
        try:
            seen = look()
            if good(seen):
                return seen  # type: ignore[no-any-return]
        except DemoError as error:
            seen = error
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {seconds:.0f} s: {what}; seen last: {str(seen)[-3000:]}")
        time.sleep(BETWEEN_LOOKS)
