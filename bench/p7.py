"""P7: from a row in `bridge_commands`, or a POST, to the BugCommand that the API server shows.

The peer is the least that can be done: a process that listens to the same channel and posts the same object, without
looking at the row, claiming it or mapping its directory. All are seen by the same watch.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg
from tests.support.postgres import PostgresServer

from bench import objects, outcome, rounds
from bench.kube import GROUP, Api, Raw, Watch
from bench.namespaces import fresh_namespace
from bench.outcome import Row
from bench.programs import free_port, program, says
from bench.rounds import Tick
from bench.servers import answers
from bugcommand_operator.store import migrate

ROUNDS = 2 * rounds.LEAST_ROUNDS
NAMESPACE = "mentu-bench-bridge"
TOKEN = "made-up-for-the-benchmark"
WAIT_SECONDS = 30.0
TABLE, POST, RAW = "row → BugCommand", "POST → BugCommand", "raw LISTEN + POST"
INSERT = "INSERT INTO bridge_commands (id, workspace_id, prompt, working_directory) VALUES (%s, %s, %s, %s)"
NOTIFY = "SELECT pg_notify('bench_raw', %s)"
PROMPT, FOLDER = "Nothing: no executor looks here.", "/srv/bench"


@dataclass
class Bench:
    api: Api
    commands: Watch
    database: psycopg.AsyncConnection[tuple[object, ...]]
    session: aiohttp.ClientSession
    url: str
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def by_table(self) -> float:
        row = str(uuid.uuid4())

        async def insert() -> None:
            await self.database.execute(INSERT, (row, str(uuid.uuid4()), PROMPT, FOLDER))

        return await self._until_made(lambda name: row in name, insert)

    async def by_post(self) -> float:
        mark = f"{PROMPT} {next(self.numbers)}"

        async def post() -> None:
            body = {"prompt": mark, "working_directory": FOLDER}
            async with self.session.post(f"{self.url}/bridge/commands", json=body) as response:
                if response.status != 201:
                    raise RuntimeError(await response.text())

        return await self._until_made(lambda name: name.startswith("bridge-"), post)

    async def raw(self) -> float:
        name = f"raw-{next(self.numbers)}"

        async def notify() -> None:
            await self.database.execute(NOTIFY, (name,))

        return await self._until_made(lambda found: found == name, notify)

    async def _until_made(self, is_it: Callable[[str], bool], begin: Callable[[], Awaitable[None]]) -> float:
        def made(event: Raw) -> bool:
            return bool(event["type"] == "ADDED" and is_it(event["object"]["metadata"]["name"]))

        expected = self.commands.expect(made)
        began = time.perf_counter()
        await begin()
        event = await expected
        took = time.perf_counter() - began
        await self.api.delete(f"{GROUP}/namespaces/{NAMESPACE}/bugcommands/{event['object']['metadata']['name']}")
        return took


async def measure(api: Api, folder: Path, tick: Tick) -> Row:
    async with _bench(api, folder) as bench:
        arms = [rounds.Arm(TABLE, bench.by_table), rounds.Arm(POST, bench.by_post), rounds.Arm(RAW, bench.raw)]
        for arm in arms:
            await arm.trial()
        sample = await rounds.measure(arms, ROUNDS, tick, seconds=60)
    cases = tuple(outcome.case(arm, sample, arm, RAW, outcome.at_most_more(0.01)) for arm in (TABLE, POST))
    return Row("P7", "intake → BugCommand exists", cases)


@asynccontextmanager
async def _bench(api: Api, folder: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(fresh_namespace(api, NAMESPACE))
        definition = objects.repository("bench", "https://git.invalid/bench.git")
        definition["spec"]["pathPrefixes"] = [FOLDER]
        await api.apply(f"{GROUP}/namespaces/{NAMESPACE}/repositories", "bench", definition)
        server = stack.enter_context(PostgresServer())
        url = server.url(server.new_database())
        await migrate.upgrade(url)
        gateway = await stack.enter_async_context(_gateway(folder, url))
        plain = url.replace("+psycopg", "")
        command = folder / "command.json"
        command.write_text(json.dumps(objects.command("x", prompt=PROMPT, repository={"name": "bench"})))
        arguments = ["-m", "bench.raw_listen", plain, NAMESPACE, str(command)]
        log = folder / "raw-listen.log"
        await stack.enter_async_context(program(arguments, {}, log, says("listening", log)))
        database = await stack.enter_async_context(await psycopg.AsyncConnection.connect(plain, autocommit=True))
        watch = Watch(api, f"{GROUP}/namespaces/{NAMESPACE}/bugcommands")
        commands = await stack.enter_async_context(watch)
        session = await stack.enter_async_context(aiohttp.ClientSession(headers={"X-Proxy-Token": TOKEN}))
        yield Bench(api, commands, database, session, gateway)


@asynccontextmanager
async def _gateway(folder: Path, url: str) -> AsyncIterator[str]:
    tokens = folder / "bridge-tokens.yaml"
    entry = {"name": "bench", "token": TOKEN, "namespace": NAMESPACE, "scopes": ["read", "write"]}
    tokens.write_text(json.dumps([entry]))
    port = free_port()
    settings = {
        "MENTU_HOST": "127.0.0.1",
        "MENTU_PORT": str(port),
        "MENTU_DATABASE_URL": url,
        "MENTU_PROXY_TOKENS_FILE": str(tokens),
        "MENTU_NAMESPACES": json.dumps([NAMESPACE]),
        "MENTU_BRIDGE_ENABLED": "true",
        "MENTU_BRIDGE_DEFAULT_NAMESPACE": NAMESPACE,
    }
    address = f"http://127.0.0.1:{port}"
    arguments = ["-m", "bugcommand_operator.gateway.main"]
    async with program(arguments, settings, folder / "bridge.log", lambda: answers(f"{address}/readyz")):
        yield address
