"""Rows of a table that the API server made: its columns are the resource's own, and so those of kubectl. Pure."""

from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cli.errors import Usage
from bugcommand_operator.cli.filters import Filter

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    cells: tuple[object, ...]
    namespace: str
    created: str


@dataclass(frozen=True)
class Columns:
    names: tuple[str, ...]
    shown: tuple[int, ...]

    @classmethod
    def of(cls, table: Object, *, wide: bool) -> "Columns":
        definitions = table.get("columnDefinitions") or []
        shown = tuple(n for n, each in enumerate(definitions) if wide or not each.get("priority"))
        return cls(tuple(str(each.get("name")) for each in definitions), shown)

    def headers(self, *, namespaced: bool) -> list[str]:
        return [*(["Namespace"] if namespaced else []), *(self.names[n] for n in self.shown)]

    def shown_of(self, row: Row, *, namespaced: bool) -> list[object]:
        return [*([row.namespace] if namespaced else []), *(row.cells[n] for n in self.shown)]

    def value(self, row: Row, column: str) -> str:
        if column not in self.names:
            return ""
        found = row.cells[self.names.index(column)]
        return "" if found is None else str(found)

    def takes(self, row: Row, wanted: Filter) -> bool:
        phase = self.value(row, "Phase") or "Pending"
        return wanted.matches(phase, self.value(row, "Repository"), self.value(row, "Agent"))

    def ordered(self, rows: list[Row], by: str) -> list[Row]:
        """By any column; by age is from the oldest on, so that the newest stand next to the prompt."""
        if not by:
            return rows
        if by.lower() == "age":
            return sorted(rows, key=lambda row: row.created)
        column = next((name for name in self.names if name.lower() == by.lower()), None)
        if column is None:
            raise Usage(f"there is no column {by!r} to sort by", f"There are: {', '.join(self.names).lower()}.")
        at = self.names.index(column)
        return sorted(rows, key=lambda row: _key(row.cells[at]))


def rows_of(table: Object) -> list[Row]:
    return [_row(each) for each in table.get("rows") or []]


def _row(given: Object) -> Row:
    metadata = (given.get("object") or {}).get("metadata") or {}
    created = str(metadata.get("creationTimestamp") or "")
    return Row(tuple(given.get("cells") or ()), str(metadata.get("namespace") or ""), created)


def _key(cell: object) -> tuple[int, float, str]:
    """Numbers by their size and before words; what is empty last."""
    if isinstance(cell, int | float):
        return 0, float(cell), ""
    return (1, 0.0, str(cell)) if cell not in (None, "") else (2, 0.0, "")
