"""Everything is listed now and again, a page at a time: of thousands of whole objects none is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.builders import NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.kube import Page
from bugcommand_operator.executor.resync import Resync
from bugcommand_operator.executor.world import Key, World


class Paged(FakeKube):
    """Of one object each; what is known when a page is asked for is noted."""

    def __init__(self, cluster: ClusterModel, world: World) -> None:
        super().__init__(cluster)
        self.world = world
        self.known: list[int] = []

    async def pages(self, kind: str, namespace: str | None = None, labels: str = "") -> AsyncIterator[Page]:
        async for page in super().pages(kind, namespace, labels):
            for obj in page.items:
                self.known.append(len(self.world.commands.items))
                yield Page([obj], page.version)


def cluster_of(*names: str) -> ClusterModel:
    cluster = ClusterModel()
    for number, name in enumerate(names):
        cluster.create(bug_command(name, NAMESPACE, f"{number:08d}-0000-4000-8000-000000000000"))
    return cluster


async def test_a_page_is_taken_in_before_the_next_one_is_asked_for() -> None:
    world, looked_at = World(), list[Key]()
    kube = Paged(cluster_of("a", "b", "c"), world)
    await Resync(kube, world, [], looked_at.append).once()

    assert kube.known == [0, 1, 2]
    assert [name for _, name in looked_at] == ["a", "b", "c"]


async def test_what_is_on_no_page_is_gone_and_what_came_meanwhile_is_not() -> None:
    world, looked_at = World(), list[Key]()
    cluster = cluster_of("a", "b")
    resync = Resync(FakeKube(cluster), world, [], looked_at.append)
    await resync.once()
    cluster.delete("BugCommand", NAMESPACE, "a")
    await resync.once()

    assert [name for _, name in world.commands.items] == ["b"]


async def test_what_was_written_before_is_known_only_once_the_last_page_is_there() -> None:
    """A claim on a later page may have come before one on the first."""
    world, heard = World(), list[bool]()

    class Looking(Paged):
        async def pages(self, kind: str, namespace: str | None = None, labels: str = "") -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels):
                heard.extend(world.has_heard(command) for command in world.commands.items.values())
                yield page

    await Resync(Looking(cluster_of("a", "b", "c"), world), world, [], lambda _key: None).once()

    assert heard == [False] * 3
    assert all(world.has_heard(command) for command in world.commands.items.values())


async def test_what_was_taken_in_is_looked_at_also_when_a_later_page_fails() -> None:
    class Failing(Paged):
        async def pages(self, kind: str, namespace: str | None = None, labels: str = "") -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels):
                if len(self.known) == 3:
                    raise ClusterUnavailable("the token has expired")
                yield page

    world, looked_at = World(), list[Key]()
    with pytest.raises(ClusterUnavailable):
        await Resync(Failing(cluster_of("a", "b", "c"), world), world, [], looked_at.append).once()

    assert [name for _, name in looked_at] == ["a", "b"]


async def test_a_watch_begins_where_the_list_before_it_ended() -> None:
    world, cluster = World(), cluster_of("a")
    resync = Resync(FakeKube(cluster), world, [], lambda _key: None)
    await resync.once()
    listed = cluster.version()
    cluster.create(bug_command("b", NAMESPACE, "00000009-0000-4000-8000-000000000000"))

    assert await resync.watched_from("BugCommand", None) == str(listed)
    assert [name for _, name in world.commands.items] == ["a"], "the watch shows what came after"


async def test_a_watch_that_begins_anew_has_missed_something_so_all_is_listed_first() -> None:
    world, looked_at = World(), list[Key]()
    cluster = cluster_of("a", "b")
    resync = Resync(FakeKube(cluster), world, [], looked_at.append)
    await resync.once()
    await resync.watched_from("BugCommand", None)
    cluster.delete("BugCommand", NAMESPACE, "a")
    cluster.create(bug_command("c", NAMESPACE, "00000009-0000-4000-8000-000000000000"))
    looked_at.clear()

    assert await resync.watched_from("BugCommand", None) == str(cluster.version())
    assert [name for _, name in looked_at] == ["b", "c"]
    assert all(world.has_heard(command) for command in world.commands.items.values())


async def test_a_list_of_one_namespace_says_nothing_about_another() -> None:
    world, cluster = World(), cluster_of("a")
    cluster.create(bug_command("a", "another", "00000009-0000-4000-8000-000000000000"))
    resync = Resync(FakeKube(cluster), world, [NAMESPACE, "another"], lambda _key: None)
    await resync.once()
    for namespace in (NAMESPACE, "another"):
        await resync.watched_from("BugCommand", namespace)
    for namespace in (NAMESPACE, "another"):
        cluster.delete("BugCommand", namespace, "a")
    await resync.watched_from("BugCommand", NAMESPACE)

    assert [namespace for namespace, _ in world.commands.items] == ["another"]
