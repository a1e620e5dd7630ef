"""The program against the real gateway, which is killed while the log is followed."""

import json
import threading
import time
from pathlib import Path

from tests.process.cli.conftest import Lab
from tests.process.gateway.process import COMMAND, GatewayProcess, Sender, batch
from tests.unit.gateway.fake_cluster import FakeCluster

SECONDS = 120
LINES, BATCH = 6000, 20
PROXY = "a-proxy-token-of-team-a"


class Shipper(threading.Thread):
    """Sends batches in order as the runner does: again and again until each is acknowledged."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port, self.acked, self.hurry = port, 0, threading.Event()

    def run(self) -> None:
        deadline = time.monotonic() + SECONDS
        while self.acked < LINES and time.monotonic() < deadline:
            try:
                sender = Sender(self.port, "pod")
                while self.acked < LINES:
                    first = self.acked + 1
                    if sender.send(batch(range(first, min(first + BATCH, LINES + 1)))).status != 200:
                        break
                    self.acked = min(first + BATCH - 1, LINES)
                    self.hurry.wait(0.02)
            except (OSError, ValueError):
                pass
            time.sleep(0.02)


def test_a_log_is_read_and_followed_over_a_gateway_that_is_killed(lab: Lab, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(json.dumps([{"name": "a", "token": PROXY, "namespace": "team-a", "repositories": []}]))
    with FakeCluster() as cluster:
        cluster.add("pod", COMMAND, 1)
        cluster.add_user("jane", "jane", "team-a")
        cluster.add_user("nobody", "nobody")
        environment = {"MENTU_PROXY_TOKENS_FILE": str(tokens), "MENTU_SQLITE_SYNCHRONOUS": "NORMAL"}
        gateway = GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path), **environment)
        url, shown = f"http://127.0.0.1:{gateway.port}", tmp_path / "shown"
        shipper = Shipper(gateway.port)
        with shown.open("w") as out:
            for number in range(3):
                with gateway:
                    if number == 0:
                        arguments = ("logs", "fix", "-f", "--gateway", url, "--token", "jane")
                        following = lab.start(*arguments, stdout=out)
                        shipper.start()
                    before, deadline = shipper.acked, time.monotonic() + SECONDS
                    while shipper.acked < before + 500 or shown.stat().st_size < 10 * before:
                        assert time.monotonic() < deadline
                        time.sleep(0.02)
                    gateway.kill()
            with gateway:
                shipper.hurry.set()
                shipper.join(SECONDS)
                assert shipper.acked == LINES
                lab.status(phase="Succeeded", attempt=1, logs={"lastSequence": LINES})
                err = following.communicate(timeout=SECONDS)[1]
                whole = lab.run("logs", COMMAND, "--gateway", url, "--token", PROXY)
                tail = lab.run("logs", "fix", "--gateway", url, "--token", "jane", "--tail=2", "-o", "json")
                hidden = lab.run("logs", COMMAND, "--gateway", url, "--token", "nobody")
                stranger = lab.run("logs", COMMAND, "--gateway", url, "--token", "no-such-token")

    expected = [f"line {seq}" for seq in range(1, LINES + 1)]
    assert (following.returncode, shown.read_text().splitlines() == expected) == (0, True), err
    assert whole.stdout.splitlines() == expected
    assert [json.loads(line)["seq"] for line in tail.stdout.splitlines()] == [LINES - 1, LINES]
    assert (hidden.returncode, hidden.stdout) in [(0, ""), (3, "")]
    assert stranger.returncode == 4, stranger.stderr
