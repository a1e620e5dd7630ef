"""The termination message fits, is JSON, and says the most telling reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.process.runner.builders import journal, run_config

from bugcommand_operator.runner.model_errors import ModelError
from bugcommand_operator.runner.outcome import LIMIT, Outcome, Report, encode, write
from bugcommand_operator.runner.processes import Children
from bugcommand_operator.runner.session import TERMINATED, TIMED_OUT, Session, outcome_of

OVERLOADED = ModelError("ModelOverloaded", "529 for long", passing=True)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    written, _ = journal(tmp_path)
    return Session(run_config(tmp_path), {}, "fix", "s1", written, Children(), tmp_path)


@pytest.mark.parametrize(
    ("code", "ending", "asked", "error", "expected"),
    [
        (0, None, True, None, (0, "Completed")),
        (0, None, False, None, (0, "Completed")),
        (143, None, True, None, (0, "Completed")),  # it had finished, but would not leave
        (3, None, False, None, (3, "AgentFailed")),
        (137, None, False, None, (137, "AgentFailed")),
        (127, None, False, None, (127, "AgentStartFailed")),
        (0, None, True, OVERLOADED, (69, "ModelOverloaded")),
        (0, None, False, OVERLOADED, (69, "ModelOverloaded")),
        (1, None, False, OVERLOADED, (1, "ModelOverloaded")),  # headless: the agent's own
        (0, TIMED_OUT, True, OVERLOADED, (124, "TimedOut")),
        (137, TERMINATED, True, None, (143, "Terminated")),
    ],
)
def test_how_a_run_ended(
    session: Session, code: int, ending: str | None, asked: bool, error: ModelError | None, expected: tuple[int, str]
) -> None:
    outcome = outcome_of(session, code, ending, asked, error)
    assert (outcome.exit_code, outcome.reason) == expected


def test_a_crash_tells_the_last_thing_the_agent_complained_about(session: Session) -> None:
    session.journal.write("stderr", "out of cheese")
    assert outcome_of(session, 9, None, False, None).message == "the agent exited with 9: out of cheese"


@given(st.text(max_size=9000))
def test_the_message_gives_way_so_that_all_fits(text: str) -> None:
    data = encode(Report(Outcome(1, "AgentFailed", text), session_id="s" * 36).to_json())
    assert len(data) <= LIMIT
    told = json.loads(data)
    assert told["reason"] == "AgentFailed"
    assert told["usage"] == {"inputTokens": 0, "outputTokens": 0, "costUSD": None}


def test_a_termination_log_that_cannot_be_written_does_not_hide_the_exit_code(tmp_path: Path) -> None:
    write(str(tmp_path / "no" / "such" / "folder"), {"message": "x"})
    write(str(tmp_path / "log"), {"message": "x"})
    assert json.loads((tmp_path / "log").read_text()) == {"message": "x"}
