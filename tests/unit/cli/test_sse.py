"""Server-sent events, cut anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bugcommand_operator.cli import sse
from bugcommand_operator.cli.sse import Parser, ServerEvent

STREAM = (
    b"\xef\xbb\xbfretry: 1000\r\nid: 1:1\r\n\r\n: ping\r\n\r\n"
    b'id: 1:2\r\nevent: line\r\ndata: {"message":"caf\xc3\xa9"}\r\n\r\n'
    b"data: one\ndata: two\n\n"
    b"event: refused\rdata:x\r\r"
    b"id: 1:3\nevent: line\ndata: cut"
)
EVENTS = [
    ServerEvent("line", '{"message":"café"}', "1:2"),
    ServerEvent("message", "one\ntwo", "1:2"),
    ServerEvent("refused", "x", "1:2"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_are_the_same_however_the_bytes_arrive_and_half_a_one_is_none(cuts: list[int]) -> None:
    parser, found = Parser(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += list(parser.feed(STREAM[start:end]))

    assert found == EVENTS


def test_an_event_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 1000)
    parser = Parser()
    with pytest.raises(sse.TooLong):
        for _ in range(100):
            list(parser.feed(b"data: " + b"x" * 50 + b"\n"))
