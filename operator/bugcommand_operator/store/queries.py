"""What a reader asks, and the SELECT that it is. Pure: nothing here has a database.

Columns and operators are taken from lists, and values are of their column's type before they reach a statement.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    bindparam,
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
    "spawn_logs": ("seq", "attempt", "command_id"),  # after `ts` an index has a command's in this order
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
class Mark:
    """Stands for a value that is given when the statement is carried out."""

    name: str


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
    if owners is not None:
        query = narrowed(query, owners, by_day=by_day)
    table = _TABLES[query.table]
    statement = select(*_selected(table, query.columns)).where(*(_condition(table, one) for one in query.filters))
    return statement.where(*_in_scope(table, query.scope))


def narrowed(query: RowQuery, owners: Mapping[str, Owner], *, by_day: bool = True) -> RowQuery:
    """The same question with what is in its scope as conditions: the commands, whose they are and their days."""
    seen = {key: owner for key, owner in owners.items() if query.scope.holds(owner.namespace, owner.repository)}
    filters = [*query.filters, _among("command_id", seen)]
    if query.table == "spawn_recordings" and seen:
        filters.append(_of_owners(seen))
    if query.table == "spawn_logs" and by_day:
        filters.append(_among("day", {owner.day for owner in seen.values()}))
    return replace(query, filters=tuple(filters), scope=Scope())


def lifted(query: RowQuery) -> tuple[RowQuery, dict[str, Any]]:
    """The question with marks for the values of its conditions, limit and offset not being part of it: many questions
    are one then, whose statement can be kept. And the marks' values."""
    table, values = _TABLES[query.table], dict[str, Any]()

    def mark(column: Column[Any], value: Any) -> Mark:
        name = f"value_{len(values)}"
        values[name] = _value(column, value)
        return Mark(name)

    def lift(one: Filter | Group) -> Filter | Group:
        if isinstance(one, Group):
            return replace(one, parts=tuple(map(lift, one.parts)))
        if one.op == "is":
            return one
        column = _fitting(table, one)
        if one.op == "in":
            return replace(one, value=tuple([mark(column, value) for value in one.value]))
        return replace(one, value=mark(column, one.value))

    return replace(query, filters=tuple(map(lift, query.filters)), limit=0, offset=0), values


def equalled(shape: RowQuery) -> dict[str, str]:
    """The columns that have to equal a value, and that value's mark."""
    conditions = (one for one in shape.filters if isinstance(one, Filter) and one.op == "eq" and not one.negated)
    return {one.column: one.value.name for one in conditions if isinstance(one.value, Mark)}


def page_of(statement: Select[Any], query: RowQuery) -> Select[Any]:
    return in_order(statement, query).limit(query.limit).offset(query.offset)


def in_order(statement: Select[Any], query: RowQuery) -> Select[Any]:
    """An order that is total, so that pages neither overlap nor leave anything out."""
    table = _TABLES[query.table]
    order = list(query.order)
    descending = bool(order) and order[-1].descending
    given = {one.column for one in order}
    order += [Order(name, descending) for name in _LAST_ORDER[query.table] if name not in given]
    columns = [(_column(table, one.column), one.descending) for one in order]
    return statement.order_by(*(column.desc() if down else column.asc() for column, down in columns))


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


def _of_owners(owners: Mapping[str, Owner]) -> Group:
    """What a command's owner has written; there might be another's under the same id."""
    theirs: dict[str, list[str]] = {}
    for command_id, owner in owners.items():
        theirs.setdefault(owner.namespace, []).append(command_id)
    each = (Group((Filter("namespace", "eq", name), _among("command_id", ids))) for name, ids in theirs.items())
    return Group(tuple(each), any=True)


def _among(column: str, values: Iterable[Any]) -> Filter:
    some = tuple(sorted(values))
    return Filter(column, "eq", some[0]) if len(some) == 1 else Filter(column, "in", some)


def _one_of(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    some = sorted(values)
    return column == some[0] if len(some) == 1 else column.in_(some)


def _condition(table: Table, one: Filter | Group) -> ColumnElement[bool]:
    """As nested as it was asked: what is in it once is in the statement once."""
    if isinstance(one, Group):
        together = (or_ if one.any else and_)(*(_condition(table, part) for part in one.parts))
        return not_(together) if one.negated else together
    column = _fitting(table, one)
    if one.op == "in":
        found: ColumnElement[bool] = column.in_([_value(column, value) for value in one.value])
    elif one.op == "is":
        found = column.is_(one.value)
    elif one.op in ("like", "ilike"):
        found = getattr(column, one.op)(_value(column, one.value))
    else:
        found = getattr(column, _COMPARE[one.op])(_value(column, one.value))
    return ~found if one.negated else found


def _fitting(table: Table, one: Filter) -> Column[Any]:
    """The column of a condition."""
    column = _column(table, one.column)
    if not _fits(column, one):
        raise BadQuery(f"operator does not exist: {one.op} for the column {column.name}")
    return column


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
    if isinstance(value, Mark):
        return bindparam(value.name, type_=column.type, required=False)
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
