"""A page of long lines is streamed, whole, and gives back what it held."""

import csv
import io
from pathlib import Path

import pytest
from starlette.requests import Request
from tests.process.gateway.process import COMMAND, batch, line
from tests.unit.gateway.builders import KnownReaders, open_gateway
from tests.unit.store.builders import KEY, open_reading, open_store, url_of
from tests.unit.store.builders import batch as store_batch

from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.readers import Reader
from bugcommand_operator.gateway.rest.answer import Streamed
from bugcommand_operator.gateway.rest.errors import NotNow
from bugcommand_operator.gateway.rest.service import Rest
from bugcommand_operator.gateway.rest.slots import Slots
from bugcommand_operator.store import pages
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.pages import PageReader

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


@pytest.mark.parametrize("accept", ["text/csv", "application/vnd.pgrst.array+json;nulls=stripped"])
async def test_other_forms_of_a_large_page_are_streamed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    asked = {**QUERY, "select": "seq,ts,text:message"}
    headers = {**HEADERS, "Accept": accept}
    async with open_gateway(tmp_path) as gateway:
        for first in range(1, 101, 10):
            lines = [line(seq, f'{seq}, "é"\n' + "x" * 5000) for seq in range(first, first + 10)]
            assert (await gateway.post({**batch([1]), "lines": lines})).status_code == 200
        whole = await gateway.client.get("/rest/v1/spawn_logs", params=asked, headers=headers)
    monkeypatch.setattr(pages.PageReader.__init__, "__kwdefaults__", {"time_limit": 5.0, "piece": 20_000})
    async with open_gateway(tmp_path) as gateway:
        streamed = await gateway.client.get("/rest/v1/spawn_logs", params=asked, headers=headers)
    assert "content-length" in whole.headers
    assert "content-length" not in streamed.headers
    assert streamed.content == whole.content
    if accept == "text/csv":
        rows = list(csv.reader(io.StringIO(streamed.text)))
        assert rows[0] == ["seq", "ts", "text"]
        assert rows[1:3] == [[str(n), "2026-01-01T00:00:00.000000Z", f'{n}, "é"\n' + "x" * 5000] for n in (1, 2)]
        assert len(rows) == 101
    else:
        assert [row["seq"] for row in streamed.json()] == list(range(1, 101))


async def test_a_download_that_is_under_way_holds_up_no_question(tmp_path: Path) -> None:
    url, reader = url_of(tmp_path / "logs.db"), Reader("of-team-a", frozenset({"team-a"}), None)
    async with open_store(url) as store, open_reading(url) as logs:
        await store.append([store_batch(range(1, 101), message="x" * 500)])
        engine = open_reader(url)
        rest = Rest(
            KnownReaders(),
            logs,
            PageReader(engine, logs, piece=10_000),
            Metrics(),
            Slots(1, 1),
            Slots(1, 1, seconds=0.1),
        )
        first = await rest.table(request(1000), reader)
        assert isinstance(first, Streamed)
        assert (await rest.table(request(1), reader)).status_code == 200
        with pytest.raises(NotNow):
            await rest.table(request(1000), reader)
        await first._close()
        second = await rest.table(request(1000), reader)
        assert isinstance(second, Streamed)
        await second._close()
        await engine.dispose()


def request(limit: int) -> Request:
    query = f"command_id=eq.{KEY.command_id}&limit={limit}".encode()
    scope = {"type": "http", "method": "GET", "path": "/rest/v1/spawn_logs", "query_string": query, "headers": []}
    return Request({**scope, "server": ("gateway", 80), "scheme": "http"})


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
