"""Headless mode: one prompt, events on stdout, and an end that does not depend on the agent's exit."""

from __future__ import annotations

import time

from tests.process.runner.git import git
from tests.process.runner.intake import running_intake
from tests.process.runner.running import Volume


def test_events_become_lines_and_the_result_brings_the_totals(volume: Volume) -> None:
    running = volume.run("fix\nstderr,secret,result", mode="Headless")
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    assert told["usage"] == {"inputTokens": 11, "outputTokens": 7, "costUSD": "0.5"}
    assert "the key is [redacted]" in running.log()
    assert "stderr: a warning" in running.log()


def test_an_agent_that_told_its_result_and_hangs_has_finished(volume: Volume) -> None:
    running = volume.run("fix\nresult,hang", mode="Headless", exitGraceSeconds=0.5)
    began = time.monotonic()
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    assert time.monotonic() - began < 20
    assert running.leftovers() == []


def test_an_agent_that_hangs_without_a_result_times_out(volume: Volume) -> None:
    running = volume.run("undying\nedit,hang", mode="Headless", timeoutSeconds=1, exitGraceSeconds=0.5)
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (124, "TimedOut")
    assert git(volume.repo, "show", "refs/mentu/rescue/cmt_1/1:changed.txt") == "by the agent"
    assert running.leftovers() == []


def test_a_crash_keeps_its_exit_code(volume: Volume) -> None:
    told = volume.run("fix\ncrash", mode="Headless").end()
    assert (told["exitCode"], told["reason"]) == (3, "AgentFailed")
    assert told["message"].endswith("panic: out of cheese")


def test_something_left_behind_that_holds_the_output_open_does_not_hold_up_the_end(volume: Volume) -> None:
    running = volume.run("fix\norphan,result", mode="Headless")
    assert running.end()["reason"] == "Completed"
    assert running.leftovers() == []


def test_a_pod_that_is_ended_ends_the_agent(volume: Volume) -> None:
    running = volume.run("fix\nlong", mode="Headless")
    running.until_said("⏺ Bash(sleep 600)")
    running.terminate()
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (143, "Terminated")
    assert running.leftovers() == []


def test_a_program_that_cannot_be_run_here_is_told(volume: Volume) -> None:
    volume.program("agent", "no interpreter, no binary")
    told = volume.run("fix", mode="Headless").end()
    assert (told["exitCode"], told["reason"]) == (126, "AgentStartFailed")
    assert "Exec format error" in told["message"]


def test_a_key_that_the_model_refuses_ends_the_run_before_the_agent_gives_up(volume: Volume) -> None:
    retry = '{"type":"system","subtype":"api_retry","error_status":401,"error":"authentication_failed"}'
    volume.program("agent", f"#!/bin/sh\necho '{retry}'\nsleep 600\n")
    told = volume.run("fix", mode="Headless").end()
    assert (told["exitCode"], told["reason"]) == (69, "ModelAuthenticationFailed")


def test_an_overload_is_waited_for_only_so_long(volume: Volume) -> None:
    retry = '{"type":"system","subtype":"api_retry","error_status":529,"error":"overloaded"}'
    volume.program("agent", f"#!/bin/sh\nwhile :; do echo '{retry}'; sleep 0.2; done\n")
    told = volume.run("fix", {"MENTU_MODEL_PATIENCE_SECONDS": "1"}, mode="Headless").end()
    assert (told["exitCode"], told["reason"]) == (69, "ModelOverloaded")


def test_another_agents_lines_are_as_they_are(volume: Volume) -> None:
    volume.program("agent", '#!/bin/sh\necho "{\\"type\\": \\"result\\"}"\necho "$1 $2"\necho oops >&2\n')
    running = volume.run("do it", mode="Headless", transcript="Plain", args=["--yes"])
    assert running.end()["reason"] == "Completed"
    assert [line["message"] for line in running.spooled() if line["stream"] == "stdout"][:2] == [
        '{"type": "result"}',
        "--yes do it",
    ]


def test_a_hundred_megabyte_line_is_cut_into_parts_and_the_rest_goes_on(volume: Volume) -> None:
    volume.program("agent", "#!/bin/sh\nhead -c 20000000 /dev/zero | tr '\\0' x\necho\necho end\n")
    running = volume.run("do it", mode="Headless", transcript="Plain")
    assert running.end()["reason"] == "Completed"
    sizes = [len(line["message"]) for line in running.spooled() if set(line["message"]) == {"x"}]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 65536
    assert "end" in running.log()


def test_every_line_is_stored_though_the_spool_is_small_and_the_intake_slow_to_come(volume: Volume) -> None:
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503 if len(intake.batches) <= 4 else None
        (volume.root / "token").write_text("pod-token")
        running = volume.run("fix\nflood,result", {"MENTU_SPOOL_BYTES": "20000"}, mode="Headless", intakeUrl=intake.url)
        told = running.end()
        stored = intake.messages()
    assert told["unshipped"] == 0
    assert len(stored) == told["lastSequence"]
    assert [text.split()[0] for text in stored if "xxx" in text] == [str(number) for number in range(400)]
    assert any("the log spool is full" in text for text in stored)


def test_what_a_killed_pod_left_is_shipped_by_the_next_one(volume: Volume) -> None:
    volume.run("fix\nflood", mode="Headless").end()
    with running_intake() as intake:
        told = volume.run("fix\nresult", mode="Headless", attempt=2, intakeUrl=intake.url).end()
        assert told["unshipped"] == 0
        assert sum("xxx" in text for text in intake.messages(1)) == 400
        assert "mentu: Completed: the agent finished" in intake.messages(2)
