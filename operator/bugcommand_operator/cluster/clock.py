"""Time that only goes forward, for how long something lasts."""

from __future__ import annotations

import time


def local_clock() -> float:
    """In seconds, never set back, and it goes on while the machine sleeps: whoever slept has a gap."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
