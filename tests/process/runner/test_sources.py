"""What a terminal agent has left is read to its end, but not for ever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bugcommand_operator.runner import sources
from bugcommand_operator.runner.sources import Sources


class Journal:
    full = False

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    def write_block(self, _stream: str, lines: list[str]) -> None:
        self.lines += lines

    def note(self, text: str, **_: Any) -> None:
        self.notes.append(text)


@pytest.mark.parametrize(("within", "grace", "read"), [(60.0, None, 3), (0.0, None, 1), (60.0, 0.0, 1)])
def test_a_transcript_is_read_for_as_long_as_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: float, grace: float | None, read: int
) -> None:
    monkeypatch.setattr(sources, "READ_WITHIN", within)
    journal = Journal()
    session = SimpleNamespace(
        config=SimpleNamespace(home=str(tmp_path), plain=False),
        journal=journal,
        scratch=tmp_path,
        recorder=None,
        agent_session=None,
        transcript=SimpleNamespace(read=lambda entry, _mark: [str(entry)]),
        terminate_at=None if grace is None else 1.0,
        exit_grace=lambda: grace,
    )
    made = Sources(cast(Any, session), tmp_path / "hooks.jsonl")
    (tmp_path / ".claude/projects/p").mkdir(parents=True)
    (tmp_path / ".claude/projects/p/s.jsonl").write_text("1\n2\n3\n")
    made.finish()
    assert len(journal.lines) == read
    assert bool(journal.notes) == (read < 3)
