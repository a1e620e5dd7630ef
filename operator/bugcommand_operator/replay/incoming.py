"""Reads a request as the real API does: who asks, with what. Refuses what it would refuse."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from starlette.requests import Request as HttpRequest

from bugcommand_operator.replay.scenario import ModelError

MAX_BODY_BYTES = 32 * 1024 * 1024


class BadRequestError(Exception):
    """The request is refused before any scenario is asked."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.error = ModelError.model_validate({"status": status, "type": kind, "message": message})


def key(http: HttpRequest) -> str:
    """The key that was sent; without one the real API says so too."""
    scheme, _, token = http.headers.get("authorization", "").partition(" ")
    given = http.headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    if not given:
        raise BadRequestError(401, "authentication_error", "x-api-key header is required")
    return given


def auth(http: HttpRequest) -> str:
    if "x-api-key" in http.headers:
        return "x-api-key"
    return "bearer" if "authorization" in http.headers else "none"


async def read_body(http: HttpRequest) -> dict[str, Any]:
    raw = bytearray()
    async for chunk in http.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise BadRequestError(413, "request_too_large", "Request exceeds the maximum size")
    try:
        body = _repaired(json.loads(bytes(raw)))
    except (ValueError, RecursionError) as error:
        raise BadRequestError(400, "invalid_request_error", f"The request body is not valid JSON: {error}") from error
    return _checked(body)


def _repaired(value: Any) -> Any:
    """The same value with each half of a surrogate pair replaced: it is no character, so every answer that quotes it
    would fail to be written, and the log for as long as it is kept."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return value


def _checked(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequestError(400, "invalid_request_error", "The request body must be an object")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequestError(400, "invalid_request_error", "messages: at least one message is required")
    if not all(isinstance(message, dict) for message in messages):
        raise BadRequestError(400, "invalid_request_error", "messages: each message must be an object")
    return body


def session(http: HttpRequest, body: dict[str, Any]) -> str:
    """Names a conversation: by the agent's session id where it sends one."""
    named = http.headers.get("x-claude-code-session-id")
    metadata = body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    first = user or json.dumps(body["messages"][0])
    return named or hashlib.sha256(str(first).encode()).hexdigest()[:32]
