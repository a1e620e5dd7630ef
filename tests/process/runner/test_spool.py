"""Lines are in the spool before anything else happens to them, and stay until they are stored."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch
from tests.process.runner.builders import lines, messages

from bugcommand_operator.runner import spool as spool_module
from bugcommand_operator.runner.spool import Spool, earlier_spools, records


def put(spool: Spool, seq: int, message: str = "m") -> None:
    spool.append(records(seq, "stdout", [at(seq)], [message]), seq, at(seq))


def at(seq: int) -> str:
    return f"2026-01-01T00:00:00.{seq:06}Z"


def filled(folder: Path, count: int, attempt: int = 1) -> Spool:
    spool = Spool(folder, attempt)
    for seq in range(1, count + 1):
        put(spool, seq)
    return spool


def seqs(spool: Spool, most: int = 10_000) -> list[int]:
    return [line["seq"] for line in lines(spool, most)]


def test_the_same_lines_come_again_until_they_are_acknowledged(tmp_path: Path) -> None:
    spool = filled(tmp_path, 5)
    assert seqs(spool, 3) == [1, 2, 3]
    assert seqs(spool, 3) == [1, 2, 3]
    spool.ack(3)
    assert seqs(spool, 3) == [4, 5]
    spool.ack(5)
    assert (seqs(spool), spool.pending_lines, spool.pending_bytes) == ([], 0, 0)


def test_a_second_batch_can_be_read_before_the_first_is_acknowledged(tmp_path: Path) -> None:
    spool = filled(tmp_path, 6)
    first, second = spool.batch(2, 10_000), spool.batch_after_that(2, 10_000)
    assert first is not None
    assert second is not None
    assert (first.last, second.last) == (2, 4)
    spool.ack(2)
    third = spool.batch_after_that(2, 10_000)
    assert third is not None
    assert third.last == 6
    assert spool.batch_after_that(2, 10_000) is None
    assert seqs(spool, 2) == [3, 4], "what is not acknowledged comes again"
    spool.ack(6)
    assert (seqs(spool), spool.pending_bytes, spool.unread_bytes) == ([], 0, 0)


def test_a_batch_is_bounded_in_bytes_but_never_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1)
    for seq in range(1, 4):
        put(spool, seq, "x" * 1000)
    assert [found.count for size in (2500, 10) if (found := spool.batch(10, size))] == [2, 1]


def test_numbers_and_acknowledgements_survive_a_new_process(tmp_path: Path) -> None:
    first = filled(tmp_path, 5)
    first.ack(2)
    first.close()
    again = Spool(tmp_path, 1)
    assert (again.last_seq, again.acked, seqs(again)) == (5, 2, [3, 4, 5])
    assert again.last_ts == at(5)


def test_a_line_that_was_torn_by_a_kill_is_cut_off_and_its_number_used_again(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    path = tmp_path / "1.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    again = Spool(tmp_path, 1)
    assert again.last_seq == 2
    put(again, 3, "anew")
    assert (seqs(again)[-1], messages(again)[-1]) == (3, "anew")


def test_a_long_run_does_not_fill_the_volume_once_its_lines_are_stored(
    tmp_path: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "COMPACT_BYTES", 1000)
    spool = filled(tmp_path, 100)
    spool.ack(99)
    assert (tmp_path / "1.jsonl").stat().st_size > 1000
    spool.ack(100)
    assert (tmp_path / "1.jsonl").stat().st_size == 0
    put(spool, 101)
    assert seqs(spool) == [101]
    spool.close()
    assert Spool(tmp_path, 1).last_seq == 101


def test_an_emptied_spool_still_knows_its_last_number(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "COMPACT_BYTES", 10)
    spool = filled(tmp_path, 7)
    spool.ack(7)
    spool.close()
    assert Spool(tmp_path, 1).last_seq == 7


def test_what_earlier_attempts_left_is_found_oldest_first(tmp_path: Path) -> None:
    for attempt, stored in ((1, 1), (2, 3), (3, 0), (10, 0)):
        spool = filled(tmp_path, 3, attempt)
        spool.ack(stored)
        spool.close()
    (tmp_path / "notes.jsonl").write_text("{}\n")
    assert [(spool.attempt, seqs(spool)) for spool in earlier_spools(tmp_path, 10)] == [(1, [2, 3]), (3, [1, 2, 3])]


def test_an_acknowledgement_of_lines_that_were_never_written_is_not_believed(tmp_path: Path) -> None:
    spool = filled(tmp_path, 2)
    spool.ack(99)
    put(spool, 3)
    assert seqs(spool) == [3]


APPEND = st.tuples(st.just("append"), st.text(max_size=20))
OTHER = st.tuples(st.sampled_from(["ack", "reopen"]), st.just(""))
STEPS = st.lists(st.one_of(APPEND, OTHER), max_size=40)


@settings(deadline=None)
@given(STEPS)
def test_every_line_comes_out_exactly_once_and_in_order_whatever_happens(steps: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), 1)
        written: list[str] = []
        stored: list[str] = []
        for action, text in steps:
            if action == "append":
                put(spool, spool.last_seq + 1, text)
                written.append(text.encode("utf-8", "replace").decode())
            elif action == "reopen":
                spool.close()
                spool = Spool(Path(folder), 1)
            elif found := lines(spool, 3):
                stored += [line["message"] for line in found]
                spool.ack(found[-1]["seq"])
        stored += messages(spool)
        spool.close()
        assert stored == written


def test_lines_that_did_not_all_fit_are_not_there_at_all(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    """Their numbers are used again: what is left of them must not be read for other lines later."""
    spool = filled(tmp_path, 2)
    write = os.write

    def half_then_full(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_room)
        return write(fd, data[: len(data) * 3 // 4])

    def no_room(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half_then_full)
    with pytest.raises(OSError, match="No space left"):
        spool.append(records(3, "stdout", [at(seq) for seq in (3, 4, 5)], ["gone"] * 3), 5, at(5))
    monkeypatch.setattr(os, "write", write)
    put(spool, 3, "kept")
    spool.close()
    again = Spool(tmp_path, 1)
    assert (seqs(again)[2:], messages(again)[2:]) == ([3], ["kept"])


@pytest.mark.parametrize("name", ["²", "٣", "1.5", "-1", "9" * 40, "x"])
def test_a_file_that_is_named_like_no_attempt_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.jsonl").write_text("{}")
    filled(tmp_path, 1).close()
    assert [spool.attempt for spool in earlier_spools(tmp_path, 3)] == [1]


def test_what_stands_in_the_place_of_a_spool_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.jsonl")
    (tmp_path / "2.jsonl").symlink_to("/proc/self/environ")
    filled(tmp_path, 1, attempt=3).close()
    for read_only in (False, True):
        assert [spool.attempt for spool in earlier_spools(tmp_path, 4, read_only=read_only)] == [3]


def test_a_spool_that_may_only_be_read_is_read_on_and_left_as_it_was(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
    spool = Spool(tmp_path, 1, read_only=True)
    assert seqs(spool) == [1, 2, 3]
    spool.ack(2)
    assert seqs(spool) == [3]
    spool.ack(3)
    assert spool.pending_lines == 0
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir()) == before


def test_a_file_that_is_larger_than_any_of_ours_is_not_read(tmp_path: Path) -> None:
    filled(tmp_path, 1).close()
    filled(tmp_path, 1, attempt=2).close()
    os.truncate(tmp_path / "2.jsonl", 1 << 40)
    assert [spool.attempt for spool in earlier_spools(tmp_path, 3, read_only=True)] == [1]
    with pytest.raises(OSError, match="larger than any"):
        Spool(tmp_path, 2)


def test_an_endless_line_that_somebody_wrote_there_does_not_fill_the_memory(tmp_path: Path) -> None:
    first = filled(tmp_path, 1)
    first.close()
    with (tmp_path / "1.jsonl").open("ab") as file:
        file.write(b"x" * 5_000_000 + b"\n")
        file.write(records(2, "stdout", [at(2)], ["m"]).encode())
    assert seqs(Spool(tmp_path, 1)) == [1, 2]
