"""A store in memory that can be away, and readers that only a test knows."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from bugcommand_operator.cluster.token_review import IdentityUnavailable, Unauthenticated
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.following import Following
from bugcommand_operator.gateway.readers import Reader
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine, LogRow, Owner, Progress

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = date(2026, 1, 1)
COMMAND = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"


def log_line(seq: int, message: str = "") -> LogLine:
    return LogLine(seq, "stdout", START + timedelta(microseconds=seq), message or f"line {seq}")


def batch_of(
    seqs: Collection[int], attempt: int = 1, command_id: str = COMMAND, namespace: str = "team-a", message: str = ""
) -> LogBatch:
    key = AttemptKey(namespace, command_id, attempt)
    return LogBatch(key, 1, "lab", [log_line(seq, message) for seq in seqs], "web")


@dataclass
class MemoryStore:
    rows: dict[tuple[str, int], dict[int, LogRow]] = field(default_factory=lambda: defaultdict(dict))
    owned: dict[str, Owner] = field(default_factory=dict)
    away: bool = False
    reads: int = 0
    owners_reads: int = 0
    asked_whose: asyncio.Event = field(default_factory=asyncio.Event)

    def commit(self, batch: LogBatch) -> None:
        key = batch.key
        self.owned.setdefault(key.command_id, Owner(key.namespace, batch.repository, DAY))
        for one in batch.lines:
            row = LogRow(
                key.command_id, key.attempt, one.seq, one.stream, one.ts, one.message, 1, "lab", key.namespace, DAY
            )
            self.rows[key.command_id, key.attempt].setdefault(one.seq, row)

    async def lines_after(self, command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        self._ask()
        self.reads += 1
        found = [
            row
            for (command, attempt), rows in self.rows.items()
            for seq, row in rows.items()
            if command == command_id and seq > cursor.get(attempt, 0)
        ]
        return sorted(found, key=lambda row: (row.attempt, row.seq))[:limit]

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]:
        self._ask()
        return {
            AttemptKey(self.owned[command].namespace, command, attempt): Progress(len(rows), max(rows))
            for (command, attempt), rows in self.rows.items()
            if command in command_ids and rows
        }

    async def owners(self, command_ids: Collection[str]) -> Mapping[str, Owner]:
        self._ask()
        self.owners_reads += 1
        self.asked_whose.set()
        found = {command: self.owned[command] for command in command_ids if command in self.owned}
        await asyncio.sleep(0)  # as a database answers: later, with what there was when it was asked
        return found

    def _ask(self) -> None:
        if self.away:
            raise StoreUnavailable("away")


@dataclass
class KnownReaders:
    """Tokens and whose they are."""

    readers: dict[str, Reader] = field(
        default_factory=lambda: {
            "a": Reader("of-team-a", frozenset({"team-a"}), None),
            "web": Reader("of-web", frozenset({"team-a"}), frozenset({"web"})),
            "b": Reader("of-team-b", frozenset({"team-b"}), None),
            "all": Reader("of-all", None, None),
        }
    )
    unavailable: bool = False
    unavailable_times: int = 0  # how many of the next questions what may be read have no answer
    asked: list[str] = field(default_factory=list)

    async def identify(self, token: str, client: str = "") -> Reader:
        self.asked.append(token)
        if self.unavailable:
            raise IdentityUnavailable("away")
        if token not in self.readers:
            raise Unauthenticated("unknown token")
        return self.readers[token]

    async def may_read(self, reader: Reader, namespace: str, repository: str) -> bool:
        if self.unavailable:
            raise IdentityUnavailable("away")
        if self.unavailable_times:
            self.unavailable_times -= 1
            raise IdentityUnavailable("away")
        in_namespace = reader.namespaces is None or namespace in reader.namespaces
        return in_namespace and (reader.repositories is None or repository in reader.repositories)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def follow(feed: Feed, cursor: Mapping[int, int] | None = None, command_id: str = COMMAND) -> Following:
    return feed.follow(command_id, cursor or {}, lambda: None)


async def drain(following: Following, most: int = 10_000) -> list[tuple[int, int]]:
    """All that is there now, as (attempt, seq)."""
    found: list[tuple[int, int]] = []
    for _ in range(most):
        page = await following.page()
        if page is None:
            return found
        found += [(line.attempt, line.seq) for line in page.lines]
    raise AssertionError("there is no end of pages")
