"""Send what is spooled to the log intake, until it is stored.

A line waits a few milliseconds while the intake answers, and at most 100: sent at once when nothing was sent lately,
together with what came in the meantime otherwise. In a flood two batches are on their way, so that the intake checks
one while it stores the other, and stores neither before the lines before it. Whatever goes wrong, the lines stay in the
spool and are tried again with back-off; what is left at the end is counted and shipped by the next pod that mounts the
volume. It never blocks the agent.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence

from .intake import Intake, Refused, TooLarge, Unavailable, Undeliverable
from .queues import Parcel, Queue

INTERVAL_LEAST, INTERVAL_MOST = 0.01, 0.1
BACKOFF_FIRST, BACKOFF_MOST, BACKOFF_AT_END = 0.2, 15.0, 0.5
REST = 8
IDLE = 0.25
QUICK = 0.5
ALONE = 5.0
"""For so long one parcel at a time is sent when one that was sent ahead was not taken."""
RESTED = 5.0
"""A connection that has not been used for so long may have been closed by the other side."""

Note = Callable[[str], None]


class Shipper:
    def __init__(self, intake: Intake, queues: Sequence[Queue], note: Note, arrived: threading.Event) -> None:
        """The first queue is this attempt's own; each of the others steps back on its own and never delays it."""
        self._intake, self._other = intake, intake.twin()
        self._queues = list(queues)
        self._note = note
        self._arrived = arrived
        self._complained = False
        self._deadline: Callable[[], float] | None = None
        self._draining_since = 0.0
        self._ends = threading.Event()
        self._is_quick = False
        self._alone_until = 0.0
        self._changes_over = False
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def drain(self, deadline: Callable[[], float]) -> None:
        """Ship what is left, until this moment (monotonic) at the latest; it is asked for again and again."""
        self._draining_since = time.monotonic()
        for queue in self._queues:
            queue.not_before = 0.0
        self._deadline = deadline
        self._arrived.set()
        self._ends.set()
        while self._thread.is_alive() and time.monotonic() < deadline() + 0.2:
            self._thread.join(0.05)

    def _run(self) -> None:
        crashes = 0
        while not self._is_over():
            started = time.monotonic()
            self._arrived.clear()
            try:
                shipped = self._ship_next(started)
                crashes = 0
            except Exception:  # noqa: BLE001 - without this thread not one line more would leave the pod
                crashes += 1
                if crashes == 1:
                    traceback.print_exc(file=sys.stderr)
                time.sleep(min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(crashes, 10)))
                continue
            if shipped:
                self._let_lines_gather(started)
            elif self._deadline is None:
                self._arrived.wait(IDLE)
            else:
                time.sleep(0.02)
        self._intake.close()
        self._other.close()

    def _let_lines_gather(self, since: float) -> None:
        """For some times as long as the intake took to store a batch: while it is quick, lines hardly wait; when it is
        busy with many pods, each asks less often, and long before all of them together take all that it has. At the end
        no more lines come."""
        now = time.monotonic()
        if not any(queue.has_much and now >= queue.not_before for queue in self._queues):
            self._ends.wait(min(INTERVAL_MOST, max(INTERVAL_LEAST, (now - since) * REST)))

    def _is_over(self) -> bool:
        if self._deadline is None:
            return False
        own, *others = self._queues
        waited_for = [own, *(queue for queue in others if not queue.failures or queue.is_waited_for)]
        return time.monotonic() >= self._deadline() or not any(queue.pending for queue in waited_for)

    def _ship_next(self, now: float) -> bool:
        """Send one parcel of the first queue that has one and need not wait; False if there was none."""
        return any(now >= queue.not_before and queue.pending and self._send(queue) for queue in self._queues)

    def _send(self, queue: Queue) -> bool:
        """One parcel; in a flood also those that follow it, each on its way before the one before it is answered. The
        intake stores none before the others: should one not be stored, those behind it are sent again after it."""
        parcel = queue.take()
        if parcel is None:
            return False
        if self._changes_over:
            self._intake, self._other, self._changes_over = self._other, self._intake, False
        self._intake.send(parcel.path, parcel.body)
        ahead = self._send_ahead(queue, parcel)
        is_stored = self._settle(queue, parcel)
        while ahead is not None:
            self._intake, self._other = self._other, self._intake
            if not is_stored:
                self._intake.close()  # whatever becomes of it: it is sent again
                break
            parcel, ahead = ahead, self._send_ahead(queue, ahead)
            is_stored = self._settle(queue, parcel, was_ahead=True)
        return True

    def _send_ahead(self, queue: Queue, parcel: Parcel) -> Parcel | None:
        """Only while the intake is quick: what many have on their way takes the room that it has for all. And only when
        the gateways of both connections have said that they know what it means: an ordinary parcel asks first."""
        if not self._may_send_ahead(queue, time.monotonic()):
            return None
        ahead = queue.take_ahead(parcel)
        if ahead is None:
            return None
        if time.monotonic() - self._other.sent_at > RESTED:
            self._other.close()
        if not self._other.knows_after:
            self._changes_over = True
            return None
        self._other.send(ahead.path, ahead.body)
        return ahead

    def _may_send_ahead(self, queue: Queue, now: float) -> bool:
        """What an earlier attempt has left stands back: this attempt's lines, if there are any, are next."""
        own = self._queues[0]
        if queue is not own and own.pending and now >= own.not_before:
            return False
        is_over = self._deadline is not None and now >= self._deadline()
        return self._is_quick and self._intake.knows_after and now >= self._alone_until and not is_over

    def _settle(self, queue: Queue, parcel: Parcel, *, was_ahead: bool = False) -> bool:
        """Wait for the parcel's answer and do as it says; whether it is stored. That one was not taken because of those
        before it, or for lack of room, is no failure of the intake: by itself it may be taken."""
        asked, self._is_quick = self._intake.sent_at, False
        try:
            acked = self._intake.answer()
            if acked < parcel.last:
                raise Unavailable(f"the answer to {parcel.last} was {acked}")
        except TooLarge as error:
            if parcel.count > 1 or error.final:
                self._say(queue.refused(parcel, str(error)))
            else:
                self._step_back(queue, Unavailable(str(error)))
        except Refused as error:
            self._say(queue.refused(parcel, str(error)))
        except Undeliverable as error:
            queue.give_up(str(error))
            self._say(f"the log intake will not take these lines, now or later: {error}")
        except Unavailable as error:
            if was_ahead:
                self._alone_until = time.monotonic() + ALONE
            else:
                self._step_back(queue, error)
        else:
            queue.stored(parcel)
            if queue.failures:
                self._try_all_again()
            queue.failures, queue.not_before = 0, 0.0
            self._is_quick = self._intake.knows_after and time.monotonic() - asked < QUICK
            return True
        return False

    def _try_all_again(self) -> None:
        """An intake that is back takes of the others too what it did not take while it was away."""
        for queue in self._queues:
            queue.failures, queue.not_before = min(queue.failures, 1), 0.0

    def _say(self, text: str) -> None:
        if text:
            self._note(text)

    def _step_back(self, queue: Queue, error: Unavailable) -> None:
        queue.failures += 1
        if queue.failures == 3 and not self._complained:
            self._complained = True
            self._note(f"the log intake does not take lines, they are kept and sent later: {error}")
        most = min(self._longest(), BACKOFF_FIRST * 2 ** min(queue.failures, 10))
        wait = min(error.wait, self._longest()) + most * random.uniform(0.5, 1.0)  # noqa: S311 - to spread the load
        queue.not_before = time.monotonic() + wait

    def _longest(self) -> float:
        """At the end it asks more often, for there may be little time, but not for ever."""
        if self._deadline is None:
            return BACKOFF_MOST
        return min(BACKOFF_MOST, max(BACKOFF_AT_END, (time.monotonic() - self._draining_since) / 4))
