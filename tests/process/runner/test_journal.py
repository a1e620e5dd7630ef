"""Every line is made safe, numbered over both streams, dated, spooled and printed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch
from tests.process.runner.builders import journal, lines, messages

from bugcommand_operator.runner import journal as journal_module
from bugcommand_operator.runner import spool as spool_module
from bugcommand_operator.runner.journal import STDERR, STDOUT, Clock, Journal
from bugcommand_operator.runner.lines import MAX_MESSAGE_BYTES, Part, Redactor
from bugcommand_operator.runner.spool import Spool

SECRET = "sk-ant-made-up-0123456789abcdef"


def test_numbers_run_over_both_streams(tmp_path: Path) -> None:
    written, spool = journal(tmp_path)
    written.write(STDOUT, "one")
    written.write(STDERR, "two")
    written.write_block(STDOUT, ["three", "four"])
    assert [(line["seq"], line["stream"]) for line in lines(spool)] == [
        (1, STDOUT),
        (2, STDERR),
        (3, STDOUT),
        (4, STDOUT),
    ]
    assert (written.count, written.last_seq, written.last_stderr) == (4, 4, "two")


def test_no_secret_reaches_the_disk_nor_the_containers_log(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    spool = Spool(tmp_path, 1)
    Journal(spool, Redactor([SECRET]), 1 << 20, writer).write(STDERR, f"\x1b[31mkey {SECRET}\x1b[0m")
    assert os.read(reader, 1000) == b"stderr: key [redacted]\n"
    assert SECRET.encode() not in (tmp_path / "1.jsonl").read_bytes()


def test_a_secret_with_an_escape_inside_is_hidden(tmp_path: Path) -> None:
    written, spool = journal(tmp_path, SECRET)
    written.write(STDOUT, SECRET[:10] + "\x1b[0m" + SECRET[10:])
    assert messages(spool) == ["[redacted]"]


def test_a_huge_line_becomes_numbered_parts(tmp_path: Path) -> None:
    written, spool = journal(tmp_path, limit=1 << 30)
    written.write(STDOUT, "x" * (MAX_MESSAGE_BYTES * 2 + 1))
    parts = messages(spool)
    assert max(len(part.encode()) for part in parts) <= MAX_MESSAGE_BYTES
    assert [(part.startswith("↪"), part.endswith("↩")) for part in parts] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert "".join(part.strip("↩↪") for part in parts) == "x" * (MAX_MESSAGE_BYTES * 2 + 1)
    assert written.last_seq == 3


def test_a_long_line_that_arrives_in_pieces_is_one_line_and_what_the_runner_says_meanwhile_is_not_in_it(
    tmp_path: Path,
) -> None:
    written, spool = journal(tmp_path, SECRET, limit=1 << 30)
    written.write_block(STDOUT, [Part("a" * 70_000 + SECRET[:7])])
    written.note("something")
    written.write_block(STDOUT, [SECRET[7:] + "z" * 10])
    written.write_block(STDOUT, ["next"])
    parts = messages(spool)
    assert [part for part in parts if not set(part) & set("↩↪")] == ["mentu: something", "next"]
    joined = "".join(part.strip("↩↪") for part in parts if set(part) & set("↩↪"))
    assert joined == "a" * 70_000 + "[redacted]" + "z" * 10


def test_a_line_that_never_ended_is_let_go_at_the_end(tmp_path: Path) -> None:
    written, spool = journal(tmp_path, limit=1 << 30)
    written.write_block(STDERR, [Part("held back")])
    assert messages(spool) == []
    written.finish()
    assert messages(spool) == ["held back"]


def test_a_container_log_that_nobody_reads_does_not_stop_the_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    spool = Spool(tmp_path, 1)
    Journal(spool, Redactor(), 1 << 20, writer).write(STDOUT, "kept")
    assert messages(spool) == ["kept"]


def test_a_full_spool_is_told_until_lines_were_stored(tmp_path: Path) -> None:
    written, spool = journal(tmp_path, limit=500)
    while not written.full:
        written.write(STDOUT, "x" * 100)
    spool.ack(spool.last_seq)
    assert not written.full


def test_a_full_volume_stops_the_reading_and_no_line_goes_unsaid(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    reader, writer = os.pipe()
    spool = Spool(tmp_path, 1)
    written = Journal(spool, Redactor(), 1 << 20, writer)
    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "_write_all", no_space)
        written.write(STDOUT, "shown at least")
    assert os.read(reader, 100) == b"shown at least\n"
    assert written.full
    assert written.lost_message() == "1 lines are only in the container's log: [Errno 28] No space left on device"
    monkeypatch.setattr(journal_module, "TRY_AGAIN_AFTER", 0.0)
    assert not written.full
    written.write(STDOUT, "room again")
    assert [(line["seq"], line["message"]) for line in lines(spool)] == [(1, "room again")]


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_new_process_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    first, spool = journal(tmp_path)
    first.write(STDOUT, "before")
    (before,) = lines(spool)
    spool.close()
    second, spool = journal(tmp_path)
    second.write(STDOUT, "after")
    after = lines(spool)[-1]
    assert after["seq"] == 2
    assert after["ts"] > before["ts"]


@settings(deadline=None)
@given(
    st.floats(0, 4e9),
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), min_size=1, max_size=20),
    st.sampled_from(["", "2026-06-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z", "junk"]),
)
def test_times_only_go_forward_and_never_repeat_whatever_the_clock_does(
    wall: float, pauses: list[tuple[float, int]], last: str
) -> None:
    now = 0.0
    clock = Clock(last, wall=lambda: wall, monotonic=lambda: now)
    times = [last] if last.endswith("Z") else []
    for pause, count in pauses:
        times += clock.ticks(count)
        wall -= 3600  # the machine's clock is set back
        now += pause if pause > 50 else 0  # and sometimes no time passes between two lines
    assert times == sorted(set(times))


def test_times_are_the_machines_own_when_nothing_is_odd() -> None:
    now = 0.0
    clock = Clock("", wall=lambda: 1767225600.25, monotonic=lambda: now)
    assert clock.ticks(1)[0] == "2026-01-01T00:00:00.250000Z"
    now = 61.5
    assert clock.ticks(1)[0] == "2026-01-01T00:01:01.750000Z"
