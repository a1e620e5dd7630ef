"""One seeded schedule: who goes on next, what becomes of each call, when time passes; then calm, and the oracle.

Everything is decided by one `random.Random`, so a seed says it all: the same seed is the same schedule.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.support.builders import LIMITS
from tests.support.cluster_model import ClusterModel
from tests.support.kubelet import Kubelet
from tests.support.operator_process import populated

from bugcommand_operator.api.names import executor_object_name
from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.core.settings import Identity, Limits
from bugcommand_operator.executor.lease import CannotRun
from dev.chaos import stories
from dev.chaos.fates import KILLS, LANDS_LATER, OF_READS, Fate, Profile, denial
from dev.chaos.oracle import History, Violation, judge_the_end
from dev.chaos.points import Parked, Point
from dev.chaos.seat import LEASE_SECONDS, TAILS, Seat
from dev.chaos.stories import GONE, Deed, Story

ROUNDS = 24
MOST_SECONDS = 9
CALM_ROUNDS = 220
CALM_SECONDS = 5.0
MOST_STEPS = 40
MOST_STEPS_IN_CALM = 2000
QUIET = 8
TURNS = 4
"""How often the event loop goes round until whoever was woken has come to its next call."""

IN_A_NEW_POD = 0.5
Option = tuple[float, Callable[[], None]]


@dataclass
class Schedule:
    seed: int
    limits: Limits = LIMITS
    tells: Callable[[random.Random, int], Story] = stories.by
    mixes: Callable[[random.Random, int], Profile] = Profile.by
    forced: dict[int, Fate] = field(default_factory=dict)
    """What becomes of the n-th write, whatever the dice say."""
    denied_each: int = 0
    """So often each write is denied before it may go well."""
    writes: list[Point] = field(default_factory=list)
    points: Counter[tuple[Point, Fate]] = field(default_factory=Counter)
    """What became of which call how often."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self.story = self.tells(self._dice, ROUNDS)
        self.profile = self.mixes(self._dice, ROUNDS)
        self.cluster = populated(ClusterModel(kubelet=Kubelet(self.story.script)), self.story.commands)
        most = self.profile.namespace_limit
        self.history = History(
            self.cluster,
            node_is_lost=self.story.node_is_lost,
            most_at_once=most,
            lease_seconds=LEASE_SECONDS if self.profile.has_registry else 0.0,
        )
        self.seats = [
            Seat(
                self.cluster,
                Identity(f"bridge-{n}", "site-1"),
                replace(self.limits, namespace=most),
                self.profile.turns,
                skew,
                self.profile.has_registry,
            )
            for n, skew in enumerate(self.profile.skews)
        ]
        self._denied: Counter[tuple[str, Point, str]] = Counter()
        self._on_the_way: list[tuple[Seat, Parked]] = []
        """Calls that nobody waits for any more, and that the API server will see yet."""
        self._deeds_to_do = list(self.story.deeds)
        self._first_killed: Seat | None = None
        self._is_calm = False
        self._round = 0

    async def run(self) -> Schedule:
        for seat in self.seats:
            seat.begin()
        try:
            await self._storm()
            await self._calm()
            self._judge()
        finally:
            for seat in self.seats:
                if seat.process is not None:
                    seat.die()
            await self._settle()
        return self

    def describe(self) -> str:
        p = self.profile
        faults = ", ".join(p.fates) if p.fault_rate else "none"
        return (
            f"seed {self.seed}: {self.story.name}; {p.executors} executors; {p.fault_rate:.0%} faults ({faults}); "
            f"late answers {p.late_answers:.0%}, pauses {p.pauses:.0%}, stalls {p.stalls:.0%}, kills {p.kills:.0%}; "
            f"outage {p.outage.name if p.outage else 'none'}; clocks {[str(skew) for skew in p.skews]}"
            + f"; {p.turns} ask at a time; {'a' if p.has_registry else 'no'} registry"
            + ("; the first executor that is killed is lost" if p.loses_one else "")
            + (f"; at most {p.namespace_limit} at once" if p.namespace_limit else "")
            + (f"; forced {self.forced}" if self.forced else "")
        )

    # --- storm and calm

    async def _storm(self) -> None:
        for self._round in range(ROUNDS):
            self._deeds_to_do = [deed for deed in self._deeds_to_do if not self._is_done(deed)]
            await self._steps(MOST_STEPS, give_up=0.06)
            self.cluster.step(self._seconds())

    def _seconds(self) -> int:
        outage = self.profile.outage
        lasts = outage is not None and outage.lasts(self._round)
        longer = outage.round_seconds if outage is not None and lasts else None
        for seat in self.seats:
            if seat.process is not None and not seat.is_paused:
                seat.goes_on(is_cut_off=longer is not None)
        seconds = longer or self._dice.randint(1, MOST_SECONDS)
        self.history.liveness.nobody_could_write += seconds if lasts else 0
        return seconds

    def _is_done(self, deed: Deed) -> bool:
        if deed.first_round > self._round or not deed.act(self.cluster):
            return False
        self.history.tell(f"people and nodes: {deed.name}")
        return True

    async def _calm(self) -> None:
        """No more faults. What is on its way lands, everybody works, and there is time for all that is waited for."""
        self._is_calm = True
        stories.open_(self.cluster)
        stories.node_back(self.cluster)
        stories.resume(self.cluster)
        self.history.tell("calm")
        quiet = 0
        for _ in range(CALM_ROUNDS):
            version = self.cluster.version()
            if await self._steps(MOST_STEPS_IN_CALM, give_up=0.0):
                raise Violation("a hot loop: there is always more to do, though no time passes")
            self.cluster.step(CALM_SECONDS)
            quiet = quiet + 1 if self.cluster.version() == version else 0
            if quiet > QUIET and self._is_over():
                return

    def _is_over(self) -> bool:
        """What has ended stays for as long as a list takes to show what no watch has."""
        commands = self.cluster.of_kind("BugCommand")
        ended = all((c.get("status") or {}).get("completionTime") for c in commands)
        gone = not any(c["metadata"].get("deletionTimestamp") for c in commands)
        return ended and gone and not self._entries_of_the_dead()

    def _entries_of_the_dead(self) -> list[str]:
        alive = {executor_object_name(seat.name) for seat in self.seats if seat.process is not None}
        entries = [*self.cluster.of_kind("Executor"), *self.cluster.of_kind("Lease")]
        return [each["metadata"]["name"] for each in entries if each["metadata"]["name"] not in alive]

    def _judge(self) -> None:
        if left := self._entries_of_the_dead():
            raise Violation(f"executors that are gone have entries yet: {left}")
        judge_the_end(self.cluster, self.history)
        for number, made in enumerate(self.story.commands):
            found = self.cluster.find("BugCommand", made["metadata"]["name"])
            end = (found.get("status") or {}).get("phase") if found else GONE
            allowed = self.story.may_end if number == 0 else self.story.others_may_end
            if end not in allowed:
                raise Violation(f"{made['metadata']['name']} came to {end}, not to {sorted(allowed)}")

    # --- steps

    async def _steps(self, most: int, give_up: float) -> bool:
        """Whether there is more to do."""
        await self._settle()
        for _ in range(most):
            options = [option for option in self._options() if option[0] > 0]
            if not options or self._dice.random() < give_up:
                return bool(options)
            weights = [weight for weight, _ in options]
            self._dice.choices(options, weights)[0][1]()
            await self._settle()
        return True

    async def _settle(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for seat in self.seats:
            for error in seat.reap():
                if isinstance(error, CannotRun):
                    self._kill(seat, f"by itself: {error}")
                    break
                raise Violation(f"{seat.name}: {type(error).__name__}: {error}") from error

    def _options(self) -> list[Option]:
        found: list[Option] = [(2.0, lambda: self._land(0))] if self._on_the_way else []
        for seat in self.seats:
            found += self._options_of(seat)
        return found

    def _options_of(self, seat: Seat) -> list[Option]:
        process = seat.process
        if process is None and self._is_lost(seat):
            return []
        if process is None:
            return [(1.0, lambda: self._begin(seat))] if self._has_waited(seat) else []
        calls = [c for c in seat.line.parked if not c.has_taken_effect]
        found: list[Option] = [(3.0, lambda c=c: self._decide(seat, c)) for c in calls]  # type: ignore[misc]
        if seat.is_paused:
            found = [(1.0, lambda c=c: self._take_effect(seat, c)) for c in calls]  # type: ignore[misc]
            return [*found, (10.0, lambda: self._go_on(seat))] if self._has_waited(seat) else found
        answers = [c for c in seat.line.parked if c.has_taken_effect]
        found += [(3.0, lambda c=c: self._answer(seat, c)) for c in answers]  # type: ignore[misc]
        found += [(3.0, lambda k=key: seat.work(k)) for key in seat.due()]  # type: ignore[misc]
        if process.unheard and seat.has_listed:
            found.append((3.0, lambda: self._hear(seat)))
        found += [(3.0, lambda n=name: seat.go_round(n)) for name in seat.due_rounds()]  # type: ignore[misc]
        if seat.must_list():
            found.append((3.0, seat.list_anew))
        if not process.hears and seat.has_listed and self._has_waited(seat):
            found.append((10.0, process.watch_anew))
        return found + self._troubles_of(seat)

    def _is_lost(self, seat: Seat) -> bool:
        """Only where another one can take over."""
        return self.profile.loses_one and self.profile.has_registry and seat is self._first_killed

    def _has_waited(self, seat: Seat) -> bool:
        return self._is_calm or self._round >= seat.is_away_until

    def _be_away(self, seat: Seat) -> None:
        """A process that was killed may be back at once; a stopped one is noticed late, and so is a stalled watch."""
        seat.is_away_until = self._round + self._dice.choice([0, 1, 2, 5, 10])

    def _troubles_of(self, seat: Seat) -> list[Option]:
        if self._is_calm or seat.process is None:
            return []
        profile = self.profile
        found: list[Option] = [
            (3 * profile.pauses, lambda: self._pause(seat)),
            (3 * profile.kills, lambda: self._kill(seat, "at rest")),
        ]
        if seat.has_listed and seat.process.hears:
            found.append((3 * profile.stalls, lambda: self._stall(seat)))
        if profile.tails and seat.has_listed and TAILS not in seat.tasks:
            found.append((0.3, seat.look_at_logs))
        return found

    def _begin(self, seat: Seat) -> None:
        seat.pods += self._dice.random() < IN_A_NEW_POD
        self.history.tell(f"{seat.name} starts in its pod {seat.pods}")
        seat.begin()

    def _hear(self, seat: Seat) -> None:
        assert seat.process is not None
        most = seat.process.unheard if self._is_calm else self._dice.randint(1, seat.process.unheard)
        seat.hear(most)

    def _pause(self, seat: Seat) -> None:
        self.history.tell(f"{seat.name} is stopped")
        self._be_away(seat)
        seat.is_paused = True

    def _go_on(self, seat: Seat) -> None:
        self.history.tell(f"{seat.name} goes on")
        seat.is_paused = False

    def _stall(self, seat: Seat) -> None:
        assert seat.process is not None
        self.history.tell(f"{seat.name} hears nothing any more")
        self._be_away(seat)
        seat.process.hears = False

    def _kill(self, seat: Seat, where: str) -> None:
        self.history.tell(f"{seat.name} is killed {where}")
        self._be_away(seat)
        self._first_killed = self._first_killed or seat
        seat.die()

    # --- what becomes of a call

    def _decide(self, seat: Seat, call: Parked) -> None:
        fate = self._forced(seat, call) or self._fate(call.point)
        self.points[call.point, fate] += 1
        if fate is not Fate.WELL and fate is not Fate.LATE_ANSWER:
            self.history.tell(f"{seat.name}: {call.point} ({call.target}): {fate}")
        self._let_happen(seat, call, fate)

    def _forced(self, seat: Seat, call: Parked) -> Fate | None:
        if not call.point.writes:
            return None
        self.writes.append(call.point)
        which = (seat.name, call.point, call.target)
        if self._denied[which] < self.denied_each:
            self._denied[which] += 1
            return Fate.DENIED
        return self.forced.get(len(self.writes) - 1)

    def _fate(self, point: Point) -> Fate:
        if self._is_calm:
            return Fate.WELL
        outage = self.profile.outage
        if outage is not None and outage.error_for(point, self._round) is not None:
            return Fate.DENIED
        fates = [fate for fate in self.profile.fates if point.writes or fate in OF_READS]
        if fates and self._dice.random() < self.profile.fault_rate:
            return self._dice.choice(fates)
        return Fate.LATE_ANSWER if self._dice.random() < self.profile.late_answers else Fate.WELL

    def _let_happen(self, seat: Seat, call: Parked, fate: Fate) -> None:
        if fate in {Fate.WELL, Fate.LATE_ANSWER, Fate.LOST_ANSWER, Fate.KILLED_AFTER}:
            self._take_effect(seat, call)
        if fate in LANDS_LATER:
            seat.line.parked.remove(call)
            self._on_the_way.append((seat, call))
        if fate in KILLS:
            self._kill(seat, f"at {call.point}")
        elif fate is Fate.WELL:
            self._answer(seat, call)
        elif fate is Fate.DENIED:
            self._fail(seat, call, self._error(call.point))
        elif fate in {Fate.LOST_ANSWER, Fate.LATE}:
            self._fail(seat, call, ClusterUnavailable("no answer in time"))

    def _error(self, point: Point) -> Exception:
        outage = self.profile.outage
        error = outage.error_for(point, self._round) if outage is not None else None
        return error or denial(self._dice, point)

    def _take_effect(self, seat: Seat, call: Parked) -> None:
        self.history.writer = seat.name
        self.history.decided_at = call.asked_at
        self.history.judge_write(call)
        call.take_effect()
        self.history.writer = ""

    def _answer(self, seat: Seat, call: Parked) -> None:
        seat.line.parked.remove(call)
        call.deliver(call.answer)

    def _fail(self, seat: Seat, call: Parked, error: Exception) -> None:
        if call in seat.line.parked:
            seat.line.parked.remove(call)
        call.deliver(error)

    def _land(self, index: int) -> None:
        seat, call = self._on_the_way.pop(index)
        self.history.tell(f"{seat.name}: {call.point} ({call.target}) arrives late")
        self.history.nobody_waits = True
        self._take_effect(seat, call)
        self.history.nobody_waits = False
