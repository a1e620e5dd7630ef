"""A page of long lines is streamed, whole, and gives back what it held."""

from pathlib import Path

import pytest
from tests.process.gateway.process import COMMAND, batch, line
from tests.unit.gateway.builders import open_gateway

from bugcommand_operator.store import pages

QUERY = {"command_id": f"eq.{COMMAND}", "order": "seq"}
HEADERS = {"Authorization": "Bearer reader"}


async def test_a_page_larger_than_a_piece_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages.PageReader.__init__, "__kwdefaults__", {"time_limit": 5.0, "piece": 20_000})
    async with open_gateway(tmp_path) as gateway:
        for first in range(1, 101, 10):
            lines = [line(seq, "x" * 5000) for seq in range(first, first + 10)]
            assert (await gateway.post({**batch([1]), "lines": lines})).status_code == 200

        for _ in range(10):  # more than there are slots
            answer = await gateway.client.get("/rest/v1/spawn_logs", params=QUERY, headers=HEADERS)
            assert answer.status_code == 200
            assert answer.headers["content-range"] == "0-99/*"
            assert "content-length" not in answer.headers
            assert [row["seq"] for row in answer.json()] == list(range(1, 101))


async def test_a_small_page_has_a_length(tmp_path: Path) -> None:
    async with open_gateway(tmp_path) as gateway:
        await gateway.post(batch(range(1, 101)))
        answer = await gateway.client.get("/rest/v1/spawn_logs", params=QUERY, headers=HEADERS)
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert [row["seq"] for row in answer.json()] == list(range(1, 101))


async def test_a_head_has_the_headers_and_no_body(tmp_path: Path) -> None:
    async with open_gateway(tmp_path) as gateway:
        await gateway.post(batch(range(1, 11)))
        headers = {**HEADERS, "Prefer": "count=exact"}
        answer = await gateway.client.head("/rest/v1/spawn_logs", params={**QUERY, "limit": "3"}, headers=headers)
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (206, "0-2/10", b"")
