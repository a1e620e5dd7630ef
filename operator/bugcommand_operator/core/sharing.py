"""Which executor a command is for, first of all: rendezvous (highest random weight) hashing.

Each executor computes it by itself, and all get the same answer. One that comes or goes moves its own share only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

WINDOW = timedelta(seconds=2)
"""How long a command is left to whose turn it is. Creation times are whole seconds: the first window may last half."""


def weight(executor: str, uid: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{executor}\0{uid}".encode(), digest_size=8).digest())


def ranked(uid: str, executors: Iterable[str]) -> list[str]:
    """Those first that should have it first."""
    return sorted(set(executors), key=lambda executor: (-weight(executor, uid), executor))


def preferred(uid: str, executors: Iterable[str]) -> str | None:
    return max(set(executors), key=lambda executor: (weight(executor, uid), executor), default=None)


def falls_to(executor: str, uid: str, executors: Iterable[str]) -> bool:
    """To one of them, the same by everybody's reckoning; where there is none, to whoever asks."""
    return preferred(uid, executors) in {None, executor}


def until_its_turn(rank: int, count: int, age: timedelta) -> timedelta:
    """The first may always take a command. The others take turns at what it has left, a window each, by the command's
    age alone: so there is nothing to remember, and where all start at once most of them stay out of each other's way.
    Clocks that disagree shift the windows, they close none."""
    if rank == 0:
        return timedelta(0)
    window, into = divmod(age, WINDOW)
    ahead = (rank - window) % count
    return ahead * WINDOW - into if ahead else timedelta(0)
