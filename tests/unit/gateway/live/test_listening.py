"""Notifications that anybody who can connect may send: whatever they hold, the listener goes on."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.unit.gateway.live.fakes import KnownReaders, MemoryStore

from bugcommand_operator.gateway.live.access import Access
from bugcommand_operator.gateway.live.bridge_feed import BridgeFeed
from bugcommand_operator.gateway.live.feed import Feed
from bugcommand_operator.gateway.live.listening import Listener
from bugcommand_operator.store.notifications import BRIDGE_CHANNEL, LOG_CHANNEL, Event, Notification

HOSTILE = ["[" * 4000, "9" * 5000, '{"command_id": "x", "attempt": 1e999, "last_seq": 1}', "null", "{"]


class Rows:
    """Some cannot be decoded."""

    async def row(self, row_id: str) -> Mapping[str, Any] | None:
        if row_id == "deep":
            raise RecursionError("maximum recursion depth exceeded")
        if row_id == "long":
            raise ValueError("Exceeds the limit for integer string conversion")
        return {"id": row_id}


async def heard(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


@pytest.mark.parametrize("channel", [LOG_CHANNEL, BRIDGE_CHANNEL])
async def test_no_payload_stops_the_listener(channel: str) -> None:
    store, bridge = MemoryStore(), BridgeFeed(Rows())
    follower = bridge.follow()
    good = Notification(BRIDGE_CHANNEL, json.dumps({"op": "insert", "id": "good"}))
    events = heard(*(Notification(channel, payload) for payload in HOSTILE), good)
    await Listener(Feed(store), bridge, Access(KnownReaders(), store)).run(events)
    change = await anext(follower.changes())
    assert change.record == {"id": "good"}


@pytest.mark.parametrize("row_id", ["deep", "long"])
async def test_a_row_that_cannot_be_decoded_interrupts_and_the_next_one_is_shown(row_id: str) -> None:
    bridge = BridgeFeed(Rows())
    bridge.follow()
    place = bridge.place
    await bridge.notified(json.dumps({"op": "insert", "id": row_id}))
    assert bridge.place == place + 1
    follower = bridge.follow()
    await bridge.notified(json.dumps({"op": "insert", "id": "good"}))
    assert (await anext(follower.changes())).record == {"id": "good"}
