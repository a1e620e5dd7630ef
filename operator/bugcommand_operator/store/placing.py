"""What becomes of sent lines, given what an attempt's log holds already: pure, the same for both databases.

A line is new, a repetition, or finds no room below the cap of its attempt. Where the first one finds none, the log
gets a last line that says so; what comes after it is dropped and counted. The same lines sent again change nothing.
"""

import operator
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby

from bugcommand_operator.store.lines import TRUNCATED, LogBatch, LogLine, Refusal

ROW_BYTES = 128
"""What a row takes beside its message, roughly, with its place in the indexes: empty lines fill a disk too."""

Place = tuple[str, int]
"""A command id and an attempt."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a command id is to be if it is nobody's yet."""

    command_id: str
    namespace: str
    repository: str
    command_uid: str
    day: date


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose a command id is, as the transaction found it."""

    namespace: str
    repository: str
    command_uid: str
    day: date
    expired: bool

    def refuses(self, batch: LogBatch) -> Refusal | None:
        if batch.key.namespace != self.namespace:
            return Refusal.ANOTHER_NAMESPACE
        if batch.command_uid and self.command_uid and batch.command_uid != self.command_uid:
            return Refusal.ANOTHER_COMMAND
        return Refusal.BEING_DELETED if self.expired else None

    def lacks(self, batch: LogBatch) -> bool:
        """Whether the batch knows what an older version did not write down."""
        if batch.key.namespace != self.namespace:
            return False
        return bool(batch.command_uid and not self.command_uid) or bool(batch.repository and not self.repository)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far an attempt's log has come, as the transaction that holds its lock found it."""

    owner: Owned
    lines: int = 0
    bytes: int = 0
    last_seq: int = 0
    truncated_at: int | None = None


Stored = tuple[LogBatch, LogLine]


@dataclass(frozen=True, slots=True)
class Placed:
    """One attempt's share of an append: what is to be stored, and how far the log has come with it."""

    place: Place
    reached: Reached
    lines: Sequence[Stored] = field(default=())
    repeated: int = 0
    truncated: int = 0
    whole: Sequence[LogBatch] | None = None
    """The batches, where all that was sent is stored and in order, as is usual."""


def by_place(batches: Collection[LogBatch]) -> dict[Place, list[LogBatch]]:
    """In the order in which everybody takes locks, or two writers of a Postgres could wait for each other."""
    sent: dict[Place, list[LogBatch]] = defaultdict(list)
    for batch in batches:
        sent[batch.key.command_id, batch.key.attempt].append(batch)
    return dict(sorted(sent.items()))


def in_question(reached: Reached, batches: Sequence[LogBatch], *, distrust: bool = False) -> list[int]:
    """The sequences that only the table knows to be there or not: those below the highest, when there are gaps."""
    if reached.lines == reached.last_seq and not distrust:
        return []
    highest = max(line.seq for batch in batches for line in batch.lines) if distrust else reached.last_seq
    return sorted({line.seq for batch in batches for line in batch.lines if line.seq <= highest})


def place(
    where: Place, reached: Reached, batches: Sequence[LogBatch], known: AbstractSet[int] | None, cap: int
) -> Placed:
    """`known`: which of those in question are stored already; None when none were and all below `last_seq` are."""
    sent = sum(len(batch.lines) for batch in batches)
    in_order = not known and _all_rise_above(reached.last_seq, batches)
    new = _all_of(batches) if in_order else _new_lines(reached, batches, known)
    size = _size_of_all(new)
    if reached.truncated_at is not None:
        return Placed(where, reached, (), sent - len(new), len(new))
    if cap and reached.bytes + size > cap:
        return _capped(where, reached, new, sent - len(new), cap)
    return Placed(where, _advanced(reached, new, size), new, sent - len(new), whole=batches if in_order else None)


def size_of(line: LogLine) -> int:
    message = line.message
    return ROW_BYTES + (len(message) if message.isascii() else len(message.encode("utf-8", "surrogatepass")))


def _size_of_all(new: Sequence[Stored]) -> int:
    """Their `size_of`, at once: most messages are ASCII, of which Python knows the size."""
    text = "".join([line.message for _, line in new])
    return ROW_BYTES * len(new) + (len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def _all_of(batches: Sequence[LogBatch]) -> list[Stored]:
    return [(batch, line) for batch in batches for line in batch.lines]


def _new_lines(reached: Reached, batches: Sequence[LogBatch], known: AbstractSet[int] | None) -> list[Stored]:
    first: dict[int, Stored] = {}
    for batch in batches:
        for line in batch.lines:
            first.setdefault(line.seq, (batch, line))
    if known is None:
        return [first[seq] for seq in sorted(first) if seq > reached.last_seq]
    return [first[seq] for seq in sorted(first) if seq not in known]


def _all_rise_above(last: int, batches: Sequence[LogBatch]) -> bool:
    """Whether they are in order and none is a repetition, as is usual."""
    for batch in batches:
        if not _rises_above(last, batch.lines):
            return False
        last = batch.lines[-1].seq if batch.lines else last
    return True


def _rises_above(last: int, lines: Sequence[LogLine]) -> bool:
    seqs = [line.seq for line in lines]
    return not seqs or (seqs[0] > last and all(map(operator.lt, seqs, seqs[1:])))


def _advanced(reached: Reached, new: Sequence[Stored], size: int) -> Reached:
    if not new:
        return reached
    last = max(reached.last_seq, new[-1][1].seq)
    return replace(reached, lines=reached.lines + len(new), bytes=reached.bytes + size, last_seq=last)


def _capped(where: Place, reached: Reached, new: Sequence[Stored], repeated: int, cap: int) -> Placed:
    room, kept = cap - reached.bytes, 0
    for _, line in new:
        room -= size_of(line)
        if room < 0:
            break
        kept += 1
    batch, first_out = new[kept]
    marker = LogLine(first_out.seq, "stderr", first_out.ts, TRUNCATED)
    stored = [*new[:kept], (batch, marker)]
    advanced = _advanced(reached, stored, sum(size_of(line) for _, line in stored))
    return Placed(where, replace(advanced, truncated_at=marker.seq), stored, repeated, len(new) - kept)


def accepted(placed: Sequence[Placed]) -> Iterator[LogBatch]:
    """What was stored, as batches again."""
    for attempt in placed:
        if attempt.whole is not None:
            yield from (batch for batch in attempt.whole if batch.lines)
            continue
        for _, stored in groupby(attempt.lines, key=lambda item: id(item[0])):
            items = list(stored)
            batch = items[0][0]
            yield replace(batch, lines=[line for _, line in items])


def refusals(
    batches: Sequence[LogBatch], owners: Mapping[str, Owned], reached: Mapping[Place, Reached]
) -> dict[int, Refusal]:
    """By the batch's place in the list. An owner that is not there was deleted a moment ago."""
    found: dict[int, Refusal] = {}
    for index, batch in enumerate(batches):
        owner = owners.get(batch.key.command_id)
        why = Refusal.BEING_DELETED if owner is None else owner.refuses(batch)
        if why is not None:
            found[index] = why
    return found | _too_early(batches, found, reached)


def _too_early(
    batches: Sequence[LogBatch], refused: Collection[int], reached: Mapping[Place, Reached]
) -> dict[int, Refusal]:
    """Those whose sender has sent lines before them that are not stored, nor in a batch before them here."""
    found: dict[int, Refusal] = {}
    if not any(batch.after for batch in batches):
        return found
    full = {where for where, attempt in reached.items() if attempt.truncated_at is not None}
    last = defaultdict(int, {where: attempt.last_seq for where, attempt in reached.items()})
    for index, batch in enumerate(batches):
        where = (batch.key.command_id, batch.key.attempt)
        if index in refused or where in full:
            continue
        if batch.after > last[where]:
            found[index] = Refusal.TOO_EARLY
        else:
            last[where] = max([last[where], *(line.seq for line in batch.lines)])
    return found
