"""Spooled lines reach the intake exactly once, in time, whatever it does; and never hold anybody up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.process.runner.builders import journal, messages
from tests.process.runner.intake import FakeIntake, running_intake

from bugcommand_operator.runner import queues as queues_module
from bugcommand_operator.runner import shipper as shipper_module
from bugcommand_operator.runner import spool as spool_module
from bugcommand_operator.runner.intake import Intake
from bugcommand_operator.runner.journal import STDOUT, Journal
from bugcommand_operator.runner.queues import Envelope, LineQueue
from bugcommand_operator.runner.shipper import Shipper
from bugcommand_operator.runner.spool import Batch, Spool, records


@dataclass
class Shipping:
    intake: FakeIntake
    journal: Journal
    spool: Spool
    shipper: Shipper
    token: Path

    queues: list[LineQueue]

    def finish(self, seconds: float = 10.0) -> bool:
        """Whether it ended by itself, not when its time was over."""
        deadline = time.monotonic() + seconds
        self.shipper.drain(lambda: deadline)
        return time.monotonic() < deadline


@pytest.fixture
def intake() -> Iterator[FakeIntake]:
    with running_intake() as running:
        yield running


@pytest.fixture
def shipping(tmp_path: Path, intake: FakeIntake, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    monkeypatch.setattr(shipper_module, "BACKOFF_MOST", 0.4)
    return started(tmp_path, intake, [])


def started(tmp_path: Path, intake: FakeIntake, left_behind: list[Spool]) -> Shipping:
    token = tmp_path / "token"
    token.write_text("first-token\n")
    written, spool = journal(tmp_path, limit=4000)
    envelope = Envelope("0d7f4c2e-0000-4000-8000-000000000001", 3, "site-1")
    queues = [LineQueue(each, envelope) for each in (spool, *left_behind)]
    sender = Intake(intake.url, str(token), lambda read: written.redactor.add([read]))
    shipper = Shipper(sender, queues, lambda text: written.note(text, problem=True), written.arrived)
    shipper.start()
    return Shipping(intake, written, spool, shipper, token, queues)


def numbers(batch: dict[str, Any]) -> list[int]:
    return [line["seq"] for line in batch["lines"]]


def test_a_line_is_stored_within_a_fraction_of_a_second(shipping: Shipping) -> None:
    shipping.journal.write(STDOUT, "first")
    began = time.monotonic()
    shipping.intake.wait_for(lambda: len(shipping.intake.rows) == 1)
    assert time.monotonic() - began < 1.0  # the rule is 0.1; the rest is for a busy machine
    shipping.finish()


def test_what_comes_while_a_batch_is_under_way_goes_together(shipping: Shipping) -> None:
    lines = [f"line {number}" for number in range(12_000)]
    for start in range(0, len(lines), 100):
        shipping.journal.write_block(STDOUT, lines[start : start + 100])
    shipping.finish()
    assert shipping.intake.messages() == lines
    assert len(shipping.intake.batches) < 60
    assert max(len(batch["lines"]) for batch in shipping.intake.batches) <= 5000
    assert shipping.intake.connections == 1


def test_what_a_batch_has_left_behind_waits_for_no_company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues_module, "BATCH_LINES", 5)
    written, spool = journal(tmp_path)
    queue = LineQueue(spool, Envelope("0d7f4c2e-0000-4000-8000-000000000001", 3, "site-1"))
    written.write_block(STDOUT, [f"line {number}" for number in range(7)])
    first = queue.take()
    assert first is not None
    queue.stored(first)
    assert (queue.pending, queue.has_much) == (2, True), "they were there when the batch was taken"
    second = queue.take()
    assert second is not None
    written.write(STDOUT, "came meanwhile")
    queue.stored(second)
    assert (queue.pending, queue.has_much) == (1, False)


def test_at_the_end_nothing_is_waited_for(shipping: Shipping, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INTERVAL_LEAST", "INTERVAL_MOST"):
        monkeypatch.setattr(shipper_module, name, 3600.0)  # who waits for company waits longer than any test
    shipping.journal.write(STDOUT, "first")
    shipping.intake.wait_for(lambda: len(shipping.intake.rows) == 1)
    shipping.journal.write(STDOUT, "last")
    assert shipping.finish(60.0)
    assert shipping.intake.messages() == ["first", "last"]


def flood(shipping: Shipping, lines: int = 40) -> list[str]:
    """So many lines at once, after a first one that has shown how quick the intake is and what it knows."""
    shipping.journal.write(STDOUT, "first")
    shipping.intake.wait_for(lambda: len(shipping.intake.rows) == 1)
    written = [f"line {number}" for number in range(lines)]
    shipping.journal.write_block(STDOUT, written)
    return ["first", *written]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an intake that is never too slow to be sent two of them."""
    monkeypatch.setattr(queues_module, "BATCH_LINES", 5)
    monkeypatch.setattr(shipper_module, "QUICK", 3600.0)


@pytest.mark.usefixtures("small_batches")
def test_in_a_flood_a_batch_is_on_its_way_before_the_one_before_it_is_answered(
    tmp_path: Path, intake: FakeIntake
) -> None:
    intake.knows_after, intake.patience = True, 15.0
    shipping = started(tmp_path, intake, [])
    seen: list[int] = []

    def waits_for_company(batch: dict[str, Any]) -> int | None:
        """Both connections have been asked by one each: the third full one is not answered before another has come."""
        if batch["lines"][0]["seq"] == 12:
            intake.changed.wait_for(lambda: intake.most_under_way == 2, 15)
        seen.append(batch.get("after", 0))
        return None

    intake.misbehave = waits_for_company
    expected = flood(shipping)
    assert shipping.finish()
    assert intake.messages() == expected
    assert (intake.most_under_way, intake.too_early) == (2, 0)
    sent = [number for batch in intake.batches for number in numbers(batch)]
    assert sorted(sent) == list(range(1, len(expected) + 1)), "nothing twice"
    assert list(intake.rows) == sorted(intake.rows), "each after the one before it"
    assert [after for after in seen if after] == list(range(16, 37, 5))


@pytest.mark.usefixtures("small_batches")
def test_an_intake_that_does_not_know_of_it_is_sent_nothing_ahead(tmp_path: Path, intake: FakeIntake) -> None:
    shipping = started(tmp_path, intake, [])
    expected = flood(shipping)
    assert shipping.finish()
    assert intake.messages() == expected
    assert (intake.most_under_way, intake.connections) == (1, 1)
    assert not any("after" in batch for batch in intake.batches)


@pytest.mark.usefixtures("small_batches")
def test_nothing_is_sent_ahead_by_a_connection_whose_gateway_does_not_know_of_it(
    tmp_path: Path, intake: FakeIntake
) -> None:
    """As while the gateways are renewed one after the other."""
    intake.knows_after, intake.connections_that_know = True, 1
    shipping = started(tmp_path, intake, [])
    expected = flood(shipping)
    assert shipping.finish()
    assert intake.messages() == expected
    assert intake.connections == 2
    assert intake.carried_ahead == set()


@pytest.mark.usefixtures("small_batches")
def test_a_flood_that_an_earlier_attempt_left_lets_this_ones_lines_pass(tmp_path: Path, intake: FakeIntake) -> None:
    intake.knows_after = True
    earlier = Spool(tmp_path / "earlier", 7)
    for seq in range(1, 101):
        earlier.append(records(seq, STDOUT, ["2026-01-01T00:00:00.000000Z"], [f"old {seq}"]), seq, "")
    written_after: list[int] = []

    def speaks_meanwhile(batch: dict[str, Any]) -> int | None:
        if 21 in numbers(batch) and not written_after:
            written_after.append(len(intake.batches))
            this_one.journal.write(STDOUT, "new")
        return None

    intake.misbehave = speaks_meanwhile
    this_one = started(tmp_path, intake, [earlier])
    intake.wait_for(lambda: len(intake.messages(7)) == 100 and bool(intake.messages()))
    assert this_one.finish()
    own = [batch["attempt"] for batch in intake.batches].index(1)
    assert own - written_after[0] <= 3, "those that were on their way, and no more"


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("status", [503, 599, 400])
def test_what_was_sent_ahead_of_a_batch_that_fails_is_stored_after_it_once(
    tmp_path: Path, intake: FakeIntake, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipper_module, "BACKOFF_MOST", 0.4)
    intake.knows_after, intake.patience = True, 5.0
    intake.refusal = {"reason": "InvalidField", "message": "no", "field": "lines.4.message"} if status == 400 else {}
    shipping = started(tmp_path, intake, [])
    failed: list[int] = []

    def fails_once(batch: dict[str, Any]) -> int | None:
        if 17 in numbers(batch) and not failed:
            failed.append(1)
            intake.changed.wait_for(lambda: intake.most_under_way == 2, 15)
            return status
        return None

    intake.misbehave = fails_once
    expected = flood(shipping)
    assert shipping.finish()
    assert intake.messages() == expected
    assert list(intake.rows) == sorted(intake.rows), "none was stored before the lines before it"
    assert shipping.journal.unshipped == shipping.queues[0].dropped == 0


@pytest.mark.usefixtures("small_batches")
def test_a_batch_that_finds_no_room_ahead_is_no_failure_and_is_sent_by_itself(
    tmp_path: Path, intake: FakeIntake
) -> None:
    intake.knows_after = True
    shipping = started(tmp_path, intake, [])
    intake.misbehave = lambda batch: 503 if "after" in batch else None
    expected = flood(shipping)
    assert shipping.finish()
    assert intake.messages() == expected
    assert sum("after" in batch for batch in intake.batches) == 2, "the second was on its way already"
    assert shipping.queues[0].failures == 0


def test_the_envelope_says_whose_lines_they_are(shipping: Shipping) -> None:
    shipping.journal.write(STDOUT, "x")
    shipping.finish()
    batch = shipping.intake.batches[0]
    assert (batch["attempt"], batch["epoch"], batch["machineId"]) == (1, 3, "site-1")
    assert set(batch["lines"][0]) == {"seq", "stream", "ts", "message"}
    assert shipping.intake.tokens == ["Bearer first-token"]


@pytest.mark.parametrize("status", [503, 500, 429, 401, 403, 599])
def test_lines_that_are_not_taken_now_are_stored_later_once(shipping: Shipping, status: int) -> None:
    shipping.intake.misbehave = lambda _batch: status if len(shipping.intake.batches) <= 2 else None
    shipping.journal.write(STDOUT, "one")
    shipping.journal.write(STDOUT, "two")
    shipping.intake.wait_for(lambda: len(shipping.intake.batches) >= 3)
    shipping.finish()
    assert shipping.intake.messages() == ["one", "two"]
    assert shipping.journal.unshipped == 0


def test_an_intake_that_names_its_time_is_not_asked_before(shipping: Shipping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipper_module, "BACKOFF_MOST", 1.0)
    shipping.intake.retry_after = "1"
    asked: list[float] = []

    def busy_once(_batch: dict[str, Any]) -> int | None:
        asked.append(time.monotonic())
        return 503 if len(asked) == 1 else None

    shipping.intake.misbehave = busy_once
    shipping.journal.write(STDOUT, "x")
    shipping.intake.wait_for(lambda: bool(shipping.intake.rows))
    shipping.finish()
    assert asked[1] - asked[0] >= 1.0


def test_a_rotated_token_is_read_again_after_a_refusal(shipping: Shipping) -> None:
    shipping.token.write_text("second-token")
    shipping.intake.misbehave = lambda _batch: 401 if shipping.intake.tokens[-1] == "Bearer first-token" else None
    shipping.journal.write(STDOUT, "x")
    shipping.intake.wait_for(lambda: bool(shipping.intake.rows))
    shipping.finish()
    assert shipping.intake.tokens[-1] == "Bearer second-token"


def test_one_line_that_is_refused_does_not_hold_up_the_others_and_is_not_silently_lost(shipping: Shipping) -> None:
    shipping.intake.misbehave = lambda batch: 400 if 5 in numbers(batch) else None
    shipping.intake.refusal = {"reason": "InvalidField", "message": "no", "field": "lines.4.message"}
    for number in range(1, 11):
        shipping.journal.write(STDOUT, f"line {number}")
    shipping.finish()
    stored = shipping.intake.messages()
    assert stored[:9] == [f"line {number}" for number in range(1, 11) if number != 5]
    assert "refused line 5" in stored[9]
    assert shipping.queues[0].dropped == 1


def test_batches_shrink_when_they_are_too_large(shipping: Shipping) -> None:
    shipping.intake.misbehave = lambda batch: 413 if len(batch["lines"]) > 3 else None
    for number in range(20):
        shipping.journal.write(STDOUT, f"line {number}")
    shipping.finish()
    assert shipping.intake.messages() == [f"line {number}" for number in range(20)]


def test_an_intake_that_is_away_costs_no_more_than_the_time_to_drain(shipping: Shipping) -> None:
    shipping.intake.misbehave = lambda _batch: 503
    shipping.journal.write(STDOUT, "kept")
    began = time.monotonic()
    shipping.finish(1.0)
    assert time.monotonic() - began < 3.0
    assert shipping.journal.unshipped >= 1
    assert messages(shipping.spool)[0] == "kept"


def test_that_the_intake_is_away_is_said_once(shipping: Shipping) -> None:
    shipping.intake.misbehave = lambda _batch: 503 if len(shipping.intake.batches) <= 6 else None
    shipping.journal.write(STDOUT, "x")
    shipping.intake.wait_for(lambda: len(shipping.intake.rows) >= 2)
    shipping.finish()
    assert sum("does not take lines" in text for text in shipping.intake.messages()) == 1


def test_what_an_earlier_attempt_left_is_shipped_as_its_own(tmp_path: Path, intake: FakeIntake) -> None:
    earlier = Spool(tmp_path / "earlier", 1)
    for seq in (1, 2):
        earlier.append(records(seq, STDOUT, [f"2026-01-01T00:00:0{seq}.000000Z"], [f"old {seq}"]), seq, "")
    shipping = started(tmp_path, intake, [earlier])
    shipping.spool.attempt = 2
    shipping.journal.write(STDOUT, "new")
    shipping.finish()
    assert (intake.messages(1), intake.messages(2)) == (["old 1", "old 2"], ["new"])
    assert earlier.pending_lines == 0


def test_what_an_earlier_attempt_left_never_delays_this_one(
    tmp_path: Path, intake: FakeIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BACKOFF_FIRST", "BACKOFF_MOST"):
        monkeypatch.setattr(shipper_module, name, 3600.0)  # who waits for it waits longer than any test
    earlier = Spool(tmp_path / "earlier", 7)
    earlier.append(records(1, STDOUT, ["2026-01-01T00:00:00.000000Z"], ["old"]), 1, "")
    intake.misbehave = lambda batch: 403 if batch["attempt"] == 7 else None
    shipping = started(tmp_path, intake, [earlier])
    intake.wait_for(lambda: any(batch["attempt"] == 7 for batch in intake.batches))
    shipping.journal.write(STDOUT, "new")
    intake.wait_for(lambda: intake.messages() == ["new"])
    assert shipping.finish(60.0)
    assert earlier.pending_lines == 1


@pytest.mark.parametrize(
    ("status", "refusal", "page"),
    [
        (400, {"reason": "InvalidField", "message": "too long", "field": "machineId"}, b""),
        (422, {"reason": "InvalidField", "message": "no"}, b""),
        (400, {}, b"<html>Bad Request</html>"),
        (413, {}, b"<html>Request Entity Too Large</html>"),
        (302, {}, b""),
        (403, {"reason": "NotYourAttempt", "message": "no"}, b""),
    ],
)
def test_an_answer_that_says_nothing_about_a_line_costs_none(
    shipping: Shipping, status: int, refusal: dict[str, str], page: bytes
) -> None:
    shipping.intake.refusal, shipping.intake.page = refusal, page
    shipping.intake.misbehave = lambda _batch: status if len(shipping.intake.batches) <= 3 else None
    shipping.journal.write(STDOUT, "one")
    shipping.journal.write(STDOUT, "two")
    shipping.intake.wait_for(lambda: len(shipping.intake.batches) >= 3)
    shipping.finish()
    assert shipping.intake.messages()[:2] == ["one", "two"]
    assert shipping.queues[0].dropped == 0


def test_a_success_that_is_not_the_intakes_own_stores_nothing(shipping: Shipping) -> None:
    """The page that a proxy shows instead, with 200: 201 stands for it here."""
    shipping.intake.misbehave = lambda _batch: 201 if len(shipping.intake.batches) <= 2 else None
    shipping.intake.page = b"<html>Please log in</html>"
    shipping.journal.write(STDOUT, "kept")
    shipping.intake.wait_for(lambda: bool(shipping.intake.rows))
    shipping.finish()
    assert shipping.intake.messages()[0] == "kept"


def test_a_command_of_another_namespace_is_said_once_and_holds_up_nobody(shipping: Shipping) -> None:
    shipping.intake.misbehave = lambda _batch: 403
    shipping.intake.refusal = {"reason": "CommandOfAnotherNamespace", "message": "in use"}
    shipping.journal.write(STDOUT, "never to be stored")
    shipping.intake.wait_for(lambda: bool(shipping.intake.batches))
    deadline = time.monotonic() + 10
    while not shipping.spool.undeliverable and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(100):
        shipping.journal.write(STDOUT, "x" * 100)
    assert shipping.finish(60.0)
    assert not shipping.journal.full
    assert len(shipping.intake.batches) == 1
    assert "CommandOfAnotherNamespace" in shipping.spool.undeliverable
    assert shipping.journal.lost  # beyond the bound lines are in the container's log alone, and counted


def test_a_connection_that_was_closed_while_idle_is_made_anew_at_once(shipping: Shipping) -> None:
    shipping.intake.hangs_up = True
    for number in range(1, 4):
        shipping.journal.write(STDOUT, f"line {number}")
        shipping.intake.wait_for(lambda wanted=number: len(shipping.intake.rows) == wanted)  # type: ignore[misc]
    assert shipping.queues[0].failures == 0
    assert shipping.intake.connections >= 2
    shipping.finish()


def test_the_thread_outlives_whatever_goes_wrong_in_it(shipping: Shipping, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = iter([True, True, False])

    def batch(*arguments: Any) -> Batch | None:
        if next(broken, False):
            raise OSError(5, "Input/output error")
        return Spool.batch(shipping.spool, *arguments)

    monkeypatch.setattr(shipping.spool, "batch", batch)
    shipping.journal.write(STDOUT, "kept")
    shipping.intake.wait_for(lambda: bool(shipping.intake.rows))
    shipping.finish()
    assert shipping.intake.messages() == ["kept"]


def test_a_volume_that_is_full_keeps_no_line_from_being_sent(
    shipping: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of what was acknowledged cannot be written: it is known in memory."""

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module, "_write_number", no_room)
    for number in range(1, 4):
        shipping.journal.write(STDOUT, f"line {number}")
        shipping.intake.wait_for(lambda wanted=number: len(shipping.intake.rows) == wanted)  # type: ignore[misc]
    shipping.finish()
    assert shipping.spool.pending_lines == 0
    assert len(shipping.intake.batches) <= 3
