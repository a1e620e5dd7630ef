"""When an interactive agent's work has ended, and how it is made to leave: a row for each rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.runner.end_of_work import ASKS, Limits, Observed, Step, next_step
from bugcommand_operator.runner.model_errors import ModelError

LIMITS = Limits(quiet=1.0, exit_grace=10.0, background=600.0, patience=180.0, inferred_quiet=120.0)
DONE = Observed(stopped=True, last_growth=100.0)
OVERLOADED = ModelError("ModelOverloaded", "529", passing=True)
BAD_KEY = ModelError("ModelAuthenticationFailed", "401", passing=False)
FAILED = replace(DONE, error=OVERLOADED, error_since=100.0)


@pytest.mark.parametrize(
    ("why", "seen", "now", "step"),
    [
        ("nothing was told yet", Observed(last_growth=100.0), 5000.0, Step.WAIT),
        ("its turn ended and all is quiet", DONE, 101.0, Step.ASK),
        ("its transcript moved a moment ago", DONE, 100.9, Step.WAIT),
        ("somebody is attached", replace(DONE, attached=True), 9999.0, Step.WAIT),
        ("a tool runs", replace(DONE, open_tools=1), 9999.0, Step.WAIT),
        ("a background task may wake it", replace(DONE, background=1), 699.0, Step.WAIT),
        ("a background task never ends", replace(DONE, background=1), 700.0, Step.ASK),
        ("no hook came but it looks done", Observed(seems_stopped=True, last_growth=100.0), 219.0, Step.WAIT),
        ("no hook came for long", Observed(seems_stopped=True, last_growth=100.0), 220.0, Step.ASK),
        ("it left by itself", Observed(exited=True), 0.0, Step.FINISHED),
        ("its time is over though it works", Observed(must_end=True, open_tools=1), 0.0, Step.ASK),
        ("its time is over though somebody watches", Observed(must_end=True, attached=True), 0.0, Step.ASK),
        ("the key is bad", replace(DONE, error=BAD_KEY, error_since=100.0), 101.0, Step.ASK),
        ("the model was overloaded just now", FAILED, 104.9, Step.WAIT),
        ("the model was overloaded a while ago", FAILED, 105.0, Step.RESEND),
        ("it was told to go on a second time already", replace(FAILED, resends=1, last_resend=106.0), 115.0, Step.WAIT),
        ("the second pause is longer", replace(FAILED, resends=1, last_resend=106.0), 116.0, Step.RESEND),
        ("the model stayed overloaded", replace(FAILED, last_growth=270.0), 280.0, Step.ASK),
        ("a person deals with the error", replace(FAILED, attached=True), 150.0, Step.WAIT),
    ],
)
def test_the_next_step_of_an_agent_that_was_not_asked_to_leave(
    why: str, seen: Observed, now: float, step: Step
) -> None:
    assert next_step(seen, LIMITS, now) is step, why


ASKED = replace(DONE, asks=1, asked_first=200.0, asked_last=200.0)
TERMED = replace(ASKED, asks=ASKS, termed_at=210.0)


@pytest.mark.parametrize(
    ("why", "seen", "now", "step"),
    [
        ("one Ctrl-C clears the input", ASKED, 200.1, Step.WAIT),
        ("the next one follows soon", ASKED, 200.3, Step.ASK),
        ("enough was asked", replace(ASKED, asks=ASKS, asked_last=201.0), 205.0, Step.WAIT),
        ("it has not left in time", ASKED, 210.0, Step.TERM),
        ("it may still clean up", TERMED, 212.9, Step.WAIT),
        ("it will not leave", TERMED, 213.0, Step.KILL),
        ("it was killed", replace(TERMED, killed=True), 300.0, Step.WAIT),
        ("it left", replace(TERMED, exited=True), 300.0, Step.FINISHED),
        ("somebody attached meanwhile", replace(ASKED, attached=True), 210.0, Step.TERM),
    ],
)
def test_the_next_step_of_an_agent_that_was_asked_to_leave(why: str, seen: Observed, now: float, step: Step) -> None:
    assert next_step(seen, LIMITS, now) is step, why


@given(
    st.builds(
        Observed,
        stopped=st.booleans(),
        seems_stopped=st.booleans(),
        background=st.integers(0, 2),
        open_tools=st.integers(0, 2),
        last_growth=st.floats(0, 1000),
        error=st.sampled_from([None, OVERLOADED, BAD_KEY]),
        error_since=st.one_of(st.none(), st.floats(0, 1000)),
        resends=st.integers(0, 9),
    ),
    st.floats(0, 100_000),
)
def test_while_somebody_is_attached_nothing_is_ever_done_to_the_agent(seen: Observed, now: float) -> None:
    assert next_step(replace(seen, attached=True), LIMITS, now) is Step.WAIT


@given(st.floats(0, 1000), st.booleans())
def test_every_agent_that_must_end_is_gone_within_its_grace(start: float, deaf: bool) -> None:
    """Played against an agent that hears nothing: each step leads to the next one until it is killed."""
    seen, now, taken = Observed(must_end=True, open_tools=int(deaf), last_growth=start), start, []
    while not seen.killed:
        step = next_step(seen, LIMITS, now)
        taken.append(step)
        seen = _after(seen, step, now)
        now += 0.05
        assert now < start + LIMITS.exit_grace + 5
    assert taken.count(Step.ASK) == ASKS
    assert (taken.count(Step.TERM), taken.count(Step.KILL)) == (1, 1)


def _after(seen: Observed, step: Step, now: float) -> Observed:
    if step is Step.ASK:
        first = now if seen.asked_first is None else seen.asked_first
        return replace(seen, asked_first=first, asked_last=now, asks=seen.asks + 1)
    if step is Step.TERM:
        return replace(seen, termed_at=now)
    return replace(seen, killed=True) if step is Step.KILL else seen
