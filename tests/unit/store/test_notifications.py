"""What is announced, and that a cut line is told and mended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import psycopg
from tests.support.postgres import PostgresServer

from bugcommand_operator.store.notifications import Connected, Disconnected, Event, Notification, listen


async def following(events: AsyncIterator[Event]) -> Event:
    async with asyncio.timeout(10):
        return await anext(events)


async def test_announcements_of_the_channels_asked_for_arrive_in_order(postgres_url: str) -> None:
    async with aclosing(listen(postgres_url, ["one", "two"])) as events:
        assert await following(events) == Connected()
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            for channel, payload in (("one", "a"), ("three", "b"), ("two", '{"c": 1}'), ("one", "")):
                other.execute("SELECT pg_notify(%s, %s)", (channel, payload))

        assert [await following(events) for _ in range(3)] == [
            Notification("one", "a"),
            Notification("two", '{"c": 1}'),
            Notification("one", ""),
        ]


async def test_a_cut_line_is_told_and_made_anew(postgres_url: str, postgres_server: PostgresServer) -> None:
    async with aclosing(listen(postgres_url, ["one"])) as events:
        assert await following(events) == Connected()
        for _ in range(3):
            name = postgres_url.rpartition("/")[2]
            postgres_server.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND query ~ 'LISTEN'"
            )
            assert isinstance(await following(events), Disconnected)
            assert await following(events) == Connected()
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            other.execute("NOTIFY one, 'still'")
        assert await following(events) == Notification("one", "still")


async def test_a_server_that_is_away_is_tried_again_and_again() -> None:
    async with aclosing(listen("postgresql+psycopg://nobody@127.0.0.1:1/none", ["one"])) as events:
        assert [type(await following(events)) for _ in range(3)] == [Disconnected] * 3


async def test_a_listener_that_stops_leaves_no_connection(postgres_url: str) -> None:
    async with aclosing(listen(postgres_url, ["one"])) as events:
        await following(events)

    with psycopg.connect(postgres_url.replace("+psycopg", "")) as other:
        for _ in range(100):
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            count = other.execute(f"SELECT count(*) FROM pg_stat_activity WHERE {others}").fetchone()
            if count == (0,):
                return
            other.rollback()
            await asyncio.sleep(0.02)
    raise AssertionError("a connection was left open")


async def test_rows_of_others_in_the_bridges_table_are_announced(postgres_url: str) -> None:
    import json

    async with aclosing(listen(postgres_url, ["mentu_bridge_commands"])) as events:
        await following(events)
        with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as other:
            row = other.execute("INSERT INTO bridge_commands (prompt) VALUES ('fix it') RETURNING id").fetchone()
            assert row is not None
            other.execute("UPDATE bridge_commands SET status = 'claimed'")
        said = [await following(events) for _ in range(2)]

    told = [json.loads(one.payload) for one in said if isinstance(one, Notification)]
    assert told == [
        {"op": "insert", "id": str(row[0]), "status": "pending"},
        {"op": "update", "id": str(row[0]), "status": "claimed"},
    ]
