"""Server-sent events over a real connection."""

import asyncio
import socket
from contextlib import aclosing
from typing import Any

import httpx
import pytest
from tests.unit.gateway.live.fakes import COMMAND, batch_of
from tests.unit.gateway.live.serving import Event, Served, read_events, serve, until

from bugcommand_operator.gateway.live import access as access_module
from bugcommand_operator.gateway.live import sse
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.readers import Reader


async def first(served: Served, count: int, **query: Any) -> list[Event]:
    found: list[Event] = []
    async with asyncio.timeout(20), aclosing(read_events(served.port, COMMAND, **query)) as events:
        async for event in events:
            found.append(event)
            if len(found) == count:
                break
    return found


async def get(served: Served, token: str = "a", command_id: str = f"eq.{COMMAND}", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{served.port}/live/v1/spawn_logs"
        sent = {"Authorization": f"Bearer {token}", **headers}
        return await client.get(url, params={"command_id": command_id}, headers=sent)


async def test_what_is_stored_comes_first_and_what_is_committed_follows() -> None:
    async with serve() as served:
        served.store.commit(batch_of([1, 2]))
        reading = asyncio.create_task(first(served, 4))
        await served.until_readers(1)
        served.commit(batch_of([3, 4]))
        events = await reading
    assert [event.place for event in events] == [(1, 1), (1, 2), (1, 3), (1, 4)]
    assert [event.id for event in events] == ["1:1", "1:2", "1:3", "1:4"]
    assert events[0].name == "line"
    assert events[0].record == {
        "command_id": COMMAND,
        "attempt": 1,
        "seq": 1,
        "stream": "stdout",
        "ts": "2026-01-01T00:00:00.000001+00:00",
        "message": "line 1",
        "epoch": 1,
        "machine_id": "lab",
        "namespace": "team-a",
    }


async def test_line_breaks_and_controls_in_a_message_end_no_event() -> None:
    text = "a\r\nb\ndata: x\n\n\x1b[31m\u2028é\x00"
    async with serve() as served:
        served.store.commit(batch_of([1], message=text))
        served.store.commit(batch_of([2]))
        events = await first(served, 2)
    assert [event.record["message"] for event in events] == [text, "line 2"]


async def test_last_event_id_resumes_over_two_attempts_and_counts_more_than_after() -> None:
    async with serve() as served:
        served.store.commit(batch_of(range(1, 6), 1))
        served.store.commit(batch_of(range(1, 4), 2))
        resumed = await first(served, 3, headers={"Last-Event-ID": "1:4,2:1"}, after="1:1")
        after = await first(served, 2, after="1:5,2:1")
    assert [event.place for event in resumed] == [(1, 5), (2, 2), (2, 3)]
    assert [event.place for event in after] == [(2, 2), (2, 3)]
    assert resumed[0].id == "1:5,2:1"


async def test_after_now_shows_only_what_comes() -> None:
    async with serve() as served:
        served.store.commit(batch_of(range(1, 100)))
        reading = asyncio.create_task(first(served, 1, after="now"))
        await served.until_readers(1)
        served.commit(batch_of([100]))
        assert [event.place for event in await reading] == [(1, 100)]


async def test_after_now_on_a_log_without_lines_loses_none_when_the_client_connects_again() -> None:
    async with serve() as served, httpx.AsyncClient() as client:
        url, params = f"http://127.0.0.1:{served.port}/live/v1/spawn_logs", {"command_id": f"eq.{COMMAND}"}
        sent = {"apikey": "a"}
        async with client.stream("GET", url, params={**params, "after": "now"}, headers=sent) as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "retry: 1000"
            last_id = (await anext(lines)).removeprefix("id: ")
        await served.until_readers(0)
        served.commit(batch_of([1, 2]))
        again = {"Last-Event-ID": last_id} if last_id else {}  # as an EventSource does
        events = await first(served, 2, headers=again, after="now")
    assert [event.place for event in events] == [(1, 1), (1, 2)]


async def test_a_stranger_does_not_learn_how_far_a_log_has_come() -> None:
    async with serve() as served, httpx.AsyncClient() as client:
        served.store.commit(batch_of(range(1, 100)))
        for token, ident in (("a", "id: 1:99"), ("b", "id: 1:0")):
            params = {"command_id": f"eq.{COMMAND}", "after": "now"}
            url, headers = f"http://127.0.0.1:{served.port}/live/v1/spawn_logs", {"apikey": token}
            async with client.stream("GET", url, params=params, headers=headers) as response:
                lines = response.aiter_lines()
                assert [await anext(lines), await anext(lines)] == ["retry: 1000", ident]


async def test_many_readers_that_reconnect_all_the_time_see_every_line_once() -> None:
    total, readers = 1000, 8

    async def read(served: Served, number: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        cursor = ""
        while len(found) < total:
            some = await first(served, min(total - len(found), 50 + 37 * number), headers={"Last-Event-ID": cursor})
            found += [event.place for event in some]
            cursor = some[-1].id
        return found

    async with serve() as served:
        reading = [asyncio.create_task(read(served, number)) for number in range(readers)]
        for start in range(1, total + 1, 10):
            served.commit(batch_of(range(start, start + 10)))
            await asyncio.sleep(0)
        found = await asyncio.wait_for(asyncio.gather(*reading), 60)
    assert all(one == [(1, seq) for seq in range(1, total + 1)] for one in found)


async def test_a_reader_that_takes_nothing_is_let_go_and_has_held_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "SEND_SECONDS", 0.5)
    async with serve() as served:
        for start in range(1, 201):
            served.store.commit(batch_of([start], message="x" * 65_000))
        with socket.create_connection(("127.0.0.1", served.port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            request = f"GET /live/v1/spawn_logs?command_id=eq.{COMMAND} HTTP/1.1\r\nHost: x\r\nX-Proxy-Token: a\r\n\r\n"
            slow.sendall(request.encode())
            await served.until_readers(1)
            (watched,) = served.feed._watched.values()
            (following,) = watched.wakes
            await served.until_readers(0)
            await until(lambda: served.slots.taken == 0)
        taken = dict(following.cursor).get(1, 0)  # type: ignore[attr-defined]
    assert 0 < taken < 150, "it was read only as far as its connection took it"


async def test_without_a_right_the_stream_is_as_silent_as_for_a_command_that_does_not_exist() -> None:
    async with serve() as served:
        served.store.commit(batch_of([1]))
        for token, command in (("b", COMMAND), ("a", "no-such-command")):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    async with aclosing(read_events(served.port, command, token)) as events:
                        async for _ in events:
                            raise AssertionError("an event came")
        assert [event.place for event in await first(served, 1, token="web")] == [(1, 1)]


async def test_a_command_may_be_followed_before_its_first_line() -> None:
    async with serve() as served:
        reading = asyncio.create_task(first(served, 1))
        await served.until_readers(1)
        served.commit(batch_of([1]))
        assert [event.place for event in await reading] == [(1, 1)]


async def test_a_token_that_is_withdrawn_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "CHECK_SECONDS", 0.0)
    async with serve() as served:
        served.auth.readers["short"] = Reader("short", frozenset({"team-a"}), None)
        served.store.commit(batch_of([1]))
        found = list[str]()
        async with asyncio.timeout(20):
            async for event in read_events(served.port, COMMAND, "short"):
                found.append(event.name)
                served.auth.readers.pop("short", None)
    assert found == ["line", "refused"]


async def test_requests_that_make_no_sense_are_answered_with_a_reason() -> None:
    async with serve() as served:
        assert (await get(served, "unknown")).status_code == 401
        for answer in (await get(served, command_id="x"), await get(served, **{"Last-Event-ID": "x"})):
            assert (answer.status_code, answer.json()["reason"]) == (400, "InvalidField")
        served.auth.unavailable = True
        answer = await get(served)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_places_are_bounded_for_each_identity_and_are_given_back() -> None:
    async with serve(Slots(3, 2)) as served:
        served.store.commit(batch_of([1]))
        async with (
            aclosing(read_events(served.port, COMMAND)) as one,
            aclosing(read_events(served.port, COMMAND)) as two,
        ):
            assert (await anext(one)).place == (await anext(two)).place == (1, 1)
            answer = await get(served)
            assert (answer.status_code, answer.json()["reason"]) == (503, "TooManyReaders")
            assert len(await first(served, 1, token="all")) == 1, "another identity still has a place"
        await until(lambda: served.slots.taken == 0)
        assert len(await first(served, 1)) == 1
