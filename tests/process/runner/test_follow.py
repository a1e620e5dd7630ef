"""Files that another process appends to are read once, whole line by whole line."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from pytest import MonkeyPatch

from bugcommand_operator.runner import follow as follow_module
from bugcommand_operator.runner.follow import Follow, SessionFiles


def append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_a_line_counts_when_it_has_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    follow = Follow(path)
    assert list(follow.lines()) == []
    append(path, "one\ntw")
    assert list(follow.lines()) == ["one"]
    append(path, "o\nthree\n")
    assert list(follow.lines()) == ["two", "three"]
    assert list(follow.lines()) == []


def test_a_file_that_was_replaced_by_a_shorter_one_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x"
    append(path, "a long first line\n")
    follow = Follow(path)
    assert list(follow.lines()) == ["a long first line"]
    path.write_text("new\n")
    assert list(follow.lines()) == ["new"]


def test_a_line_without_measure_is_skipped_and_the_next_one_read(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "LONGEST_LINE", 1000)
    monkeypatch.setattr(follow_module, "PIECE", 100)
    path = tmp_path / "x"
    append(path, "x" * 5000 + "\nnext\n")
    follow = Follow(path)
    assert [line for _ in range(20) for line in follow.lines()] == ["next"]


def test_something_that_is_no_file_does_not_block_or_break(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    assert list(Follow(tmp_path / "fifo").lines()) == []
    assert list(Follow(tmp_path / "folder").lines()) == []


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), min_size=1))
def test_lines_are_the_same_however_the_file_grows(data: bytes, sizes: list[int]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        follow, found, rest = Follow(path), [], data
        while rest:
            size = sizes[len(rest) % len(sizes)]
            with path.open("ab") as file:
                file.write(rest[:size])
            rest = rest[size:]
            found += list(follow.lines())
        assert found == [line.decode("utf-8", "replace") for line in data.split(b"\n")[:-1]]


def test_only_what_is_new_in_the_home_is_read(tmp_path: Path) -> None:
    projects = tmp_path / ".claude" / "projects" / "-workspace-repo"
    append(projects / "old.jsonl", '{"of": "an earlier attempt"}\n')
    files = SessionFiles(tmp_path)
    assert not files.any_new
    append(projects / "new.jsonl", "first\n")
    append(projects / "old.jsonl", "resumed\n")
    files.look()
    assert sorted(files.lines()) == [("first", ""), ("resumed", "")]
    assert files.any_new


def test_a_cleared_session_and_subagents_are_followed_too(tmp_path: Path) -> None:
    projects = tmp_path / ".claude" / "projects" / "-workspace-repo"
    files = SessionFiles(tmp_path)
    append(projects / "a.jsonl", "main\n")
    files.look()
    assert list(files.lines()) == [("main", "")]
    append(projects / "b.jsonl", "after clear\n")
    append(projects / "b" / "subagents" / "agent-1.jsonl", "sub\n")
    files.look()
    assert sorted(files.lines()) == [("after clear", ""), ("sub", "  · ")]
