"""The server over HTTP: what the real API's clients depend on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.unit.replay.builders import bash, body, scenario, user

from bugcommand_operator.replay import app as replay
from bugcommand_operator.replay.scenario import Scenario

HEADERS = {"x-api-key": "sk-secret-value", "anthropic-version": "2023-06-01"}


def client(*scenarios: Scenario) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=replay.build(scenarios))
    return httpx.AsyncClient(transport=transport, base_url="http://replay", headers=HEADERS)


async def post(http: httpx.AsyncClient, request: dict[str, Any], **more: Any) -> httpx.Response:
    return await http.post("/v1/messages", json=request, **more)


async def log(http: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await http.get("/requests", params=query)).json()["requests"]
    return entries


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_a_streamed_answer_has_the_events_of_the_messages_api_in_order() -> None:
    text, command = "I will run it. " * 9, "echo " + "x" * 200
    async with client(scenario(bash(command, text=text))) as http:
        response = await post(http, body(user("bug"), stream=True))
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["request-id"].startswith("req_")
    found = events(response.text)
    assert all(name == data["type"] for name, data in found)
    names = [name for name, _ in found]
    assert names[0] == "message_start"
    assert names[-2:] == ["message_delta", "message_stop"]
    assert names.count("content_block_start") == names.count("content_block_stop") == 2
    assert "ping" in names
    deltas = [(data["index"], data["delta"]) for name, data in found if name == "content_block_delta"]
    assert "".join(delta["text"] for index, delta in deltas if index == 0) == text
    joined = "".join(delta["partial_json"] for index, delta in deltas if index == 1)
    assert json.loads(joined) == {"command": command}
    starts = [data["content_block"] for name, data in found if name == "content_block_start"]
    assert starts[0] == {"type": "text", "text": ""}
    assert (starts[1]["type"], starts[1]["name"], starts[1]["input"]) == ("tool_use", "Bash", {})


async def test_a_stream_tells_its_usage_at_the_start_and_at_the_end() -> None:
    usage = {"inputTokens": 11, "outputTokens": 22, "cacheReadInputTokens": 33}
    async with client(scenario({"text": "x", "usage": usage})) as http:
        found = dict(events((await post(http, body(user("bug"), stream=True))).text))
    assert found["message_start"]["message"]["usage"]["input_tokens"] == 11
    assert found["message_start"]["message"]["usage"]["cache_read_input_tokens"] == 33
    assert found["message_delta"]["usage"]["output_tokens"] == 22
    assert found["message_delta"]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


async def test_an_answer_that_is_not_streamed_is_one_message() -> None:
    async with client(scenario(bash("ls", text="look"))) as http:
        message = (await post(http, body(user("bug")))).json()
    assert (message["type"], message["role"], message["model"]) == ("message", "assistant", "some-model")
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("status", "kind", "retry", "after"),
    [
        (401, "authentication_error", "false", None),
        (429, "rate_limit_error", "true", "1"),
        (500, "api_error", "true", None),
        (529, "overloaded_error", "true", None),
    ],
)
async def test_an_error_has_the_body_and_the_headers_of_the_real_one(
    status: int, kind: str, retry: str, after: str | None
) -> None:
    error = {"status": status, "type": kind, "message": "because"}
    async with client(scenario({"error": error})) as http:
        response = await post(http, body(user("bug"), stream=True))
    assert response.status_code == status
    assert response.json()["error"] == {"type": kind, "message": "because"}
    assert response.json()["request_id"] == response.headers["request-id"]
    assert response.headers["x-should-retry"] == retry
    assert response.headers.get("retry-after") == after


async def test_an_error_that_passes_is_followed_by_the_answer() -> None:
    error = {"status": 429, "type": "rate_limit_error", "message": "slow down", "times": 2, "retryAfterSeconds": 7}
    async with client(scenario({"text": "x", "error": error})) as http:
        answers = [await post(http, body(user("bug"))) for _ in range(3)]
    assert [given.status_code for given in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[]", 400, "must be an object"),
        (b'{"messages": []}', 400, "at least one message"),
        (b'{"messages": ["x"]}', 400, "must be an object"),
        (b"[" * 200_000, 400, "not valid JSON"),
    ],
)
async def test_a_malformed_request_is_refused_and_logged(content: bytes, status: int, says: str) -> None:
    async with client(scenario({"text": "x"})) as http:
        response = await http.post("/v1/messages", content=content)
        entries = await log(http)
    assert response.status_code == status
    assert says in response.json()["error"]["message"]
    assert [(entry["kind"], entry["status"]) for entry in entries] == [("bad", status)]


async def test_a_request_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bugcommand_operator.replay.incoming.MAX_BODY_BYTES", 1000)
    async with client(scenario({"text": "x"})) as http:
        response = await post(http, body(user("bug" * 1000)))
    assert (response.status_code, response.json()["error"]["type"]) == (413, "request_too_large")


async def test_without_a_key_nothing_is_answered() -> None:
    async with client(scenario({"text": "x"})) as http:
        http.headers.pop("x-api-key")
        response = await post(http, body(user("bug")))
        bearer = await post(http, body(user("bug")), headers={"authorization": "Bearer token"})
    assert (response.status_code, bearer.status_code) == (401, 200)


async def test_the_log_tells_what_was_asked_and_never_a_key() -> None:
    async with client(scenario({"text": "x"}), scenario({"text": "y"}, name="two", contains="pears")) as http:
        await post(http, body(user("a bug")), headers={"x-claude-code-session-id": "s-1"})
        await post(http, body(user("pears")))
        raw = (await http.get("/requests")).text
        chosen = await log(http, scenario="one")
    assert "sk-secret-value" not in raw
    assert [(entry["scenario"], entry["step"], entry["session"], entry["prompt"]) for entry in chosen] == [
        ("one", 0, "s-1", "a bug")
    ]


async def test_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "LOG_SIZE", 3)
    async with client(scenario({"text": "x"})) as http:
        for _ in range(5):
            await post(http, body(user("a bug")))
        assert len(await log(http)) == 3


async def test_the_memory_of_refusals_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "SESSIONS", 2)
    memory = replay.Memory()
    assert [memory.refusals(key) for key in ("a", "a", "b", "c")] == [1, 2, 1, 1]
    assert memory.refusals("a") == 1
    assert len(memory.refused) == 2


async def test_tokens_are_counted_and_the_probes_answered() -> None:
    async with client(scenario({"text": "x"})) as http:
        counted = await http.post("/v1/messages/count_tokens", json=body(user("bug")))
        probes = [await http.head("/"), await http.get("/"), await http.get("/healthz")]
        missing = await http.get("/v1/unknown")
    assert counted.json()["input_tokens"] > 0
    assert [probe.status_code for probe in probes] == [200, 200, 200]
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")


async def test_a_delayed_stream_pings_until_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PING_SECONDS", 0.01)
    async with client(scenario({"text": "x", "delaySeconds": 0.035})) as http:
        names = [name for name, _ in events((await post(http, body(user("bug"), stream=True))).text)]
    assert names[0] == "message_start"
    assert names[1:5] == ["ping"] * 4
    assert names[-1] == "message_stop"


async def test_a_hanging_step_ends_only_when_the_other_side_goes_away() -> None:
    gone = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> AsyncIterator[dict[str, Any]]:
        yield {"type": "http.request", "body": json.dumps(body(user("bug"))).encode(), "more_body": False}
        await gone.wait()
        yield {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    incoming = receive()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/messages",
        "query_string": b"",
        "headers": [(b"x-api-key", b"k")],
    }
    call = asyncio.create_task(replay.build((scenario({"hang": True}),))(scope, incoming.__anext__, send))
    done, _ = await asyncio.wait([call], timeout=0.2)
    assert not done
    assert not sent
    gone.set()
    await asyncio.wait_for(call, 5)


HALF_A_PAIR = [rb"\ud83d", rb"\uDE00 \ud83d", b"\xed\xa0\xbd"]


@pytest.mark.parametrize("half", HALF_A_PAIR)
async def test_half_a_surrogate_pair_is_answered_and_leaves_the_log_readable(half: bytes) -> None:
    asked = json.dumps(body(user("bug HALF"), model="m HALF", system="HALF")).encode().replace(b"HALF", half)
    async with client(scenario(bash("true"))) as http:
        whole = await http.post("/v1/messages", content=asked)
        unmatched = await http.post("/v1/messages", content=asked.replace(b"bug", b"other"))
        counted = await http.post("/v1/messages/count_tokens", content=asked)
        entries = await log(http)

    assert (whole.status_code, unmatched.status_code, counted.status_code) == (200, 400, 200)
    assert "\ufffd" in whole.json()["model"]
    assert [entry["status"] for entry in entries] == [200, 400]
    assert all("\ufffd" in entry["prompt"] for entry in entries)


async def test_a_whole_surrogate_pair_stays_the_character_it_is() -> None:
    asked = json.dumps(body(user("bug FACE"))).replace("FACE", r"\ud83d\ude00")
    async with client(scenario(bash("true"))) as http:
        await http.post("/v1/messages", content=asked.encode())
        assert (await log(http))[0]["prompt"] == "bug \U0001f600"
