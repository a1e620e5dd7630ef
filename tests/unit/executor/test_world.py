"""The cache of what the watches have shown: late perhaps, ahead never, and never an older version over a newer one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import NAME, NAMESPACE, OTHER_UID, UID
from tests.support.cluster_model import bug_command, definition

from bugcommand_operator.core.observed import Load
from bugcommand_operator.core.settings import Identity
from bugcommand_operator.executor.world import World

ME = Identity("bridge-0", "m")
KEY = (NAMESPACE, NAME)
CLAIM = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-03-01T12:00:00Z"}


def raw(
    version: int,
    *,
    name: str = NAME,
    uid: str = UID,
    status: dict[str, Any] | None = None,
    created: str = "",
    **spec: Any,
) -> dict[str, Any]:
    obj = bug_command(name, NAMESPACE, uid, **spec)
    obj["metadata"] |= {"resourceVersion": str(version), "creationTimestamp": created or "2026-03-01T12:00:00Z"}
    return {**obj, "status": status or {}}


def uid(number: int) -> str:
    return f"{number:08d}" + UID[8:]


def claimed(version: int, executor: str = "bridge-0", **fields: Any) -> dict[str, Any]:
    return raw(version, status={"claim": {**CLAIM, "executor": executor}}, **fields)


def finished(version: int, **fields: Any) -> dict[str, Any]:
    how = {"type": "Succeeded", "status": "True", "reason": "Completed", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    return raw(version, status={"claim": CLAIM, "conditions": [how]}, **fields)


def raw_pod(version: int, uid: str = "pod-1") -> dict[str, Any]:
    labels = {"mentu.dev/command-uid": UID}
    return {
        "metadata": {"namespace": NAMESPACE, "name": "p", "uid": uid, "resourceVersion": str(version), "labels": labels}
    }


def test_an_older_version_never_replaces_a_newer_one() -> None:
    world = World()
    world.put_command(raw(9, suspend=True))
    kept = world.put_command(raw(8))

    assert kept is not None
    assert kept.resource_version == world.commands.items[KEY].resource_version == "9"
    assert world.commands.items[KEY].spec.suspend


def test_versions_are_compared_as_numbers() -> None:
    world = World()
    world.put_command(raw(9))
    world.put_command(raw(10))

    assert world.commands.items[KEY].resource_version == "10"


def test_a_deletion_that_is_heard_late_does_not_take_the_successor() -> None:
    world = World()
    world.put_command(raw(5))
    world.put_command(raw(9, uid=OTHER_UID))
    world.command_deleted(raw(7))

    assert world.commands.items[KEY].uid == OTHER_UID
    world.command_deleted(raw(12, uid=OTHER_UID))
    assert KEY not in world.commands.items


@pytest.mark.parametrize(("version", "stays"), [(4, True), (5, False), (6, False)])
def test_a_pod_is_dropped_only_by_its_own_deletion(version: int, stays: bool) -> None:
    world = World()
    world.put_pod(raw_pod(5))
    world.pods.deleted(raw_pod(version))

    assert ((NAMESPACE, "p") in world.pods.items) == stays


def test_a_child_belongs_to_a_command_by_uid() -> None:
    world = World()
    world.put_command(raw(5))
    assert world.command_key_of(raw_pod(1)) == KEY

    world.put_command(raw(9, uid=OTHER_UID))
    assert world.command_key_of(raw_pod(1)) is None
    world.drop_command(KEY)
    assert world.command_key_of({"metadata": {"labels": {"mentu.dev/command-uid": OTHER_UID}}}) is None
    assert world.command_key_of({"metadata": {}}) is None


def test_a_command_that_does_not_read_is_kept_apart_until_it_does() -> None:
    world = World()
    world.put_command(claimed(5))
    assert world.put_command(raw(6, prompt="")) is None
    assert KEY not in world.commands.items
    assert "prompt" in world.unreadable[KEY]
    other = raw(3, name="other", uid=OTHER_UID)
    assert world.room.load_for(world.put_command(other), ME) == Load()  # type: ignore[arg-type]

    world.put_command(raw(7))
    assert world.unreadable == {}


def test_those_that_wait_are_ordered_by_priority_then_age_then_name() -> None:
    world = World()
    for number, (name, priority, created) in enumerate(
        [("late", 0, "12:05"), ("b", 0, "12:00"), ("a", 0, "12:00"), ("urgent", 10, "12:09"), ("later", -90, "11:00")]
    ):
        world.put_command(
            raw(number + 1, name=name, uid=uid(number), priority=priority, created=f"2026-03-01T{created}:00Z")
        )
    world.put_command(claimed(20, name="claimed", uid=uid(20)))
    world.put_command(finished(21, name="finished", uid=uid(21)))

    names = []
    while key := world.line.next(lambda _lane: True):
        names.append(key[1])
        world.line.drop(key)
    assert names == ["urgent", "a", "b", "late", "later"]


def load(world: World, who: Identity = ME, **fields: Any) -> Load:
    command = world.put_command(raw(99, **fields))
    assert command is not None
    return world.room.load_for(command, who)


def test_only_what_runs_takes_room() -> None:
    world = World()
    world.put_command(raw(1, name="waits", uid=uid(1)))
    world.put_command(claimed(2, name="runs", uid=uid(2)))
    world.put_command(finished(3, name="done", uid=uid(3)))
    world.put_command(claimed(4, "bridge-1", name="theirs", uid=uid(4)))
    world.put_command(claimed(5, name="elsewhere", uid=uid(5), repository={"name": "other"}))

    assert load(world) == Load(executor=2, machine=3, namespace=3, repository=2)
    assert load(world, Identity("bridge-1", "elsewhere")) == Load(executor=1, machine=0, namespace=3, repository=2)


def test_a_claim_on_its_way_takes_room_and_a_command_does_not_stand_in_its_own_way() -> None:
    world = World()
    world.put_command(raw(1, name="claiming", uid=uid(1)))
    world.call_up((NAMESPACE, "claiming"), ME)
    assert load(world) == Load(executor=1, machine=1, namespace=1, repository=1)

    world.call_up(KEY, ME)
    assert load(world).executor == 1


def test_a_claim_on_its_way_takes_room_until_it_is_known_what_became_of_it() -> None:
    world = World()
    other: dict[str, Any] = {"name": "called", "uid": uid(1)}
    for number, became in enumerate((claimed(20, **other), raw(20, **other), finished(20, **other))):
        world.put_command(raw(10 * number + 1, **other))
        world.call_up((NAMESPACE, "called"), ME)
        world.put_command({**became, "metadata": {**became["metadata"], "resourceVersion": str(10 * number + 2)}})
        assert load(world).executor == (number < 2), became
        assert ((NAMESPACE, "called") in world.called) == (number == 1)


def test_what_runs_on_is_no_reason_to_call_anybody_up() -> None:
    world = World()
    world.put_command(claimed(1))
    world.line_has_changed = False
    world.put_command(claimed(2))
    assert not world.line_has_changed
    world.put_command(finished(3))
    assert world.line_has_changed


def test_a_commitment_between_two_attempts_is_held_also_where_nobody_has_named_it() -> None:
    world = World()
    resting = world.put_command(raw(5, status={"attempt": 1}))
    assert resting is not None
    other = world.put_command(raw(6, name="other", uid=OTHER_UID, commitmentId=resting.commitment_id))
    assert other is not None
    assert (world.commitment_held_by(other), world.commitment_held_by(resting)) == (NAME, None)
    world.put_command(claimed(7))
    assert world.commitment_held_by(other) is None
    world.put_command(raw(8, status={"attempt": 1}))
    world.drop_command(KEY)
    assert world.commitment_held_by(other) is None


def test_rivals_are_commands_of_one_named_commitment_that_have_not_ended() -> None:
    world = World()
    first = world.put_command(raw(1, name="first", uid=uid(1), commitmentId="cmt_a"))
    assert first is not None
    assert not world.has_rival(first)
    for change, expected in (
        (raw(2, name="other", uid=uid(2)), False),
        (raw(3, name="far", uid=uid(3), commitmentId="cmt_a", repository={"name": "far"}), False),
        (raw(4, name="second", uid=uid(4), commitmentId="cmt_a"), True),
        (finished(5, name="second", uid=uid(4), commitmentId="cmt_a"), False),
        (raw(6, name="third", uid=uid(5), commitmentId="cmt_a"), True),
    ):
        world.put_command(change)
        assert world.has_rival(first) == expected, change
    world.drop_command((NAMESPACE, "third"))
    assert not world.has_rival(first)


def test_a_commitment_is_taken_by_who_is_claimed_not_by_who_may_yet_be() -> None:
    world = World()
    world.put_command(raw(1, name="called", uid=uid(1), commitmentId="cmt_a"))
    world.call_up((NAMESPACE, "called"), ME)
    assert load(world, commitmentId="cmt_a").commitment_taken_by is None


def test_what_the_statuses_say_to_wait_for_room_is_the_queue() -> None:
    world = World()
    ready = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-03-01T12:00:00Z"}
    for number, reason in enumerate(("ConcurrencyLimitReached", "Suspended", "WaitingForCheckout"), 1):
        status = {"conditions": [{**ready, "reason": reason}]}
        world.put_command(raw(number, name=f"bug-{number}", uid=uid(number), status=status))
    assert [turn.name for _, turn in world.queue.after(None, 10)] == ["bug-1", "bug-3"]

    world.put_command(claimed(9, name="bug-1", uid=uid(1)))
    world.drop_command((NAMESPACE, "bug-3"))
    assert len(world.queue) == 0


def test_a_command_that_ends_gives_its_room_back() -> None:
    world = World()
    world.put_command(claimed(1, name="runs", uid=uid(1)))
    assert load(world).executor == 1
    world.put_command(finished(2, name="runs", uid=uid(1)))
    assert load(world).executor == 0
    world.put_command(claimed(3, name="runs", uid=uid(1)))
    world.drop_command((NAMESPACE, "runs"))
    assert load(world).executor == 0


def test_a_command_that_was_let_go_is_not_brought_back_by_what_a_watch_shows_late() -> None:
    world = World()
    world.put_command(claimed(5))
    world.command_is_gone(KEY, UID)

    assert world.put_command(claimed(4)) is None
    assert KEY not in world.commands.items
    again = world.put_command(raw(8, uid=OTHER_UID))
    assert again is not None
    assert again.uid == OTHER_UID


def test_a_checkout_and_a_commitment_are_taken_within_their_repository() -> None:
    world = World()
    world.put_command(claimed(1, name="runs", uid=uid(1), withWorktree=False, commitmentId="cmt_a"))

    got = load(world, commitmentId="cmt_a")
    assert (got.checkout_taken_by, got.commitment_taken_by) == ("runs", "runs")
    elsewhere = load(world, name="x", uid=uid(3), commitmentId="cmt_a", repository={"name": "other"})
    assert (elsewhere.checkout_taken_by, elsewhere.commitment_taken_by) == (None, None)


def test_definitions_are_kept_with_their_uid() -> None:
    world = World()
    shop = definition("Repository", "shop", NAMESPACE, url="https://git.example.test/x.git")
    shop["metadata"] |= {"uid": "u-1", "resourceVersion": "3"}
    world.put_repository(shop)

    assert world.repositories.items[NAMESPACE, "shop"].uid == "u-1"


def test_how_long_a_claim_has_been_heard_counts_from_when_it_was_first_shown() -> None:
    """A list that shows it once more is no news."""
    clock = [0.0]
    world = World(clock=lambda: clock[0])
    world.put_command(claimed(5))
    assert world.heard_for(world.commands.items[KEY]) is None
    clock[0] = 10.0
    world.hear_command(claimed(5))
    clock[0] = 15.0
    world.was_shown({KEY: 5})

    assert world.heard_for(world.commands.items[KEY]) == timedelta(seconds=5)
    world.put_command(claimed(6))
    assert world.heard_for(world.commands.items[KEY]) is None


def test_of_what_has_ended_while_a_list_was_on_its_way_nothing_is_kept() -> None:
    world = World()
    world.was_shown({KEY: 5})
    world.put_command(claimed(5))

    assert world.heard_for(world.commands.items[KEY]) is None
