"""What the gateway's HTTP API consists of, operation by operation, for /openapi.json. A test compares this table with
the routes that there are."""

from typing import Any

from bugcommand_operator.gateway.openapi import Answer, Operation, Parameter, Schema
from bugcommand_operator.gateway.rest.conditions import OPERATORS
from bugcommand_operator.gateway.rest.search import MAX_FOUND, MAX_WORDS
from bugcommand_operator.gateway.rest.tables import TABLES, Kind, Table
from bugcommand_operator.gateway.wire import MAX_LINES

_TYPES: dict[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "boolean": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "uuid": {"type": "string", "format": "uuid"},
    "json": {},
}
_TOKENS = {401: "There is no token, or it is not good.", 503: "Not now: try again after `Retry-After` seconds."}
_JSON = "application/json"


def _table_schema(table: Table) -> dict[str, Any]:
    def shape(kind: Kind, *, nullable: bool) -> dict[str, Any]:
        plain = _TYPES[kind]
        return {**plain, "type": [plain["type"], "null"]} if nullable and "type" in plain else plain

    columns = {name: shape(column.kind, nullable=column.nullable) for name, column in table.columns.items()}
    return {"type": "object", "properties": columns}


def _rows_of(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


_OF_A_TABLE = (
    Parameter("select", "Columns, `*`, or `name:column`.", example="ts,message"),
    Parameter("order", "`column.asc` or `column.desc`, several separated by commas.", example="ts.asc,seq.asc"),
    Parameter("limit", "At most so many rows; there is a bound for each table.", schema={"type": "integer"}),
    Parameter("offset", "Leave out so many rows first.", schema={"type": "integer"}),
    Parameter("or", "`(condition,condition)`, each `column.op.value`, `and(…)` or `or(…)`."),
    Parameter("and", "Like `or`, but all have to hold."),
    Parameter("Range", "`first-last`, counted from 0.", where="header", example="0-99"),
    Parameter("Prefer", "`count=exact`, `count=planned` or `count=estimated`.", where="header"),
)


def _table(table: Table) -> Operation:
    hint = "It names a command or a namespace, unless the token is bound to one."
    columns = [
        Parameter(name, f"`op.value`, op one of {', '.join(sorted(OPERATORS))}; `not.` before it negates.")
        for name in table.columns
    ]
    rows = _rows_of(table.name)
    return Operation(
        f"/rest/v1/{table.name}",
        "get",
        f"Rows of {table.name}, in PostgREST's dialect",
        {
            200: Answer(f"At most {table.max_rows} rows; Content-Range says which.", _JSON, rows),
            206: Answer("The same, when the total was asked for and there are more.", _JSON, rows),
        },
        text=f"{hint} What may not be read is left out, as if it did not exist.",
        parameters=(*columns, *_OF_A_TABLE),
        refuses={400: "The query cannot be read.", 406: "Not in that form.", 416: "No such range.", **_TOKENS},
        problem="RestError",
        tag="reading",
    )


_SEARCH = (
    Parameter("namespace", "Where to search.", required=True),
    Parameter("query", f"Words that a line has to hold, all of them; at most {MAX_WORDS} characters.", required=True),
    Parameter("command_id", "Only in this command's log."),
    Parameter("repository", "Only in logs of this Repository's commands."),
    Parameter("since", "Only lines from then on.", schema={"type": "string", "format": "date-time"}),
    Parameter("limit", f"At most so many, the newest first; at most {MAX_FOUND}.", schema={"type": "integer"}),
)
_SEARCH_REFUSES = {400: "A parameter is missing or wrong, or this reads too much.", **_TOKENS}
_FOUND = {200: Answer("The lines, the newest first.", _JSON, _rows_of("spawn_logs"))}

READING = (
    *(_table(table) for table in TABLES.values()),
    Operation(
        "/rest/v1/rpc/search_logs",
        "get",
        "Search the logs of a namespace",
        _FOUND,
        parameters=_SEARCH,
        refuses=_SEARCH_REFUSES,
        problem="RestError",
        tag="reading",
    ),
    Operation(
        "/rest/v1/rpc/search_logs",
        "post",
        "The same, with the parameters in a body",
        _FOUND,
        body={
            "type": "object",
            "required": [parameter.name for parameter in _SEARCH if parameter.required],
            "properties": {parameter.name: dict(parameter.schema) for parameter in _SEARCH},
        },
        refuses=_SEARCH_REFUSES,
        problem="RestError",
        tag="reading",
    ),
)

INTAKE = (
    Operation(
        "/intake/v1/logs",
        "post",
        "Lines of a command's pod, acknowledged once they are committed",
        {200: Answer("Committed.", _JSON, {"type": "object", "properties": {"acked": {"type": "integer"}}})},
        text="The token is the pod's own, projected for the audience `mentu`. To send a line again is harmless.",
        body={"$ref": "#/components/schemas/Submission"},
        refuses={
            400: "The same bytes will be refused again; `field` says where.",
            403: "Not a command's pod, or not its command or attempt, or the command id is another command's.",
            413: "Send less at once.",
            **_TOKENS,
        },
        problem="Refusal",
        tag="intake",
    ),
)


def _plain(path: str, summary: str, answers: dict[int, str], media: str = "text/plain") -> Operation:
    given = {status: Answer(text, media, {"type": "string"}) for status, text in answers.items()}
    return Operation(path, "get", summary, given, open_to_all=True)


OPERATING = (
    _plain("/healthz", "Whether the process works", {200: "It does.", 500: "Only a restart helps."}),
    _plain("/readyz", "Whether the store can be reached", {200: "It can.", 503: "Not now, and why."}),
    _plain("/metrics", "Metrics for Prometheus", {200: "In its text format."}),
    Operation(
        "/openapi.json",
        "get",
        "This document",
        {200: Answer("OpenAPI 3.1.", _JSON, {"type": "object"})},
        open_to_all=True,
    ),
)

OPERATIONS: tuple[Operation, ...] = (*READING, *INTAKE, *OPERATING)

_LINE = {
    "type": "object",
    "required": ["seq", "stream", "ts", "message"],
    "properties": {
        "seq": {"type": "integer", "minimum": 1},
        "stream": {"enum": ["stdout", "stderr"]},
        "ts": {"type": "string", "format": "date-time"},
        "message": {"type": "string", "description": "At most 64 KiB of UTF-8."},
    },
}
SCHEMAS: dict[str, Any] = {
    **{table.name: _table_schema(table) for table in TABLES.values()},
    "Submission": {
        "type": "object",
        "required": ["commandId", "attempt", "epoch", "machineId", "lines"],
        "properties": {
            "commandId": {"type": "string"},
            "attempt": {"type": "integer", "minimum": 1},
            "epoch": {"type": "integer", "minimum": 0},
            "machineId": {"type": "string"},
            "lines": {"type": "array", "minItems": 1, "maxItems": MAX_LINES, "items": _LINE},
        },
    },
    "Refusal": {
        "type": "object",
        "required": ["reason", "message"],
        "properties": {
            "reason": {"type": "string", "description": "For programs."},
            "message": {"type": "string", "description": "For people."},
            "field": {"type": "string", "description": "What is at fault in the body."},
        },
    },
    "RestError": {
        "type": "object",
        "required": ["code", "message", "details", "hint"],
        "properties": {
            "code": {"type": "string", "description": "PostgREST's, or a SQLSTATE."},
            "message": {"type": "string"},
            "details": {"type": ["string", "null"]},
            "hint": {"type": ["string", "null"]},
        },
    },
}
