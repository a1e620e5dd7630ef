"""Rows as an answer: JSON, a single object, or CSV, with the headers that say which rows of how many they are."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from bugcommand_operator.gateway.rest.encoding import encode
from bugcommand_operator.gateway.rest.errors import NotAcceptable, RangeError
from bugcommand_operator.gateway.rest.query import Accepted, Asked, Selected

Rows = Sequence[dict[str, Any]]
_MEDIA = {
    "array": "application/json; charset=utf-8",
    "object": "application/vnd.pgrst.object+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}


def named(rows: Rows, select: Sequence[Selected]) -> Rows:
    """The rows with the names that were asked for, in that order."""
    if all(selected.column == selected.name for selected in select):
        return rows
    return [{selected.name: row[selected.column] for selected in select} for row in rows]


def respond(asked: Asked, rows: Rows, total: int | None) -> Response:
    """`total` is how many there are without limit and offset; None when that was not asked, or is not known."""
    status, headers = head(asked, len(rows), total)
    if asked.accepted.form == "object":
        return Response(encode(_single(asked.accepted, rows)), 200, headers)
    if asked.accepted.form == "csv":
        return Response(csv_header(asked.select) + csv_rows(rows), status, headers)
    rows = [stripped(row) for row in rows] if asked.accepted.strip_nulls else rows
    return Response(encode(rows), status, headers)


def head(asked: Asked, count: int, total: int | None) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer with so many rows."""
    if total is not None and asked.offset > total:
        details = f"An offset of {asked.offset} was requested, but there are only {total} rows."
        raise RangeError("PGRST103", "Requested range not satisfiable", details=details)
    headers = {
        "Content-Type": _MEDIA[asked.accepted.form],
        "Content-Range": _content_range(asked.offset, count, total),
        "Content-Location": asked.table.name,
        **({"Preference-Applied": f"count={asked.count}"} if asked.count else {}),
    }
    return 206 if total is not None and count < total else 200, headers


class Streamed(StreamingResponse):
    """A page in pieces, at its reader's pace and within a bound; `close` gives back what it holds, however it ends."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        status: int,
        headers: dict[str, str],
        close: Callable[[], Awaitable[object]],
        seconds: float = 60.0,
    ) -> None:
        super().__init__(pieces, status, headers)
        self._close, self._seconds = close, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        finally:
            await asyncio.shield(self._close())


def _content_range(offset: int, count: int, total: int | None) -> str:
    which = f"{offset}-{offset + count - 1}" if count else "*"
    return f"{which}/{'*' if total is None else total}"


def _single(accepted: Accepted, rows: Rows) -> Mapping[str, Any]:
    if len(rows) != 1:
        details = f"The result contains {'more than 1' if rows else 0} rows"
        raise NotAcceptable("PGRST116", "Cannot coerce the result to a single JSON object", details=details)
    return stripped(rows[0]) if accepted.strip_nulls else rows[0]


def stripped(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def csv_header(select: Sequence[Selected]) -> bytes:
    return _csv([[selected.name for selected in select]])


def csv_rows(rows: Rows) -> bytes:
    return _csv([_cell(value) for value in row.values()] for row in rows)


def _csv(records: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """As JSON has it, without the quotes of a text."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    encoded = encode(value).decode()
    return encoded.strip('"') if encoded.startswith('"') else encoded
