"""What someone who watches a command is told, from the states of its status."""

from __future__ import annotations

from typing import Any

import pytest
from dev.demo.progress import Seen, Timeline, advance, finished, result

CLAIM = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-01-01T00:00:00Z"}


def state(phase: str = "", **status: Any) -> dict[str, Any]:
    return {"status": {"phase": phase, **status}}


def running(status: str) -> list[dict[str, str]]:
    return [{"type": "AgentRunning", "status": status, "reason": "x"}]


def play(*states: dict[str, Any]) -> Seen:
    seen = Seen(Timeline(applied=0))
    for second, item in enumerate(states, start=1):
        seen, _ = advance(seen, item, float(second))
    return seen


def test_each_part_is_timed_from_when_it_was_first_seen() -> None:
    seen = play(
        {},
        state("Claimed", claim=CLAIM),
        state("Preparing", claim=CLAIM),
        state("Running", claim=CLAIM, conditions=running("True")),
        state("Running", claim=CLAIM, conditions=running("True")),
        state("Publishing", claim=CLAIM, conditions=running("False")),
        state("Succeeded", claim=CLAIM, conditions=running("False")),
    )
    assert seen.timeline.seconds() == {"claim": 2, "workspace": 2, "agent": 2, "total": 7}
    assert finished(seen)


def test_an_agent_that_was_never_seen_running_has_no_time() -> None:
    seen = play(state("Claimed", claim=CLAIM), state("Refused", claim=CLAIM, conditions=running("False")))
    assert seen.timeline.seconds() == {"claim": 1, "workspace": None, "agent": None, "total": 2}


def test_states_that_were_missed_leave_no_gap() -> None:
    seen = play(state("Succeeded", claim=CLAIM, agentStartTime="2026-01-01T00:00:09Z"))
    assert seen.timeline.seconds() == {"claim": 1, "workspace": 0, "agent": 0, "total": 1}


@pytest.mark.parametrize(
    ("last", "tail", "lines", "skipped"),
    [
        (2, ["a", "b"], ("a", "b"), 0),
        (4, ["a", "b", "c", "d"], ("a", "b", "c", "d"), 0),
        (9, ["h", "i"], ("h", "i"), 7),
        (0, [], (), 0),
    ],
)
def test_the_first_tail_is_shown_whole(last: int, tail: list[str], lines: tuple[str, ...], skipped: int) -> None:
    _, news = advance(Seen(Timeline(0)), state("Running", logs={"tail": tail, "lastSequence": last}), 1)
    assert (news.lines, news.skipped) == (lines, skipped)


def test_later_only_lines_that_are_new_are_shown() -> None:
    seen, _ = advance(Seen(Timeline(0)), state("Running", logs={"tail": ["a", "b"], "lastSequence": 2}), 1)
    seen, news = advance(seen, state("Running", logs={"tail": ["a", "b", "c"], "lastSequence": 3}), 2)
    assert news.lines == ("c",)
    _, again = advance(seen, state("Running", logs={"tail": ["a", "b", "c"], "lastSequence": 3}), 3)
    assert again.lines == ()


def test_a_phase_is_told_once_with_what_the_operator_says() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "SecretNotFound", "message": "make the Secret"}]
    seen, news = advance(Seen(Timeline(0)), state("Pending", conditions=conditions), 1)
    assert (news.phase, news.reason) == ("Pending", "SecretNotFound: make the Secret")
    assert advance(seen, state("Pending"), 2)[1].phase == ""


def test_the_result_names_what_programs_ask_for() -> None:
    command = state("Succeeded", commitmentId="cmt_1", branch="bug/cmt_1", headCommit="abc", logs={"lines": 9})
    assert result(command, Timeline(1, 2, 3, 4, 5)) == {
        "phase": "Succeeded",
        "commitmentId": "cmt_1",
        "branch": "bug/cmt_1",
        "headCommit": "abc",
        "logLines": 9,
        "seconds": {"claim": 1, "workspace": 1, "agent": 1, "total": 4},
    }


def test_without_a_command_the_result_has_the_same_fields() -> None:
    assert result({}, Timeline(0)).keys() == result(state("Failed"), Timeline(0)).keys()
