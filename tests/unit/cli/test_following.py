"""Following: what ends it, what it survives. Streams are made of bytes, time passes by sleeping only."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.cli.fakes import COMMAND, Row, Tables, row

from bugcommand_operator.cli.errors import CliError, NotAllowed, NotFound, TokenRefused, Unreachable
from bugcommand_operator.cli.following import GIVE_UP_SECONDS, LATE_SECONDS, Finished, Follower
from bugcommand_operator.cli.lines import Position
from bugcommand_operator.cli.reading import Log


def event(each: Row) -> bytes:
    return f"event: line\r\ndata: {json.dumps(each)}\r\n\r\n".encode()


REFUSED = b'event: refused\r\ndata: {"reason":"Unauthenticated"}\r\n\r\n'


class Body:
    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def read1(self, _size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def close(self) -> None:
        """Of the connection; there is none."""


class Lab:
    """`streams`: the pieces of one stream after another, or why it cannot be opened. The last one is repeated."""

    def __init__(self, *streams: list[bytes] | CliError, stored: list[Row] | None = None) -> None:
        self.streams, self.tables, self.now = list(streams), Tables({"spawn_logs": stored or []}), 0.0
        self.cursors: list[str] = []
        self.renewed: list[bool] = []
        self.said: list[str] = []
        self.states: list[Finished | None] = [None]

    def stream(self, _query: Mapping[str, str], last_event_id: str) -> Any:
        self.cursors.append(last_event_id)
        opened = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        if isinstance(opened, CliError):
            raise opened
        body = Body(list(opened))
        return body, body

    def renew(self, *, token: bool = False) -> None:
        self.renewed.append(token)

    def state(self) -> Finished | None:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def follow(self, position: dict[int, int] | None = None) -> list[tuple[int, int]]:
        log = Log(self.tables, COMMAND)
        follower = Follower(
            self, log, self.state, Position(position or {}), self.said.append, lambda: self.now, self.sleep, 0.01
        )
        return [(line.attempt, line.seq) for line in follower.lines() if line is not None]


def rows(*seqs: int, attempt: int = 1) -> list[Row]:
    return [row(attempt, seq) for seq in seqs]


def test_a_new_stream_begins_where_the_old_one_was_cut_and_what_comes_twice_is_shown_once() -> None:
    one, two, three, four = map(event, rows(1, 2, 3, 4))
    lab = Lab([one + two, three[:20]], [two + three, four], [])
    lab.states = [None, Finished({1: 4})]

    assert lab.follow() == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert lab.cursors[:2] == ["", "1:2"]
    assert lab.said == [], "a cut is nothing to tell of"


def test_it_goes_on_behind_what_was_shown_already() -> None:
    lab = Lab([event(row(1, 7)), event(row(2, 1))])
    lab.states = [Finished({})]

    assert lab.follow({1: 6}) == [(1, 7), (2, 1)]
    assert lab.cursors[0] == "1:6"


def test_a_refused_token_is_renewed_once() -> None:
    lab = Lab([event(row(1, 1)), REFUSED], TokenRefused("no"), [])
    with pytest.raises(TokenRefused):
        lab.follow()
    assert lab.renewed == [True]

    lab = Lab([event(row(1, 1)), REFUSED], [event(row(1, 2))], [])
    lab.states = [None, Finished({1: 2})]
    assert lab.follow() == [(1, 1), (1, 2)]
    assert lab.renewed[0] is True


def test_one_who_may_not_read_is_told_at_once() -> None:
    with pytest.raises(NotAllowed):
        Lab(NotAllowed("no")).follow()


def test_without_a_live_feed_it_asks_for_what_is_stored() -> None:
    lab = Lab(NotFound("no such path"), stored=rows(1, 2, 3))
    lab.states = [None, Finished({1: 3})]

    assert lab.follow({1: 1}) == [(1, 2), (1, 3)]


def test_a_gateway_that_stays_away_is_told_of_and_given_up_after_its_time() -> None:
    lab = Lab(Unreachable("away"))
    with pytest.raises(Unreachable):
        lab.follow()

    assert GIVE_UP_SECONDS < lab.now < GIVE_UP_SECONDS + 30
    assert lab.said == ["away; trying again"]


def test_lines_that_are_on_their_way_after_the_end_are_waited_for() -> None:
    lab = Lab([event(row(1, 1))], stored=rows(1))
    lab.states = [Finished({1: 3})]
    slept = lab.sleep

    def sleep_and_store(seconds: float) -> None:
        slept(seconds)
        lab.tables.tables["spawn_logs"] = rows(1, 2, 3)

    lab.sleep = sleep_and_store  # type: ignore[method-assign]
    assert lab.follow() == [(1, 1), (1, 2), (1, 3)]


@pytest.mark.parametrize("meanwhile", [None, Finished({})], ids=["cluster away", "object deleted"])
def test_the_end_that_was_seen_counts_when_nobody_can_be_asked_any_more(meanwhile: Finished | None) -> None:
    lab = Lab([event(row(1, seq)) for seq in range(1, 6)], stored=rows(*range(1, 6)))
    lab.states = [Finished({1: 10}), meanwhile, meanwhile, Finished({1: 10})]
    slept = lab.sleep

    def sleep_and_store(seconds: float) -> None:
        slept(seconds)
        if len(lab.states) == 1:
            lab.tables.tables["spawn_logs"] = rows(*range(1, 11))

    lab.sleep = sleep_and_store  # type: ignore[method-assign]
    assert lab.follow() == [(1, seq) for seq in range(1, 11)]


def test_the_end_that_was_seen_is_not_forgotten_with_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(Unreachable("away"), stored=rows(1, 2, 3))
    lab.states = [Finished({1: 3}), None]
    ask, failing = lab.tables.rows, [True]

    def sometimes(table: str, query: dict[str, str]) -> list[Row]:
        if failing:
            failing.pop()
            raise Unreachable("away")
        return ask(table, query)

    monkeypatch.setattr(lab.tables, "rows", sometimes)
    assert lab.follow() == [(1, 1), (1, 2), (1, 3)]


def test_lines_that_never_arrive_end_it_with_a_word() -> None:
    lab = Lab([event(row(1, 1))], stored=rows(1))
    lab.states = [Finished({1: 3})]
    with pytest.raises(CliError, match="have not arrived"):
        lab.follow()
    assert LATE_SECONDS <= lab.now < LATE_SECONDS + 5


def test_a_gateway_that_is_away_when_the_command_has_ended_is_waited_for_too() -> None:
    lab = Lab(Unreachable("away"), Unreachable("away"), [], stored=rows(1, 2))
    lab.states = [Finished({1: 2})]
    ask, failing = lab.tables.rows, [True, True]

    def sometimes(table: str, query: dict[str, str]) -> list[Row]:
        if failing and failing.pop():
            raise Unreachable("away")
        return ask(table, query)

    lab.tables.rows = sometimes  # type: ignore[method-assign]
    assert lab.follow() == [(1, 1), (1, 2)]
