"""Tokens and rights that are in use for long, and what becomes of them when they are withdrawn."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
import websockets
from tests.unit.gateway.live.fakes import COMMAND, KnownReaders, MemoryStore, batch_of
from tests.unit.gateway.live.serving import serve
from tests.unit.gateway.live.test_realtime import ask, join, plain

from bugcommand_operator.cluster.token_review import Unauthenticated
from bugcommand_operator.gateway.live import access as access_module
from bugcommand_operator.gateway.live.access import Access, Gate, identify
from bugcommand_operator.gateway.readers import Reader
from bugcommand_operator.store.errors import StoreUnavailable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds to add to the time that rights are measured by."""
    ahead, real = [0.0], time.monotonic
    monkeypatch.setattr(access_module, "time", SimpleNamespace(monotonic=lambda: real() + ahead[0]))
    return ahead


async def test_a_refused_token_is_refused_to_everybody_until_there_is_another(clock: list[float]) -> None:
    auth = KnownReaders()
    credential = await identify(Access(auth, MemoryStore()), "a", "")
    auth.readers.pop("a")
    assert (await credential.reader()).name == "of-team-a"
    clock[0] = 61

    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await credential.reader()
    auth.unavailable, clock[0] = True, 122
    with pytest.raises(Unauthenticated):
        await credential.reader()
    auth.unavailable = False
    await credential.renew("b")
    assert (await credential.reader()).name == "of-team-b"


async def test_a_review_of_the_token_before_says_nothing_about_the_new_one(clock: list[float]) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(KnownReaders):
        async def identify(self, token: str, client: str = "") -> Reader:
            if token == "a" and clock[0]:
                asked.set()
                await go_on.wait()
                raise Unauthenticated("withdrawn")
            return await super().identify(token, client)

    credential = await identify(Access(Slow(), MemoryStore()), "a", "")
    clock[0] = 61
    reviewed = asyncio.create_task(credential.reader())
    await asked.wait()
    await credential.renew("b")
    go_on.set()
    assert (await reviewed).name == (await credential.reader()).name == "of-team-b"


async def test_many_readers_that_a_line_wakes_ask_the_store_once_whose_it_is() -> None:
    store = MemoryStore()
    access = Access(KnownReaders(), store)
    gates = [Gate(await identify(access, "a", ""), COMMAND) for _ in range(500)]
    assert not any(await asyncio.gather(*(gate.is_open() for gate in gates)))
    store.commit(batch_of([1]))
    assert all(await asyncio.gather(*(gate.is_open() for gate in gates)))
    assert store.owners_reads == 2


async def test_who_asks_while_the_store_is_being_asked_gets_an_answer_of_their_own() -> None:
    store = MemoryStore()
    access = Access(KnownReaders(), store)
    early = asyncio.create_task(access.owner(COMMAND))
    await store.asked_whose.wait()
    store.commit(batch_of([1]))
    assert await access.owner(COMMAND) is not None
    assert await early is None


async def test_a_reader_that_goes_takes_nothing_from_those_that_wait_with_it() -> None:
    store = MemoryStore()
    store.commit(batch_of([1]))
    access = Access(KnownReaders(), store)
    first, second = (asyncio.create_task(access.owner(COMMAND)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    store.away = True
    with pytest.raises(StoreUnavailable):
        await access.owner(COMMAND)
    store.away = False
    assert await access.owner(COMMAND) is not None


async def test_a_withdrawn_token_closes_all_channels_of_its_socket_and_opens_none(clock: list[float]) -> None:
    async with serve() as served, plain(served) as connection:
        for topic in ("realtime:one", "realtime:two"):
            assert (await ask(connection, "phx_join", topic, join()))["payload"]["status"] == "ok"
            await connection.recv()
        served.auth.readers.pop("a")
        clock[0] = 61
        served.commit(batch_of([1]))
        seen: set[tuple[str, str]] = set()
        async with asyncio.timeout(10):
            while len(seen) < 4:
                incoming = json.loads(await connection.recv())
                seen.add((incoming["topic"], incoming["event"]))
        assert seen == {(f"realtime:{name}", event) for name in ("one", "two") for event in ("system", "phx_close")}
        assert (await ask(connection, "phx_join", "realtime:one", join()))["payload"]["status"] == "error"
        await connection.send(json.dumps({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"}))
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            await asyncio.wait_for(connection.recv(), 10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_a_socket_stays_for_a_channel_with_a_token_of_its_own(clock: list[float]) -> None:
    async with serve() as served, plain(served) as connection:
        await ask(connection, "phx_join", payload={**join(), "access_token": "all"})
        await connection.recv()
        served.auth.readers.pop("a")
        clock[0] = 61
        assert (await ask(connection, "heartbeat", "phoenix"))["payload"]["status"] == "ok"
        served.commit(batch_of([1]))
        incoming = json.loads(await asyncio.wait_for(connection.recv(), 10))
        assert incoming["payload"]["data"]["record"]["command_id"] == COMMAND
