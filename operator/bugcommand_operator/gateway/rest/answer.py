"""Rows as an answer: JSON, a single object, or CSV, with the headers that say which rows of how many they are."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response, StreamingResponse

from bugcommand_operator.gateway.rest.encoding import encode, encode_rows
from bugcommand_operator.gateway.rest.errors import NotAcceptable, RangeError
from bugcommand_operator.gateway.rest.query import Accepted, Asked, Selected

Rows = Sequence[dict[str, Any]]
_MEDIA = {
    "array": "application/json; charset=utf-8",
    "object": "application/vnd.pgrst.object+json; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
}
_AT_ONCE = 512 << 10
"""Characters of text up to which an answer is made in one go; beyond it, others get their turn in between."""
_SLICE = 50


def named(rows: Rows, select: Sequence[Selected]) -> Rows:
    """The rows with the names that were asked for, in that order."""
    if all(selected.column == selected.name for selected in select):
        return rows
    return [{selected.name: row[selected.column] for selected in select} for row in rows]


def respond(asked: Asked, rows: Rows, total: int | None) -> Response:
    """`total` is how many there are without limit and offset; None when that was not asked, or is not known."""
    if total is not None and asked.offset > total:
        details = f"An offset of {asked.offset} was requested, but there are only {total} rows."
        raise RangeError("PGRST103", "Requested range not satisfiable", details=details)
    headers = {"Content-Range": _content_range(asked.offset, len(rows), total), "Content-Location": asked.table.name}
    if asked.count:
        headers["Preference-Applied"] = f"count={asked.count}"
    status = 206 if total is not None and len(rows) < total else 200
    media = _MEDIA[asked.accepted.form]
    if asked.accepted.form == "object":
        return Response(encode(_single(asked.accepted, rows)), 200, headers, media_type=media)
    if asked.accepted.form == "csv":
        return Response(_csv(rows, asked.select), status, headers, media_type=media)
    rows = [_stripped(row) for row in rows] if asked.accepted.strip_nulls else rows
    if sum(len(row.get("message") or row.get("data") or "") for row in rows) <= _AT_ONCE:
        return Response(encode(rows), status, headers, media_type=media)
    return StreamingResponse(_slices(rows), status, headers, media_type=media)


async def _slices(rows: Rows) -> AsyncIterator[bytes]:
    """The same bytes as in one go; the reader's pace is the connection's."""
    opening = b"["
    for start in range(0, len(rows), _SLICE):
        yield opening + encode_rows(rows[start : start + _SLICE])
        opening = b","
        await asyncio.sleep(0)
    yield b"]"


def _content_range(offset: int, count: int, total: int | None) -> str:
    which = f"{offset}-{offset + count - 1}" if count else "*"
    return f"{which}/{'*' if total is None else total}"


def _single(accepted: Accepted, rows: Rows) -> Mapping[str, Any]:
    if len(rows) != 1:
        details = f"The result contains {'more than 1' if rows else 0} rows"
        raise NotAcceptable("PGRST116", "Cannot coerce the result to a single JSON object", details=details)
    return _stripped(rows[0]) if accepted.strip_nulls else rows[0]


def _stripped(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _csv(rows: Rows, select: Sequence[Selected]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([selected.name for selected in select])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    """As JSON has it, without the quotes of a text."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    encoded = encode(value).decode()
    return encoded.strip('"') if encoded.startswith('"') else encoded
