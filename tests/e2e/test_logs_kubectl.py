"""`kubectl bug logs` against the default installation: a person without a token, a port-forward, SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of, rows
from tests.support.cluster_objects import SYSTEM, bug
from tests.support.kubectl import eventually
from tests.support.kubectl_bug import KubectlBug, parsed

HELD = "until [ -e /tmp/go ]; do sleep 0.1; done"
SAYS = f"echo first; echo wrong >&2; for n in $(seq 20); do echo line $n; done; {HELD}; echo last"


@pytest.fixture(scope="module")
def program(lab: Lab) -> KubectlBug:
    return KubectlBug(lab.kubectl, SYSTEM)


@pytest.fixture(scope="module")
def made(lab: Lab) -> Bug:
    running = lab.run(bug("logs-shown", SAYS))
    running.running()
    running.prints("line 20")
    return running


def test_what_is_followed_is_what_the_agent_printed_and_ends_with_the_command(
    lab: Lab, program: KubectlBug, made: Bug, tmp_path: Path
) -> None:
    output = tmp_path / "followed"
    with program.started(output, "logs", made.name, "--follow", "-o", "json") as process:
        eventually(output.read_text, lambda text: "line 20" in text, 30, "it follows")
        made.inside("touch /tmp/go")
        status = made.ended()
        assert process.wait(60) == 0
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    shown = parsed(output.read_text())
    assert [row["seq"] for row in shown] == list(range(1, len(shown) + 1))
    assert rows(shown) == made.printed()
    assert [row["seq"] for row in lab.stored(status["commandId"])] == [row["seq"] for row in shown]


def test_lines_are_found_by_what_they_say_and_by_their_stream_after_the_end(program: KubectlBug, made: Bug) -> None:
    made.ended()
    assert [row["message"] for row in program.rows("logs", made.name, "--grep", "^line 1.$")] == [
        f"line {n}" for n in range(10, 20)
    ]
    assert "wrong" in [row["message"] for row in program.rows("logs", made.name, "--stream", "stderr")]
    assert "last" in program.run("logs", made.name, "--tail", "5")
