"""A request's query string and headers as what they ask for: columns, conditions, order, which rows, in what form."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bugcommand_operator.gateway.rest.conditions import (
    MAX_CONDITIONS,
    Condition,
    check_number,
    parse_condition,
)
from bugcommand_operator.gateway.rest.errors import BadQuery, NotAcceptable, RangeError, unreadable
from bugcommand_operator.gateway.rest.tables import Table

Count = Literal["exact", "planned", "estimated"]
Form = Literal["array", "object", "csv"]
MAX_QUERY = 24 << 10
MAX_OFFSET = 10_000_000
_RANGE = re.compile(r"(?:items=)?(\d{1,12})-(\d{1,12})?")
_NAME = re.compile(r'"[^"]{1,80}"|[A-Za-z_][A-Za-z0-9_]{0,62}')
_COUNT = re.compile(r"count\s*=\s*\"?(exact|planned|estimated)")
_ORDER = re.compile(r'("[^"]{1,80}"|\w{1,63})(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?')
_MEDIA: Mapping[str, Form] = {
    "*/*": "array",
    "application/*": "array",
    "application/json": "array",
    "application/vnd.pgrst.array+json": "array",
    "application/vnd.pgrst.array": "array",
    "application/vnd.pgrst.object+json": "object",
    "application/vnd.pgrst.object": "object",
    "text/csv": "csv",
}


@dataclass(frozen=True, slots=True)
class Selected:
    column: str
    name: str


@dataclass(frozen=True, slots=True)
class Ordered:
    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    form: Form
    strip_nulls: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    table: Table
    select: tuple[Selected, ...]
    conditions: tuple[Condition, ...]
    order: tuple[Ordered, ...]
    limit: int
    offset: int
    count: Count | None
    accepted: Accepted


def parse_query(table: Table, parameters: Iterable[tuple[str, str]], headers: Mapping[str, str]) -> Asked:
    """Raises a `RestError` that says what is wrong. `headers` are looked up in lower case."""
    special: dict[str, str] = {}
    conditions: list[Condition] = []
    for key, value in parameters:
        if key in ("select", "order", "limit", "offset"):
            special[key] = value
        elif key != "apikey":
            conditions.append(parse_condition(table, key, value))
    check_number(conditions)
    limit, offset = _rows(table, special, headers.get("range", ""), headers.get("range-unit", "items"))
    count = _COUNT.search(headers.get("prefer", ""))
    return Asked(
        table=table,
        select=_select(table, special.get("select", "*")),
        conditions=tuple(conditions),
        order=_order(table, special.get("order", "")),
        limit=limit,
        offset=offset,
        count=count.group(1) if count else None,  # type: ignore[arg-type]
        accepted=_accepted(headers.get("accept", "")),
    )


def _select(table: Table, text: str) -> tuple[Selected, ...]:
    found: list[Selected] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        if item == "*":
            found += [Selected(column, column) for column in table.columns]
            continue
        alias, colon, column = item.partition(":")
        column = column if colon else alias
        if not (_NAME.fullmatch(alias) and _NAME.fullmatch(column)):
            hint = "Columns, *, or name:column; neither casts nor other tables."
            raise unreadable(f'"{item[:80]}" cannot be selected', hint)
        column = column.strip('"')
        table.kind(column)
        found.append(Selected(column, alias.strip('"')))
    if len(found) > MAX_CONDITIONS:
        raise unreadable(f"more than {MAX_CONDITIONS} columns are selected")
    return tuple(found) or _select(table, "*")


def _order(table: Table, text: str) -> tuple[Ordered, ...]:
    found: list[Ordered] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        read = _ORDER.fullmatch(item)
        if read is None:
            raise unreadable(f'"{item[:80]}" is no order', "column.asc or column.desc")
        column, direction, nulls = read[1].strip('"'), read[2], read[3]
        table.kind(column)
        if nulls and table.columns[column].nullable and (nulls == "nullsfirst") != (direction == "desc"):
            raise unreadable(f"{nulls} is not offered for {column}.{direction or 'asc'}")
        found.append(Ordered(column, direction == "desc"))
    # What an order leaves open the store decides by the key, or a row could be on two pages, or on none.
    return tuple(found) or tuple(Ordered(column, False) for column in table.order)


def _rows(table: Table, special: Mapping[str, str], range_: str, unit: str) -> tuple[int, int]:
    """Limit and offset: what both the query string and the Range header ask for."""
    first = _number("offset", special["offset"]) if "offset" in special else 0
    end = first + _number("limit", special["limit"]) if "limit" in special else None
    if range_ and unit.strip().lower() in ("items", ""):
        read = _RANGE.fullmatch(range_.strip())
        if read is None or (read[2] is not None and int(read[2]) < int(read[1])):
            raise RangeError("PGRST103", "Requested range not satisfiable", details=f'"{range_[:80]}" is no range')
        first = max(first, int(read[1]))
        end = end if read[2] is None else min(int(read[2]) + 1, end if end is not None else int(read[2]) + 1)
    if first > MAX_OFFSET:
        hint = "Read on from the last row instead: or=(ts.gt.T,and(ts.eq.T,seq.gt.N))."
        raise RangeError("PGRST103", "Requested range not satisfiable", details="The offset is too large.", hint=hint)
    wanted = table.max_rows if end is None else max(end - first, 0)
    return min(wanted, table.max_rows), first


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        if text.startswith("-"):
            raise RangeError("PGRST103", "Requested range not satisfiable", details=f"{name} is negative.")
        raise unreadable(f'{name}: "{text[:80]}" is no number')
    return int(text)


def _accepted(text: str) -> Accepted:
    """The first form of those asked for that there is; nothing asked for is an array."""
    if not text.strip():
        return Accepted("array")
    for one in text.split(","):
        media, *parameters = (part.strip().lower() for part in one.split(";"))
        form = _MEDIA.get(media)
        if form is not None:
            return Accepted(form, strip_nulls="nulls=stripped" in parameters and form != "csv")
    raise NotAcceptable("PGRST107", f"None of these media types are available: {text[:200]}")


def check_profile(headers: Mapping[str, str]) -> None:
    """Clients name the schema; there is one."""
    profile = headers.get("accept-profile") or "public"
    if profile != "public":
        raise NotAcceptable("PGRST106", f"Invalid schema: {profile[:80]}", hint="Only public is exposed.")


def check_size(query_string: bytes) -> None:
    if len(query_string) > MAX_QUERY:
        raise BadQuery("PGRST100", f"the query string is longer than {MAX_QUERY} bytes")
