"""What a runner left on the volume is sent by a container that only reads it, and what is left then is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.process.runner.intake import FakeIntake, running_intake
from tests.process.runner.running import SOURCE

from bugcommand_operator.runner.journal import STDOUT
from bugcommand_operator.runner.queues import Envelope
from bugcommand_operator.runner.recording import RecordingQueue
from bugcommand_operator.runner.ship import ship
from bugcommand_operator.runner.spool import Spool, records


def spooled(state: Path, attempt: int, count: int, acked: int = 0) -> None:
    spool = Spool(state / "spool", attempt)
    at = "2026-01-01T00:00:00.000000Z"
    spool.append(records(1, STDOUT, [at] * count, [f"line {seq}" for seq in range(1, count + 1)]), count, at)
    spool.ack(acked)
    spool.close()


def request(state: Path, intake: FakeIntake, **changes: Any) -> dict[str, Any]:
    whose = {"commandId": "0d7f4c2e-0000-4000-8000-000000000001", "attempt": 2, "epoch": 3, "machineId": "site-1"}
    return {**whose, "stateDir": str(state), "intakeUrl": intake.url, "seconds": 20, **changes}


def contents(state: Path) -> list[tuple[str, bytes]]:
    return sorted((str(path), path.read_bytes()) for path in state.rglob("*") if path.is_file())


def test_it_sends_what_every_attempt_left_and_leaves_the_volume_as_it_was(tmp_path: Path) -> None:
    spooled(tmp_path, 1, 3)
    spooled(tmp_path, 2, 6000, acked=10)
    before = contents(tmp_path)
    with running_intake() as intake:
        told = ship(request(tmp_path, intake), str(tmp_path / "token"))
        assert intake.messages(1) == ["line 1", "line 2", "line 3"]
        assert intake.messages(2) == [f"line {number}" for number in range(11, 6001)]
    assert (told["shipped"], told["unshipped"], told["refused"]) == (5993, 0, 0)
    assert contents(tmp_path) == before


def test_parts_of_a_recording_that_are_left_are_counted(tmp_path: Path) -> None:
    RecordingQueue(tmp_path, 2, Envelope("id", 3, "site-1")).keep(b"one")
    with running_intake() as intake:
        intake.takes_recordings = False
        told = ship(request(tmp_path, intake, seconds=1), str(tmp_path / "token"))
    assert (told["unshipped"], told["unshippedParts"]) == (0, 1)


def test_an_intake_that_is_away_is_waited_for_only_so_long_and_the_rest_is_counted(tmp_path: Path) -> None:
    spooled(tmp_path, 2, 4)
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503
        told = ship(request(tmp_path, intake, seconds=1), str(tmp_path / "token"))
    assert (told["shipped"], told["unshipped"]) == (0, 4)


def test_an_intake_that_comes_back_gets_the_lines(tmp_path: Path) -> None:
    spooled(tmp_path, 1, 2)
    spooled(tmp_path, 2, 2)
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503 if len(intake.batches) <= 3 else None
        told = ship(request(tmp_path, intake), str(tmp_path / "token"))
    assert (told["shipped"], told["unshipped"]) == (4, 0)


@pytest.mark.parametrize("what", ["no folder", "a link", "a file"])
def test_a_volume_without_a_spool_has_nothing_to_send(tmp_path: Path, what: str) -> None:
    if what == "a link":
        spooled(tmp_path / "elsewhere", 1, 2)
        (tmp_path / "spool").symlink_to(tmp_path / "elsewhere" / "spool")
    if what == "a file":
        (tmp_path / "spool").write_text("x")
    with running_intake() as intake:
        told = ship(request(tmp_path, intake), str(tmp_path / "token"))
        assert intake.batches == []
    assert (told["shipped"], told["unshipped"]) == (0, 0)


def run(tmp_path: Path, said: str) -> tuple[int, dict[str, Any]]:
    log = tmp_path / "termination-log"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), "MENTU_SHIP": said}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "bugcommand_operator.runner.ship"],
        env={**env, "MENTU_TERMINATION_LOG": str(log)},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, dict(json.loads(log.read_text()))


def test_its_termination_message_says_what_is_left(tmp_path: Path) -> None:
    spooled(tmp_path / "state", 1, 2)
    with running_intake() as intake:
        intake.misbehave = lambda batch: 400 if batch["lines"][0]["seq"] == 1 else None
        intake.refusal = {"reason": "RejectedByStore", "message": "no"}
        code, told = run(tmp_path, json.dumps(request(tmp_path / "state", intake)))
        assert intake.messages(1) == ["line 2"]
    assert (code, told["unshipped"], told["refused"]) == (0, 0, 1)


def test_a_request_that_is_none_is_a_failure_that_says_so(tmp_path: Path) -> None:
    code, told = run(tmp_path, "{}")
    assert (code, told["reason"]) == (1, "ShippingFailed")
