"""A connection for questions each of which is interrupted when it takes too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.engine import own_errors
from bugcommand_operator.store.errors import BadQuery, StoreRejected, StoreUnavailable, TooBroad


def single(engine: AsyncEngine) -> AsyncEngine:
    """The engine for questions of one statement, which is a snapshot by itself. In Postgres that spares the round trips
    to begin and to end a transaction, whose end would make the driver forget the statements that it has prepared."""
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def bounded(engine: AsyncEngine, seconds: float, *, tell: bool = False) -> AsyncIterator[AsyncConnection]:
    """For one question. Raises `TooBroad` for what takes longer, `BadQuery` for what the database cannot make sense
    of. A reader's connections to Postgres have a limit of their own; `tell` it this one, at the cost of a round
    trip."""
    async with asking(engine, seconds) as connection, in_time(connection, seconds, tell=tell):
        yield connection


@asynccontextmanager
async def asking(engine: AsyncEngine, seconds: float) -> AsyncIterator[AsyncConnection]:
    """The same for several, each to be put `in_time`: between them the caller may take its time."""
    try:
        with own_errors():
            async with engine.connect() as connection:
                yield connection
    except StoreRejected as error:
        raise BadQuery(str(error)) from error
    except StoreUnavailable as error:
        if "statement timeout" in str(error) or str(error) == "interrupted":
            raise TooBroad(f"the question takes longer than {seconds:g} s") from error
        raise


@asynccontextmanager
async def in_time(connection: AsyncConnection, seconds: float, *, tell: bool = False) -> AsyncIterator[None]:
    if connection.dialect.name != "sqlite":
        if tell:
            await connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        yield
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    timer = asyncio.get_running_loop().call_later(seconds, driver._conn.interrupt)
    try:
        yield
    finally:
        timer.cancel()
