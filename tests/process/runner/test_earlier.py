"""An attempt after others: it goes on with their session where there is one, and never with what is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.process.runner.running import Volume

from bugcommand_operator.runner.earlier import GO_ON, WORKED_HERE


def asked(volume: Volume) -> list[str]:
    found = json.loads((volume.root / "home" / "asked").read_text())
    assert isinstance(found, list)
    return found


def session_of(volume: Volume) -> str:
    return (volume.root / "state" / "session").read_text().strip()


@pytest.mark.parametrize("mode", ["Terminal", "Headless"])
def test_a_later_attempt_resumes_the_session_and_counts_only_what_is_its_own(volume: Volume, mode: str) -> None:
    volume.run("fix it\nedit").end()
    session = session_of(volume)
    running = volume.run("fix it\nedit", attempt=2, mode=mode)
    told = running.end()
    argv = asked(volume)
    assert (argv[argv.index("--resume") + 1], argv[-1]) == (session, GO_ON)
    assert "--session-id" not in argv
    assert told["reason"] == "Completed" if mode == "Terminal" else told["exitCode"] == 0
    assert told["usage"]["inputTokens"] == (3 if mode == "Terminal" else 0)  # headless it says nothing of its own
    messages = [line["message"] for line in running.spooled(2)]
    assert not any("fix it" in message for message in messages)
    assert session_of(volume) == session


def test_an_attempt_after_one_whose_session_is_gone_is_told_that_there_is_work(volume: Volume) -> None:
    volume.run("fix it").end()
    for file in (volume.root / "home").rglob("*.jsonl"):
        file.unlink()
    volume.run("fix it", attempt=2).end()
    argv = asked(volume)
    assert "--resume" not in argv
    assert argv[-1] == f"{WORKED_HERE}\n\nfix it"


@pytest.mark.parametrize("mode", ["Terminal", "Headless"])
def test_a_session_that_cannot_be_resumed_is_tried_once(volume: Volume, mode: str) -> None:
    volume.run("fix it").end()
    (file,) = (volume.root / "home").rglob(f"{session_of(volume)}.jsonl")
    with file.open("a") as end:
        end.write("unreadable\n")
    told = volume.run("fix it", attempt=2, mode=mode).end()
    assert (told["reason"], told["exitCode"]) == ("AgentFailed", 1)
    volume.run("fix it", attempt=3, mode=mode).end()
    assert "--resume" not in asked(volume)
    assert asked(volume)[-1] == f"{WORKED_HERE}\n\nfix it"


def test_an_attempt_after_one_that_never_began_is_a_first_one(volume: Volume) -> None:
    volume.run("fix it", attempt=2).end()
    assert asked(volume)[-1] == "fix it"


def test_what_an_agent_has_planted_is_not_taken_for_a_session(volume: Volume, tmp_path: Path) -> None:
    volume.run("fix it").end()
    session, note = session_of(volume), volume.root / "state" / "session"
    for planted in ("--dangerous", "../../etc/passwd", session + "x", ""):
        note.write_text(planted)
        volume.run("fix it", attempt=2).end()
        assert "--resume" not in asked(volume)
        (volume.root / "state" / "attempt-2.started").unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(session)
    note.unlink()
    note.symlink_to(elsewhere)
    volume.run("fix it", attempt=2).end()
    assert "--resume" not in asked(volume)
    assert elsewhere.read_text() == session, "written through a link"
