"""Rows as Supabase's Realtime shows them: `postgres_changes` messages. Pure but for the clock."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bugcommand_operator.gateway.live.bindings import SPAWN_LOGS, Binding
from bugcommand_operator.gateway.live.conditions import all_hold
from bugcommand_operator.gateway.live.line import COLUMNS, Line, as_json, as_timestamp, record_of

_LOG_COLUMNS = [{"name": name, "type": kind} for name, kind in COLUMNS]
_TYPES: Mapping[type, str] = {bool: "bool", int: "int8", float: "float8", dict: "jsonb", list: "jsonb"}


class LineMessages:
    """The messages of one binding; what is the same in all of them is made once."""

    def __init__(self, topic: str, binding: Binding) -> None:
        self._binding = binding
        self._before, self._after = _envelope(topic, binding, SPAWN_LOGS, "INSERT", _LOG_COLUMNS)

    def text(self, line: Line) -> str | None:
        """The message for a line, None when the binding does not ask for it."""
        binding = self._binding
        if not binding.wants("INSERT") or not all_hold(binding.conditions, lambda name: getattr(line, name)):
            return None
        record = line.json if not binding.select else as_json(_selected(record_of(line), binding))
        return f"{self._before}{_now()}{self._after}{record}}}}}}}"


def row_message(topic: str, binding: Binding, event: str, record: Mapping[str, Any]) -> str | None:
    """The message for a row that was inserted or updated, None when the binding does not ask for it."""
    if not binding.wants(event) or not all_hold(binding.conditions, record.get):
        return None
    columns = [{"name": name, "type": _TYPES.get(type(value), "text")} for name, value in record.items()]
    before, after = _envelope(topic, binding, binding.table, event, columns)
    old = f',"old_record":{as_json({"id": plain(record.get("id"))})}' if event == "UPDATE" else ""
    text = as_json({name: plain(value) for name, value in _selected(record, binding).items()})
    return f"{before}{_now()}{after}{text}{old}}}}}}}"


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return as_timestamp(value)
    return value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)


def _selected(record: Mapping[str, Any], binding: Binding) -> Mapping[str, Any]:
    if not binding.select:
        return record
    return {name: value for name, value in record.items() if name in binding.select}


def _envelope(topic: str, binding: Binding, table: str, event: str, columns: list[dict[str, str]]) -> tuple[str, str]:
    """What comes before the time, and what comes between the time and the record."""
    head = as_json({"ref": None, "event": "postgres_changes", "topic": topic})[:-1]
    data = {"schema": "public", "table": table, "type": event, "columns": columns, "errors": None}
    before = f'{head},"payload":{{"ids":[{binding.id}],"data":{{"commit_timestamp":"'
    return before, f'",{as_json(data)[1:-1]},"record":'


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
