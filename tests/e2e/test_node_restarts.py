"""The node's own programs die while an agent works: it goes on, and its log is whole. On the development cluster only,
whose programs are ours to kill."""

from __future__ import annotations

import os

import pytest
from dev.cluster import up
from dev.cluster.__main__ import layout
from dev.demo.kubectl import CommandError
from dev.demo.settings import from_environment
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_objects import bug
from tests.support.kubectl import eventually

COUNTS = "n=0; until [ -e $HOME/go ]; do n=$((n + 1)); echo line $n; sleep 0.02; done; echo counted $n"
SOME = 200

__test__ = from_environment(os.environ).own_cluster


def stored(lab: Lab, command_id: str) -> int:
    """How many lines the store has; 0 while nobody can be asked, for a kubelet that has just started knows no pod."""
    try:
        return len(lab.stored(command_id))
    except CommandError:
        return 0


def goes_on(lab: Lab, command_id: str) -> None:
    """In the store: what `kubectl logs` shows of the time without containerd is not ours to promise."""
    so_far = eventually(lambda: stored(lab, command_id), bool, 60, "lines are stored")
    eventually(lambda: stored(lab, command_id), lambda seen: seen >= so_far + SOME, 60, "more lines are stored")


@pytest.mark.parametrize("killed", [["kubelet"], ["containerd"], ["containerd", "kubelet"]], ids="-".join)
def test_an_agent_and_its_log_outlive_the_nodes_programs(lab: Lab, killed: list[str]) -> None:
    made = lab.run(bug("-".join(["outlives", *killed]), COUNTS))
    made.running()
    command_id = made.status["commandId"]
    goes_on(lab, command_id)

    up.restart(layout(), killed)
    goes_on(lab, command_id)
    eventually(lambda: answers(made), bool, 60, "the agent's container can be reached")
    made.inside("touch $HOME/go")
    status = made.ended(120)

    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert (status["attempt"], status["claim"]["epoch"]) == (1, 1)
    rows = lab.stored_up_to(command_id, status["logs"]["lines"])
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    numbered = [row["message"] for row in rows if row["message"].startswith("line ")]
    assert numbered == [f"line {n}" for n in range(1, len(numbered) + 1)]
    assert f"counted {len(numbered)}" in [row["message"] for row in rows]


def answers(made: Bug) -> bool:
    try:
        made.inside("true")
    except CommandError:
        return False
    return True
