"""Which command an event of a watch concerns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import NAME, NAMESPACE, OTHER_UID, UID
from tests.support.cluster_model import bug_command, definition

from bugcommand_operator.executor.handlers import Routes
from bugcommand_operator.executor.world import Key, World

KEY = (NAMESPACE, NAME)


class Route:
    def __init__(self) -> None:
        self.world = World()
        self.keys: list[Key] = []
        self.calls = 0
        self.at_once: list[Key] = []
        self.routes = Routes(self.world, self.keys.append, self.call_up, self.at_once.append)

    def call_up(self) -> None:
        self.calls += 1

    async def hear(self, kind: str, obj: dict[str, Any], version: int, event: str | None = "ADDED") -> list[Key]:
        self.keys.clear()
        obj["metadata"].setdefault("uid", "u")
        obj["metadata"]["resourceVersion"] = str(version)
        await getattr(self.routes, kind)({"type": event, "object": obj})
        return list(self.keys)


@pytest.fixture
async def route() -> Route:
    route = Route()
    await route.hear("command", bug_command(NAME, NAMESPACE, UID), 1)
    await route.hear("command", bug_command("other", NAMESPACE, OTHER_UID), 2)
    await route.hear("command", bug_command("far", "team-b", OTHER_UID.replace("f", "e")), 3)
    return route


def child(kind: str, name: str, uid: str | None) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "mentu-operator"} | ({"mentu.dev/command-uid": uid} if uid else {})
    return {"kind": kind, "metadata": {"namespace": NAMESPACE, "name": name, "labels": labels}}


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", None])
async def test_a_command_concerns_itself(route: Route, event: str | None) -> None:
    assert await route.hear("command", bug_command(NAME, NAMESPACE, UID), 5, event) == [KEY]


@pytest.mark.parametrize(
    ("spec", "meta"), [({"cancel": True}, {}), ({}, {"deletionTimestamp": "2026-03-01T12:00:00Z"})]
)
async def test_whoever_wants_an_end_does_not_wait_behind_a_burst(
    route: Route, spec: dict[str, Any], meta: dict[str, Any]
) -> None:
    obj = bug_command(NAME, NAMESPACE, UID, **spec)
    obj["metadata"] |= meta

    assert await route.hear("command", obj, 5) == []
    assert route.at_once == [KEY]


async def test_a_command_that_is_gone_makes_room_for_those_that_wait(route: Route) -> None:
    heard = await route.hear("command", bug_command(NAME, NAMESPACE, UID), 5, "DELETED")

    assert KEY not in route.world.commands.items
    assert (heard, route.calls) == ([], 4)


@pytest.mark.parametrize(("kind", "of"), [("Pod", "pod"), ("PersistentVolumeClaim", "volume")])
@pytest.mark.parametrize("event", ["ADDED", "DELETED"])
async def test_a_child_concerns_its_command(route: Route, kind: str, of: str, event: str) -> None:
    assert await route.hear(of, child(kind, "c", UID), 5, event) == [KEY]


@pytest.mark.parametrize(("kind", "of"), [("Pod", "pod"), ("PersistentVolumeClaim", "volume")])
async def test_what_changes_nothing_about_a_child_is_no_news(route: Route, kind: str, of: str) -> None:
    await route.hear(of, child(kind, "c", UID), 5)

    assert await route.hear(of, child(kind, "c", UID) | {"status": {"hostIP": "10.0.0.1"}}, 6, "MODIFIED") == []
    assert await route.hear(of, child(kind, "c", UID) | {"status": {"phase": "Bound"}}, 7, "MODIFIED") == [KEY]
    assert await route.hear(of, child(kind, "c", UID), 6, "MODIFIED") == []


async def test_what_is_known_of_a_command_is_no_news(route: Route) -> None:
    assert await route.hear("command", bug_command(NAME, NAMESPACE, UID), 1, None) == []
    assert route.calls == 3


async def test_a_child_of_nobody_that_is_known_concerns_nobody(route: Route) -> None:
    assert await route.hear("pod", child("Pod", "c", "unknown"), 5) == []


async def test_what_commands_share_concerns_all_of_the_namespace(route: Route) -> None:
    heard = await route.hear("volume", child("PersistentVolumeClaim", "shop-mirror", None), 5)

    assert heard == [KEY, (NAMESPACE, "other")]


async def test_what_commands_share_concerns_all_of_them_though_an_answer_to_one_has_shown_it_before(
    route: Route,
) -> None:
    """One makes the mirror's volume and waits for it to be bound; another finds it made, and bound, when it asks."""

    def mirror(version: int, phase: str) -> dict[str, Any]:
        obj = child("PersistentVolumeClaim", "shop-mirror", None)
        obj["metadata"] |= {"uid": "u", "resourceVersion": str(version)}
        return obj | {"status": {"phase": phase}}

    assert not route.world.put_volume(mirror(5, "Pending")).is_bound
    assert route.world.put_volume(mirror(6, "Bound")).is_bound

    assert await route.hear("volume", mirror(6, "Bound"), 6, "MODIFIED") == [KEY, (NAMESPACE, "other")]
    assert route.world.volumes.items[NAMESPACE, "shop-mirror"].is_bound


async def test_a_shared_volume_that_was_made_anew_is_the_one_that_counts(route: Route) -> None:
    old, new = child("PersistentVolumeClaim", "shop-mirror", None), child("PersistentVolumeClaim", "shop-mirror", None)
    old["metadata"] |= {"uid": "old", "resourceVersion": "5", "deletionTimestamp": "2026-03-01T12:00:00Z"}
    new["metadata"] |= {"uid": "new", "resourceVersion": "6"}
    route.world.put_volume(old)
    route.world.put_volume(new)

    assert not route.world.volumes.items[NAMESPACE, "shop-mirror"].is_being_deleted


@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize(
    ("of", "obj"),
    [
        ("repository", definition("Repository", "shop", NAMESPACE, url="https://git.example.test/x.git")),
        ("agent", definition("Agent", "claude", NAMESPACE)),
    ],
)
async def test_a_definition_concerns_all_of_its_namespace(
    route: Route, of: str, obj: dict[str, Any], event: str
) -> None:
    assert await route.hear(of, obj, 5, event) == [KEY, (NAMESPACE, "other")]


async def test_a_definition_that_does_not_read_leaves_the_earlier_one(route: Route) -> None:
    await route.hear("repository", definition("Repository", "shop", NAMESPACE, url="https://git.example.test/x.git"), 5)
    await route.hear("repository", definition("Repository", "shop", NAMESPACE, url=7), 6, "MODIFIED")

    assert route.world.repositories.items[NAMESPACE, "shop"].spec.url == "https://git.example.test/x.git"


async def test_a_command_that_does_not_read_raises_nothing(route: Route) -> None:
    assert await route.hear("command", bug_command(NAME, NAMESPACE, UID, prompt=""), 7, "MODIFIED") == [KEY]
    assert KEY not in route.world.commands.items
