"""The one task that writes log lines, and how requests share its commits.

What arrives while nothing is being written is written at once; what arrives during a commit goes into the next
one, together. A commit costs more than checking the lines of a small batch, so between two commits of several senders
there is a moment in which more of them come; a lone sender never waits for company. A request is answered only after
the commit that holds its lines.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.refusals import Forbidden, Refusal, TryLater
from bugcommand_operator.store.errors import StoreError, StoreRejected, StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogSink
from bugcommand_operator.store.lines import Refusal as Refused

_log = structlog.get_logger(__name__)

_MUCH = 500
"""Lines that are worth a commit of their own."""

_REFUSED = {
    Refused.ANOTHER_NAMESPACE: "this command id is in use in another namespace",
    Refused.ANOTHER_COMMAND: "this command id was used by another BugCommand",
    Refused.BEING_DELETED: "this command's log is being deleted, its retention has ended",
    Refused.TOO_EARLY: "the lines before these are not stored yet",
}


@dataclass(frozen=True, eq=False)
class _Waiting:
    batch: LogBatch
    committed: asyncio.Future[None]
    since: float = field(default_factory=time.monotonic)


class BatchWriter:
    """Group commits over a `LogSink`. Memory is bounded by whoever admits requests, not here."""

    def __init__(
        self,
        sink: LogSink,
        metrics: Metrics,
        *,
        commit_lines: int = 5000,
        pause_seconds: float = 0.01,
        on_stored: Callable[[Sequence[LogBatch]], None] = lambda _batches: None,
    ) -> None:
        """`pause_seconds`: between commits of several senders. `on_stored` is called with what is new after each."""
        self._sink, self._metrics, self._commit_lines, self._on_stored = sink, metrics, commit_lines, on_stored
        self._queue: asyncio.Queue[_Waiting | None] = asyncio.Queue()
        self._waiting_lines = 0
        self._pause_seconds = pause_seconds
        self._last_ended, self._last_senders = float("-inf"), frozenset[AttemptKey]()
        self._task: asyncio.Task[None] | None = None
        self.store_is_up = True  # as the last write found it: a full disk can be read all the while

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="log-writer")

    async def close(self) -> None:
        """Write what is queued, then end."""
        if self._task is not None:
            self._queue.put_nowait(None)
            await self._task

    async def submit(self, batch: LogBatch) -> None:
        """Return once the lines are committed. Raises a `StoreError`, or `Forbidden` for another's command."""
        if not self.alive:
            raise StoreUnavailable("the writer has ended")
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(waiting)
        self._waiting_lines += len(batch.lines)
        await waiting.committed

    async def _run(self) -> None:
        more = True
        while more:
            group: list[_Waiting] = []
            try:
                more = await self._gather(group)
                await self._commit(group)
            except BaseException:
                self._fail(group, StoreUnavailable("the writer has ended"))
                self._fail(self._rest(), StoreUnavailable("the writer has ended"))
                raise

    async def _gather(self, group: list[_Waiting]) -> bool:
        """Wait for the first, then take what else is there. False when there will be no more."""
        lines = 0
        item = await self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == 1:
                await self._let_others_come(item.batch.key)
            lines += len(item.batch.lines)
            self._waiting_lines -= len(item.batch.lines)
            if lines >= self._commit_lines or self._queue.empty():
                return True
            item = self._queue.get_nowait()
        return False

    async def _let_others_come(self, sender: AttemptKey) -> None:
        rest = self._last_ended + self._pause_seconds - asyncio.get_running_loop().time()
        if rest > 0 and self._waiting_lines < _MUCH and self._last_senders - {sender}:
            await asyncio.sleep(rest)

    def _rest(self) -> list[_Waiting]:
        waiting = (self._queue.get_nowait() for _ in range(self._queue.qsize()))
        return [item for item in waiting if item is not None]

    async def _commit(self, group: Sequence[_Waiting]) -> None:
        if not group:
            return
        self._last_senders = frozenset(item.batch.key for item in group)
        started = time.monotonic()
        try:
            done = await self._sink.append([item.batch for item in group])
        except StoreRejected as error:
            await self._one_by_one(group, error)
        except StoreError as error:
            self._note_store(up=False, error=error)
            self._fail(group, error)
        else:
            self._note_store(up=True)
            self._metrics.commit_seconds.observe(time.monotonic() - started)
            self._succeed(group, done.refused)
            self._on_stored(done.accepted)
            self._metrics.lines_stored.inc(done.new_lines)
            self._metrics.lines_repeated.inc(done.repeated)
            self._metrics.lines_truncated.inc(done.truncated)
        self._last_ended = asyncio.get_running_loop().time()

    async def _one_by_one(self, group: Sequence[_Waiting], error: StoreRejected) -> None:
        """One sender's values that the database refuses must not cost the others their commit."""
        if len(group) == 1:
            self._fail(group, error)
            return
        for item in group:
            await self._commit([item])

    def _succeed(self, group: Sequence[_Waiting], refused: Mapping[int, Refused]) -> None:
        now, clock = time.monotonic(), datetime.now(UTC)
        for index, item in enumerate(group):
            if index in refused:
                self._fail([item], _told(refused[index]))
            elif not item.committed.done():
                item.committed.set_result(None)
                self._metrics.batches.inc()
                self._metrics.batch_seconds.observe(now - item.since)
                self._metrics.lag_seconds.observe(_lag(item.batch, clock))

    def _fail(self, group: Sequence[_Waiting], error: Exception) -> None:
        for item in group:
            if not item.committed.done():
                item.committed.set_exception(error)

    def _note_store(self, *, up: bool, error: StoreError | None = None) -> None:
        self._metrics.store_up.set(1 if up else 0)
        if up != self.store_is_up:
            self.store_is_up = up
            _log.warning("store is back" if up else "store is away", error=str(error) if error else None)


def _lag(batch: LogBatch, now: datetime) -> float:
    """Of its last line; what clocks that disagree would make negative is none."""
    return max((now - batch.lines[-1].ts).total_seconds(), 0.0) if batch.lines else 0.0


def _told(refused: Refused) -> Refusal:
    if refused is Refused.BEING_DELETED:
        return TryLater(refused.value, _REFUSED[refused], retry_after=10)
    if refused is Refused.TOO_EARLY:
        return TryLater(refused.value, _REFUSED[refused])
    return Forbidden(refused.value, _REFUSED[refused])
