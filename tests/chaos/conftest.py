"""Simulated schedules: the executor's modules read the time of a modelled cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dev.chaos.clock import simulated


@pytest.fixture(autouse=True)
def _the_clock_is_the_clusters() -> Iterator[None]:
    with simulated():
        yield
