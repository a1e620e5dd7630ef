"""Pages of rows as JSON. A page is read in one snapshot, with an engine that `open_reader` has opened.

Of Postgres, a page of short rows is read column by column and made objects here: that takes half the time of letting
the database write them. Its statement is kept for the next question of its shape, for building it anew takes longer
than most of its rows. Any other page the database itself writes, in pieces of bounded size: the first tells how many
rows the page has, the rest follows for as long as the caller asks for it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

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
"""Characters of text after which a piece is full; it has at least one row."""
_SHORT_PAGE = 2000
FAST = frozenset({"spawn_logs", "spawn_recordings"})
"""The tables whose columns both databases write in JSON alike."""
_LONG = frozenset({"message", "data"})
_LIMIT, _OFFSET, _LONGEST = "page_limit", "page_offset", "page_longest"
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
        if (whole_page := await self._at_once(query, tuple(names))) is not None:
            yield whole_page
            return
        statement = rows_matching(query, None)
        async with asking(self._engine, self._time_limit) as connection:
            await _one_snapshot(connection)
            done = whole = 0
            while done == 0 or done < whole:
                rest = replace(query, limit=query.limit - done, offset=query.offset + done)
                async with in_time(connection, self._time_limit):
                    piece = await _piece(connection, page_of(statement, rest), names, self._piece)
                whole = done + piece.whole
                done += piece.rows
                yield piece
                if piece.rows == 0:
                    return

    async def _at_once(self, query: RowQuery, names: tuple[Named, ...]) -> Piece | None:
        """The whole page by one statement, or None when it may be too big for that."""
        limit = query.limit
        if self._engine.dialect.name == "sqlite" or limit > _SHORT_PAGE or limit > self._piece:
            return None
        shape, values = lifted(query)
        statement = self._written(shape, names)
        bounds = {_LIMIT: limit, _OFFSET: query.offset, _LONGEST: self._piece * 2 // limit}
        async with asking(self._single, self._time_limit) as connection:
            result = await connection.exec_driver_sql(statement.text, {**statement.constants, **values, **bounds})
            columns = [orjson.loads(column or "[]") for column in result.one()]
        if any(None in columns[place] for place in statement.bounded):
            return None
        rows = list(map(dict, map(zip, repeat(statement.keys), zip(*columns, strict=True))))
        return Piece(len(rows), len(rows), orjson.dumps(rows).decode()[1:-1])


@dataclass(frozen=True, slots=True)
class _Written:
    """A statement for all questions of one shape."""

    text: str
    constants: Mapping[str, Any]
    """Its parameters that are the same for all of them."""
    keys: Sequence[str]
    bounded: Sequence[int]
    """The places of the columns that are NULL where their text is too long."""


def _write(dialect: Dialect, shape: RowQuery, names: tuple[Named, ...]) -> _Written:
    limit, offset, longest = (bindparam(name, type_=Integer, required=False) for name in (_LIMIT, _OFFSET, _LONGEST))
    page = in_order(rows_matching(shape, None), shape).limit(limit).offset(offset)
    compiled = _short(page, names, longest).compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    keys = [str(alias) for _, alias in names]
    bounded = [place for place, (name, _) in enumerate(names) if name in _LONG]
    return _Written(str(compiled), dict(compiled.params), keys, bounded)


def _short(page: Select[Any], names: Sequence[Named], longest: ColumnElement[int]) -> Select[Any]:
    """The page's columns, each a list in JSON: ten values for the driver, and not ten for each row. With null for each
    text that is longer than this many bytes: it never leaves the database."""
    rows = page.subquery("page")
    found = (_bounded(_stamped(rows.columns[name]), name, longest) for name, _ in names)
    return select().add_columns(*(cast(func.json_agg(one), Text) for one in found))


def _bounded(found: ColumnElement[Any], name: str, longest: ColumnElement[int]) -> ColumnElement[Any]:
    return case((func.octet_length(found) <= longest, found)) if name in _LONG else found


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
    record = cast(func.row_to_json(literal_column("shown")), Text)
    shown = select(*(_stamped(sized.c[name]).label(alias) for name, alias in names)).where(sized.c.before_ < most)
    return select(func.count(), whole, func.string_agg(record, ",")).select_from(shown.subquery("shown"))


def _stamped(found: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.to_char(func.timezone("UTC", found), _UTC) if isinstance(found.type, Timestamp) else found


def _sqlite(page: Select[Any], names: Sequence[Named], most: int) -> Select[Any]:
    sized = _sized(page).subquery("sized")
    pairs = [part for name, alias in names for part in (literal(alias), type_coerce(sized.c[name], Text))]
    fits = sized.c.before_ < most
    text = func.group_concat(func.json_object(*pairs), ",").filter(fits)
    return select(func.count().filter(fits), func.count(), text).select_from(sized)
