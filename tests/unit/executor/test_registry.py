"""Who is alive, by everybody's own clock: entries come, are judged, and go by themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from tests.support.cluster_model import Call
from tests.unit.executor.registering import LEASE, SYSTEM, Site, live

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.rights import Right
from bugcommand_operator.executor import joining
from bugcommand_operator.executor.lease import CannotRun


@pytest.fixture
def site() -> Site:
    return Site()


def away(call: Call) -> None:
    raise ClusterUnavailable("away")


async def test_an_executor_shows_what_people_want_to_know(site: Site) -> None:
    await site.joined("bridge-a", solo=False)
    found = site.cluster.find("Executor", "bridge-a")

    assert found is not None
    assert found["spec"] == {
        "type": "bridge",
        "instanceId": "bridge-a",
        "machineId": "site-1",
        "solo": False,
        "capacity": 4,
    }
    assert (found["status"]["pid"], found["status"]["running"]) == ("bridge-a-pod", 0)
    assert found["status"]["startedAt"].startswith("2026-03-01T12:00:00")


async def test_those_that_renew_are_alive_and_one_that_stops_is_dead_after_a_lease_time(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    assert live(a) == live(b) == ["bridge-a", "bridge-b"]
    assert not a.executors().has_died("bridge-b")

    await site.pass_time(LEASE, a)
    assert not a.executors().has_died("bridge-b")
    await site.pass_time(6, a)
    assert a.executors().has_died("bridge-b")
    assert live(a) == ["bridge-a"]


async def test_nobody_is_dead_because_the_api_server_was_away(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    site.cluster.before = away
    failed = await site.pass_time(300, a, b)
    assert len(failed) == 200
    assert not a.executors().has_died("bridge-b")
    assert not a.executors().may_claim

    site.cluster.before = lambda _: None
    await site.pass_time(3, a)  # b comes back a little later
    assert a.executors().may_claim
    await site.pass_time(9, a)
    await site.pass_time(30, a, b)
    assert not a.executors().has_died("bridge-b")
    assert live(a) == ["bridge-a", "bridge-b"]


async def test_one_that_died_while_the_api_server_was_away_is_dead_a_lease_time_later(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    site.cluster.before = away
    await site.pass_time(60, a)
    site.cluster.before = lambda _: None
    await site.pass_time(LEASE, a)
    assert not a.executors().has_died("bridge-b")

    await site.pass_time(6, a)
    assert a.executors().has_died("bridge-b")


async def test_while_leases_can_be_read_but_not_written_nobody_is_judged(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)

    def full(call: Call) -> None:
        if call.writes:
            raise ClusterUnavailable("etcdserver: mvcc: database space exceeded")

    site.cluster.before = full
    await site.pass_time(60, a, b)

    assert not a.executors().has_died("bridge-b")


async def test_one_that_was_stopped_for_long_judges_nobody_at_once_and_does_not_claim(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    site.clock.now += 120  # both were stopped; a goes on first
    assert not a.executors().has_died("bridge-b")
    assert not a.executors().may_claim
    assert not a.nobody_took_over()
    await site.pass_time(LEASE, a)

    assert not a.executors().has_died("bridge-b")


async def test_a_dead_one_s_entry_goes_by_itself(site: Site) -> None:
    a, _ = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(2 * LEASE, a)
    assert site.names("Executor") == ["bridge-a", "bridge-b"]
    await site.pass_time(3 * LEASE, a)

    assert site.names("Executor") == site.names("Lease") == ["bridge-a"]
    assert a.executors().has_died("bridge-b")  # what it had is still to be taken over


async def test_one_whose_entry_was_deleted_while_it_was_away_registers_anew(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(6 * LEASE, a)
    assert site.names("Lease") == ["bridge-a"]
    await site.pass_time(6, b)

    assert site.names("Executor") == site.names("Lease") == ["bridge-a", "bridge-b"]


async def test_an_entry_whose_lease_somebody_deleted_goes_unless_its_executor_lives(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(6, a, b)
    for name in ("bridge-a", "bridge-b"):
        site.cluster.delete("Lease", SYSTEM, name)
    await site.pass_time(3, a)

    assert site.names("Executor") == ["bridge-a"]
    await site.pass_time(6, b)
    assert site.names("Executor") == site.names("Lease") == ["bridge-a", "bridge-b"]


async def test_one_that_leaves_gets_no_share_at_once_but_keeps_its_claims_for_a_lease_time(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    await b.leave()
    assert site.names("Executor") == ["bridge-a"]
    await site.pass_time(3, a)
    assert live(a) == ["bridge-a"]
    assert not a.executors().has_died("bridge-b")

    await site.pass_time(LEASE + 3, a)
    assert a.executors().has_died("bridge-b")


async def test_what_a_person_writes_on_a_lease_is_no_sign_of_life_and_no_reason_to_stop(site: Site) -> None:
    a, b = await site.joined("bridge-a"), await site.joined("bridge-b")
    await site.pass_time(30, a, b)
    for step in range(7):
        for name in ("bridge-a", "bridge-b"):
            site.cluster.patch("Lease", SYSTEM, name, {"metadata": {"annotations": {"seen": str(step)}}})
        assert await site.pass_time(3, a) == []

    assert a.executors().has_died("bridge-b")


async def test_one_whose_id_is_another_process_s_by_now_cannot_go_on(site: Site) -> None:
    first = await site.joined("bridge-a", "pod-1")
    site.cluster.patch("Lease", SYSTEM, "bridge-a", {"spec": {"holderIdentity": "pod-2"}})

    with pytest.raises(CannotRun, match="pod-2"):
        await first.round()


async def test_renewals_are_counted_by_whether_they_went_well(site: Site) -> None:
    def counted(result: str) -> float:
        return REGISTRY.get_sample_value("mentu_lease_renewals_total", {"result": result}) or 0.0

    registry = await site.joined("bridge-a")
    registry.every = 0.0
    before = counted("renewed"), counted("failed")

    def fails(call: Call) -> None:
        if counted("renewed") - before[0] >= 2:
            raise ClusterUnavailable("away")

    site.cluster.before = fails
    running = asyncio.create_task(registry.run())
    async with asyncio.timeout(30):
        while counted("failed") - before[1] < 3:  # noqa: ASYNC110 - a counter announces nothing
            await asyncio.sleep(0)
    running.cancel()
    assert counted("renewed") == before[0] + 2


async def test_rights_that_are_missing_are_shown_and_since_when(site: Site) -> None:
    registry = await site.joined("bridge-a")
    assert [shown(site, field) for field in ("status", "reason")] == ["False", "AsExpected"]
    right = Right("patch", "bugcommands", "status", "mentu.dev", "team-a")
    registry._kube.rights.denied.add(right)
    await site.pass_time(12, registry)
    assert [shown(site, field) for field in ("status", "reason")] == ["True", "RightsMissing"]
    assert "patch bugcommands/status" in shown(site, "message")
    since = shown(site, "lastTransitionTime")
    site.cluster.now += timedelta(minutes=1)
    registry._kube.rights.denied.add(replace(right, verb="create"))
    await site.pass_time(12, registry)
    assert "create bugcommands/status" in shown(site, "message")
    assert shown(site, "lastTransitionTime") == since
    registry._kube.rights.denied.clear()
    await site.pass_time(12, registry)
    assert shown(site, "status") == "False"
    assert shown(site, "lastTransitionTime") > since


def shown(site: Site, field: str) -> str:
    """Of the condition Degraded of bridge-a."""
    [condition] = (site.cluster.find("Executor", "bridge-a") or {})["status"]["conditions"]
    assert condition["type"] == "Degraded"
    return str(condition.get(field, ""))


async def test_one_whose_id_is_another_process_s_by_now_leaves_that_one_s_entry_alone(site: Site) -> None:
    first = await site.joined("bridge-a", "pod-1")
    second = site.executor("bridge-a", "pod-2")
    await site.pass_time(3, first)
    while not await joining.step(second):
        await site.pass_time(3)
    await first.leave()
    assert site.names("Executor") == ["bridge-a"]
    assert site.lease("bridge-a")["holderIdentity"] == "pod-2"


async def test_its_load_is_shown_now_and_again_only(site: Site) -> None:
    a = await site.joined("bridge-a")
    count = 0

    def running() -> int:
        nonlocal count
        count += 1
        return count

    a._running = running
    site.cluster.calls.clear()
    await site.pass_time(60, a)
    shown = [c for c in site.cluster.calls if c.verb == "patch-status"]

    assert 4 <= len(shown) <= 6


async def test_all_are_looked_at_anew_when_somebody_comes_or_dies(site: Site) -> None:
    a = await site.joined("bridge-a")
    await site.pass_time(30, a)
    news: list[float] = []
    a._news = lambda: news.append(site.clock.now)
    await site.pass_time(30, a)
    assert news == []

    await site.joined("bridge-b")
    await site.pass_time(3, a)
    assert len(news) == 1
    await site.pass_time(LEASE + 3, a)
    assert len(news) == 2


async def test_an_entry_that_is_not_understood_stops_nobody(site: Site) -> None:
    a, _ = await site.joined("bridge-a"), await site.joined("bridge-b")
    site.cluster.patch("Executor", SYSTEM, "bridge-b", {"spec": {"capacity": "plenty"}})
    assert await site.pass_time(3, a) == []

    assert live(a) == ["bridge-a"]
    assert not a.executors().has_died("bridge-b")
