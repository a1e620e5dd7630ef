"""A page's pieces, which are JSON that the database wrote, in the form that was asked for. Pure."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.gateway.rest.answer import csv_header, csv_rows, stripped
from bugcommand_operator.gateway.rest.encoding import encode
from bugcommand_operator.gateway.rest.query import Asked


@dataclass(frozen=True, slots=True)
class Form:
    """Around and between the pieces, and what becomes of one."""

    begin: bytes
    between: bytes
    end: bytes
    encode: Callable[[str], bytes]


def pages_form(asked: Asked) -> Form:
    if asked.accepted.form == "csv":
        return Form(csv_header(asked.select), b"", b"", lambda text: csv_rows(_rows(text)))
    if asked.accepted.strip_nulls:
        return Form(b"[", b",", b"]", lambda text: encode([stripped(row) for row in _rows(text)])[1:-1])
    return Form(b"[", b",", b"]", lambda text: text.encode("utf-8", "replace"))


def _rows(text: str) -> Sequence[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(f"[{text}]")
    return rows
