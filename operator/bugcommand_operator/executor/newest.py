"""Notes that are of use for a while only, the newest last: memory stays bounded."""

from __future__ import annotations

from typing import Any


def keep_newest(most: int, noted: dict[Any, Any]) -> None:
    while len(noted) > most:
        del noted[next(iter(noted))]
