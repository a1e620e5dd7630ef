"""The real gateway process with a real client of the API server: start, kill, end, many senders."""

import json
import random
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.process.gateway.process import COMMAND, GatewayProcess, Sender, batch
from tests.unit.gateway.fake_cluster import FakeCluster


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    with FakeCluster() as running:
        running.add("good", COMMAND, 1)
        yield running


def stored(database: Path, command_id: str = COMMAND) -> list[int]:
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT seq FROM spawn_logs WHERE command_id = ? ORDER BY seq"
        return [seq for (seq,) in connection.execute(query, (command_id,))]


class Pump(threading.Thread):
    """Sends numbered batches until the gateway is gone, and remembers what was acknowledged."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__()
        self.next, self.acked, self._port = first, 0, port
        self.some_are_acked = threading.Event()
        self._goal = first + 300

    def run(self) -> None:
        sender = Sender(self._port, "good")
        try:
            for _ in range(100_000):
                answer = sender.send(batch(range(self.next, self.next + 10)))
                assert answer.status == 200, answer
                self.acked = answer.body["acked"]
                self.next += 10
                if self.next > self._goal:
                    self.some_are_acked.set()
        except OSError:
            return


def test_nothing_acknowledged_is_lost_when_the_gateway_is_killed_while_writing(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    database = tmp_path / "logs.db"
    gateway = GatewayProcess(database, cluster.kubeconfig(tmp_path), MENTU_SQLITE_SYNCHRONOUS="NORMAL")
    acked = 0
    for _ in range(3):
        with gateway:
            pump = Pump(gateway.port, acked + 1)
            pump.start()
            assert pump.some_are_acked.wait(60)
            threading.Event().wait(random.uniform(0, 0.05))  # any moment will do, so it is not always the same
            gateway.kill()
            pump.join(60)
            acked = pump.acked
        rows = stored(database)
        assert rows[:acked] == list(range(1, acked + 1))
        assert len(rows) == len(set(rows))
        assert rows[-1] in (acked, acked + 10), "only the one batch in flight may be there unacknowledged"

    with gateway:
        sender = Sender(gateway.port, "good")
        assert sender.send(batch(range(acked - 50, acked + 20))).body == {"acked": acked + 19}
        assert stored(database) == list(range(1, acked + 20))


def test_eight_senders_at_once_lose_nothing_and_store_nothing_twice(cluster: FakeCluster, tmp_path: Path) -> None:
    commands = [f"command-{number}" for number in range(4)]
    for number, command in enumerate(commands):
        cluster.add(f"token-{number}", command, 1)
    statuses: list[int] = []

    def send(sender_number: int, port: int) -> None:
        """Two senders share each command, with batches that overlap, in an order of their own."""
        number = sender_number % 4
        starts = list(range(1, 401, 20))
        random.Random(sender_number).shuffle(starts)
        sender = Sender(port, f"token-{number}")
        for start in starts:
            body = batch(range(start, start + 30), command_id=commands[number])
            statuses.append(sender.send(body).status)

    with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path)) as gateway:
        threads = [threading.Thread(target=send, args=(number, gateway.port)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        metrics = Sender(gateway.port, "").get("/metrics")[1]

    assert statuses == [200] * 160
    for command in commands:
        assert stored(tmp_path / "logs.db", command) == list(range(1, 411))
    assert f"mentu_log_lines_stored_total {4 * 410}.0" in metrics
    assert cluster.requests.count("review") == 4, "a token is reviewed once"


def test_sigterm_answers_what_was_sent_closes_the_store_and_is_no_failure(cluster: FakeCluster, tmp_path: Path) -> None:
    database = tmp_path / "logs.db"
    with GatewayProcess(database, cluster.kubeconfig(tmp_path)) as gateway:
        pump = Pump(gateway.port, 1)
        pump.start()
        assert pump.some_are_acked.wait(60)
        assert gateway.end() == 0
        pump.join(60)

    assert not database.with_name("logs.db-wal").exists(), "a closed store leaves no log to replay"
    assert stored(database) == list(range(1, pump.acked + 1))


def test_a_locked_database_gives_503_and_then_takes_the_same_lines(cluster: FakeCluster, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path)) as gateway:
        sender = Sender(gateway.port, "good")
        locker = sqlite3.connect(tmp_path / "logs.db", isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        refused = sender.send(batch([1, 2]))
        locker.execute("ROLLBACK")
        locker.close()

        assert (refused.status, refused.body["reason"]) == (503, "StoreUnavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert sender.send(batch([1, 2])).status == 200
    assert stored(tmp_path / "logs.db") == [1, 2]


def test_an_api_server_that_fails_is_not_the_senders_fault(cluster: FakeCluster, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path)) as gateway:
        sender = Sender(gateway.port, "good")
        cluster.failing = 500
        assert (sender.send(batch([1])).status, stored(tmp_path / "logs.db")) == (503, [])
        cluster.failing = 0
        assert sender.send(batch([1])).status == 200
        assert Sender(gateway.port, "unknown").send(batch([2])).status == 401


def test_a_refused_body_leaves_the_connection_usable(cluster: FakeCluster, tmp_path: Path) -> None:
    with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path)) as gateway:
        sender = Sender(gateway.port, "good")
        assert sender.send(b"x" * ((1 << 20) + 1)).status == 413
        assert sender.send(json.dumps(batch([1])).encode()).status == 200


def test_without_a_cluster_to_ask_it_ends_with_an_error(tmp_path: Path) -> None:
    gateway = GatewayProcess(tmp_path / "logs.db", tmp_path / "no-such-kubeconfig")
    with pytest.raises(AssertionError, match="the gateway ended with 1"), gateway:
        gateway.process.wait(30)
        gateway.wait_until_ready()
    assert gateway.process.returncode not in (0, -signal.SIGKILL)


def test_strangers_hold_only_so_many_connections_and_only_for_so_long(cluster: FakeCluster, tmp_path: Path) -> None:
    limits = {"MENTU_MAX_CONNECTIONS_PER_CLIENT": "20", "MENTU_HEADER_SECONDS": "0.5"}
    with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path), **limits) as gateway:
        idle = [socket.create_connection(("127.0.0.1", gateway.port), timeout=20) for _ in range(40)]
        refused = [connection for connection in idle if connection.recv(4096)]
        assert len(refused) >= 20, "the others were closed once their headers were overdue"
        for connection in idle:
            connection.close()
        assert Sender(gateway.port, "good").send(batch([1])).status == 200
