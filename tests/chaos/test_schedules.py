"""Seeded schedules of everything at once. A failure names its seed: python -m dev.chaos --seed N tells it in full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dev.chaos.fates import Fate
from dev.chaos.running import reach, run_all

TOP = Path(__file__).parents[2]
SCHEDULES, PARTS = 1000, 4
PART = SCHEDULES // PARTS


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_goes_wrong_each_command_has_one_effect_and_leaves_nothing(part: int) -> None:
    found = run_all(range(part * PART, (part + 1) * PART))

    assert not found.failures, "\n\n".join(map(str, found.failures))
    assert found.schedules == PART
    assert found.claims >= PART


def test_what_the_dice_leave_out_is_made_good() -> None:
    found = run_all(range(20))
    assert found.lacking(Fate.KILLED_BEFORE, Fate.KILLED_AFTER)
    reach(found, Fate.KILLED_BEFORE, Fate.KILLED_AFTER)

    assert not found.failures, "\n\n".join(map(str, found.failures))
    assert found.lacking(Fate.KILLED_BEFORE, Fate.KILLED_AFTER) == []


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    def told(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONPATH": f"{TOP}/operator:{TOP}", "PYTHONHASHSEED": hash_seed}
        program = [sys.executable, "-m", "dev.chaos", "--seed", "11"]
        return subprocess.run(program, env=env, cwd=TOP, capture_output=True, text=True, check=True).stdout

    first = told("1")
    assert first.endswith("all holds\n")
    assert told("2") == first
