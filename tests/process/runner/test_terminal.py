"""Terminal mode with a real tmux and an agent that behaves, or does not."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from tests.process.runner.git import git
from tests.process.runner.running import KEY, Volume


def test_an_agent_that_finished_is_asked_to_leave_and_its_lines_are_in_order(volume: Volume) -> None:
    running = volume.run("fix it\nstderr")
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    messages = [line["message"] for line in running.spooled()]
    assert [text for text in messages[1:] if text != "a warning"][:3] == ["❯ fix it", "  stderr", "Done."]
    assert [line["message"] for line in running.spooled() if line["stream"] == "stderr"] == ["a warning"]
    assert "stderr: a warning" in running.log()
    assert [line["seq"] for line in running.spooled()] == list(range(1, told["lastSequence"] + 1))
    assert told["lines"] == told["lastSequence"]
    assert told["unshipped"] == 0  # without an intake there is nowhere to send them
    assert told["usage"] == {"inputTokens": 3, "outputTokens": 2, "costUSD": None}
    assert running.leftovers() == []


def test_the_prompt_arrives_whole_even_if_it_is_as_long_as_it_may_be_and_looks_like_a_flag(volume: Volume) -> None:
    prompt = "--help $(touch evil) '\"`\n" + "x" * 65_000 + "\nprompt"
    volume.run(prompt).end()
    assert (volume.root / "home" / "prompt").read_text() == prompt
    assert not (volume.repo / "evil").exists()


def test_the_bug_context_is_named_only_if_there_is_one(volume: Volume) -> None:
    (volume.repo / ".mentu").mkdir()
    (volume.repo / ".mentu" / "bug-context.md").write_text("context")
    (volume.repo / "sub").mkdir()
    volume.run("fix\nprompt", cwd=str(volume.repo / "sub")).end()
    first = (volume.root / "home" / "prompt").read_text().splitlines()[0]
    assert first.startswith("Read ../.mentu/bug-context.md first")


def test_the_agents_environment_is_the_commands_and_not_the_runners(volume: Volume) -> None:
    (volume.root / "token").write_text("pod-token\n")
    volume.run("fix\nprompt").end()
    env = json.loads((volume.root / "home" / "environment").read_text())
    assert env["MENTU_PROXY_TOKEN"] == "pod-token"
    assert "MENTU_RUN" not in env
    assert "PYTHONPATH" not in env


def test_no_key_is_in_what_is_logged(volume: Volume) -> None:
    running = volume.run("fix\nsecret")
    running.end()
    assert "the key is [redacted]" in running.log()
    assert KEY not in "\n".join(running.log())
    assert KEY.encode() not in (volume.root / "state" / "spool" / "1.jsonl").read_bytes()


def test_a_crash_keeps_its_exit_code_and_tells_the_last_complaint(volume: Volume) -> None:
    told = volume.run("fix\ncrash").end()
    assert (told["exitCode"], told["reason"]) == (3, "AgentFailed")
    assert "out of cheese" in told["message"]


def test_an_agent_that_waits_for_its_background_task_is_let_wait(volume: Volume) -> None:
    running = volume.run("fix\nbackground")
    assert running.end()["reason"] == "Completed"
    assert "✻ b1 completed" in running.log()
    assert "Done." in running.log()


def test_nobody_is_thrown_out_and_what_a_person_types_is_answered(volume: Volume) -> None:
    running = volume.run("fix")
    running.until(lambda: Path(running.socket).exists())
    person, terminal = pty.openpty()
    attach = ["tmux", "-u", "-S", running.socket, "attach"]
    env = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    client = subprocess.Popen(attach, stdin=terminal, stdout=terminal, stderr=terminal, env=env, start_new_session=True)
    running.until_said("Done.")
    clients = ["tmux", "-S", running.socket, "list-clients"]
    running.until(lambda: bool(subprocess.run(clients, capture_output=True, check=False).stdout))
    attached_for_long_after_all_was_quiet = time.monotonic() + 1.5
    running.until(lambda: time.monotonic() > attached_for_long_after_all_was_quiet)
    assert running.process.poll() is None
    os.write(person, b"and one more thing\r")
    running.until_said("Went on.")
    assert "❯ and one more thing" in running.log()
    client.terminate()
    client.wait(10)
    assert running.end()["reason"] == "Completed"
    os.close(person)
    os.close(terminal)


@pytest.mark.parametrize("behaviour", ["deaf", "deaf undying"])
def test_an_agent_that_will_not_leave_is_ended_and_has_finished_nevertheless(volume: Volume, behaviour: str) -> None:
    running = volume.run(f"{behaviour}\nx", exitGraceSeconds=1)
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    assert running.leftovers() == []


def test_time_that_is_over_while_a_finished_agent_is_slow_to_leave_is_no_timeout(volume: Volume) -> None:
    running = volume.run("deaf\nx", timeoutSeconds=6, exitGraceSeconds=600)
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")


def test_what_comes_after_a_long_silence_at_the_end_is_read_too(volume: Volume) -> None:
    running = volume.run("fix\nsilent", {"MENTU_SPOOL_BYTES": "1"})  # full from the first line: read when all is over
    running.end()
    assert "after the silence" in running.log()


def test_time_that_is_over_ends_the_agent_and_keeps_its_work(volume: Volume) -> None:
    running = volume.run("fix\nedit,long", timeoutSeconds=2, exitGraceSeconds=1)
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (124, "TimedOut")
    assert git(volume.repo, "show", "refs/mentu/rescue/cmt_1/1:changed.txt") == "by the agent"
    assert running.leftovers() == []


def test_a_pod_that_is_ended_keeps_the_work_within_its_grace(volume: Volume) -> None:
    running = volume.run("deaf undying\nedit,orphan,long", terminationGraceSeconds=10)
    running.until_said("⏺ Bash(sleep 600)")
    began = time.monotonic()
    running.terminate()
    told = running.end()
    assert time.monotonic() - began < 10
    assert (told["exitCode"], told["reason"]) == (143, "Terminated")
    assert git(volume.repo, "show", "refs/mentu/rescue/cmt_1/1:changed.txt") == "by the agent"
    assert running.leftovers() == []


def test_what_the_agent_left_running_is_ended_with_it(volume: Volume) -> None:
    running = volume.run("fix\norphan")
    assert running.end()["reason"] == "Completed"
    assert running.leftovers() == []


def test_an_attempt_never_runs_its_prompt_twice(volume: Volume) -> None:
    volume.run("fix").end()
    again = volume.run("fix")
    told = again.end()
    assert (told["exitCode"], told["reason"]) == (120, "AttemptAlreadyRan")
    assert not any("❯" in line for line in again.log())
    assert [line["seq"] for line in again.spooled()] == list(range(1, told["lastSequence"] + 1))
    assert volume.run("fix", attempt=2).end()["reason"] == "Completed"


def test_a_bad_key_ends_the_run_at_once_with_its_own_reason(volume: Volume) -> None:
    told = volume.run("fix\nbadkey").end()
    assert (told["exitCode"], told["reason"]) == (69, "ModelAuthenticationFailed")


def test_an_overloaded_model_is_given_another_chance(volume: Volume) -> None:
    running = volume.run("fix\noverloaded")
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    assert "mentu: the model did not answer; telling the agent to go on" in running.log()
    assert "Went on." in running.log()


def test_an_overload_that_lasts_longer_than_the_patience_is_told(volume: Volume) -> None:
    told = volume.run("fix\noverloaded", {"MENTU_MODEL_PATIENCE_SECONDS": "1"}).end()
    assert (told["exitCode"], told["reason"]) == (69, "ModelOverloaded")


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [(["no-such-agent"], 127, "not in the agent image's PATH"), (["plain-file"], 126, "not executable")],
)
def test_an_agent_that_is_not_there_is_told_and_the_attempt_is_not_used_up(
    volume: Volume, command: list[str], code: int, told: str
) -> None:
    volume.program("plain-file", "text")
    (volume.bin / "plain-file").chmod(0o644)
    message = volume.run("fix", command=command).end()
    assert (message["exitCode"], message["reason"]) == (code, "AgentStartFailed")
    assert told in message["message"]
    assert not (volume.root / "state" / "attempt-1.started").exists()


@pytest.mark.parametrize("hardened", ["", "trap '' HUP; "])
def test_an_agent_that_kills_its_terminal_has_ended(volume: Volume, hardened: str) -> None:
    volume.program("agent", f"#!/bin/sh\n{hardened}tmux -S $MENTU_TMUX_SOCKET kill-server\nsleep 600\n")
    running = volume.run("fix")
    assert running.end()["reason"] == "AgentFailed"
    assert running.leftovers() == []


def test_an_agent_that_fails_without_a_word_shows_its_last_screen(volume: Volume) -> None:
    volume.program("agent", "#!/bin/sh\necho cannot be used by root\nexit 1\n")
    told = volume.run("fix").end()
    assert told["message"] == "the agent exited with 1: cannot be used by root"


def test_another_agents_output_is_its_log_without_what_steers_the_terminal(volume: Volume) -> None:
    volume.program(
        "agent", '#!/bin/sh\nprintf "\\033[32mfirst\\033[0m\\n1%%\\r2%%\\n"\necho oops >&2\necho "$1"\nexit 4\n'
    )
    running = volume.run("do it", transcript="Plain")
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (4, "AgentFailed")
    shown = [line["message"] for line in running.spooled() if line["stream"] == "stdout"][1:]
    assert shown == ["first", "2%", "do it"]
    assert "stderr: oops" in running.log()
