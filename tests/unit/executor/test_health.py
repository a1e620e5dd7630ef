"""What the probes say, and that they say it while the event loop does not turn."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from bugcommand_operator.executor.health import SILENT_SECONDS, STUCK_SECONDS, Health, serve
from bugcommand_operator.executor.watches import KINDS, Watches


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watches(clock: Clock) -> Watches:
    return Watches(clock)


@pytest.fixture
def health(watches: Watches, clock: Clock) -> Health:
    return Health(watches, clock)


def answered_all(watches: Watches) -> None:
    for kind in KINDS.values():
        watches.answered(kind)


def test_an_executor_is_ready_once_it_has_listed_and_every_watch_is_answered(health: Health, watches: Watches) -> None:
    assert "first list" in health.not_ready()
    health.has_listed = True
    assert "BugCommand: not opened yet" in health.not_ready()
    answered_all(watches)
    assert health.not_ready() == ""


def test_a_watch_that_is_not_answered_makes_it_not_ready_and_says_why(health: Health, watches: Watches) -> None:
    health.has_listed = True
    answered_all(watches)
    watches.failed("Pod", "Cannot connect")
    watches.answered("Agent", 403)
    assert health.not_ready() == "the watch of Agent: answered with status 403; the watch of Pod: Cannot connect"
    watches.answered("Pod")
    watches.answered("Agent")
    assert health.not_ready() == ""


def test_an_api_server_that_is_away_for_hours_is_no_reason_for_a_restart(
    health: Health, watches: Watches, clock: Clock
) -> None:
    health.has_listed = True
    for _ in range(100):
        clock.now += 60
        health.beat()
        for kind in KINDS.values():
            watches.failed(kind, "away")
        assert health.not_alive() == ""
    assert health.not_ready() != ""


def test_watches_that_do_not_even_try_any_more_are_stuck(health: Health, watches: Watches, clock: Clock) -> None:
    health.has_listed = True
    answered_all(watches)
    clock.now += SILENT_SECONDS + 1
    health.beat()
    assert "no watch has given a sign of life" in health.not_alive()
    watches.tried("Pod")
    assert health.not_alive() == ""


def test_a_long_first_list_is_no_silence(health: Health, clock: Clock) -> None:
    clock.now += SILENT_SECONDS + 1
    health.beat()
    assert health.not_alive() == ""


def test_a_loop_that_does_not_turn_is_told(health: Health, clock: Clock) -> None:
    clock.now += STUCK_SECONDS + 1
    assert "event loop" in health.not_alive()


@pytest.fixture
def served(health: Health) -> Iterator[int]:
    server = serve(health, 0)
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def get(port: int, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_probes_are_answered_over_http(served: int, health: Health, watches: Watches, clock: Clock) -> None:
    assert get(served, "/healthz") == (200, "ok")
    assert get(served, "/readyz")[0] == 503
    assert get(served, "/metrics")[0] == 404
    health.has_listed = True
    answered_all(watches)
    assert get(served, "/readyz") == (200, "ok")
    clock.now += STUCK_SECONDS + 1
    assert get(served, "/healthz")[0] == 503


async def test_a_stuck_loop_is_told_while_it_is_stuck(watches: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bugcommand_operator.executor.health.STUCK_SECONDS", 0.05)
    monkeypatch.setattr("bugcommand_operator.executor.health.BEAT_SECONDS", 0.001)
    health = Health(watches)
    server = serve(health, 0)
    beating = asyncio.create_task(health.run())
    try:
        await asyncio.sleep(0)
        deadline = time.monotonic() + 20
        while (answer := get(server.server_address[1], "/healthz"))[0] == 200:  # on purpose not in a thread
            assert time.monotonic() < deadline
        assert "event loop" in answer[1]
    finally:
        beating.cancel()
        server.shutdown()
        server.server_close()


def test_an_executor_that_may_not_claim_is_alive_but_not_ready(watches: Watches) -> None:
    health = Health(watches, may_claim=lambda: False)
    health.has_listed = True
    answered_all(watches)
    assert "Lease has not been renewed" in health.not_ready()
    assert health.not_alive() == ""
