"""An API server that is played, a real Postgres, and the bridge's table in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from tests.process.gateway.bridge_world import PREFIX
from tests.process.gateway.bridges import NAMESPACE, Table
from tests.process.gateway.fake_api import FakeApi
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as running:
        running.repository(NAMESPACE, "shop", PREFIX)
        yield running


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture
async def table(url: str) -> AsyncIterator[Table]:
    engine = create_async_engine(url)
    yield Table(engine)
    await engine.dispose()
