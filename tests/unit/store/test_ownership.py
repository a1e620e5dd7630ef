"""Whose a command id is: the namespace that used it first, and in it the object that did."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio
from tests.unit.store.builders import KEY, batch, open_reading, open_store

from bugcommand_operator.store.lines import AttemptKey, LogBatch, Refusal
from bugcommand_operator.store.spawn_logs import SpawnLogs


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[SpawnLogs]:
    async with open_store(store_url) as opened:
        yield opened


def of(uid: str, *seqs: int, attempt: int = 1, repository: str = "") -> LogBatch:
    return replace(batch(seqs, replace(KEY, attempt=attempt)), command_uid=uid, repository=repository)


async def sequences(store: SpawnLogs) -> list[int]:
    return [line.seq for line in await store.tail(KEY, 100)]


async def test_a_second_object_with_the_same_command_id_is_refused_rather_than_taken_for_a_repetition(
    store: SpawnLogs,
) -> None:
    await store.append([of("uid-1", 1, 2)])
    done = await store.append([of("uid-2", 1, 2, 3), of("uid-1", 3), of("uid-2", 1, attempt=2)])

    assert done.refused == {0: Refusal.ANOTHER_COMMAND, 2: Refusal.ANOTHER_COMMAND}
    assert (done.new_lines, done.repeated) == (1, 0)
    assert await sequences(store) == [1, 2, 3]


async def test_two_objects_that_begin_in_the_same_commit_do_not_share_the_id(store: SpawnLogs) -> None:
    done = await store.append([of("uid-1", 1), of("uid-2", 1, 2)])

    assert done.refused == {1: Refusal.ANOTHER_COMMAND}
    assert await sequences(store) == [1]


async def test_a_command_id_of_an_older_version_belongs_to_the_first_object_that_names_itself(
    store: SpawnLogs, store_url: str
) -> None:
    await store.append([of("", 1)])
    await store.append([of("uid-1", 2, repository="shop")])
    done = await store.append([of("uid-2", 3), of("", 4)])

    assert done.refused == {0: Refusal.ANOTHER_COMMAND}
    assert await sequences(store) == [1, 2, 4]
    async with open_reading(store_url) as reader:
        owner = (await reader.owners([KEY.command_id]))[KEY.command_id]
    assert (owner.command_uid, owner.repository) == ("uid-1", "shop")


async def test_another_namespace_cannot_complete_what_an_owner_lacks(store: SpawnLogs, store_url: str) -> None:
    await store.append([of("", 1)])
    stranger = replace(of("uid-9", 2, repository="theirs"), key=replace(KEY, namespace="team-b"))

    assert (await store.append([stranger])).refused == {0: Refusal.ANOTHER_NAMESPACE}
    async with open_reading(store_url) as reader:
        owner = (await reader.owners([KEY.command_id]))[KEY.command_id]
    assert (owner.namespace, owner.command_uid, owner.repository) == ("team-a", "", "")


async def test_what_was_accepted_is_told_without_repetitions_and_in_order(store: SpawnLogs) -> None:
    other = batch([1, 2], AttemptKey("team-b", "another", 1))
    await store.append([of("uid-1", 2)])
    done = await store.append([of("uid-1", 4, 2, 1), other, of("uid-2", 9), of("uid-1", 3, 1)])

    told = [(one.key.command_id, line.seq) for one in done.accepted for line in one.lines]
    assert told == [(KEY.command_id, 1), (KEY.command_id, 3), (KEY.command_id, 4), ("another", 1), ("another", 2)]
    assert (done.new_lines, done.repeated) == (5, 2)
    assert other in done.accepted
