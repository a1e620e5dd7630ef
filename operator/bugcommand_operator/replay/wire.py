"""The Messages API on the wire: messages, server-sent events, error bodies. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from bugcommand_operator.replay.answer import Block, Say
from bugcommand_operator.replay.scenario import ModelError, Usage

PIECE = 48
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def message(say: Say, model: str, name: str) -> dict[str, Any]:
    """The whole message, for a request that does not stream."""
    usage = _usage(say.usage, say.usage.output_tokens)
    return {**_head(model, name, usage), "content": list(say.blocks), "stop_reason": say.stop_reason}


def error_body(error: ModelError, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": error.type, "message": error.message},
        "request_id": request_id,
    }


def start_event(say: Say, model: str, name: str) -> bytes:
    return event("message_start", {"message": _head(model, name, _usage(say.usage, 1))})


def events(say: Say) -> Iterator[bytes]:
    """Everything after message_start."""
    for index, block in enumerate(say.blocks):
        yield event("content_block_start", {"index": index, "content_block": _empty(block)})
        if index == 0:
            yield PING
        for delta in _deltas(block):
            yield event("content_block_delta", {"index": index, "delta": delta})
        yield event("content_block_stop", {"index": index})
    delta = {"stop_reason": say.stop_reason, "stop_sequence": None}
    yield event("message_delta", {"delta": delta, "usage": _usage(say.usage, say.usage.output_tokens)})
    yield event("message_stop", {})


def event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


def _head(model: str, name: str, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _usage(usage: Usage, output_tokens: int) -> dict[str, int]:
    return {**usage.model_dump(), "output_tokens": output_tokens}


def _empty(block: Block) -> Block:
    return {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}


def _deltas(block: Block) -> Iterator[Block]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in _pieces(block["text"]))
        return
    # The real API opens each tool input with an empty piece.
    yield {"type": "input_json_delta", "partial_json": ""}
    yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(json.dumps(block["input"])))


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE] for start in range(0, len(text), PIECE))
