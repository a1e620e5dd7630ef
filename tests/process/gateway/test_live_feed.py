"""Live reading from real gateways over SQLite and Postgres, with Supabase's stock Realtime client and with SSE."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.process.gateway.live_clients import Resuming, metric, places, proxy_tokens, send, subscribed
from tests.process.gateway.process import COMMAND, GatewayProcess
from tests.support.postgres import PostgresServer, postgres_server, postgres_url, store_url  # noqa: F401 (fixtures)
from tests.unit.gateway.fake_cluster import FakeCluster
from tests.unit.gateway.live.serving import until

ROW = "INSERT INTO bridge_commands (id, prompt, namespace, repository) VALUES ('{id}', 'Fix it', '{namespace}', 'web')"
ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with FakeCluster() as running:
        running.add("good", COMMAND, 2)
        yield running


@pytest.fixture
def gateways(cluster: FakeCluster, tmp_path: Path) -> Iterator["Gateways"]:
    with Gateways(cluster, tmp_path) as running:
        yield running


class Gateways(ExitStack):
    def __init__(self, cluster: FakeCluster, folder: Path) -> None:
        super().__init__()
        self._kubeconfig, self._tokens = cluster.kubeconfig(folder), proxy_tokens(folder)

    def start(self, url: str) -> GatewayProcess:
        gateway = GatewayProcess(url, self._kubeconfig, MENTU_PROXY_TOKENS_FILE=self._tokens)
        if url.startswith("postgres"):
            assert gateway.migrate() == 0
        return self.enter_context(gateway)


def all_of(*last: int) -> list[tuple[int, int]]:
    return [(attempt, seq) for attempt, end in enumerate(last, 1) for seq in range(1, end + 1)]


async def test_both_kinds_of_readers_get_every_line_once(gateways: Gateways, store_url: str) -> None:  # noqa: F811
    gateway = gateways.start(store_url)
    reader = Resuming(gateway.port)
    async with subscribed(gateway.port) as changes, subscribed(gateway.port, None) as of_namespace:
        reading = asyncio.create_task(reader.read(600))
        await send(gateway.port, 1, 300)
        await send(gateway.port, 1, 200, attempt=2)
        await send(gateway.port, 301, 400, attempt=1)  # what an earlier attempt had left behind
        await asyncio.wait_for(reading, 60)
        await until(lambda: len(changes) == len(of_namespace) == 600)
    assert sorted(reader.found) == all_of(400, 200)
    for attempt in (1, 2):
        for seen in (reader.found, places(changes), places(of_namespace)):
            own = [seq for one, seq in seen if one == attempt]
            assert own == sorted(set(own)) and len(own) == (400 if attempt == 1 else 200)
    assert metric(gateway.port, "mentu_live_store_reads_total") < 60, "the lines came from the ring"


async def test_two_gateways_show_each_others_commits_and_double_none(gateways: Gateways, postgres_url: str) -> None:  # noqa: F811
    here, there = gateways.start(postgres_url), gateways.start(postgres_url)
    readers = [Resuming(here.port), Resuming(there.port)]
    async with (
        subscribed(here.port) as changes_here,
        subscribed(there.port) as changes_there,
        subscribed(there.port, None) as of_namespace,
    ):
        reading = [asyncio.create_task(reader.read(600)) for reader in readers]
        await send(here.port, 1, 300, size=7)
        await send(there.port, 301, 450, size=7)
        await send(here.port, 451, 600, size=7)
        await asyncio.wait_for(asyncio.gather(*reading), 60)
        every = (changes_here, changes_there, of_namespace)
        await until(lambda: all(len(one) >= 600 for one in every))
    for found in (*(reader.found for reader in readers), *(places(one) for one in every)):
        assert found == all_of(600)


async def test_a_gateway_that_is_killed_costs_its_readers_no_line_and_doubles_none(
    gateways: Gateways, tmp_path: Path
) -> None:
    gateway = gateways.start(f"sqlite+aiosqlite:///{tmp_path / 'logs.db'}")
    readers = [Resuming(gateway.port) for _ in range(5)]
    reading = [asyncio.create_task(reader.read(2000)) for reader in readers]
    sending = asyncio.create_task(send(gateway.port, 1, 2000))
    for goal in (500, 1200):
        await until(lambda goal=goal: sending.done() or all(len(reader.found) > goal for reader in readers), 60)
        assert not sending.done(), sending.exception()
        gateway.kill()
        await asyncio.to_thread(gateway.start)
    await asyncio.wait_for(asyncio.gather(sending, *reading), 120)
    assert all(reader.found == all_of(2000) for reader in readers)
    assert all(reader.connections >= 3 for reader in readers)


async def test_a_database_that_is_away_for_a_while_costs_no_line(gateways: Gateways) -> None:
    with PostgresServer() as server:
        url = server.url(server.new_database())
        here, there = gateways.start(url), gateways.start(url)
        readers = [Resuming(here.port), Resuming(there.port)]
        reading = [asyncio.create_task(reader.read(2000)) for reader in readers]
        sending = asyncio.create_task(send(here.port, 1, 2000))
        await until(lambda: all(len(reader.found) > 400 for reader in readers), 60)
        await asyncio.to_thread(server.end)
        await asyncio.sleep(2)
        await asyncio.to_thread(server.start)
        await until(lambda: all(len(reader.found) > 1000 for reader in readers), 60)
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await asyncio.to_thread(server.execute, cut)
        await asyncio.wait_for(asyncio.gather(sending, *reading), 120)
    assert all(reader.found == all_of(2000) for reader in readers)
    assert all(reader.connections == 1 for reader in readers), "the readers did not even notice"


async def test_rows_that_others_write_into_bridge_commands_come_to_the_stock_client(
    gateways: Gateways,
    postgres_server: PostgresServer,  # noqa: F811
    postgres_url: str,  # noqa: F811
) -> None:
    gateway = gateways.start(postgres_url)
    database = postgres_url.rpartition("/")[2]
    async with subscribed(gateway.port, None, "bridge_commands") as changes:
        for statement in (
            ROW.format(id=OTHER, namespace="team-b"),
            ROW.format(id=ONE, namespace="team-a"),
            f"UPDATE bridge_commands SET status = 'claimed', claimed_at = now() WHERE id = '{ONE}'",
        ):
            await asyncio.to_thread(postgres_server.execute, statement, database)
        await until(lambda: len(changes) == 2)
    assert [(change["type"], change["record"]["id"]) for change in changes] == [("INSERT", ONE), ("UPDATE", ONE)]
    assert changes[1]["record"]["status"] == "claimed"
    assert changes[1]["record"]["claimed_at"]
