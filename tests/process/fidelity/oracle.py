"""What the table holds against what was written: lost, doubled, out of order. It trusts nothing but the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import create_engine, text

ROWS = "SELECT attempt, seq, message FROM spawn_logs WHERE command_id = :command ORDER BY attempt, seq"


@dataclass(frozen=True)
class Verdict:
    """Of one command, or of several together."""

    lines: int = 0
    lost: int = 0
    doubled: int = 0
    disordered: int = 0

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.lines + other.lines,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.disordered + other.disordered,
        )

    @property
    def is_faultless(self) -> bool:
        return not (self.lost or self.doubled or self.disordered)


def judge(numbers: Iterable[int], written: int) -> Verdict:
    """`numbers` as they were read, of lines numbered from 1 to `written`."""
    seen = bytearray(written + 1)
    lines = doubled = disordered = last = 0
    for number in numbers:
        lines += 1
        doubled += seen[number]
        disordered += number < last
        seen[number] = 1
        last = number
    return Verdict(lines, written - sum(seen), doubled, disordered)


def stored(url: str, command_id: str, attempt: int = 1) -> list[int]:
    """The numbers of an attempt's lines, in the order of `seq`. Every `seq` from 1 on has to be there once."""
    engine = create_engine(url.replace("+aiosqlite", ""))
    try:
        with engine.connect() as connection:
            rows = connection.execute(text(ROWS), {"command": command_id}).all()
    finally:
        engine.dispose()
    of_attempt = [row for row in rows if row.attempt == attempt]
    assert [row.seq for row in of_attempt] == list(range(1, len(of_attempt) + 1)), "a seq is missing or twice"
    return [int(row.message.removeprefix("line ")) for row in of_attempt if row.message.startswith("line ")]
