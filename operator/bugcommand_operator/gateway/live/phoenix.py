"""Messages of the Phoenix protocol, version 1.0.0, as Supabase's Realtime speaks it. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.gateway.live.line import as_json

VERSION = "1.0.0"
SYSTEM_TOPIC = "phoenix"
TOPIC_PREFIX = "realtime:"
MAX_MESSAGE = 64 << 10


class BadMessage(Exception):
    """What came in is no message of the protocol."""


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    event: str
    payload: Mapping[str, Any]
    ref: str | None


def parse_message(text: str) -> Message:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("a message is JSON") from error
    if not isinstance(value, dict):
        raise BadMessage("a message is an object")
    topic, event, payload, ref = (value.get(name) for name in ("topic", "event", "payload", "ref"))
    if not isinstance(topic, str) or not isinstance(event, str) or not isinstance(ref, str | None):
        raise BadMessage("a message has a topic and an event; its ref is text")
    if len(topic) > 1024:
        raise BadMessage("the topic is too long")
    return Message(topic, event, payload if isinstance(payload, dict) else {}, ref)


def message(topic: str, event: str, payload: Mapping[str, Any], ref: str | None = None) -> str:
    return as_json({"ref": ref, "event": event, "topic": topic, "payload": payload})


def reply_ok(to: Message, response: Mapping[str, Any] | None = None) -> str:
    return message(to.topic, "phx_reply", {"status": "ok", "response": response or {}}, to.ref)


def reply_error(to: Message, reason: str) -> str:
    return message(to.topic, "phx_reply", {"status": "error", "response": {"reason": reason}}, to.ref)


def system(topic: str, status: str, text: str, extension: str = "postgres_changes") -> str:
    channel = topic.removeprefix(TOPIC_PREFIX)
    return message(topic, "system", {"message": text, "status": status, "extension": extension, "channel": channel})
