"""A gateway in this process, with an authenticator that only knows what a test tells it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.process.gateway.process import COMMAND
from tests.unit.store.builders import url_of

from bugcommand_operator.cluster.token_review import (
    IdentityError,
    IdentityUnavailable,
    PodIdentity,
    Unauthenticated,
)
from bugcommand_operator.gateway.app import build_app
from bugcommand_operator.gateway.readers import Reader, ReaderAuth
from bugcommand_operator.gateway.settings import GatewaySettings
from bugcommand_operator.store.engine import open_reader
from bugcommand_operator.store.lines import AttemptKey, LogRow
from bugcommand_operator.store.spawn_logs import SpawnLogs

KEY = AttemptKey("team-a", COMMAND, 1)
POD = PodIdentity("team-a", "bug-2-agent", "uid-1", COMMAND, 2)


@dataclass
class KnownTokens:
    """An authenticator over a dictionary, that counts its questions."""

    answers: dict[str, PodIdentity | IdentityError] = field(default_factory=lambda: {"good": POD})
    asked: list[str] = field(default_factory=list)

    async def authenticate(self, token: str, client: str = "") -> PodIdentity:
        self.asked.append(token)
        answer = self.answers.get(token, Unauthenticated("unknown token"))
        if isinstance(answer, IdentityError):
            raise answer
        return answer


@dataclass
class KnownReaders:
    """Readers over a dictionary: each may read in the namespaces that it is listed with."""

    readers: dict[str, Reader] = field(default_factory=lambda: {"reader": reader_of("team-a")})
    away: bool = False

    async def identify(self, token: str, client: str = "") -> Reader:
        if self.away:
            raise IdentityUnavailable("away")
        if token not in self.readers:
            raise Unauthenticated("unknown token")
        return self.readers[token]

    async def may_read(self, reader: Reader, namespace: str, repository: str) -> bool:
        here = reader.namespaces is not None and namespace in reader.namespaces
        return here and (reader.repositories is None or repository in reader.repositories)


def reader_of(*namespaces: str, repositories: tuple[str, ...] = ()) -> Reader:
    return Reader("a reader", frozenset(namespaces), frozenset(repositories) or None)


@dataclass
class Gateway:
    """The application and what is in its store."""

    client: httpx.AsyncClient
    tokens: KnownTokens
    store: SpawnLogs

    async def post(self, body: Any, token: str = "good", **headers: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **headers}
        content = {"content": body} if isinstance(body, (bytes, str)) else {"json": body}
        return await self.client.post("/intake/v1/logs", headers=headers, **content)

    async def rows(self) -> list[LogRow]:
        return await self.store.read(COMMAND, limit=100_000)

    async def messages(self) -> list[str]:
        return [row.message for row in await self.rows()]

    async def metric(self, name: str) -> float:
        """The value of the metric whose line begins with this name and its labels."""
        text = (await self.client.get("/metrics")).text
        values = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == name]
        return float(values[0]) if values else 0.0


@asynccontextmanager
async def open_gateway(folder: Path, readers: ReaderAuth | None = None, **settings: Any) -> AsyncIterator[Gateway]:
    url = url_of(folder / "logs.db")
    values = {"database_url": url, "lock_wait_seconds": 0.05, "sqlite_synchronous": "NORMAL", **settings}
    tokens = KnownTokens()
    app = build_app(GatewaySettings(**values), tokens, readers or KnownReaders())
    engine = open_reader(url)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield Gateway(client, tokens, SpawnLogs(engine))
    await engine.dispose()
