"""`search_logs` called as a function: what a body may hold, and how long it may take."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request

from bugcommand_operator.gateway import body
from bugcommand_operator.gateway.rest.errors import NotNow, RestError
from bugcommand_operator.gateway.rest.search import Search, parse_search

Receive = Callable[[], Awaitable[dict[str, Any]]]


def posted(receive: Receive) -> Request:
    return Request({"type": "http", "method": "POST", "query_string": b"", "headers": []}, receive)


async def parsed(**values: object) -> Search:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": json.dumps(values).encode(), "more_body": False}

    return await parse_search(posted(receive))


async def test_a_search_is_read_from_a_body() -> None:
    search = await parsed(namespace="team", query="boom", repository="shop", limit=5)
    assert (search.namespace, search.query, search.repository, search.limit) == ("team", "boom", "shop", 5)


@pytest.mark.parametrize("field", ["namespace", "query", "command_id", "repository"])
@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
async def test_what_no_database_takes_for_text_is_refused(field: str, text: str) -> None:
    with pytest.raises(RestError) as refused:
        await parsed(**{"namespace": "team", "query": "boom", field: text})
    assert refused.value.code == "22P02"


async def test_a_body_that_does_not_come_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_SECONDS", 0.01)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    with pytest.raises(NotNow):
        await asyncio.wait_for(parse_search(posted(receive)), 5)


async def test_a_body_that_is_too_large_is_refused() -> None:
    with pytest.raises(RestError, match="cannot be read"):
        await parsed(namespace="team", query="boom", since="x" * 20_000)
