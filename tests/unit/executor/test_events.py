"""Events about a command: what they say, and that posting them holds nothing up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.support.builders import NAME, NAMESPACE, NOW, UID, command
from tests.support.cluster_model import Call, ClusterModel
from tests.support.fake_kube import FakeKube

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.core.plan import Event
from bugcommand_operator.executor.events import LONGEST_PAUSE, MOST_WAITING, EventPoster, event_manifest, reference_to


def test_an_event_is_about_its_command_and_says_who_tells_it() -> None:
    made = event_manifest(reference_to(command()), Event("PodRejected", "over quota", "Warning"), "bridge-0", NOW)

    about = made["involvedObject"]
    assert (about["kind"], about["namespace"], about["name"], about["uid"]) == ("BugCommand", NAMESPACE, NAME, UID)
    assert (made["type"], made["reason"], made["message"]) == ("Warning", "PodRejected", "over quota")
    assert made["reportingInstance"] == "bridge-0"
    assert made["firstTimestamp"] == "2026-03-01T12:00:00Z"
    assert made["metadata"]["namespace"] == NAMESPACE


def test_a_message_is_no_longer_than_an_event_may_be() -> None:
    assert len(event_manifest(reference_to(command()), Event("x", "y" * 5000), "i", NOW)["message"]) == 1024


def test_events_have_names_of_their_own() -> None:
    name, later = (
        event_manifest(reference_to(command(name="x" * 50)), Event("x", "y"), "i", NOW + timedelta(microseconds=n))[
            "metadata"
        ]["name"]
        for n in range(2)
    )

    assert name != later
    assert len(name) <= 253


async def posted(poster: EventPoster) -> None:
    """As far as it gets without waiting for anything."""
    task = asyncio.create_task(poster.run())
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_events_are_posted_in_the_background() -> None:
    cluster = ClusterModel()
    poster = EventPoster(FakeKube(cluster), "bridge-0")
    poster.post(command(), Event("Claimed", "one"))
    assert cluster.calls == []
    await posted(poster)

    assert [o["reason"] for o in cluster.of_kind("Event")] == ["Claimed"]


async def test_an_event_that_is_lost_keeps_no_other_from_being_posted() -> None:
    cluster = ClusterModel()
    poster = EventPoster(FakeKube(cluster), "bridge-0")

    def away(call: Call) -> None:
        if not cluster.calls:
            cluster.calls.append(call)
            raise ClusterUnavailable("away")

    cluster.before = away
    poster.post(command(), Event("Claimed", "lost"))
    poster.post(command(), Event("Succeeded", "told"))
    await posted(poster)

    assert [o["reason"] for o in cluster.of_kind("Event")] == ["Succeeded"]


@pytest.mark.parametrize("number", [MOST_WAITING + 50])
async def test_more_events_than_may_wait_are_dropped_and_never_block(number: int) -> None:
    poster = EventPoster(FakeKube(ClusterModel()), "bridge-0")
    for _ in range(number):
        poster.post(command(), Event("x", "y"))

    assert poster._waiting.qsize() == MOST_WAITING


@pytest.mark.looptime
async def test_events_let_others_go_first_but_not_for_ever() -> None:
    cluster, others = ClusterModel(), [True]
    poster = EventPoster(FakeKube(cluster), "bridge-0", lambda: others[0])
    task = asyncio.create_task(poster.run())

    poster.post(command(), Event("Claimed", "one"))
    await asyncio.sleep(5)
    assert cluster.calls == []
    others[0] = False
    await asyncio.sleep(1)
    assert len(cluster.calls) == 1

    others[0] = True
    poster.post(command(), Event("Claimed", "two"))
    await asyncio.sleep(LONGEST_PAUSE + 1)
    assert len(cluster.calls) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
