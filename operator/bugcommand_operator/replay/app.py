"""The HTTP side: reads a request, asks `answer`, sends what it says. Keeps a bounded log."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from bugcommand_operator.replay import wire
from bugcommand_operator.replay.answer import Answer, Hang, Refuse, Request, Say, answer
from bugcommand_operator.replay.aside import count_tokens
from bugcommand_operator.replay.conversation import prompts
from bugcommand_operator.replay.incoming import BadRequestError, auth, key, read_body, session
from bugcommand_operator.replay.scenario import ModelError, Scenario

MAX_HANG_SECONDS = 24 * 3600
PING_SECONDS = 5.0
LOG_SIZE = 2000
SESSIONS = 10_000
log = structlog.get_logger("replay")


@dataclass(frozen=True)
class Entry:
    """One line of GET /requests. Never holds a key, only how it was sent."""

    at: str
    path: str
    request_id: str
    session: str
    auth: str
    model: str
    messages: int
    prompt: str
    kind: str = "bad"
    scenario: str = ""
    step: int | None = None
    status: int = 200
    note: str = ""


@dataclass
class Memory:
    """What is kept between requests: the log, and how often a step was refused. Both bounded."""

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=LOG_SIZE))
    refused: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def refusals(self, key: str) -> int:
        count = self.refused.pop(key, 0) + 1
        self.refused[key] = count
        if len(self.refused) > SESSIONS:
            self.refused.popitem(last=False)
        return count

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        log.info("request", **asdict(entry))


def build(scenarios: tuple[Scenario, ...]) -> Starlette:
    memory = Memory()

    async def messages(http: HttpRequest) -> Response:
        return await _messages(http, scenarios, memory)

    async def requests(http: HttpRequest) -> Response:
        wanted = http.query_params.get("scenario")
        kept = [asdict(entry) for entry in memory.entries if wanted in (None, entry.scenario)]
        return JSONResponse({"requests": kept})

    return Starlette(
        routes=[
            Route("/v1/messages", messages, methods=["POST"]),
            Route("/v1/messages/count_tokens", _count, methods=["POST"]),
            Route("/requests", requests),
            Route("/healthz", _ok),
            Route("/", _ok),
            Route("/{path:path}", _missing, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
    )


async def _ok(_: HttpRequest) -> Response:
    return PlainTextResponse("ok\n")


async def _missing(http: HttpRequest) -> Response:
    name = _request_id()
    error = ModelError(status=404, type="not_found_error", message=f"Not found: {http.url.path}")
    return _error(error, name)


async def _count(http: HttpRequest) -> Response:
    name = _request_id()
    try:
        key(http)
        body = await read_body(http)
    except BadRequestError as refusal:
        return _error(refusal.error, name)
    return JSONResponse({"input_tokens": count_tokens(body)}, headers={"request-id": name})


async def _messages(http: HttpRequest, scenarios: tuple[Scenario, ...], memory: Memory) -> Response:
    name = _request_id()
    entry = Entry(_now(), http.url.path, name, "", auth(http), "", 0, "")
    try:
        given, body = key(http), await read_body(http)
    except BadRequestError as refusal:
        memory.add(replace(entry, status=refusal.error.status, note=str(refusal)))
        return _error(refusal.error, name)
    request = Request(body, given, session(http, body))
    decided = answer(request, scenarios, memory.refusals)
    memory.add(_entry(entry, request, decided))
    return await _perform(http, body, decided, name)


def _entry(entry: Entry, request: Request, decided: Answer) -> Entry:
    status = decided.action.error.status if isinstance(decided.action, Refuse) else 200
    messages = request.body["messages"]
    return replace(
        entry,
        session=request.session,
        model=str(request.body.get("model", "")),
        messages=len(messages),
        prompt=next((text for _, text in prompts(messages)), "")[:200],
        kind=decided.kind,
        scenario=decided.scenario,
        step=decided.step,
        status=status,
        note=decided.note[:2000],
    )


async def _perform(http: HttpRequest, body: dict[str, Any], decided: Answer, name: str) -> Response:
    action = decided.action
    if isinstance(action, Hang):
        await _hang(http)
        return Response(status_code=499)
    if isinstance(action, Refuse):
        await asyncio.sleep(action.delay_seconds)
        return _error(action.error, name)
    model = str(body.get("model", ""))
    headers = {"request-id": name}
    if body.get("stream"):
        headers |= {"cache-control": "no-cache"}
        return StreamingResponse(_stream(action, model), media_type="text/event-stream", headers=headers)
    await asyncio.sleep(action.delay_seconds)
    return JSONResponse(wire.message(action, model, _message_id()), headers=headers)


async def _stream(say: Say, model: str) -> AsyncIterator[bytes]:
    yield wire.start_event(say, model, _message_id())
    left = say.delay_seconds
    while left > 0:  # bounded by the scenario's longest delay
        await asyncio.sleep(min(left, PING_SECONDS))
        left -= PING_SECONDS
        yield wire.PING
    for piece in wire.events(say):
        yield piece


async def _hang(http: HttpRequest) -> None:
    """Says nothing until the other side goes away."""
    try:
        async with asyncio.timeout(MAX_HANG_SECONDS):
            while (await http.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


def _error(error: ModelError, name: str) -> Response:
    headers = {"request-id": name, "x-should-retry": _said(error.status in (408, 409, 429) or error.status >= 500)}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    elif error.status == 429:
        headers["retry-after"] = "1"
    return JSONResponse(wire.error_body(error, name), status_code=error.status, headers=headers)


def _said(value: bool) -> str:
    return "true" if value else "false"


def _request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def _message_id() -> str:
    return f"msg_{secrets.token_hex(12)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
