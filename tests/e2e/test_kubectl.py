"""What a person does with kubectl alone: list, wait, watch an agent in its terminal."""

from __future__ import annotations

import subprocess

import pytest
from dev.demo.kubectl import CommandError
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, reason_of
from tests.support.cluster_objects import bug

PROMPT = "echo in the terminal; until [ -e /tmp/go ]; do sleep 0.2; done"


@pytest.fixture(scope="module")
def works(lab: Lab) -> Bug:
    made = lab.run(bug("by-hand", PROMPT, commitmentId="cmt_by_hand"))
    made.running()
    made.prints("in the terminal")
    return made


def test_a_running_command_is_listed_with_its_columns(lab: Lab, works: Bug) -> None:
    wide = lab.kubectl.run("get", "bug", works.name, "-o", "wide").splitlines()
    assert wide[0].split() == ["NAME", "PHASE", "AGENT", "REPOSITORY", "MACHINE", "BRANCH", "AGE"] or wide
    assert {"by-hand", "Running", "shell", "plain", "default"} <= set(wide[1].split())
    narrow = lab.kubectl.run("get", "mentu", "--no-headers")
    for kind in ("bugcommand", "repository", "agent"):
        assert f"{kind}.mentu.dev/" in narrow


def test_a_person_can_attach_to_the_terminal_and_leave_again(works: Bug) -> None:
    hint = next(line for line in works.printed() if "tmux -u -S " in line)
    socket = hint.split("-S ")[1].split()[0]
    assert works.inside(f"tmux -S {socket} list-sessions").startswith("agent:")
    assert "in the terminal" in works.inside(f"tmux -S {socket} capture-pane -p -t agent")
    attached = f"timeout 2 script -qec 'tmux -u -S {socket} attach' /dev/null; echo left"
    assert "left" in works.inside(f"TERM=xterm {attached}")
    assert works.status["phase"] == "Running"


def test_kubectl_can_wait_for_the_end(lab: Lab, works: Bug) -> None:
    arguments = ["wait", "bugcommand/by-hand", "--for=condition=Succeeded", "--timeout=60s"]
    command = ["kubectl", "--namespace", lab.kubectl.namespace, *arguments]
    waiting = subprocess.Popen(command, env=lab.kubectl.env, stdout=subprocess.PIPE, text=True)
    try:
        works.inside("touch /tmp/go")
        told, _ = waiting.communicate(timeout=70)
    finally:
        waiting.kill()
    assert (waiting.returncode, "condition met" in told) == (0, True)
    assert reason_of(works.status) == ("Succeeded", "Completed")


def test_what_a_claimed_command_is_built_on_cannot_be_changed(lab: Lab, works: Bug) -> None:
    with pytest.raises(CommandError, match="cannot change once the command is claimed"):
        works.patch({"prompt": "something else"})


def test_a_command_that_cannot_be_meant_is_refused_when_it_is_applied(lab: Lab) -> None:
    with pytest.raises(CommandError, match="workingDirectory must stay inside the repository"):
        lab.apply(bug("never-made", "x", workingDirectory="../../etc"))
    with pytest.raises(CommandError, match="cmt_"):
        lab.apply(bug("never-made", "x", commitmentId="Not An Id"))
