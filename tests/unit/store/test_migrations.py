"""Migrations build exactly the tables that the code uses, once, and leave a newer database alone."""

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from tests.unit.store.builders import open_store, url_of

from bugcommand_operator.store import migrate
from bugcommand_operator.store.engine import open_writer
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.schema import metadata


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


async def test_the_migrated_tables_are_those_of_the_code(tmp_path: Path) -> None:
    await migrate.upgrade(url_of(tmp_path / "logs.db"))

    engine = create_engine(f"sqlite:///{tmp_path / 'logs.db'}")
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


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
