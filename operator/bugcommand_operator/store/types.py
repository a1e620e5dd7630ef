"""Column types that SQLite and Postgres share, each in the best form that the database has.

Postgres' own types are imported when a Postgres asks for them: SQLite's users start without them.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, DateTime, LargeBinary, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


def as_text(moment: datetime) -> str:
    """One fixed width and always UTC, so that text sorts as time does."""
    offset = moment.utcoffset()
    in_utc = moment - offset if offset else moment
    return in_utc.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def neighbours_as_text() -> Callable[[datetime], str]:
    """`as_text` for many moments of which most are of the same second as the one before: writing the second only
    when it changes takes a third of the time, and a batch has thousands of lines."""
    first = beyond = datetime.min.replace(tzinfo=UTC)
    second = ""

    def text_of(moment: datetime) -> str:
        nonlocal first, beyond, second
        in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        if not first <= in_utc < beyond:
            first = in_utc.replace(microsecond=0)
            beyond, second = first + timedelta(seconds=1), first.isoformat()[:19]
        return f"{second}.{in_utc.microsecond:06d}Z"

    return text_of


class Timestamp(TypeDecorator[datetime]):
    """`timestamptz` where the database has it; ISO 8601 text in UTC where it has not (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return as_text(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return datetime.fromisoformat(value) if isinstance(value, str) else value


class UuidText(TypeDecorator[str]):
    """`uuid` in Postgres, the same text in SQLite; a string to the program."""

    impl = String(36)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(36))
        from sqlalchemy.dialects.postgresql import UUID

        return dialect.type_descriptor(UUID(as_uuid=False))


class Json(TypeDecorator[Any]):
    """`jsonb` in Postgres, JSON text in SQLite."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(JSON(none_as_null=True))
        from sqlalchemy.dialects.postgresql import JSONB

        return dialect.type_descriptor(JSONB(none_as_null=True))


class TextList(TypeDecorator[list[str]]):
    """`text[]` in Postgres, a JSON list in SQLite."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(JSON(none_as_null=True))
        from sqlalchemy.dialects.postgresql import ARRAY

        return dialect.type_descriptor(ARRAY(Text))


class Words(TypeDecorator[Any]):
    """The words of a piece of log: `tsvector` in Postgres; in SQLite what its index was given, packed."""

    impl = LargeBinary()
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(LargeBinary())
        from sqlalchemy.dialects.postgresql import TSVECTOR

        return dialect.type_descriptor(TSVECTOR())
