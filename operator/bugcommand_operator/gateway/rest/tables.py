"""What can be read: the tables, their columns and what values a column takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy

from bugcommand_operator.gateway.rest.errors import BadQuery
from bugcommand_operator.store import schema
from bugcommand_operator.store.types import Json, TextList, Timestamp, UuidText

Kind = Literal["text", "integer", "boolean", "timestamp", "date", "uuid", "json"]
_MOST = (1 << 63) - 1


@dataclass(frozen=True)
class Column:
    kind: Kind
    nullable: bool


TableName = Literal["spawn_logs", "spawn_recordings", "bridge_commands"]


@dataclass(frozen=True)
class Table:
    name: TableName
    columns: Mapping[str, Column]
    order: tuple[str, ...]
    """By these columns when a query names no order, so that pages follow each other."""
    max_rows: int
    command_column: str = "command_id"
    """Which column names the command, whose owner decides who may read the row."""

    def kind(self, column: str) -> Kind:
        found = self.columns.get(column)
        if found is None:
            raise BadQuery("42703", f"column {self.name}.{column[:80]} does not exist")
        return found.kind

    def value(self, column: str, text: str) -> Any:
        """What a literal of a query stands for in this column."""
        kind = self.kind(column)
        try:
            return _READ[kind](text)
        except (ValueError, OverflowError) as error:
            raise BadQuery("22P02", f'invalid input syntax for type {kind}: "{text[:80]}"') from error


def _columns(table: sqlalchemy.Table) -> dict[str, Column]:
    return {column.name: Column(_kind(column.type), bool(column.nullable)) for column in table.columns}


def _kind(type_: object) -> Kind:
    kinds: tuple[tuple[type, Kind], ...] = (
        (UuidText, "uuid"),
        (Timestamp, "timestamp"),
        (TextList, "json"),
        (Json, "json"),
        (sqlalchemy.Boolean, "boolean"),
        (sqlalchemy.Integer, "integer"),
        (sqlalchemy.Date, "date"),
    )
    return next((kind for class_, kind in kinds if isinstance(type_, class_)), "text")


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError(text)
    number = int(text)
    if abs(number) > _MOST:
        raise ValueError(text)
    return number


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false", "t", "f"):
        raise ValueError(text)
    return text.lower().startswith("t")


def _timestamp(text: str) -> datetime:
    """ISO 8601 as UTC, which it is without an offset too. A `+` that arrived unescaped is a blank by now."""
    head, blank, offset = text.rpartition(" ")
    repaired = f"{head}+{offset}" if blank and "T" in head else text
    moment = datetime.fromisoformat(repaired)
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _text(text: str) -> str:
    if "\0" in text:
        raise ValueError(text)
    text.encode()  # half a surrogate pair, which JSON can spell, is no text to a database
    return text


_READ: Mapping[Kind, Any] = {
    "text": _text,
    "integer": _integer,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": date.fromisoformat,
    "uuid": lambda text: str(UUID(text)),
    "json": _text,
}

SPAWN_LOGS = Table("spawn_logs", _columns(schema.spawn_logs), ("attempt", "seq"), 1000)
SPAWN_RECORDINGS = Table("spawn_recordings", _columns(schema.spawn_recordings), ("attempt", "part"), 20)
BRIDGE_COMMANDS = Table("bridge_commands", _columns(schema.bridge_commands), ("created_at", "id"), 200, "id")
TABLES: Mapping[str, Table] = {table.name: table for table in (SPAWN_LOGS, SPAWN_RECORDINGS, BRIDGE_COMMANDS)}
