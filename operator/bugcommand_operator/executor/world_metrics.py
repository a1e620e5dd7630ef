"""What is there right now, read from the world at each scrape: nothing is remembered, so nothing can drift.

Several executors see the same commands. A claimed one is reported by its own executor alone, so sums are right; one
that waits is reported by all of them alike, so the largest is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.world import World

UNSEEN = "Unseen"
"""No pass has said yet what a command waits for."""
WAITING_REASONS = (
    UNSEEN,
    Reason.SUSPENDED,
    Reason.RETRY_BACK_OFF,
    Reason.CONCURRENCY_LIMIT_REACHED,
    Reason.WAITING_FOR_MACHINE,
    Reason.WAITING_FOR_CHECKOUT,
    Reason.REPOSITORY_NOT_FOUND,
    Reason.AGENT_NOT_FOUND,
)


def unknown() -> int | None:
    return None


def utc_now() -> datetime:
    return datetime.now(UTC)


class WorldMetrics(Collector):
    """Scraped in a thread of its own: it looks at copies, which are made at once."""

    def __init__(
        self,
        world: World,
        executor: str,
        capacity: int,
        executors_alive: Callable[[], int | None] = unknown,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._world = world
        self._executor = executor
        self._capacity = capacity
        self._alive = executors_alive
        self._now = now

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        commands, now = list(self._world.commands.items.values()), self._now()
        yield self._own(commands)
        yield from _waiting([c for c in commands if not c.is_claimed and not c.is_finished], now)
        yield _gauge("mentu_executor_capacity", "Commands that this executor may run at the same time.", self._capacity)
        yield _gauge(
            "mentu_unreadable_commands",
            "BugCommands that this version cannot read: nobody works on them.",
            len(self._world.unreadable),
        )
        yield _gauge(
            "mentu_kept_volumes",
            "Volumes that are kept because work or log lines may be nowhere else: for people to look at.",
            sum(volume.is_kept for volume in list(self._world.volumes.items.values())),
        )
        since = self._world.log_store_away_since
        yield _gauge(
            "mentu_log_store_away_seconds",
            "How long the log store has not answered this executor; 0 while it does.",
            (now - since).total_seconds() if since else 0,
        )
        alive = self._alive()
        if alive is not None:
            yield _gauge("mentu_executors_alive", "Executors whose Lease is live, as this executor sees it.", alive)

    def _own(self, commands: list[Command]) -> Metric:
        family = GaugeMetricFamily(
            "mentu_commands", "Commands that this executor has claimed, by phase.", labels=["phase"]
        )
        own = Counter(c.status.phase for c in commands if c.status.claim and c.status.claim.executor == self._executor)
        for phase in Phase:
            family.add_metric([phase], own[phase])
        return family


def waits_since(command: Command) -> datetime:
    """Since its last attempt ended, where there was one."""
    ended = command.status.attempts[-1:]
    return ended[0].completion_time if ended else command.created_at


def _waiting(commands: list[Command], now: datetime) -> Iterable[Metric]:
    count = GaugeMetricFamily(
        "mentu_commands_waiting", "Commands that nobody has claimed, by what they wait for.", labels=["reason"]
    )
    oldest = GaugeMetricFamily(
        "mentu_commands_waiting_oldest_seconds",
        "How long the oldest of them has waited, by what they wait for.",
        labels=["reason"],
    )
    ages: dict[str, list[float]] = {reason: [] for reason in WAITING_REASONS}
    for command in commands:
        reason = command.condition_reason(ConditionType.READY) or UNSEEN
        ages.setdefault(reason, []).append(max((now - waits_since(command)).total_seconds(), 0))
    for reason, each in ages.items():
        count.add_metric([reason], len(each))
        oldest.add_metric([reason], max(each, default=0))
    return count, oldest


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
