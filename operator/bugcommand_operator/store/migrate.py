"""Bringing a database to the schema that this version needs. Callers say when; nothing migrates by itself."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bugcommand_operator.store.engine import own_errors

HEAD = "0003"
"""The newest migration here. Known without alembic, whose import costs more than the check itself."""

_TURN = 0x6D656E747501  # of several that migrate at once, the others find it done
_SCRIPTS = Path(__file__).parent / "migrations"


async def upgrade(url: str) -> None:
    """Migrate the database at this URL."""
    engine = create_async_engine(url)
    try:
        await upgrade_engine(engine)
    finally:
        await engine.dispose()


async def upgrade_engine(engine: AsyncEngine) -> None:
    """Migrate, unless it is done already. A database that a newer version has migrated is left as it is:
    migrations only add, so this version still runs on it."""
    if not await is_migrated(engine):
        with own_errors():
            async with engine.begin() as connection:
                await connection.run_sync(_run_alembic)


async def is_migrated(engine: AsyncEngine) -> bool:
    with own_errors():
        async with engine.connect() as connection:
            revision = await connection.run_sync(_current_revision)
    return revision is not None and revision >= HEAD


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none for DDL: half a schema could stay
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
