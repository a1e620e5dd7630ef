"""After each test, no connection is left open: each has a thread of its own, which would outlive the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.support.postgres import postgres_server, postgres_url, store_url

__all__ = ["postgres_server", "postgres_url", "store_url"]


@pytest_asyncio.fixture(autouse=True)
async def _connections_are_closed() -> AsyncIterator[None]:
    yield
    for _ in range(2000):
        if not any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):
            return
        await asyncio.sleep(0.005)
    pytest.fail("a connection was left open")
