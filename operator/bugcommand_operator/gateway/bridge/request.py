"""A bridge command as it comes, as a row or as JSON: its fields checked one by one and made plain. Pure.

The names are those of the table `bridge_commands`. Fields that nothing here needs are left aside, because the same
row has other readers.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from bugcommand_operator.api.bugcommand import COMMITMENT_ID, MAX_PROMPT_BYTES
from bugcommand_operator.api.model import DNS_SUBDOMAIN
from bugcommand_operator.gateway.bridge.refusals import Untranslatable
from bugcommand_operator.gateway.bridge.text import line_problem, prose_problem
from bugcommand_operator.gateway.refusals import Malformed, Refusal

LONGEST_TIMEOUT = 604_800
_REASONS = {"json_invalid": "InvalidJSON", "missing": "MissingField"}


def _prompt(text: str) -> str:
    problem = prose_problem(text)
    if problem:
        raise ValueError(problem)
    if not text.strip():
        raise ValueError("is empty: say what is to be done")
    if len(text.encode()) > MAX_PROMPT_BYTES:
        raise ValueError(f"is longer than {MAX_PROMPT_BYTES} bytes of UTF-8: shorten it")
    return text


def _line(text: str) -> str:
    problem = line_problem(text)
    if problem:
        raise ValueError(problem)
    return text


Line = Annotated[str, AfterValidator(_line)]
Timeout = Annotated[int, Field(ge=1, le=LONGEST_TIMEOUT)]
Commitment = Annotated[str, Field(pattern=rf"^$|{COMMITMENT_ID}")]
Name = Annotated[str, Field(max_length=253, pattern=rf"^$|{DNS_SUBDOMAIN}")]
_CONFIG = ConfigDict(strict=True, frozen=True, extra="ignore")


class Payload(BaseModel):
    """What bug rows carry besides."""

    model_config = _CONFIG

    memory_id: Annotated[Line, Field(max_length=253)] | None = None
    commitment_id: Commitment | None = None
    timeout_seconds: Timeout | None = None


class BridgeCommand(BaseModel):
    model_config = _CONFIG

    prompt: Annotated[str, AfterValidator(_prompt)]
    working_directory: Annotated[Line, Field(max_length=4096)] | None = None
    repository: Name | None = None
    agent: Name | None = None
    flags: Annotated[list[Annotated[Line, Field(max_length=1024)]], Field(max_length=64)] | None = None
    timeout_seconds: Timeout | None = None
    target_machine_id: Annotated[Line, Field(max_length=253)] | None = None
    with_worktree: bool | None = None
    commitment_id: Commitment | None = None
    payload: Payload | None = None
    approval_required: bool | None = None

    @model_validator(mode="after")
    def _one_commitment(self) -> "BridgeCommand":
        inner = self.payload.commitment_id if self.payload else None
        if inner and self.commitment_id and inner != self.commitment_id:
            raise ValueError("commitment_id and payload.commitment_id differ: send one of them")
        return self

    @property
    def commitment(self) -> str | None:
        return self.commitment_id or (self.payload.commitment_id if self.payload else None) or None

    @property
    def timeout(self) -> int | None:
        """The payload's is the bug's own; the column has a default in some databases."""
        return (self.payload.timeout_seconds if self.payload else None) or self.timeout_seconds

    @property
    def memory(self) -> str | None:
        return (self.payload.memory_id if self.payload else None) or None


class PostedCommand(BridgeCommand):
    """What only a sender over HTTP may say: where to."""

    namespace: Name | None = None
    workspace_id: UUID | None = None
    payload_as_sent: Annotated[dict[str, JsonValue] | None, Field(alias="payload")] = None


def parse_row(row: dict[str, Any]) -> BridgeCommand:
    """Raises `Untranslatable`, which names the first field that is wrong."""
    try:
        return BridgeCommand.model_validate(row)
    except ValidationError as error:
        raise refusal_of(error, Untranslatable) from error


def parse_body(body: bytes) -> PostedCommand:
    """Raises `Malformed` for what is no JSON, and for a field that is wrong `Untranslatable`."""
    try:
        return PostedCommand.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error, Untranslatable) from error


def command_id_of(value: object) -> str:
    """A row's id, as text in lower case. Raises `Untranslatable` when it is no UUID."""
    text = str(value).lower()
    try:
        if str(UUID(text)) == text:
            return text
    except ValueError:
        pass
    raise Untranslatable("InvalidId", "id: is no UUID: let the database make it", field="id")


def refusal_of(error: ValidationError, kind: type[Refusal]) -> Refusal:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "json_invalid":
        return Malformed("InvalidJSON", message)
    field = ".".join(str(part) for part in first["loc"] if not _is_tag(part)) or _whole(message)
    return kind(_REASONS.get(first["type"], "InvalidField"), f"{field}: {message}" if field else message, field=field)


def _is_tag(part: object) -> bool:
    """pydantic puts what it does to a value into the path to it."""
    return isinstance(part, str) and "[" in part


def _whole(message: str) -> str | None:
    return "payload.commitment_id" if message.startswith("commitment_id and payload") else None
