"""What a reader asks, and the SELECT that it is. Pure: nothing here has a database.

Columns and operators are taken from lists, and values are of their column's type before they reach a statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    Table,
    and_,
    false,
    not_,
    or_,
    select,
)

from bugcommand_operator.store.errors import BadQuery
from bugcommand_operator.store.lines import Owner
from bugcommand_operator.store.schema import bridge_commands, spawn_log_owners, spawn_logs, spawn_recordings
from bugcommand_operator.store.types import Json, TextList, Timestamp

Op = Literal["eq", "neq", "gt", "gte", "lt", "lte", "in", "like", "ilike", "is"]
TableName = Literal["spawn_logs", "spawn_recordings", "bridge_commands"]

_TABLES: Mapping[str, Table] = {table.name: table for table in (spawn_logs, spawn_recordings, bridge_commands)}
_LAST_ORDER: Mapping[str, tuple[str, ...]] = {
    "spawn_logs": ("seq", "attempt"),  # after `ts` an index has them in this order
    "spawn_recordings": ("command_id", "attempt", "part"),
    "bridge_commands": ("created_at", "id"),
}
_COMPARE: Mapping[str, str] = {
    "eq": "__eq__",
    "neq": "__ne__",
    "gt": "__gt__",
    "gte": "__ge__",
    "lt": "__lt__",
    "lte": "__le__",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """`value` is of the column's type, or text that can be read as such; a collection of them for `in`; for `is`
    None, True or False. `like` takes SQL's `%`."""

    column: str
    op: Op
    value: Any
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions of which all have to hold, or `any` of them; at least one."""

    parts: "tuple[Filter | Group, ...]"
    any: bool = False
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

    def holds(self, namespace: str, repository: str) -> bool:
        return (self.namespaces is None or namespace in self.namespaces) and (
            self.repositories is None or repository in self.repositories
        )


@dataclass(frozen=True, slots=True)
class RowQuery:
    """`filters` hold together. No columns: all of them. An unknown column or a value of the wrong kind is a
    `BadQuery`."""

    columns: tuple[str, ...] = ()
    filters: tuple[Filter | Group, ...] = ()
    order: tuple[Order, ...] = ()
    limit: int = 1000
    offset: int = 0
    scope: Scope = Scope()
    table: TableName = "spawn_logs"


def named_commands(query: RowQuery) -> frozenset[str] | None:
    """The command ids that a row has to have one of; None when the question leaves it open."""
    found: frozenset[str] | None = None
    if query.table != "bridge_commands":
        for one in query.filters:
            if isinstance(one, Group):
                continue
            if one.column == "command_id" and one.op in ("eq", "in") and not one.negated:
                values = frozenset([str(one.value)] if one.op == "eq" else map(str, one.value))
                found = values if found is None else found & values
    return found


def rows_matching(query: RowQuery, owners: Mapping[str, Owner] | None, *, by_day: bool = True) -> Select[Any]:
    """The rows, without order and limit. `owners`: of the commands that the question names, if it does; they say
    what is in scope, and which days' partitions to look into: `by_day`, where there are partitions."""
    table = _TABLES[query.table]
    statement = select(*_selected(table, query.columns)).where(*(_condition(table, one) for one in query.filters))
    if owners is None:
        return statement.where(*_in_scope(table, query.scope))
    seen = {key: owner for key, owner in owners.items() if query.scope.holds(owner.namespace, owner.repository)}
    statement = statement.where(_one_of(table.c.command_id, seen))
    if table is spawn_recordings:
        statement = statement.where(_of_owners(seen))
    if table is spawn_logs and by_day:
        statement = statement.where(_one_of(table.c.day, {owner.day for owner in seen.values()}))
    return statement


def page_of(statement: Select[Any], query: RowQuery) -> Select[Any]:
    """In an order that is total, so that pages neither overlap nor leave anything out."""
    table = _TABLES[query.table]
    order = list(query.order)
    descending = bool(order) and order[-1].descending
    given = {one.column for one in order}
    order += [Order(name, descending) for name in _LAST_ORDER[query.table] if name not in given]
    columns = [(_column(table, one.column), one.descending) for one in order]
    ordered = statement.order_by(*(column.desc() if down else column.asc() for column, down in columns))
    return ordered.limit(query.limit).offset(query.offset)


def _selected(table: Table, names: Sequence[str]) -> Iterable[Column[Any]]:
    return [_column(table, name) for name in names] if names else table.columns


def _column(table: Table, name: str) -> Column[Any]:
    column = table.columns.get(name)
    if column is None:
        raise BadQuery(f"column {table.name}.{name} does not exist")
    return column


def _in_scope(table: Table, scope: Scope) -> Iterable[ColumnElement[bool]]:
    if scope.namespaces is not None:
        yield _one_of(table.c.namespace, scope.namespaces)
    if scope.repositories is not None and "repository" in table.c:
        yield _one_of(table.c.repository, scope.repositories)
    elif scope.repositories is not None:
        owner = spawn_log_owners.c
        theirs = select(owner.command_id).where(
            _one_of(owner.repository, scope.repositories), owner.namespace == table.c.namespace
        )
        yield table.c.command_id.in_(theirs.correlate(table))


def _of_owners(owners: Mapping[str, Owner]) -> ColumnElement[bool]:
    """What a command's owner has written; there might be another's under the same id."""
    table = spawn_recordings.c
    theirs: dict[str, list[str]] = {}
    for command_id, owner in owners.items():
        theirs.setdefault(owner.namespace, []).append(command_id)
    each = (and_(table.namespace == name, _one_of(table.command_id, ids)) for name, ids in theirs.items())
    return or_(false(), *each)


def _one_of(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    some = sorted(values)
    return column == some[0] if len(some) == 1 else column.in_(some)


def _condition(table: Table, one: Filter | Group) -> ColumnElement[bool]:
    """As nested as it was asked: what is in it once is in the statement once."""
    if isinstance(one, Group):
        together = (or_ if one.any else and_)(*(_condition(table, part) for part in one.parts))
        return not_(together) if one.negated else together
    column = _column(table, one.column)
    if not _fits(column, one):
        raise BadQuery(f"operator does not exist: {one.op} for the column {column.name}")
    if one.op == "in":
        found: ColumnElement[bool] = column.in_([_value(column, value) for value in one.value])
    elif one.op == "is":
        found = column.is_(one.value)
    elif one.op in ("like", "ilike"):
        found = getattr(column, one.op)(str(one.value))
    else:
        found = getattr(column, _COMPARE[one.op])(_value(column, one.value))
    return ~found if one.negated else found


def _fits(column: Column[Any], one: Filter) -> bool:
    """Whether Postgres has this operator for the column; SQLite would compare anything."""
    kind = column.type
    if one.op == "is":
        return one.value is None or isinstance(kind, Boolean)
    if one.op in ("like", "ilike"):
        return isinstance(kind, String)
    if one.op in ("gt", "gte", "lt", "lte") and isinstance(kind, Boolean):
        return False
    return (one.op == "in" or one.op in _COMPARE) and not isinstance(kind, (Json, TextList))


def _value(column: Column[Any], value: Any) -> Any:
    try:
        return _as_type(column, value)
    except (ValueError, TypeError) as error:
        raise BadQuery(f"{value!r} is no value of the column {column.name}") from error


def _as_type(column: Column[Any], value: Any) -> Any:
    kind = column.type
    if isinstance(kind, Timestamp):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if isinstance(kind, Date):
        return date.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(kind, (Integer, BigInteger)):
        return _whole(int(value), 63 if isinstance(kind, BigInteger) else 31)
    if isinstance(kind, Boolean):
        return {"true": True, "false": False}[value.lower()] if isinstance(value, str) else bool(value)
    return str(value)


def _whole(number: int, bits: int) -> int:
    """A number that the column could hold; one beyond it is beyond all that are there."""
    return max(-(1 << bits), min(number, (1 << bits) - 1))
