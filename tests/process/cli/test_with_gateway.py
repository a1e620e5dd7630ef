"""The program against the real gateway, which is killed while the log is followed."""

import itertools
import json
import threading
import time
from pathlib import Path

from tests.process.cli.conftest import Lab
from tests.process.cli.test_replay import on_terminal
from tests.process.gateway.process import COMMAND, GatewayProcess, Sender, batch
from tests.unit.gateway.fake_cluster import FakeCluster

from bugcommand_operator.cli.terminal_filter import CLEAR
from bugcommand_operator.runner.intake import Intake
from bugcommand_operator.runner.lines import Redactor
from bugcommand_operator.runner.queues import Envelope
from bugcommand_operator.runner.recorder import Recorder
from bugcommand_operator.runner.recording import RecordingQueue

SECONDS = 120
LINES, BATCH = 6000, 20
SECRET = "a-secret-that-the-runner-knows"  # made up
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


def recorded(folder: Path, output: list[bytes]) -> RecordingQueue:
    """A session as the runner records it, a second for each piece of output; not sent yet."""
    queue = RecordingQueue(folder, 1, Envelope(COMMAND, 1, "lab"))
    seconds = itertools.count()
    header: dict[str, object] = {"width": 80, "height": 24, "title": "fix"}
    recorder = Recorder(Redactor([SECRET]), queue.keep, header, 8 << 20, lambda: float(next(seconds)))
    for piece in output:
        recorder.feed(piece)
    recorder.close()
    return queue


def send_recording(queue: RecordingQueue, intake: Intake) -> str:
    """The parts as they were on their way."""
    sent = []
    while queue.pending:
        parcel = queue.take()
        assert parcel is not None
        for _ in range(2):  # an answer may have been lost
            assert intake.post(parcel.path, parcel.body) == parcel.last
        sent.append(str(json.loads(parcel.body)["data"]))
        queue.stored(parcel)
    intake.close()
    return "".join(sent)


def test_what_the_runner_records_is_what_is_played_and_saved(lab: Lab, tmp_path: Path) -> None:
    screen = "\x1b[1mhi ä 你 \x1b]52;c;YQ==\x07\x1b[6n\x1b[?1049hthere\r\n".encode()
    much = [f'\x1b[3{number % 8}m{number:06} "\\ \r\n'.encode() * 1000 for number in range(70)]
    cut = [b"a secret: " + SECRET[:9].encode(), SECRET[9:].encode() + b" and more\r\n", b"\xe4\xbd", b"\xa0 end"]
    queue = recorded(tmp_path / "state", [screen[:8], screen[8:], *much, *cut])
    assert queue.pending > 4, "more than one page of parts"
    (tmp_path / "token").write_text("pod")
    with FakeCluster() as cluster:
        cluster.add("pod", COMMAND, 1)
        cluster.add_user("jane", "jane", "team-a")
        cluster.add_user("nobody", "nobody")
        with GatewayProcess(tmp_path / "logs.db", cluster.kubeconfig(tmp_path)) as gateway:
            url = f"http://127.0.0.1:{gateway.port}"
            assert Sender(gateway.port, "pod").send(batch([1])).status == 200
            sent = send_recording(queue, Intake(url, str(tmp_path / "token")))
            whole = lab.run("replay", COMMAND, "-o", "cast", "--gateway", url, "--token", "jane")
            hidden = lab.run("replay", COMMAND, "-o", "cast", "--gateway", url, "--token", "nobody")
            arguments = ("replay", "fix", "--idle-limit", "0s", "--gateway", url, "--token", "jane")
            with on_terminal(lab, *arguments) as terminal:
                assert terminal.end() == 0

    assert (whole.returncode, whole.stdout == sent) == (0, True), whole.stderr
    assert json.loads(sent.partition("\n")[0])["version"] == 2
    assert (hidden.returncode, hidden.stdout) == (3, "")
    shown = terminal.seen.decode().partition(CLEAR)[2]
    assert shown.startswith("\x1b[1mhi ä 你 \x1b[?1049hthere\r\n" + much[0].decode())
    assert "".join(piece.decode() for piece in much) in shown
    assert "a secret: [redacted] and more\r\n你 end" in shown
    assert SECRET[:9] not in shown
