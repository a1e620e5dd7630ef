"""Notes that are of use for a while only, the newest last: memory stays bounded."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def note(noted: dict[K, V], key: K, value: V, most: int) -> None:
    noted.pop(key, None)
    noted[key] = value
    while len(noted) > most:
        del noted[next(iter(noted))]
