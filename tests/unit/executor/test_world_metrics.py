"""What is there right now, as a scrape reads it."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry
from tests.support.builders import ME, NAMESPACE, NOW, claimed, command, condition, status, volume
from tests.support.cluster_model import bug_command

from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.core.observed import Command
from bugcommand_operator.executor.world import World
from bugcommand_operator.executor.world_metrics import WorldMetrics


class Scrape:
    def __init__(self, *commands: Command, executor: str = ME.executor, alive: int | None = None) -> None:
        self.world = World()
        for number, each in enumerate(commands):
            self.world.commands.items[NAMESPACE, f"bug-{number}"] = each
        self._registry = CollectorRegistry()
        self._registry.register(WorldMetrics(self.world, executor, 4, lambda: alive, lambda: NOW))

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


def running(executor: str = ME.executor) -> Command:
    return command(claimed(executor=executor, phase="Running"))


def waiting(reason: str, age: int = 5) -> Command:
    held = command(status(condition(ConditionType.READY, "False", reason)))
    return Command(**{**held.__dict__, "created_at": NOW - timedelta(seconds=age)})


def test_claimed_commands_are_reported_by_their_own_executor_alone() -> None:
    commands = [running(), running(), running("bridge-1")]
    assert Scrape(*commands)("mentu_commands", phase="Running") == 2
    assert Scrape(*commands, executor="bridge-1")("mentu_commands", phase="Running") == 1


def test_waiting_commands_are_reported_by_everyone_with_what_they_wait_for() -> None:
    commands = [
        waiting("Suspended"),
        waiting("Suspended", 60),
        waiting("ConcurrencyLimitReached"),
        command(),
        running(),
    ]
    for executor in (ME.executor, "bridge-1"):
        scrape = Scrape(*commands, executor=executor)
        assert scrape("mentu_commands_waiting", reason="Suspended") == 2
        assert scrape("mentu_commands_waiting_oldest_seconds", reason="Suspended") == 60
        assert scrape("mentu_commands_waiting", reason="ConcurrencyLimitReached") == 1
        assert scrape("mentu_commands_waiting", reason="Unseen") == 1


def test_where_nothing_is_there_the_series_say_zero() -> None:
    scrape = Scrape()
    assert scrape("mentu_commands", phase="Running") == 0
    assert scrape("mentu_commands_waiting", reason="RepositoryNotFound") == 0
    assert scrape("mentu_commands_waiting_oldest_seconds", reason="Unseen") == 0
    assert scrape("mentu_executor_capacity") == 4


def test_a_command_that_is_gone_is_reported_no_more() -> None:
    scrape = Scrape(running())
    assert scrape("mentu_commands", phase="Running") == 1
    scrape.world.drop_command((NAMESPACE, "bug-0"))
    assert scrape("mentu_commands", phase="Running") == 0


def test_commands_that_cannot_be_read_are_counted() -> None:
    scrape = Scrape()
    broken = bug_command("broken", NAMESPACE, "u-1")
    broken["spec"]["prompt"] = 7
    broken["metadata"]["resourceVersion"] = "5"
    assert scrape.world.put_command(broken) is None
    assert scrape("mentu_unreadable_commands") == 1


def test_volumes_that_are_kept_for_people_are_counted() -> None:
    scrape = Scrape()
    for name, is_kept in (("a", True), ("b", False), ("c", True)):
        scrape.world.volumes.items[NAMESPACE, name] = volume(name=name, is_kept=is_kept)
    assert scrape("mentu_kept_volumes") == 2


def test_how_long_the_log_store_is_away_is_told() -> None:
    scrape = Scrape()
    assert scrape("mentu_log_store_away_seconds") == 0
    scrape.world.log_store_away_since = NOW - timedelta(seconds=90)
    assert scrape("mentu_log_store_away_seconds") == 90


def test_living_executors_are_told_where_they_are_known() -> None:
    assert Scrape()("mentu_executors_alive") is None
    assert Scrape(alive=3)("mentu_executors_alive") == 3
