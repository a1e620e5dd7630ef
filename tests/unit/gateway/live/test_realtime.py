"""Supabase's stock Realtime client against the WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from realtime import AsyncRealtimeClient, RealtimeSubscribeStates
from tests.unit.gateway.live.fakes import COMMAND, batch_of
from tests.unit.gateway.live.serving import Served, serve, until

from bugcommand_operator.gateway.live import access as access_module
from bugcommand_operator.gateway.live import namespaces as namespaces_module
from bugcommand_operator.gateway.live import socket as socket_module
from bugcommand_operator.gateway.live.slots import Slots
from bugcommand_operator.gateway.readers import Reader

OTHER = "11111111-1111-4111-8111-111111111111"
ROW = {"id": OTHER, "status": "pending", "namespace": "team-a", "repository": "web", "timeout_seconds": None}


class Heard:
    """What a channel's callbacks were called with."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        self.states: list[str] = []
        self.systems: list[Any] = []

    def change(self, payload: Any) -> None:
        self.changes.append(payload["data"])

    def state(self, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        self.states.append(state.value if error is None else f"{state.value}: {error}")

    @property
    def places(self) -> list[tuple[int, int]]:
        return [(data["record"]["attempt"], data["record"]["seq"]) for data in self.changes]


@asynccontextmanager
async def client(served: Served, token: str = "a", **options: Any) -> AsyncIterator[AsyncRealtimeClient]:
    realtime = AsyncRealtimeClient(served.realtime_url, token, **options)
    await realtime.connect()
    try:
        yield realtime
    finally:
        await realtime.close()


async def subscribed(
    realtime: AsyncRealtimeClient,
    text: str | None = f"command_id=eq.{COMMAND}",
    event: Any = "INSERT",
    table: str = "spawn_logs",
    topic: str = "room",
    **options: Any,
) -> Heard:
    heard = Heard()
    channel = realtime.channel(topic, options.pop("params", None))
    channel.on_postgres_changes(event, heard.change, table=table, schema="public", filter=text, **options)
    channel.on_system(heard.systems.append)
    await channel.subscribe(heard.state)
    return heard


async def test_the_stock_client_subscribes_and_gets_each_new_line_once_in_supabases_shape() -> None:
    async with serve() as served, client(served) as realtime:
        served.store.commit(batch_of([1, 2]))
        heard, all_events = await subscribed(realtime), await subscribed(realtime, event="*", topic="other")
        assert heard.states == ["SUBSCRIBED"]
        for seq in range(3, 53):
            served.commit(batch_of([seq]))
        await until(lambda: len(heard.changes) == len(all_events.changes) == 50)
        await until(lambda: heard.systems)
    assert heard.places == all_events.places == [(1, seq) for seq in range(3, 53)]
    assert heard.systems[0].message == "Subscribed to PostgreSQL"
    data = heard.changes[0]
    assert (data["schema"], data["table"], data["type"], data["errors"]) == ("public", "spawn_logs", "INSERT", None)
    assert {"name": "seq", "type": "int8"} in data["columns"]
    assert data["commit_timestamp"].endswith("Z")
    assert data["record"]["message"] == "line 3"


async def test_filters_and_selected_columns_are_kept_to() -> None:
    async with serve() as served, client(served) as realtime:
        text = f"command_id=eq.{COMMAND},seq=gt.2,stream=in.(stdout,stderr)"
        heard = await subscribed(realtime, text, select=["attempt", "seq"])
        nothing = await subscribed(realtime, event="UPDATE", topic="other")
        served.commit(batch_of([1, 2, 3, 4]))
        await until(lambda: len(heard.changes) == 2)
    assert [data["record"] for data in heard.changes] == [{"attempt": 1, "seq": 3}, {"attempt": 1, "seq": 4}]
    assert nothing.changes == []


async def test_a_join_may_say_after_which_line() -> None:
    async with serve() as served, client(served) as realtime:
        served.store.commit(batch_of(range(1, 301)))
        params = {"config": {"broadcast": None, "presence": None, "private": False}, "after": "1:250"}
        heard = await subscribed(realtime, params=params)
        await until(lambda: len(heard.changes) == 50)
        assert heard.places[0] == (1, 251)


@pytest.mark.parametrize(
    ("text", "table", "token", "reason"),
    [
        (None, "spawn_logs", "all", "namespace=eq"),
        (None, "bridge_commands", "all", "namespace=eq"),
        ("namespace=eq.team-b", "spawn_logs", "a", "nothing may be read in namespace team-b"),
        ("message=like.%x%", "spawn_logs", "a", "not offered"),
        ("secret=eq.1", "spawn_logs", "a", "no such column: secret"),
        (None, "users", "a", "only public.spawn_logs"),
    ],
)
async def test_a_join_that_may_not_or_cannot_be_is_answered_with_the_reason(
    text: str | None, table: str, token: str, reason: str
) -> None:
    async with serve() as served, client(served, token) as realtime:
        heard = await subscribed(realtime, text, table=table)
        assert len(heard.states) == 1
        assert heard.states[0].startswith("CHANNEL_ERROR")
        assert reason in heard.states[0]
        assert served.slots.taken == 0


async def test_another_teams_command_stays_silent() -> None:
    async with serve() as served, client(served, "b") as realtime:
        heard = await subscribed(realtime)
        own = await subscribed(realtime, f"command_id=eq.{OTHER}", topic="own")
        served.commit(batch_of([1]))
        served.commit(batch_of([1], command_id=OTHER, namespace="team-b"))
        await until(lambda: own.changes)
        assert heard.changes == []


async def test_without_a_filter_a_bound_token_gets_all_lines_of_its_namespace_and_no_others() -> None:
    async with serve() as served, client(served) as realtime, client(served, "all") as other:
        served.store.commit(batch_of(range(1, 6)))
        heard = await subscribed(realtime, None)
        by_filter = await subscribed(other, "namespace=eq.team-a")
        served.commit(batch_of([6, 7]))
        served.commit(batch_of([1], command_id="not-theirs", namespace="team-b"))
        served.commit(batch_of([1, 2], command_id=OTHER))
        served.commit(batch_of([8]))
        foreign = batch_of([3], command_id=OTHER)
        served.store.commit(foreign)
        served.feed.announced(foreign.key, 3, 3)
        await until(lambda: len(heard.changes) == len(by_filter.changes) == 6)
    for one in (heard, by_filter):
        of = {data["record"]["command_id"] for data in one.changes}
        assert of == {COMMAND, OTHER}
        assert [p for d, p in zip(one.changes, one.places, strict=True) if d["record"]["command_id"] == COMMAND] == [
            (1, 6),
            (1, 7),
            (1, 8),
        ]


async def test_rows_of_bridge_commands_come_as_inserts_and_updates_to_those_who_may_see_them() -> None:
    async with serve() as served, client(served, "web") as realtime, client(served, "b") as stranger:
        served.rows.rows[OTHER] = dict(ROW)
        served.rows.rows["2"] = {**ROW, "id": "2", "repository": "secret"}
        heard = await subscribed(realtime, None, "*", "bridge_commands")
        updates = await subscribed(realtime, "status=eq.claimed", "UPDATE", "bridge_commands", "updates")
        theirs = await subscribed(stranger, None, "*", "bridge_commands")
        await served.bridge.notified(json.dumps({"op": "insert", "id": OTHER}))
        await served.bridge.notified(json.dumps({"op": "insert", "id": "2"}))
        await served.bridge.notified("no json")
        served.rows.rows[OTHER] = {**ROW, "status": "claimed", "timeout_seconds": 60}
        await served.bridge.notified(json.dumps({"op": "UPDATE", "id": OTHER}))
        await until(lambda: len(heard.changes) == 2 and len(updates.changes) == 1)
    assert [(data["type"], data["record"]["status"]) for data in heard.changes] == [
        ("INSERT", "pending"),
        ("UPDATE", "claimed"),
    ]
    assert heard.changes[1]["old_record"] == {"id": OTHER}
    assert theirs.changes == []


async def test_who_cannot_resume_is_told_of_an_interruption_and_joins_again() -> None:
    async with serve() as served, client(served) as realtime:
        served.rows.rows[OTHER] = dict(ROW)
        rows = await subscribed(realtime, None, "*", "bridge_commands", "rows")
        lines = await subscribed(realtime, None, topic="lines")
        command = await subscribed(realtime, topic="command")
        served.bridge.interrupt()
        served.feed.interrupt()
        await until(lambda: len(rows.states) == len(lines.states) == 3)
        for one in (rows, lines):
            assert [state.split(":")[0] for state in one.states] == ["SUBSCRIBED", "CHANNEL_ERROR", "SUBSCRIBED"]
        await served.bridge.notified(json.dumps({"op": "insert", "id": OTHER}))
        served.commit(batch_of([1]))
        await until(lambda: rows.changes and lines.changes and command.changes)
        assert command.states == ["SUBSCRIBED"]


async def test_lines_come_though_the_right_could_not_be_told_when_they_were_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespaces_module, "SOON", 0.05)
    async with serve() as served, client(served) as realtime:
        heard = await subscribed(realtime, None)
        served.auth.unavailable_times = 1
        served.commit(batch_of([1]))
        await until(lambda: heard.changes)
        assert heard.places == [(1, 1)]
        assert served.auth.unavailable_times == 0


async def test_a_right_to_changes_that_cannot_be_told_now_holds_on_or_is_an_interruption() -> None:
    async with serve() as served, client(served) as realtime:
        served.rows.rows[OTHER] = dict(ROW)
        heard = await subscribed(realtime, None, "*", "bridge_commands")
        notification = json.dumps({"op": "insert", "id": OTHER})
        served.auth.unavailable_times = 1
        await served.bridge.notified(notification)
        await until(lambda: len(heard.states) == 3)
        assert [state.split(":")[0] for state in heard.states] == ["SUBSCRIBED", "CHANNEL_ERROR", "SUBSCRIBED"]
        await served.bridge.notified(notification)
        await until(lambda: len(heard.changes) == 1)
        served.auth.unavailable_times = 1
        await served.bridge.notified(notification)
        await until(lambda: len(heard.changes) == 2)
        assert served.auth.unavailable_times == 0


async def test_leaving_gives_the_place_back_and_the_topic_can_be_joined_again() -> None:
    async with serve() as served, client(served) as realtime:
        await subscribed(realtime)
        assert (served.slots.taken, served.feed.readers) == (1, 1)
        await realtime.channel("room").unsubscribe()
        await until(lambda: (served.slots.taken, served.feed.readers) == (0, 0))
        await until(lambda: not realtime.get_channels())
        heard = await subscribed(realtime)
        served.commit(batch_of([1]))
        await until(lambda: heard.changes)
    await until(lambda: (served.slots.taken, served.feed.readers) == (0, 0))


async def test_the_stock_client_joins_again_when_its_connection_is_cut() -> None:
    async with serve() as served, client(served, initial_backoff=0.05) as realtime:
        heard = await subscribed(realtime)
        connection = realtime._ws_connection
        assert connection is not None
        connection.transport.abort()
        await until(lambda: heard.states[-1] == "SUBSCRIBED" and len(heard.states) == 3)
        served.commit(batch_of([1]))
        await until(lambda: heard.changes)
        assert heard.places == [(1, 1)]


async def test_a_new_token_is_taken_and_a_bad_one_ends_the_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "CHECK_SECONDS", 0.0)
    async with serve() as served, client(served) as realtime:
        served.auth.readers["fresh"] = Reader("of-team-a", frozenset({"team-a"}), None)
        heard = await subscribed(realtime)
        await realtime.set_auth("fresh")
        await until(lambda: "fresh" in served.auth.asked)
        served.auth.readers.pop("a")
        served.commit(batch_of([1]))
        await until(lambda: heard.changes)
        await realtime.set_auth("bad")
        await until(lambda: heard.states[-1] == "CLOSED")
        assert heard.states[1].startswith("CHANNEL_ERROR")
        await until(lambda: served.slots.taken == 0)


async def test_a_token_that_is_withdrawn_ends_its_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "CHECK_SECONDS", 0.0)
    async with serve() as served, client(served) as realtime:
        heard = await subscribed(realtime)
        served.auth.readers.pop("a")
        served.commit(batch_of([1]))
        await until(lambda: heard.states[-1] == "CLOSED")
        assert heard.changes == []


async def test_a_stranger_gets_no_socket() -> None:
    async with serve() as served:
        for query in ("", "?apikey=unknown", "?apikey=a&vsn=3.0.0"):
            with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
                await websockets.connect(served.realtime_url.replace("http", "ws") + "/websocket" + query)
            assert refused.value.response.status_code == (400 if "vsn" in query else 401)


@asynccontextmanager
async def plain(served: Served) -> AsyncIterator[Any]:
    url = served.realtime_url.replace("http", "ws") + "/websocket?apikey=a&vsn=1.0.0"
    async with websockets.connect(url, max_size=None) as connection:
        yield connection


async def ask(connection: Any, event: str, topic: str = "realtime:room", payload: Any = None) -> dict[str, Any]:
    sent = {"topic": topic, "event": event, "payload": payload or {}, "ref": "7"}
    await connection.send(json.dumps(sent))
    return dict(json.loads(await asyncio.wait_for(connection.recv(), 10)))


def join(command_id: str = COMMAND) -> dict[str, Any]:
    change = {"event": "INSERT", "schema": "public", "table": "spawn_logs", "filter": f"command_id=eq.{command_id}"}
    return {"config": {"postgres_changes": [change]}}


async def test_heartbeats_are_answered_and_what_is_not_offered_is_an_error() -> None:
    async with serve() as served, plain(served) as connection:
        beat = await ask(connection, "heartbeat", "phoenix")
        assert beat == {
            "ref": "7",
            "event": "phx_reply",
            "topic": "phoenix",
            "payload": {"status": "ok", "response": {}},
        }
        assert (await ask(connection, "broadcast"))["payload"]["status"] == "error"
        assert (await ask(connection, "phx_join", "elsewhere", join()))["payload"]["status"] == "error"


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"topic": 1}', "x" * 70_000, b"bytes"])
async def test_what_is_no_message_ends_the_socket(text: str | bytes) -> None:
    async with serve() as served, plain(served) as connection:
        await connection.send(text)
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            await asyncio.wait_for(connection.recv(), 10)


async def test_channels_and_bindings_are_bounded() -> None:
    async with serve(Slots(100, 25)) as served, plain(served) as connection:
        for number in range(20):
            answer = await ask(connection, "phx_join", f"realtime:{number}", join(f"command-{number}"))
            assert answer["payload"]["status"] == "ok"
            await connection.recv()
        answer = await ask(connection, "phx_join", "realtime:20", join())
        assert answer["payload"]["response"]["reason"].startswith("ConnectionRateLimitReached")
        await ask(connection, "phx_leave", "realtime:0")
        many = {"config": {"postgres_changes": join()["config"]["postgres_changes"] * 10}}
        answer = await ask(connection, "phx_join", "realtime:0", many)
        assert "with this identity" in answer["payload"]["response"]["reason"]
        assert served.slots.taken == 19, "a join that fails gives its places back"


async def test_a_socket_that_takes_nothing_is_closed_and_was_sent_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_module, "SEND_SECONDS", 0.5)
    async with serve() as served, plain(served) as connection:
        connection.transport.pause_reading()
        payload = {**join(), "after": ""}
        for seq in range(1, 201):
            served.store.commit(batch_of([seq], message="x" * 65_000))
        sent = {"topic": "realtime:room", "event": "phx_join", "payload": payload, "ref": "1"}
        await connection.send(json.dumps(sent))
        await served.until_readers(1)
        (watched,) = served.feed._watched.values()
        (following,) = watched.wakes
        await served.until_readers(0)
        await until(lambda: served.slots.taken == 0)
        taken = dict(following.cursor).get(1, 0)  # type: ignore[attr-defined]
        connection.transport.resume_reading()
    assert 0 < taken < 150


async def test_two_hundred_readers_of_one_command_all_get_every_line_and_share_the_reads() -> None:
    total, readers = 200, 200
    payload = {**join(), "after": ""}

    async def read(served: Served) -> list[int]:
        async with plain(served) as connection:
            await ask(connection, "phx_join", payload=payload)
            found: list[int] = []
            while len(found) < total:
                incoming = json.loads(await asyncio.wait_for(connection.recv(), 30))
                if incoming["event"] == "postgres_changes":
                    found.append(incoming["payload"]["data"]["record"]["seq"])
            return found

    async with serve() as served:
        reading = [asyncio.create_task(read(served)) for _ in range(readers)]
        await served.until_readers(readers)
        reads = served.store.reads
        for start in range(1, total + 1, 20):
            served.commit(batch_of(range(start, start + 20)))
            await asyncio.sleep(0.01)
        found = await asyncio.wait_for(asyncio.gather(*reading), 60)
        assert all(one == list(range(1, total + 1)) for one in found)
        assert served.store.reads - reads < 50, "the lines came from the ring"
