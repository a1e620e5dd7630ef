"""Everything is listed now and again, a page at a time: of thousands of whole objects none is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs
from tests.support.builders import NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command
from tests.support.fake_kube import FakeKube

from bugcommand_operator.api.names import LABEL_MANAGED_BY, MANAGED_BY
from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.cluster.kube import Page
from bugcommand_operator.executor.resync import Resync, understood
from bugcommand_operator.executor.world import Key, World


class Paged(FakeKube):
    """Of one object each; what is known when a page is asked for is noted."""

    def __init__(self, cluster: ClusterModel, world: World) -> None:
        super().__init__(cluster)
        self.world = world
        self.known: list[int] = []

    async def pages(
        self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Page]:
        async for page in super().pages(kind, namespace, labels, fields):
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
        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels, fields):
                heard.extend(world.heard_for(command) is not None for command in world.commands.items.values())
                yield page

    await Resync(Looking(cluster_of("a", "b", "c"), world), world, [], lambda _key: None).once()

    assert heard == [False] * 3
    assert all(world.heard_for(command) is not None for command in world.commands.items.values())


async def test_what_was_taken_in_is_looked_at_also_when_a_later_page_fails() -> None:
    class Failing(Paged):
        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels, fields):
                if len(self.known) == 3:
                    raise ClusterUnavailable("the token has expired")
                yield page

    world, looked_at = World(), list[Key]()
    with pytest.raises(ClusterUnavailable):
        await Resync(Failing(cluster_of("a", "b", "c"), world), world, [], looked_at.append).once()

    assert [name for _, name in looked_at] == ["a", "b"]


class Tried:
    """A resync over commands of these names, listed once."""

    def __init__(self, *names: str, namespaces: tuple[str, ...] = ()) -> None:
        self.world, self.looked_at = World(), list[Key]()
        self.cluster = cluster_of(*names)
        self.resync = Resync(FakeKube(self.cluster), self.world, [*namespaces], self.looked_at.append)

    def make(self, name: str, namespace: str = NAMESPACE) -> None:
        uid = f"{self.cluster.latest:08d}-1111-4000-8000-000000000000"
        self.cluster.create(bug_command(name, namespace, uid))

    @property
    def known(self) -> list[str]:
        return [name for _, name in self.world.commands.items]


async def test_a_first_watch_begins_where_the_first_list_ended() -> None:
    tried = Tried("a")
    await tried.resync.first()
    listed = tried.cluster.latest
    tried.make("b")
    await tried.resync.once()
    tried.make("c")

    assert await tried.resync.watched_from("BugCommand", None) == str(listed)
    assert tried.known == ["a", "b"], "the watch shows what came after"


async def test_a_first_list_that_fails_says_why_and_can_be_made_again() -> None:
    class Failing(FakeKube):
        is_overloaded = True

        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels, fields):
                if kind == "Pod" and self.is_overloaded:
                    raise ClusterUnavailable("overloaded")
                yield page

    tried = Tried("a")
    kube = Failing(tried.cluster)
    resync = Resync(kube, tried.world, [], tried.looked_at.append)
    with pytest.raises(ClusterUnavailable, match="overloaded"):
        await resync.first()
    assert tried.looked_at == []
    kube.is_overloaded = False
    await resync.first()

    assert tried.looked_at == [(NAMESPACE, "a")]


async def test_a_watch_that_begins_anew_has_missed_something_so_all_is_listed_before() -> None:
    tried = Tried("a", "b")
    await tried.resync.first()
    await tried.resync.watched_from("BugCommand", None)
    await tried.resync.once()
    tried.cluster.delete("BugCommand", NAMESPACE, "a")
    tried.make("c")
    tried.looked_at.clear()

    assert await tried.resync.watched_from("BugCommand", None) == str(tried.cluster.latest)
    assert [name for _, name in tried.looked_at] == tried.known == ["b", "c"]
    assert all(tried.world.heard_for(command) is not None for command in tried.world.commands.items.values())


async def test_a_list_of_one_namespace_says_nothing_about_another() -> None:
    tried = Tried("a", namespaces=(NAMESPACE, "another"))
    tried.make("a", "another")
    await tried.resync.once()
    for namespace in (NAMESPACE, "another"):
        tried.cluster.delete("BugCommand", namespace, "a")
    await tried.resync.watched_from("BugCommand", NAMESPACE)

    assert list(tried.world.commands.items) == [("another", "a")]


async def test_what_changed_before_the_list_and_is_missing_in_it_is_gone_however_late_the_change_is_heard() -> None:
    """A watch that has ended may have left events to be worked on, which come while all is listed."""
    tried = Tried("a")
    await tried.resync.once()
    change = tried.cluster.get("BugCommand", NAMESPACE, "a")
    change["metadata"]["resourceVersion"] = tried.cluster.next_version()
    tried.cluster.delete("BugCommand", NAMESPACE, "a")

    class Meanwhile(FakeKube):
        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            async for page in super().pages(kind, namespace, labels, fields):
                tried.world.hear_command(change)
                yield page

    await Resync(Meanwhile(tried.cluster), tried.world, [], lambda _key: None).once()

    assert tried.known == []


async def test_a_list_from_before_its_end_brings_nothing_back() -> None:
    tried = Tried("a")
    child = {"name": "p", "namespace": NAMESPACE, "uid": "u", "labels": {LABEL_MANAGED_BY: MANAGED_BY}}
    for kind in ("Pod", "PersistentVolumeClaim"):
        tried.cluster.create({"kind": kind, "metadata": {**child}, "spec": {}})
    world = tried.world

    class Meanwhile(FakeKube):
        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            ends = {
                "BugCommand": world.command_deleted,
                "Pod": world.pods.deleted,
                "PersistentVolumeClaim": world.volumes.deleted,
            }
            async for page in super().pages(kind, namespace, labels, fields):
                for obj in page.items:
                    end = {**obj, "metadata": {**obj["metadata"], "resourceVersion": tried.cluster.next_version()}}
                    ends[kind](end)
                yield page

    await Resync(Meanwhile(tried.cluster), world, [], lambda _key: None).once()

    assert (tried.known, [*world.pods.items], [*world.volumes.items]) == ([], [], [])


async def test_what_a_list_has_shown_to_be_gone_stays_gone_whatever_is_heard_late() -> None:
    tried = Tried("a")
    await tried.resync.once()
    late = tried.cluster.get("BugCommand", NAMESPACE, "a")
    tried.cluster.delete("BugCommand", NAMESPACE, "a")
    await tried.resync.once()
    tried.world.hear_command(late)

    assert tried.known == []


async def test_a_list_of_one_namespace_wakes_no_other() -> None:
    tried = Tried("a", namespaces=(NAMESPACE, "another"))
    tried.make("b", "another")
    await tried.resync.once()
    tried.looked_at.clear()
    await tried.resync.watched_from("Pod", "another")

    assert tried.looked_at == [("another", "b")]


async def test_an_unreadable_command_is_told_of_once_and_let_go_with_its_end() -> None:
    tried = Tried()
    broken = bug_command("a", NAMESPACE, "00000001-0000-4000-8000-000000000000")
    tried.cluster.create({**broken, "spec": {"prompt": 7}})
    with capture_logs() as told:
        await tried.resync.once()
        await tried.resync.once()
    assert [(each["event"], each["key"]) for each in told] == [("command not understood", f"{NAMESPACE}/a")]
    tried.cluster.delete("BugCommand", NAMESPACE, "a")
    await tried.resync.once()

    assert tried.world.unreadable == {}


async def test_a_list_that_fails_at_once_wakes_nobody() -> None:
    class Failing(FakeKube):
        async def pages(
            self, kind: str, namespace: str | None = None, labels: str = "", fields: str = ""
        ) -> AsyncIterator[Page]:
            raise ClusterUnavailable("overloaded")
            yield

    tried = Tried("a")
    await tried.resync.once()
    tried.looked_at.clear()
    with pytest.raises(ClusterUnavailable):
        await Resync(Failing(tried.cluster), tried.world, [], tried.looked_at.append).watched_from("Pod", None)

    assert tried.looked_at == []


@pytest.mark.parametrize("error", [ValueError, KeyError, AttributeError, IndexError])
def test_an_object_that_is_not_understood_is_told_of_by_its_name_and_hides_no_other(error: type[Exception]) -> None:
    def fails(_obj: dict[str, object]) -> None:
        raise error

    with capture_logs() as told:
        understood(fails, {"metadata": {"namespace": NAMESPACE, "name": "odd", "resourceVersion": "1"}}, "Pod")

    assert [(each["kind"], each["key"]) for each in told] == [("Pod", f"{NAMESPACE}/odd")]


async def test_pods_that_have_ended_are_not_in_the_first_list_and_are_in_the_next() -> None:
    tried = Tried("a")
    for phase in ("Pending", "Running", "Succeeded", "Failed"):
        labels = {LABEL_MANAGED_BY: MANAGED_BY}
        meta = {"namespace": NAMESPACE, "name": phase.lower(), "labels": labels}
        made = tried.cluster.create({"kind": "Pod", "metadata": meta, "spec": {"containers": []}})
        tried.cluster.put({**made, "status": {"phase": phase}})
    await tried.resync.first()
    assert [name for _, name in tried.world.pods.items] == ["pending", "running"]
    await tried.resync.once()
    assert sorted(name for _, name in tried.world.pods.items) == ["failed", "pending", "running", "succeeded"]
