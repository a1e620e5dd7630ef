"""Parts of recordings over ASGI: who may send what, once, how much; and that they are read as they were sent."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.process.gateway.process import COMMAND, batch
from tests.unit.gateway.builders import POD, Gateway, open_gateway

from bugcommand_operator.store import recordings


@pytest_asyncio.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path) as opened:
        await opened.post(batch([1]))
        yield opened


def part(number: int = 1, data: str = "text", **changes: Any) -> dict[str, Any]:
    return {"commandId": COMMAND, "attempt": 2, "part": number, "data": data, **changes}


async def post(gateway: Gateway, body: Any, token: str = "good") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return await gateway.client.post("/intake/v1/recordings", headers=headers, **content)


async def read(gateway: Gateway) -> list[dict[str, Any]]:
    query = {"command_id": f"eq.{COMMAND}", "attempt": "eq.2", "order": "part.asc", "select": "part,data"}
    answer = await gateway.client.get("/rest/v1/spawn_recordings", params=query, headers={"apikey": "reader"})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


async def test_parts_are_stored_once_and_read_in_order(gateway: Gateway) -> None:
    for number, data in ((2, "two\n"), (1, "é \u0000\n"), (2, "another")):
        answer = await post(gateway, part(number, data))
        assert (answer.status_code, answer.json()) == (200, {"acked": number})
    assert await read(gateway) == [{"part": 1, "data": "é \ufffd\n"}, {"part": 2, "data": "two\n"}]


async def test_a_token_in_a_part_is_taken_out(gateway: Gateway) -> None:
    await post(gateway, part(data="key ghp_" + "a" * 36))
    assert (await read(gateway))[0]["data"] == "key [redacted]"


async def test_a_token_at_the_begin_of_a_shown_line_or_after_a_colour_is_taken_out(gateway: Gateway) -> None:
    shown = ["$ gh auth token\r\n{}\r\n", "\x1b[31m{}\x1b[0m", "\u2500\t{}"]
    events = "".join(json.dumps([0.5, "o", text]) + "\n" for text in shown)
    await post(gateway, part(data=events.replace("{}", "ghp_" + "a" * 36)))
    assert (await read(gateway))[0]["data"] == events.replace("{}", "[redacted]")


@pytest.mark.parametrize(
    ("body", "token", "status", "reason", "field"),
    [
        (part(), "unknown", 401, "Unauthenticated", None),
        (part(commandId="another"), "good", 403, "NotYourCommand", "commandId"),
        (part(attempt=3), "good", 403, "NotYourAttempt", "attempt"),
        (part(), "elsewhere", 403, "CommandOfAnotherNamespace", None),
        (part(0), "good", 400, "InvalidField", "part"),
        (part(data=""), "good", 400, "InvalidField", "data"),
        (b"{", "good", 400, "InvalidJSON", None),
        (b" " * ((1 << 20) + 1), "good", 413, "TooLarge", None),
    ],
)
async def test_what_is_refused_says_why(
    gateway: Gateway, body: Any, token: str, status: int, reason: str, field: str | None
) -> None:
    gateway.tokens.answers["elsewhere"] = replace(POD, namespace="team-b")
    answer = await post(gateway, body, token)
    assert (answer.status_code, answer.json()["reason"], answer.json().get("field")) == (status, reason, field)
    assert await read(gateway) == []


async def test_a_recording_waits_for_its_commands_first_line(gateway: Gateway) -> None:
    gateway.tokens.answers["new"] = replace(POD, command_id="another-command")
    answer = await post(gateway, part(commandId="another-command"), "new")
    assert (answer.status_code, answer.json()["reason"]) == (503, "LogNotBegun")


async def test_an_attempts_recording_is_bounded(gateway: Gateway) -> None:
    room = 900_000
    for number in range(1, recordings.DEFAULT_CAP // room + 1):
        assert (await post(gateway, part(number, "x" * room))).status_code == 200
    answer = await post(gateway, part(100, "x" * room))
    assert (answer.status_code, answer.json()["reason"]) == (413, "TooLarge")
    assert (await post(gateway, part(1, "x" * room))).status_code == 200  # it is there
