"""A gateway's tables in memory, asked in PostgREST's dialect as far as the command line speaks it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

COMMAND = "5f0f6d4e-3c0e-4f0e-9d4e-0a3f3f1f2a11"
START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


def row(attempt: int, seq: int, message: str = "", stream: str = "stdout", command_id: str = COMMAND) -> Row:
    ts = (START + timedelta(seconds=1000 * attempt + seq)).isoformat()
    text = message or f"line {attempt}:{seq}"
    return {"command_id": command_id, "attempt": attempt, "seq": seq, "stream": stream, "ts": ts, "message": text}


@dataclass
class Tables:
    """`most` bounds a page, as a gateway does by itself."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    most: int = 1000
    asked: list[dict[str, str]] = field(default_factory=list)

    def rows(self, table: str, query: dict[str, str]) -> list[Row]:
        self.asked.append(query)
        found = list(self.tables.get(table, []))
        for column, condition in query.items():
            if column not in ("select", "order", "limit"):
                found = [each for each in found if _holds(each[column], condition)]
        for item in reversed(query.get("order", "").split(",")):
            column, _, direction = item.partition(".")
            found.sort(key=lambda each: each[column], reverse=direction == "desc")
        columns = query["select"].split(",")
        page = found[: min(int(query.get("limit", self.most)), self.most)]
        return [{column: each[column] for column in columns} for each in page]


def _holds(value: Any, condition: str) -> bool:
    operator, _, text = condition.partition(".")
    wanted = datetime.fromisoformat(text) if operator == "gte" and "T" in text else type(value)(text)
    given = datetime.fromisoformat(value) if isinstance(wanted, datetime) else value
    return {
        "eq": given == wanted, "gt": given > wanted, "gte": given >= wanted, "lt": given < wanted,
    }[operator]  # fmt: skip
