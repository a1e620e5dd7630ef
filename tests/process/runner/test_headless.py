"""Headless mode: one prompt, events on stdout, and an end that does not depend on the agent's exit."""

from __future__ import annotations

import json
import time

from tests.process.runner.git import git
from tests.process.runner.intake import running_intake
from tests.process.runner.running import KEY, Volume


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
    parts = [line["message"] for line in running.spooled() if set(line["message"]) <= set("x↩↪")]
    assert sum(len(part.strip("↩↪")) for part in parts) == 20_000_000
    assert max(len(part.encode()) for part in parts) <= 65536
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


def test_lines_wait_for_an_intake_that_is_away_when_the_agent_has_long_ended(volume: Volume) -> None:
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503
        running = volume.run("fix\nflood,result", mode="Headless", intakeUrl=intake.url)
        running.until_said("mentu: Completed", 60)
        asked = len(intake.batches)
        intake.wait_for(lambda: len(intake.batches) > asked + 2, 30)
        intake.misbehave = lambda _batch: None
        told = running.end()
        assert told["unshipped"] == 0
        assert len(intake.messages()) == told["lastSequence"]


def test_a_pod_that_is_ended_while_its_lines_wait_says_how_many_were_left(volume: Volume) -> None:
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503
        running = volume.run("fix\nresult", mode="Headless", intakeUrl=intake.url, terminationGraceSeconds=3)
        running.until_said("mentu: Completed", 60)
        began = time.monotonic()
        running.terminate()
        told = running.end()
    assert time.monotonic() - began < 5
    assert told["unshipped"] == told["lastSequence"] > 0


def test_the_time_to_wait_for_the_intake_is_bounded(volume: Volume) -> None:
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503
        told = volume.run("fix\nresult", mode="Headless", intakeUrl=intake.url, drainSeconds=1).end()
    assert told["unshipped"] == told["lastSequence"] > 0


def test_no_key_is_in_the_termination_message(volume: Volume) -> None:
    event = json.dumps({"type": "system", "session_id": f"\x1b[31m{KEY} " + "s" * 9000})
    volume.program("agent", f"#!/bin/sh\necho '{event}'\necho \"bad key $ANTHROPIC_API_KEY\" >&2\nexit 3\n")
    told = volume.run("fix", mode="Headless").end()
    assert told["message"] == "the agent exited with 3: bad key [redacted]"
    assert told["sessionId"].startswith("[redacted] sss")
    assert len(told["sessionId"]) <= 128


def test_a_token_that_was_rotated_meanwhile_is_hidden_too(volume: Volume) -> None:
    rotated = "rotated-token-0123456789-abcdefghij"
    (volume.root / "token").write_text("first-token-0123456789")
    volume.program("agent", f"#!/bin/sh\nsleep 1\necho one\nsleep 1.5\necho 'seen: {rotated}'\n")
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 401 if "first" in intake.tokens[-1] else None
        running = volume.run("fix", mode="Headless", transcript="Plain", intakeUrl=intake.url)
        intake.wait_for(lambda: bool(intake.tokens))
        (volume.root / "token").write_text(rotated)
        running.end()
        assert "seen: [redacted]" in intake.messages()


def test_what_an_agent_said_last_is_kept_though_the_spool_was_full_when_it_left(volume: Volume) -> None:
    volume.program("agent", "#!/bin/sh\nfor i in $(seq 300); do echo $i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done\n")
    with running_intake() as intake:
        intake.misbehave = lambda _batch: 503
        env = {"MENTU_SPOOL_BYTES": "1000"}
        running = volume.run("fix", env, mode="Headless", transcript="Plain", intakeUrl=intake.url)
        running.until_said("mentu: Completed")
        intake.misbehave = lambda _batch: None
        assert running.end()["unshipped"] == 0
        numbers = [int(text.split()[0]) for text in intake.messages() if text.endswith("xxx")]
    assert numbers == list(range(1, 301))


def test_a_result_in_time_is_no_timeout_though_the_agent_will_not_leave(volume: Volume) -> None:
    running = volume.run("fix\nresult,hang", mode="Headless", timeoutSeconds=6, exitGraceSeconds=600)
    told = running.end()
    assert (told["exitCode"], told["reason"]) == (0, "Completed")
    assert running.leftovers() == []
