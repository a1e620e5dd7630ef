"""Who may start: one process for an id, and one executor of a machine where that is asked for."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.cluster_model import Call
from tests.unit.executor.registering import LEASE, Site, live

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.executor import joining
from bugcommand_operator.executor.lease import CannotRun
from bugcommand_operator.executor.registry import Registry


@pytest.fixture
def site() -> Site:
    return Site()


async def steps(site: Site, newcomer: Registry, *alive: Registry, most: int = 12) -> int:
    """How many steps it takes it to join."""
    for number in range(1, most + 1):
        if await joining.step(newcomer):
            return number
        await site.pass_time(3, *alive)
    raise AssertionError("it has not joined")


async def test_executors_start_beside_each_other_at_once(site: Site) -> None:
    first = await site.joined("bridge-a")

    assert await steps(site, site.executor("bridge-b"), first) == 1


async def test_a_second_process_of_an_id_refuses_while_the_first_lives(site: Site) -> None:
    first = await site.joined("bridge-a", "pod-1")
    with pytest.raises(CannotRun, match=r"bridge-a is alive already \(bridge-a-pod, started 2026-03-01T12:00:00"):
        await steps(site, site.executor("bridge-a", "pod-2"), first)

    assert site.lease("bridge-a")["holderIdentity"] == "pod-1"
    assert await site.pass_time(3, first) == []


async def test_a_second_process_of_an_id_takes_the_place_of_a_dead_one_after_a_lease_time(site: Site) -> None:
    await site.joined("bridge-a", "pod-1")
    second = site.executor("bridge-a", "pod-2")
    began = site.clock.now
    await steps(site, second)

    assert site.clock.now - began > LEASE
    assert site.lease("bridge-a")["holderIdentity"] == "pod-2"
    assert second.executors().may_claim


async def test_while_it_waits_to_join_it_judges_nobody(site: Site) -> None:
    """It cannot write then, and perhaps nobody can: the others' Leases that it sees unchanged say nothing."""
    await site.joined("bridge-a", "pod-1")
    await site.joined("bridge-b")
    second = site.executor("bridge-a", "pod-2")
    await steps(site, second)
    await site.pass_time(3, second)
    assert not second.executors().has_died("bridge-b")

    await site.pass_time(LEASE + 3, second)
    assert second.executors().has_died("bridge-b")


async def test_a_container_that_starts_anew_in_its_pod_goes_on_at_once(site: Site) -> None:
    await site.joined("bridge-a", "pod-1")

    assert await steps(site, site.executor("bridge-a", "pod-1")) == 1


async def test_after_an_orderly_end_the_next_process_of_the_id_starts_at_once(site: Site) -> None:
    first = await site.joined("bridge-a", "pod-1")
    await first.leave()

    assert await steps(site, site.executor("bridge-a", "pod-2")) == 1


async def test_of_two_processes_of_an_id_that_start_at_once_one_joins(site: Site) -> None:
    pair = [site.executor("bridge-a", holder) for holder in ("pod-1", "pod-2")]
    joined = await asyncio.gather(*(joining.step(registry) for registry in pair))

    assert sorted(joined) == [False, True]
    winner = pair[joined.index(True)]
    with pytest.raises(CannotRun):
        await steps(site, pair[joined.index(False)], winner)


async def test_a_solo_executor_refuses_while_another_of_its_machine_lives_and_leaves_no_trace(site: Site) -> None:
    first = await site.joined("bridge-a")
    with pytest.raises(CannotRun) as refusal:
        await steps(site, site.executor("bridge-b", solo=True), first)

    told = str(refusal.value)
    assert "bridge-a of machine site-1 is alive (bridge-a-pod, started 2026-03-01" in told
    assert "without --solo" in told
    assert site.names("Executor") == ["bridge-a"]
    assert site.lease("bridge-b")["holderIdentity"] == ""


async def test_a_solo_executor_starts_once_the_other_is_dead(site: Site) -> None:
    await site.joined("bridge-a")
    began = site.clock.now
    solo = site.executor("bridge-b", solo=True)
    await steps(site, solo)

    assert site.clock.now - began > LEASE
    assert live(solo) == ["bridge-b"]


async def test_an_executor_of_another_machine_is_in_nobody_s_way(site: Site) -> None:
    first = await site.joined("bridge-a", machine_id="site-2")

    assert await steps(site, site.executor("bridge-b", solo=True), first) == 1


async def test_no_other_executor_starts_while_a_solo_one_lives(site: Site) -> None:
    solo = await site.joined("bridge-a", solo=True)
    with pytest.raises(CannotRun, match="It is solo: stop that one first"):
        await steps(site, site.executor("bridge-b"), solo)


async def test_an_api_server_that_is_away_is_waited_for_and_a_stop_ends_the_waiting(site: Site) -> None:
    def away_once(call: Call) -> None:
        site.cluster.before = lambda _: None
        raise ClusterUnavailable("away")

    site.cluster.before = away_once
    newcomer, stop = site.executor("bridge-a"), asyncio.Event()
    newcomer.every = 0.001
    assert await asyncio.wait_for(joining.join(newcomer, stop), 10)

    stop.set()
    assert not await joining.join(site.executor("bridge-b"), stop)
