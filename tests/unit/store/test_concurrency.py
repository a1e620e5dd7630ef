"""Several gateways on one Postgres, and a Postgres that does not answer, is cut off or restarts."""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

import psycopg
import pytest
from sqlalchemy import text
from tests.support.postgres import PostgresServer
from tests.unit.store.builders import KEY, batch, open_reading, open_store

from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, Progress
from bugcommand_operator.store.placing import Place
from bugcommand_operator.store.spawn_logs import SpawnLogs
from bugcommand_operator.store.tables_postgres import PostgresTransaction
from bugcommand_operator.store.tables_sqlite import SqliteTransaction

LINES = 400
KEYS = [AttemptKey("team-a", f"command-{number}", 1) for number in range(4)]


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """One whose commits outlive its crash."""
    with PostgresServer(synchronous_commit="on") as server:
        yield server


async def send_all(store: SpawnLogs, dice: random.Random, stored: Callable[[], None] = lambda: None) -> None:
    """Every line of every key at least once, in pieces, some of them twice, out of order."""
    starts = [(key, start) for key in KEYS for start in range(1, LINES + 1, 20)] * 2
    dice.shuffle(starts)
    while starts:
        group = [batch(range(start, min(start + 30, LINES + 1)), key) for key, start in starts[-3:]]
        del starts[-3:]
        for _ in range(20):
            try:
                await store.append(group)
                stored()
                break
            except StoreUnavailable:
                await asyncio.sleep(0.05)
        else:
            raise AssertionError("it was never stored")


async def check(store: SpawnLogs) -> None:
    progress = await store.progress([key.command_id for key in KEYS])
    assert progress == {key: Progress(LINES, LINES) for key in KEYS}
    for key in KEYS:
        assert [line.seq for line in await store.tail(key, 10_000)] == list(range(1, LINES + 1))


async def test_several_gateways_that_get_the_same_lines_store_each_once(postgres_url: str) -> None:
    async with (
        open_store(postgres_url) as one,
        open_store(postgres_url) as two,
        open_store(postgres_url) as three,
    ):
        await asyncio.gather(*(send_all(store, random.Random(seed)) for seed, store in enumerate((one, two, three))))
        await check(one)


async def test_connections_that_are_cut_again_and_again_lose_and_double_nothing(own_server: PostgresServer) -> None:
    name = own_server.new_database()
    url = own_server.url(name)
    cut_all = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
    )
    killed, ended, went_on = 0, False, asyncio.Event()

    async def cut(dice: random.Random) -> None:
        """At any moment of an append, and again only once one has succeeded: a slow machine gets on too."""
        nonlocal killed
        while not ended:
            await went_on.wait()
            await asyncio.sleep(dice.random() * 0.03)
            killed += len(await asyncio.to_thread(own_server.execute, cut_all))
            went_on.clear()

    async with open_store(url) as one, open_store(url) as two:
        cutting = asyncio.create_task(cut(random.Random(3)))
        await asyncio.gather(send_all(one, random.Random(1), went_on.set), send_all(two, random.Random(2), went_on.set))
        ended = True
        went_on.set()
        await cutting
        assert killed > 3
        async with open_store(url) as fresh:
            await check(fresh)


async def test_a_database_that_crashes_keeps_what_was_acknowledged(own_server: PostgresServer) -> None:
    url = own_server.url(own_server.new_database())
    async with open_store(url) as store:
        for start in range(1, 401, 100):
            await store.append([batch(range(start, start + 100))])
            own_server.end(signal.SIGQUIT)
            with pytest.raises(StoreUnavailable):
                await store.append([batch([start + 100])])
            own_server.start()
            assert (await store.append([batch(range(start, start + 100))])).new_lines == 0

        assert (await store.progress([KEY.command_id]))[KEY] == Progress(400, 400)


async def test_an_append_that_gets_no_answer_ends_in_time_and_the_next_works(postgres_url: str) -> None:
    plain = postgres_url.replace("+psycopg", "")
    async with open_store(postgres_url, time_limit=0.5) as store:
        await store.append([batch([1])])
        with psycopg.connect(plain) as locker:
            locker.execute("LOCK TABLE spawn_log_progress IN ACCESS EXCLUSIVE MODE")
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"no answer within 0.5 s"):
                await store.append([batch([2])])
            assert time.monotonic() - started < 3
            locker.rollback()

        assert (await store.append([batch([1, 2])])).new_lines == 1


async def test_a_server_process_that_has_stopped_is_given_up(postgres_url: str) -> None:
    plain = postgres_url.replace("+psycopg", "")
    async with open_store(postgres_url, time_limit=0.5) as store:
        await store.append([batch([1])])
        with psycopg.connect(plain, autocommit=True) as other:
            row = other.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'COMMIT'"
            ).fetchone()
            assert row is not None
            os.kill(row[0], signal.SIGSTOP)
            try:
                with pytest.raises(StoreUnavailable, match="no answer"):
                    await store.append([batch([2])])
                assert (await store.append([batch([2, 3])])).new_lines == 2
            finally:
                os.kill(row[0], signal.SIGCONT)


async def test_an_append_that_is_given_up_at_any_moment_leaves_the_store_usable(store_url: str) -> None:
    dice = random.Random(7)
    async with open_store(store_url, lock_wait_seconds=1.0) as store:
        for number in range(1, 101):
            task = asyncio.create_task(store.append([batch(range(1, dice.choice([2, 50, 20 * number])))]))
            await asyncio.sleep(dice.random() * 0.008)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if number % 5 == 0:
                await appended(store, range(1, 20))
        await appended(store, range(1, 2001))

        assert (await store.progress([KEY.command_id]))[KEY] == Progress(2000, 2000)
        assert [line.seq for line in await store.tail(KEY, 3000)] == list(range(1, 2001))


async def appended(store: SpawnLogs, seqs: Iterable[int]) -> None:
    """At the third try at the latest: what was given up may still be on its way to its end."""
    for _ in range(2):
        try:
            await store.append([batch(seqs)])
            return
        except StoreUnavailable:
            await asyncio.sleep(0.05)
    await store.append([batch(seqs)])


async def test_a_repetition_costs_no_look_at_the_log(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    for kind in (PostgresTransaction, SqliteTransaction):
        original = kind.known

        async def known(
            self: object, place: Place, day: date, seqs: Sequence[int], original: object = original
        ) -> object:
            looked.append(len(seqs))
            return await original(self, place, day, seqs)  # type: ignore[operator]

        monkeypatch.setattr(kind, "known", known)
    async with open_store(store_url) as store:
        await store.append([batch(range(1, 5001))])
        assert (await store.append([batch([7])])).repeated == 1
        assert (await store.append([batch(range(4000, 5100))])).new_lines == 99
        assert looked == []

        await store.append([batch([6000])])
        assert (await store.append([batch([7, 5500, 6000, 6001])])).new_lines == 2
        assert looked == [3], "with a gap, only what was sent is looked up"


async def test_lines_that_somebody_else_has_inserted_do_not_stop_a_log(store_url: str) -> None:
    async with open_store(store_url) as store:
        await store.append([batch([1])])
        async with store._engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO spawn_logs SELECT command_id, attempt, 3, stream, ts, 'by hand', epoch,"
                    " machine_id, namespace, day FROM spawn_logs"
                )
            )
        await store.append([batch([2, 3, 4])])
        await store.append([batch([5])])

        assert [(line.seq, line.message) for line in await store.tail(KEY, 9)][2] == (3, "by hand")
        assert [line.seq for line in await store.tail(KEY, 9)] == [1, 2, 3, 4, 5]


async def test_each_commit_says_how_far_its_attempts_have_come(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as listener:
        listener.execute("LISTEN mentu_spawn_logs")
        async with open_store(postgres_url) as store:
            await store.append([batch([1, 2]), batch([3]), batch([1], replace(KEY, attempt=2))])
            await store.append([batch([1, 2])])
            await store.append([batch([4])])
        said = [json.loads(notice.payload) for notice in listener.notifies(timeout=0.2)]

    assert all((one["command_id"], one["namespace"]) == (KEY.command_id, KEY.namespace) for one in said)
    assert [(one["attempt"], one["first_seq"], one["last_seq"]) for one in said] == [(1, 1, 3), (2, 1, 1), (1, 4, 4)]


async def test_lines_of_one_command_share_a_day_whoever_stores_them(postgres_url: str) -> None:
    async with open_store(postgres_url) as one, open_store(postgres_url) as two, open_reading(postgres_url) as reader:
        await asyncio.gather(*(store.append([batch([seq])]) for seq, store in ((1, one), (2, two))))
        rows = await reader.lines_after(KEY.command_id, {}, 10)
        assert {row.day for row in rows} == {(await reader.owners([KEY.command_id]))[KEY.command_id].day}
        assert len(rows) == 2
