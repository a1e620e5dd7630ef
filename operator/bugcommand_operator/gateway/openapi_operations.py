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
_TEXT = {"type": "string"}


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

_NUMBER = {"type": "integer", "minimum": 1}
_ACKED = {200: Answer("Committed.", _JSON, {"type": "object", "properties": {"acked": {"type": "integer"}}})}
_INTAKE_REFUSES = {
    400: "The same bytes will be refused again; `field` says where.",
    403: "Not a command's pod, or not its command or attempt, or the command id is another command's.",
    413: "Send less at once.",
    **_TOKENS,
}

INTAKE = (
    Operation(
        "/intake/v1/logs",
        "post",
        "Lines of a command's pod, acknowledged once they are committed",
        _ACKED,
        text="The token is the pod's own, projected for the audience `mentu`. To send a line again is harmless.",
        body={"$ref": "#/components/schemas/Submission"},
        refuses=_INTAKE_REFUSES,
        problem="Refusal",
        tag="intake",
    ),
    Operation(
        "/intake/v1/recordings",
        "post",
        "A part of a terminal session's recording (asciicast v2), acknowledged once it is committed",
        _ACKED,
        text="The token is as for lines. The first write of a part wins. Not before a line of its command is stored.",
        body={
            "type": "object",
            "required": ["commandId", "attempt", "part", "data"],
            "properties": {"commandId": _TEXT, "attempt": _NUMBER, "part": _NUMBER, "data": _TEXT},
        },
        refuses=_INTAKE_REFUSES,
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

_AFTER = Parameter("after", "Where to begin: a cursor such as `1:120,2:50` (attempt:seq), or `now`.")
LIVE = (
    Operation(
        "/live/v1/spawn_logs",
        "get",
        "Follow a command's log, as server-sent events",
        {200: Answer("Events `line`, each with the cursor after it as its id.", "text/event-stream", _TEXT)},
        parameters=(
            Parameter("command_id", "`eq.id`", required=True, example="eq.5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"),
            _AFTER,
            Parameter("Last-Event-ID", "Goes on after this event; comes before `after`.", where="header"),
        ),
        refuses={400: "A parameter is wrong; `field` says which.", **_TOKENS},
        problem="Refusal",
        tag="following",
    ),
    Operation(
        "/realtime/v1/websocket",
        "get",
        "The handshake of a WebSocket, for Realtime clients",
        {101: Answer("From here on Phoenix channels with `postgres_changes` on spawn_logs and bridge_commands.")},
        parameters=(Parameter("apikey", "The token, for clients that can set no header."),),
        tag="following",
    ),
)

BRIDGE = (
    Operation(
        "/bridge/commands",
        "post",
        "A command, which becomes a BugCommand",
        {201: Answer("It is kept; `id` is its command_id.", _JSON, {"$ref": "#/components/schemas/Kept"})},
        parameters=(
            Parameter("Idempotency-Key", "The same key and body again give the same answer again.", where="header"),
        ),
        body={"$ref": "#/components/schemas/Command"},
        refuses={
            400: "The body is wrong; `field` says where.",
            403: "The token may not do that there.",
            409: "The key was used with another body.",
            413: "The body is too large.",
            422: "It cannot be a BugCommand: `reason` and `field` say why.",
            **_TOKENS,
        },
        problem="Refusal",
        tag="commands",
    ),
)
"""Only where the installation has the bridge."""

APPROVING = (
    Operation(
        "/bridge/commands/{namespace}/{name}/approval",
        "post",
        "Approve a BugCommand, or reject it",
        {200: Answer("What is decided about it; the same again gives the same answer.", _JSON, {"type": "object"})},
        text="The token is a person's own Kubernetes token, with the right to `approve` bugcommands in the namespace.",
        parameters=(
            Parameter("namespace", "The BugCommand's.", where="path"),
            Parameter("name", "The BugCommand's.", where="path"),
        ),
        body={
            "type": "object",
            "required": ["decision"],
            "properties": {
                "decision": {"enum": ["Approved", "Rejected"]},
                "message": {"type": "string", "description": "Why, in at most 1024 characters."},
                "generation": {**_NUMBER, "description": "metadata.generation of what you have seen; else refused."},
            },
        },
        refuses={
            400: "The body is wrong; `field` says where.",
            403: "A proxy token, a pod's token, or somebody who may not approve there.",
            404: "There is no such BugCommand.",
            409: "Decided otherwise before, claimed or ended already, or changed since you have seen it.",
            413: "The body is too large.",
            **_TOKENS,
        },
        problem="Refusal",
        tag="commands",
    ),
)

OPERATIONS: tuple[Operation, ...] = (*READING, *LIVE, *BRIDGE, *APPROVING, *INTAKE, *OPERATING)

_COMMAND = {
    "type": "object",
    "required": ["prompt"],
    "description": "Of `repository` and `working_directory` at least one says which Repository it is for.",
    "properties": {
        "prompt": {"type": "string", "description": "At most 64 KiB."},
        "working_directory": {"type": "string", "description": "Absolute: the longest pathPrefix says what it is in."},
        "agent": {"type": "string"},
        "timeout_seconds": {"type": "integer"},
        "with_worktree": {"type": "boolean"},
        "commitment_id": {"type": "string"},
        "target_machine_id": {"type": "string"},
        "approval_required": {"type": "boolean"},
        "namespace": {"type": "string"},
        "repository": {"type": "string"},
        "workspace_id": {"type": "string", "format": "uuid"},
        "flags": {"type": "array", "items": {"type": "string"}},
        "payload": {"type": "object", "description": "`memory_id`, `commitment_id`, `timeout_seconds`."},
    },
}
_KEPT = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "commandId", "namespace", "name", "status")},
}
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
    "Command": _COMMAND,
    "Kept": _KEPT,
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
