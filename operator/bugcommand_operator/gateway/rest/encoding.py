"""Rows as JSON, quickly: one call of the C encoder for many rows, and no model in between."""

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

from bugcommand_operator.store.schema import as_text


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return as_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain, check_circular=False)


def encode(value: Any) -> bytes:
    return _encoder.encode(value).encode("utf-8", "replace")
