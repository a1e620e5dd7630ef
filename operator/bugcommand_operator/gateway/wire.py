"""The intake's JSON: what a sender may send, checked field by field, and made safe to store.

A line that a sender cannot put right (half a surrogate pair, a NUL byte from a binary) is repaired, for a
refusal would hold up every line behind it. What only a faulty sender produces is refused, naming the field.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, with_config
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12

from bugcommand_operator.gateway.refusals import Malformed

MAX_BODY = 1 << 20
MAX_LINES = 5000
MAX_MESSAGE = 64 << 10
_REPLACEMENT = "�"

# Read as text and made a time by `moments`: half the time that checking it as one takes.
_DAY, _TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}", "[0-9]{2}:[0-9]{2}:[0-9]{2}"
Timestamp = Annotated[str, Field(pattern=rf"^{_DAY}T{_TIME}(\.[0-9]{{1,9}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})$")]
_FIRST, _BEYOND = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


_CONFIG = ConfigDict(strict=True, frozen=True, extra="ignore")  # a newer sender may know more fields


@with_config(_CONFIG)
class IncomingLine(TypedDict):
    """A dictionary, not a model: there are a thousand in a batch, and it is checked four times as fast."""

    seq: Annotated[int, Field(ge=1, lt=1 << 63)]
    stream: Literal["stdout", "stderr"]
    ts: Timestamp
    message: str


class Submission(BaseModel):
    model_config = _CONFIG

    command_id: str = Field(alias="commandId", min_length=1, max_length=63)
    attempt: int = Field(ge=1, lt=1 << 31)
    epoch: int = Field(ge=0, lt=1 << 63)
    machine_id: str = Field(alias="machineId", max_length=253, pattern=r"^[ -~]*$")
    after: int = Field(0, ge=0, lt=1 << 63)
    lines: list[IncomingLine] = Field(min_length=1, max_length=MAX_LINES)


def parse_submission(body: bytes) -> Submission:
    """The submission in a body; `Malformed` names the first field that is wrong."""
    try:
        submission = _validated(body)
    except _NotJSON:
        submission = _validated(_repaired(body))
    for index, line in enumerate(submission.lines):
        message = line["message"]
        if len(message) > MAX_MESSAGE // 4 and len(message.encode()) > MAX_MESSAGE:
            field = f"lines.{index}.message"
            raise Malformed("InvalidField", f"{field}: longer than {MAX_MESSAGE} bytes", field=field)
    return submission


def moments(lines: Sequence[IncomingLine]) -> list[datetime]:
    """When each was written; `Malformed` names the first that is no time, or one that no database takes."""
    try:
        found = [datetime.fromisoformat(line["ts"]) for line in lines]
    except ValueError:
        found = []
    if found and min(found) >= _FIRST and max(found) < _BEYOND:
        return found
    index = next(index for index, line in enumerate(lines) if not _is_time(line["ts"]))
    field = f"lines.{index}.ts"
    raise Malformed("InvalidField", f"{field}: not a time between 1970 and 9000", field=field)


def _is_time(text: str) -> bool:
    try:
        return _FIRST <= datetime.fromisoformat(text) < _BEYOND
    except ValueError:
        return False


def storable(message: str) -> str:
    """Text that every database takes: a NUL is the one character that Postgres does not."""
    return message.replace("\0", _REPLACEMENT) if "\0" in message else message


class _NotJSON(Malformed):
    """Strictly read, it is no JSON; half a surrogate pair or a wrong byte may be all that is wrong with it."""


def _validated(body: bytes | str) -> Submission:
    try:
        return Submission.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise _NotJSON("InvalidJSON", first["msg"]) from error
        field = ".".join(str(part) for part in first["loc"])
        raise Malformed("InvalidField", f"{field or 'body'}: {first['msg']}", field=field or None) from error


def _repaired(body: bytes) -> str:
    """The same JSON with each byte and each surrogate that stands for no character replaced."""
    try:
        value = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise Malformed("InvalidJSON", f"the body is not JSON: {error}") from error
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
