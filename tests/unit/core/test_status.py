"""How a status is built: transition times, phases, bounds, and nothing to write when nothing changed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import NOW, claimed, command, condition, status, working

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.api.bugcommand import MOST_ATTEMPTS_TOLD, Attempt, BugCommandStatus
from bugcommand_operator.api.conditions import REFUSALS, Condition, ConditionType, Phase, Reason
from bugcommand_operator.core.status import MAX_MESSAGE_BYTES, StatusEditor, phase_of, room_for_tail
from bugcommand_operator.core.tail import MAX_BYTES, tail_of
from bugcommand_operator.core.text import stored_bytes

LATER = NOW + timedelta(minutes=1)
READY = ConditionType.READY
SUCCEEDED = ConditionType.SUCCEEDED
AGENT_RUNNING = ConditionType.AGENT_RUNNING
PUBLISHED = ConditionType.PUBLISHED


def editor(stored: BugCommandStatus, *, generation: int = 1) -> StatusEditor:
    return StatusEditor(command(stored, generation=generation), LATER)


def ready(got: BugCommandStatus | None) -> Condition:
    assert got is not None
    return next(c for c in got.conditions if c.type == READY)


STORED = status(condition(READY, "False", "Preparing", "one"), observed_generation=1, phase=Phase.PENDING)


def test_a_transition_time_stays_while_only_reason_or_message_change() -> None:
    got = ready(editor(STORED).condition(READY, "False", "AgentStarted", "two").done())

    assert (got.last_transition_time, got.reason, got.message) == (NOW, "AgentStarted", "two")


def test_a_transition_time_moves_with_the_status() -> None:
    assert ready(editor(STORED).condition(READY, "True", "Completed").done()).last_transition_time == LATER


def test_setting_a_condition_twice_in_a_pass_is_one_transition_or_none() -> None:
    twice = editor(STORED).condition(READY, "True", "AgentStarted").condition(READY, "False", "TimedOut")

    assert ready(twice.done()).last_transition_time == NOW


def test_a_new_condition_has_the_time_of_the_pass_in_whole_seconds() -> None:
    now = LATER.replace(microsecond=123456)
    got = StatusEditor(command(), now).condition(READY, "False", "Preparing").done()

    assert ready(got).last_transition_time == LATER


def test_there_is_nothing_to_write_when_nothing_changed() -> None:
    same = condition(READY, "False", "Preparing", "one").model_copy(update={"observed_generation": 1})
    stored = status(same, observed_generation=1, phase=Phase.PENDING)

    assert editor(stored).condition(READY, "False", "Preparing", "one").done() is None


def test_a_newer_spec_that_was_seen_is_written_down() -> None:
    got = editor(STORED, generation=2).condition(READY, "False", "Preparing", "one").done()

    assert got is not None
    assert (got.observed_generation, ready(got).observed_generation) == (2, 2)


def test_what_is_stored_reads_back_as_what_was_written() -> None:
    got = editor(STORED).set(pod_name="x", completion_time=LATER).finished(False, Reason.AGENT_FAILED, "why").done()

    assert got is not None
    assert BugCommandStatus.model_validate(json.loads(json.dumps(got.to_dict()))) == got


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "<" * 5000, "😀" * 5000, '"' * 5000, "\n" * 5000])
def test_a_message_is_bounded_by_the_bytes_that_it_takes(text: str) -> None:
    message = ready(editor(STORED).condition(READY, "True", "r", text).done()).message
    stored = len(json.dumps(message, ensure_ascii=False).encode()) - 2 + 5 * message.count("<")

    assert MAX_MESSAGE_BYTES * 0.9 < stored <= MAX_MESSAGE_BYTES
    assert message.endswith("…")


def test_a_message_that_fits_is_kept_as_it_is() -> None:
    assert ready(editor(STORED).condition(READY, "True", "r", "é" * 512).done()).message == "é" * 512


def test_a_message_holds_no_control_characters() -> None:
    assert (
        ready(editor(STORED).condition(READY, "True", "r", "a\x00b\x1b[31mc").done()).message == "a\ufffdb\ufffd[31mc"
    )


class Line:
    stream = "stdout"
    message = "<&>\x1b" * 400


@pytest.mark.parametrize("character", ["<", "\u2028"])
def test_the_largest_status_stays_below_its_limit(character: str) -> None:
    worst = character * 4000
    stored = working(*(condition(t, "False", "Preparing", "x") for t in ConditionType if t != "Claimed"))
    logs = {"tail": tail_of([Line()] * 50), "lines": 2**53, "lastSequence": 2**53}
    told: dict[str, Any] = {
        "pod_name": "p" * 64,
        "start_time": NOW,
        "head_commit": "1" * 40,
        "rescue_ref": "r" * 90,
        "exit_code": 137,
    }
    attempts = [
        Attempt(attempt=n, reason="ModelAuthenticationFailed", message="x" * 160, completion_time=NOW, **told)
        for n in range(1, MOST_ATTEMPTS_TOLD + 1)
    ]
    agreed = Decided(decision=Decision.APPROVED, by="b" * 512, at=NOW, message="m" * 1024)
    known = {"logs": BugCommandStatus.model_validate({"logs": logs}).logs, "attempts": attempts, "approval": agreed}
    full = StatusEditor(command(stored.model_copy(update=known)), LATER)
    for type_ in ConditionType:
        full.condition(type_, "True", Reason.WORKING_DIRECTORY_OUTSIDE_TREE, worst)
    got = full.done()

    assert got is not None
    text = json.dumps(got.to_dict(), ensure_ascii=False)
    escaped = text.translate({ord(c): "x" * 6 for c in "<>&\u2028\u2029"})  # as the API server writes it
    assert len(escaped.encode()) <= 32 * 1024
    assert got.attempts == attempts
    assert got.logs is not None
    assert 0 < len(got.logs.tail) < len(tail_of([Line()] * 50))


def test_a_tail_has_the_room_that_the_rest_of_the_status_leaves() -> None:
    assert room_for_tail(BugCommandStatus()) == MAX_BYTES
    told = [
        Attempt(attempt=n, reason="PodLost", message="x" * 160, rescue_ref="r" * 800, completion_time=NOW)
        for n in range(1, MOST_ATTEMPTS_TOLD + 1)
    ]
    room = room_for_tail(BugCommandStatus(attempts=told))
    assert 8 * 1024 < room < MAX_BYTES
    assert sum(map(stored_bytes, tail_of([Line()] * 50, room))) <= room


PHASES: dict[str, tuple[BugCommandStatus, Phase]] = {
    "nothing is known yet": (status(), Phase.PENDING),
    "it waits": (status(condition(READY, "False", Reason.SUSPENDED)), Phase.PENDING),
    "it was claimed": (claimed(), Phase.CLAIMED),
    "its pod was made": (working(), Phase.PREPARING),
    "its agent works": (working(condition(AGENT_RUNNING, "True", Reason.AGENT_STARTED)), Phase.RUNNING),
    "its agent has ended": (working(condition(AGENT_RUNNING, "False", Reason.AGENT_ENDED)), Phase.RUNNING),
    "its agent never started": (working(condition(AGENT_RUNNING, "False", Reason.AGENT_NOT_STARTED)), Phase.PREPARING),
    "its work is pushed": (
        working(
            condition(AGENT_RUNNING, "False", Reason.AGENT_ENDED), condition(PUBLISHED, "False", Reason.PUBLISHING)
        ),
        Phase.PUBLISHING,
    ),
    "it is not known whether it succeeded": (claimed(condition(SUCCEEDED, "Unknown", "InProgress")), Phase.CLAIMED),
    "it succeeded": (working(condition(SUCCEEDED, "True", Reason.COMPLETED)), Phase.SUCCEEDED),
    "it failed": (working(condition(SUCCEEDED, "False", Reason.AGENT_FAILED)), Phase.FAILED),
    "it was cancelled": (working(condition(SUCCEEDED, "False", Reason.CANCELLED)), Phase.CANCELLED),
    **{f"it was refused: {r}": (status(condition(SUCCEEDED, "False", r)), Phase.REFUSED) for r in sorted(REFUSALS)},
}


@pytest.mark.parametrize("name", PHASES)
def test_the_phase_follows_from_the_conditions(name: str) -> None:
    stored, phase = PHASES[name]

    assert phase_of(stored) == phase


@pytest.mark.parametrize(
    ("edit", "ready", "reconciling", "stalled"),
    [
        (lambda e: e.waiting("Suspended", "m"), "False", "True", "True"),
        (lambda e: e.progressing("Preparing", "m"), "False", "True", "False"),
        (lambda e: e.finished(True, "Completed", "m"), "True", "False", "False"),
        (lambda e: e.finished(False, "AgentFailed", "m"), "False", "False", "True"),
    ],
)
def test_kstatus_sees_where_it_stands(edit: Any, ready: str, reconciling: str, stalled: str) -> None:
    got = edit(editor(STORED)).done()
    shown = {c.type: c.status for c in got.conditions}

    assert (shown["Ready"], shown["Reconciling"], shown["Stalled"]) == (ready, reconciling, stalled)


def test_a_condition_that_says_what_it_said_is_not_built_anew() -> None:
    same = condition(READY, "False", "Preparing", "one").model_copy(update={"observed_generation": 1})

    assert ready(editor(status(same)).condition(READY, "False", "Preparing", "one").set(attempt=1).done()) is same
