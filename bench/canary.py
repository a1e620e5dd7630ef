"""A fixed piece of work, timed: when it takes longer than just before, the machine was busy with something else."""

from __future__ import annotations

import hashlib
import time

BLOCK = bytes(64 * 1024)
BLOCKS = 120
TRIES = 3
MOST_DRIFT = 0.2


def sing() -> float:
    """Seconds for hashing a few MiB; the best of three, since a single hiccup is no busy machine."""
    return min(_once() for _ in range(TRIES))


def _once() -> float:
    began = time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(BLOCKS):
        digest.update(BLOCK)
    return time.perf_counter() - began


def drifts(before: float, after: float) -> bool:
    return max(before, after) > min(before, after) * (1 + MOST_DRIFT)
