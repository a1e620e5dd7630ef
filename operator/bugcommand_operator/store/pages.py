"""Pages of rows as JSON. A page is read in one snapshot, with an engine that `open_reader` has opened.

Of Postgres, a page of short rows is read column by column, each in JSON, and put together here: that takes half the
time of letting the database write the objects. Its statement is kept for the next question of its shape, for building
it anew takes longer than most of its rows. Any other page the database itself writes, in pieces of bounded size: the
first tells how many rows the page has, the rest follows for as long as the caller asks for it.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import repeat
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    ColumnElement,
    Dialect,
    Integer,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bugcommand_operator.store.bounded import asking, in_time, single
from bugcommand_operator.store.queries import (
    RowQuery,
    equalled,
    in_order,
    lifted,
    named_commands,
    narrowed,
    page_of,
    rows_matching,
)
from bugcommand_operator.store.reading import LogReader
from bugcommand_operator.store.schema import has_days
from bugcommand_operator.store.types import Timestamp

PIECE = 4 << 20
"""Characters of text after which a piece is full, however often each is shown; it has at least one row."""
_SHORT_PAGE = 2000
FAST = frozenset({"spawn_logs", "spawn_recordings"})
"""The tables whose columns both databases write in JSON alike."""
_LONG = frozenset({"message", "data"})
_WORDS = frozenset({"stream"})
"""Columns whose values the schema lists: none needs to be escaped."""
_LIMIT, _OFFSET, _LONGEST = "page_limit", "page_offset", "page_longest"
_BETWEEN = "\n"
_KEPT = 128
"""Statements: strangers make up shapes, and each may be as long as what they may ask."""
_UTC = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

Named = tuple[str, str]
"""A column and the name that it gets."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`text`: the objects with commas between them. `whole`: how many rows there are from this piece's first on."""

    rows: int
    whole: int
    text: str


class PageReader:
    """`time_limit`: how many seconds the database may take for a piece; beyond it is `TooBroad`."""

    def __init__(self, engine: AsyncEngine, logs: LogReader, *, time_limit: float = 5.0, piece: int = PIECE) -> None:
        self._engine, self._logs, self._time_limit, self._piece = engine, logs, time_limit, piece
        self._single = single(engine)
        self._written = lru_cache(_KEPT)(partial(_write, engine.dialect))

    async def pieces(self, query: RowQuery, names: Sequence[Named]) -> AsyncGenerator[Piece, None]:
        """At least one. It holds a connection until it is closed."""
        named = named_commands(query)
        owners = await self._logs.owners(named) if named is not None else None
        if owners is not None:
            query = narrowed(query, owners, by_day=has_days(self._engine.dialect))
        if owners == {} or query.limit == 0:
            rows_matching(query, None)  # what makes no sense is refused all the same
            yield Piece(0, 0, "")
            return
        most = max(1, self._piece // max(1, sum(name in _LONG for name, _ in names)))
        if (whole_page := await self._at_once(query, tuple(names), most)) is not None:
            yield whole_page
            return
        statement = rows_matching(query, None)
        async with asking(self._engine, self._time_limit) as connection:
            await _one_snapshot(connection)
            done = whole = 0
            while done == 0 or done < whole:
                rest = replace(query, limit=query.limit - done, offset=query.offset + done)
                async with in_time(connection, self._time_limit):
                    piece = await _piece(connection, page_of(statement, rest), names, most)
                whole = done + piece.whole
                done += piece.rows
                yield piece
                if piece.rows == 0:
                    return

    async def _at_once(self, query: RowQuery, names: tuple[Named, ...], most: int) -> Piece | None:
        """The whole page by one statement, or None when it may be too big for that."""
        limit = query.limit
        if self._engine.dialect.name == "sqlite" or limit > _SHORT_PAGE or limit > most:
            return None
        shape, values = lifted(query)
        statement = self._written(shape, names)
        bounds = {_LIMIT: limit, _OFFSET: query.offset, _LONGEST: most * 2 // limit}
        async with asking(self._single, self._time_limit) as connection:
            result = await connection.exec_driver_sql(statement.text, {**statement.constants, **values, **bounds})
            count, *columns = tuple(result.one())
        written: list[list[str]] = [column.split(_BETWEEN) if column else [] for column in columns]
        if any(len(column) != count for column in written):
            return None
        return Piece(count, count, _objects(statement.members, values, written, count))


class _Member(NamedTuple):
    """Of each object. `value`: that of the question which its column equals, so that nobody needs to ask for it.
    `quote`: what stands around what was asked for."""

    key: str
    value: str | None
    quote: str


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement for all questions of one shape."""

    text: str
    constants: Mapping[str, Any]
    """Its parameters that are the same for all of them."""
    members: Sequence[_Member]


def _write(dialect: Dialect, shape: RowQuery, names: tuple[Named, ...]) -> _Written:
    limit, offset, longest = (bindparam(name, type_=Integer, required=False) for name in (_LIMIT, _OFFSET, _LONGEST))
    page = in_order(rows_matching(shape, None), shape).limit(limit).offset(offset).subquery("page")
    asked_for = {one.name for one in page.columns if not _is_moment(one) and one.name not in _LONG}
    equal = {name: mark for name, mark in equalled(shape).items() if name in asked_for}
    asked = [_fragments(page.columns[name], longest) for name, _ in names if name not in equal]
    statement = select(func.count(), *asked).select_from(page)
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    members = [
        _Member(orjson.dumps(alias).decode(), equal.get(name), '"' * _lacks_quotes(page.columns[name]))
        for name, alias in names
    ]
    return _Written(str(compiled), dict(compiled.params), members)


def _fragments(found: ColumnElement[Any], longest: ColumnElement[int]) -> ColumnElement[str]:
    """A column's values as JSON, some without their quotes. None has a line break of its own, so that they are one
    value for the driver, and not one for each row. Without each text that is longer than this many bytes: it never
    leaves the database."""
    is_plain = isinstance(found.type, Integer) or _lacks_quotes(found)
    one: ColumnElement[Any] = cast(_stamped(found) if is_plain else func.to_json(found), Text)
    short = case((func.octet_length(found) <= longest, one)) if found.name in _LONG else one
    return func.string_agg(short, literal(_BETWEEN))


def _objects(
    members: Sequence[_Member], values: Mapping[str, Any], columns: Iterable[Iterable[str]], count: int
) -> str:
    """The rows as objects in JSON, with commas between them."""
    parts, constant, rest = list[Iterable[str]](), "{", iter(columns)
    for place, (key, value, quote) in enumerate(members):
        constant += f"{',' * (place > 0)}{key}:"
        if value is not None:
            constant += orjson.dumps(values[value]).decode()
            continue
        parts += repeat(constant + quote, count), next(rest)
        constant = quote
    return ",".join(map("".join, zip(*parts, repeat(constant + "}", count), strict=True)))


async def _one_snapshot(connection: AsyncConnection) -> None:
    """A reader's engine gives it by itself in Postgres; SQLite's driver begins no transaction to read."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN")


async def _piece(connection: AsyncConnection, page: Select[Any], names: Sequence[Named], most: int) -> Piece:
    build = _sqlite if connection.dialect.name == "sqlite" else _postgres
    rows, whole, text = (await connection.execute(build(page, names, most))).one()
    return Piece(rows, whole, text or "")


def _sized(page: Select[Any]) -> Select[Any]:
    """The page's rows with the length of the text before each of them, in the page's order."""
    rows = page.subquery("page")
    long = [func.length(one) for one in rows.columns if one.name in _LONG]
    before: ColumnElement[Any] = func.sum(long[0]).over(rows=(None, -1)) if long else literal(0)
    return select(rows, func.coalesce(before, 0).label("before_"))


def _postgres(page: Select[Any], names: Sequence[Named], most: int) -> Select[Any]:
    sized = _sized(page).cte("sized")
    whole = select(func.count()).select_from(sized).scalar_subquery()
    record = cast(func.row_to_json(literal_column("shown.*")), Text)
    shown = select(*(_stamped(sized.c[name]).label(alias) for name, alias in names)).where(sized.c.before_ < most)
    return select(func.count(), whole, func.string_agg(record, ",")).select_from(shown.subquery("shown"))


def _lacks_quotes(found: ColumnElement[Any]) -> bool:
    """Of those that need no escaping, JSON is the text in quotes."""
    return _is_moment(found) or found.name in _WORDS


def _is_moment(found: ColumnElement[Any]) -> bool:
    return isinstance(found.type, Timestamp)


def _stamped(found: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.to_char(func.timezone("UTC", found), _UTC) if _is_moment(found) else found


def _sqlite(page: Select[Any], names: Sequence[Named], most: int) -> Select[Any]:
    sized = _sized(page).subquery("sized")
    pairs = [part for name, alias in names for part in (literal(alias), type_coerce(sized.c[name], Text))]
    fits = sized.c.before_ < most
    text = func.group_concat(func.json_object(*pairs), ",").filter(fits)
    return select(func.count().filter(fits), func.count(), text).select_from(sized)
