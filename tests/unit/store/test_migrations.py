"""Migrations build exactly the tables that the code uses, once, and leave a newer database alone."""

import asyncio
import re
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from tests.support.postgres import PostgresServer
from tests.unit.store.builders import EPOCH, KEY, batch, open_reading, open_store, url_of

from bugcommand_operator.store import migrate
from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.indexing import index_once
from bugcommand_operator.store.lines import Progress
from bugcommand_operator.store.pages import PageReader
from bugcommand_operator.store.reading import Filter, RowQuery
from bugcommand_operator.store.retention import RetentionPolicy, expire
from bugcommand_operator.store.schema import as_text, metadata

INSIDE = re.compile(r"spawn_log_words|spawn_logs_\d")
"""What the tables are made of, which the metadata does not list: the words of SQLite's search, Postgres' partitions."""


def differences(connection: Connection) -> list[object]:
    def ours(_object: object, name: str | None, *_rest: object) -> bool:
        return not (
            INSIDE.match(name or "") or (name == "spawn_log_chunks_words" and connection.dialect.name == "sqlite")
        )

    context = MigrationContext.configure(connection, opts={"include_object": ours})
    return list(compare_metadata(context, metadata))


async def test_the_migrated_tables_are_those_of_the_code(store_url: str) -> None:
    await migrate.upgrade(store_url)

    engine = create_engine(store_url.replace("+aiosqlite", ""))
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


async def test_an_empty_postgres_is_migrated_whoever_else_does_so_too(postgres_server: PostgresServer) -> None:
    name = postgres_server.new_database()
    await asyncio.gather(*(migrate.upgrade(postgres_server.url(name)) for _ in range(3)))

    kind = "SELECT relkind::text FROM pg_class WHERE relname = 'spawn_logs'"
    assert postgres_server.execute(kind, name) == [("p",)]
    key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'spawn_logs_pkey'"
    assert postgres_server.execute(key, name) == [("PRIMARY KEY (command_id, attempt, seq, day)",)]
    postgres_server.drop_database(name)


async def test_a_table_of_commands_that_others_made_keeps_its_rows_and_gets_what_it_lacks(
    postgres_server: PostgresServer,
) -> None:
    name = postgres_server.new_database()
    for statement in (
        "CREATE TABLE bridge_commands (id uuid PRIMARY KEY, prompt text, status text, extra int)",
        "INSERT INTO bridge_commands VALUES ('5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11', 'fix', 'pending', 7)",
    ):
        postgres_server.execute(statement, name)
    await migrate.upgrade(postgres_server.url(name))

    rows = postgres_server.execute("SELECT prompt, status, extra, bugcommand FROM bridge_commands", name)
    assert rows == [("fix", "pending", 7, None)]
    postgres_server.drop_database(name)


def first_version(path: Path) -> None:
    """A database as the first version left it, with the lines of two commands."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for id_, lines in ((KEY.command_id, 100), ("finished", 3)):
            for seq in range(1, lines + 1):
                at = as_text(EPOCH + timedelta(microseconds=seq))
                values = f"'{id_}', 1, {seq}, 'stdout', '{at}', 'line {seq}', 1, 'lab', 'team-a'"
                connection.exec_driver_sql(f"INSERT INTO spawn_logs VALUES ({values})")
            connection.exec_driver_sql(
                f"INSERT INTO spawn_log_progress VALUES ('{id_}', 1, 'team-a', {lines}, {lines})"
            )
            connection.exec_driver_sql(f"INSERT INTO spawn_log_owners VALUES ('{id_}', 'team-a')")
    engine.dispose()


async def test_a_sqlite_of_the_first_version_goes_on_where_it_was(tmp_path: Path) -> None:
    first_version(tmp_path / "logs.db")
    resent = replace(batch(range(90, 111)), command_uid="uid-1", repository="shop")

    async with open_store(tmp_path / "logs.db") as store, open_reading(url_of(tmp_path / "logs.db")) as reader:
        done = await store.append([resent])
        assert (done.new_lines, done.repeated) == (10, 11)
        assert [line.seq for line in await store.tail(KEY, 1000)] == list(range(1, 111))
        assert (await store.progress([KEY.command_id]))[KEY] == Progress(110, 110)
        owner = (await reader.owners([KEY.command_id]))[KEY.command_id]
        assert (owner.command_uid, owner.repository) == ("uid-1", "shop")
        assert len(await reader.lines_after(KEY.command_id, {1: 50}, 1000)) == 60
        while await index_once(store._engine):
            pass
        assert len(await reader.search("team-a", "line 77")) == 1
        assert not (await expire(store._engine, RetentionPolicy(30))).more
        assert len(await reader.rows(RowQuery(limit=1000))) == 113


async def test_the_first_version_still_writes_after_an_upgrade(tmp_path: Path) -> None:
    """As when an upgrade is rolled back: migrations only add."""
    first_version(tmp_path / "logs.db")
    async with open_store(tmp_path / "logs.db") as store:
        columns = "command_id, attempt, seq, stream, ts, message, epoch, machine_id, namespace"
        at = as_text(EPOCH)
        with sqlite3.connect(tmp_path / "logs.db") as old:
            old.execute(
                f"INSERT INTO spawn_logs ({columns}) VALUES ('new', 1, 1, 'stdout', '{at}', 'm', 1, 'lab', 'team-a')"
            )
            old.execute(
                "INSERT INTO spawn_log_progress (command_id, attempt, namespace, lines, last_seq)"
                " VALUES ('new', 1, 'team-a', 1, 1)"
            )
            old.execute("INSERT INTO spawn_log_owners (command_id, namespace) VALUES ('new', 'team-a')")
        key = replace(KEY, command_id="new")
        assert (await store.append([batch([1, 2], key)])).new_lines == 1
        assert [line.message for line in await store.tail(key, 5)] == ["m", "line 2"]


async def test_lines_that_the_first_version_added_after_a_rollback_are_read_found_and_deleted(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    async with open_store(path) as store, open_reading(url_of(path)) as reader:
        await store.append([batch([1])])
        columns = "command_id, attempt, seq, stream, ts, message, epoch, machine_id, namespace"
        values = f"'{KEY.command_id}', 1, 2, 'stdout', '{as_text(EPOCH)}', 'added', 1, 'lab', 'team-a'"
        with sqlite3.connect(path) as old:
            old.execute(f"INSERT INTO spawn_logs ({columns}) VALUES ({values})")
            old.execute("UPDATE spawn_log_progress SET lines = 2, last_seq = 2")
        while await index_once(store._engine):
            pass

        asked = RowQuery(filters=(Filter("command_id", "eq", KEY.command_id),))
        assert len(await reader.rows(asked)) == await reader.count(asked, 10) == 2
        pages = PageReader(reader._engine, reader).pieces(asked, [("seq", "seq")])
        assert [piece.rows async for piece in pages] == [2]
        assert [row.message for row in await reader.lines_after(KEY.command_id, {1: 1}, 10)] == ["added"]
        assert [row.seq for row in await reader.search("team-a", "added")] == [2]
        for _ in range(3):
            await expire(store._engine, RetentionPolicy(1), now=datetime.now(UTC) + timedelta(days=2))
        assert await reader.rows(RowQuery()) == []


async def test_the_key_of_a_line_is_command_attempt_and_sequence(tmp_path: Path) -> None:
    await migrate.upgrade(url_of(tmp_path / "logs.db"))

    with sqlite3.connect(tmp_path / "logs.db") as connection:
        columns = connection.execute("SELECT name, pk FROM pragma_table_info('spawn_logs')").fetchall()
    assert [name for name, position in columns if position] == ["command_id", "attempt", "seq"]
    assert {"stream", "ts", "message", "epoch", "machine_id", "namespace"} < {name for name, _ in columns}


async def test_upgrading_twice_changes_nothing(tmp_path: Path) -> None:
    await migrate.upgrade(url_of(tmp_path / "logs.db"))
    before = (tmp_path / "logs.db").read_bytes()
    await migrate.upgrade(url_of(tmp_path / "logs.db"))

    assert (tmp_path / "logs.db").read_bytes() == before


async def test_a_database_of_a_newer_version_is_left_as_it_is_and_works(tmp_path: Path) -> None:
    async with open_store(tmp_path / "logs.db"):
        pass
    with sqlite3.connect(tmp_path / "logs.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    async with open_store(tmp_path / "logs.db"):
        pass
    with sqlite3.connect(tmp_path / "logs.db") as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


async def test_an_interrupted_upgrade_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    sqlite3.connect(path).execute("CREATE TABLE alembic_version (version_num VARCHAR(32))").connection.close()

    await migrate.upgrade(url_of(path))

    engine = open_writer(url_of(path), synchronous="NORMAL")
    assert await migrate.is_migrated(engine)
    await engine.dispose()


async def test_an_upgrade_that_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE spawn_log_owners (in_the_way INTEGER)")

    with pytest.raises(StoreUnavailable, match="already exists"):
        await migrate.upgrade(url_of(path))

    with sqlite3.connect(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert tables == [("spawn_log_owners",)]


async def test_a_database_that_is_away_cannot_be_migrated(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await migrate.upgrade(url_of(tmp_path / "missing" / "logs.db"))


def test_the_newest_migration_is_the_one_that_the_code_asks_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))

    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD
