"""How the cluster's scripts speak: plain lines with the time since the start, and one kind of failure."""

import time

_BEGAN = time.monotonic()


class ClusterError(Exception):
    """What a person must know, in their words; ends the run with exit code 1."""


def say(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:5.1f}s] {text}", flush=True)
