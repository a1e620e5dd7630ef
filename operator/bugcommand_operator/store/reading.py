"""Reading log rows for people and programs: by query, after a cursor, by words. It never writes, and each question
has a bound: on rows, on the time it may take, or both.

Scope comes from the caller, who has found out what may be read; a row outside it is as if it were not there.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncEngine

from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import LogRow, Owner

Op = Literal["eq", "neq", "gt", "gte", "lt", "lte", "in", "like", "ilike", "is"]


@dataclass(frozen=True, slots=True)
class Filter:
    """`value` is of the column's type, or text that can be read as such; a collection of them for `in`; for `is`
    None, True or False. `like` takes SQL's `%`."""

    column: str
    op: Op
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What the caller may see; None: no limit. `repositories` are names within `namespaces`."""

    namespaces: frozenset[str] | None = None
    repositories: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class RowQuery:
    """`filters` hold together; of each of `any_of`'s groups, if there are any, one has to hold as a whole.
    No columns: all of them. An unknown column or a value of the wrong kind is a `BadQuery`."""

    columns: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    any_of: tuple[tuple[Filter, ...], ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = 1000
    offset: int = 0
    scope: Scope = Scope()
    table: Literal["spawn_logs", "spawn_recordings", "bridge_commands"] = "spawn_logs"


class LogReader:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def owners(self, command_ids: Collection[str]) -> dict[str, Owner]:
        """Whose these commands are; those without a line are absent."""
        raise StoreUnavailable("not there yet")

    async def rows(self, query: RowQuery) -> list[dict[str, Any]]:
        raise StoreUnavailable("not there yet")

    async def count(self, query: RowQuery, bound: int) -> int:
        """How many rows there are without limit and offset; `bound` when there are more."""
        raise StoreUnavailable("not there yet")

    async def lines_after(self, command_id: str, cursor: Mapping[int, int], limit: int) -> list[LogRow]:
        """Rows in order of (attempt, seq) of which `cursor` (attempt: last seq seen) has not seen."""
        raise StoreUnavailable("not there yet")

    async def search(
        self,
        namespace: str,
        words: str,
        *,
        command_id: str | None = None,
        repository: str | None = None,
        limit: int = 100,
        since: datetime | None = None,
    ) -> list[LogRow]:
        """Lines that hold all these words, the newest first."""
        raise StoreUnavailable("not there yet")
