"""What of a scale run is a fault."""

from __future__ import annotations

import pytest
from bench.census import Census, Life
from bench.load import Load, fit
from bench.outcome import Row
from bench.scale_row import Found, row

LOAD = fit(Load(), 12.2)


def lives(*added: Life) -> Census:
    ended = [Life(0.0, uid=str(n), phase="Succeeded", claimed=0.1, ended=1.0) for n in range(8)]
    return Census(lives={str(n): life for n, life in enumerate([*ended, *added])})


def found(unended: int = 0, burst: float = 15.0, restart: float = 4.0) -> Found:
    made = Found(reconciled=restart, known=5000, burst_seconds=burst, cpu_seconds=0.08, unended=unended)
    made.bare_burst_seconds = 12.0
    made.peak_mib, made.waits = [200.0], [0.1]
    return made


def faults(made: Row) -> list[str]:
    return [case.what for case in made.cases if case.ok is False]


def resting(**changed: object) -> Life:
    return Life(0.0, uid="r", is_resting=True, phase="Pending", **changed)  # type: ignore[arg-type]


def test_what_is_suspended_and_stays_so_is_no_fault() -> None:
    made = row(LOAD, lives(resting()), found())
    assert made.ok
    assert made.notes["commands"] == "8 executed, 1 suspended throughout; at most 0 there"
    assert made.notes["executor's CPU per command (ms)"] == 10.0


@pytest.mark.parametrize("begun", [resting(claimed=1.0), resting(ended=1.0)])
def test_a_suspended_command_that_was_started_is_a_fault(begun: Life) -> None:
    assert faults(row(LOAD, lives(begun), found())) == ["suspended commands that were started"]


def test_a_suspended_command_that_was_given_a_pod_is_a_fault() -> None:
    census = lives(resting())
    census.agents["r"] = {"1"}
    assert faults(row(LOAD, census, found())) == ["suspended commands that were started"]


def test_without_suspended_commands_nothing_is_said_of_them() -> None:
    assert not any("suspended" in case.what for case in row(LOAD, lives(), found()).cases)


@pytest.mark.parametrize("phase", ["Failed", "Cancelled", "Refused"])
def test_a_command_that_ends_otherwise_than_well_is_a_fault(phase: str) -> None:
    made = row(LOAD, lives(Life(0.0, phase=phase, claimed=0.1, ended=1.0)), found())
    assert faults(made) == ["commands that did not succeed"]


def test_what_has_not_ended_in_time_is_a_fault() -> None:
    assert faults(row(LOAD, lives(), found(unended=1))) == ["commands that did not end"]


def test_the_row_says_what_was_asked_for_what_was_run_and_why() -> None:
    notes = row(LOAD, lives(), found()).notes
    assert notes["asked for"] == "20 a second for 10 min, 1,000 running, 5,000 there"
    assert notes["run"] == (
        "4.27 a second for 10 min, agents of 234 s: "
        "this machine makes 12.2 such Jobs a second: 20 arrivals are more than it can carry"
    )
    assert notes["Jobs a second, same pod and volume"] == 12.2


@pytest.mark.parametrize(
    ("burst", "restart", "wanted"),
    [
        (20.0, 10.0, []),
        (20.1, 10.0, ["burst of 2,000, all claimed"]),
        (20.0, 10.1, ["killed under load with 5,000 there, a pass over each command"]),
    ],
    ids=["within the bounds", "a slow burst", "a slow restart"],
)
def test_a_wait_beyond_its_bound_is_a_fault_however_slow_the_peer(
    burst: float, restart: float, wanted: list[str]
) -> None:
    made = found(burst=burst, restart=restart)
    made.bare_burst_seconds = 100.0
    assert faults(row(LOAD, lives(), made)) == wanted


def test_a_peer_that_did_not_get_there_is_left_out() -> None:
    made = found()
    made.bare_burst_seconds = None
    [told] = [case.to_dict() for case in row(LOAD, lives(), made).cases if "burst" in case.what]
    assert (told["ok"], told["peer"], told["ratio"]) == (True, None, None)
