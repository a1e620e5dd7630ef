"""`kubectl bug logs` as a process: through a port-forward, over broken connections, into pipes."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.process.cli.conftest import Lab, is_running
from tests.process.cli.stub import COMMAND, TOKEN, row

SECONDS = 60
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def until(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def messages(*sizes: int) -> list[str]:
    return [f"line {attempt}:{seq}" for attempt, size in enumerate(sizes, 1) for seq in range(1, size + 1)]


def test_all_attempts_are_shown_in_order_through_a_port_forward_that_is_ended(lab: Lab) -> None:
    lab.gateway.add_lines(2, 1, 3)
    lab.gateway.add_lines(1, 1, 1500)
    done = lab.run("logs", "fix", "-n", "team-a", "--context", "lab")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == messages(1500, 3)
    assert set(lab.gateway.seen_tokens) == {TOKEN}
    assert len(lab.forwards()) == 1
    assert not is_running(lab.forwards()[0])
    assert all("--context=lab" in call for call in lab.calls())
    assert [flag for flag in lab.calls()[0] if "namespace" in flag] == ["--namespace=team-a"]


def test_with_an_id_a_url_and_a_token_no_cluster_is_needed(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 3)
    done = lab.run("logs", COMMAND, "--gateway", lab.gateway.url, MENTU_TOKEN="proxy-token")

    assert done.stdout.splitlines() == messages(3)
    assert set(lab.gateway.seen_tokens) == {"proxy-token"}
    assert not (lab.folder / "calls").exists()


def test_a_certificate_in_the_kubeconfig_gets_a_token_of_the_log_reader(lab: Lab) -> None:
    lab.state["config"] = {"users": [{"name": "me", "user": {"client-certificate-data": "AAAA"}}]}
    lab.save()
    lab.gateway.add_lines(1, 1, 1)

    assert lab.run("logs", "fix").returncode == 0
    assert set(lab.gateway.seen_tokens) == {"requested-token"}


def test_a_login_program_gives_the_token_and_is_asked_again_when_it_is_refused(lab: Lab) -> None:
    count = lab.folder / "count"
    script = f"n=$(cat {count} 2>/dev/null || echo 0); n=$((n+1)); echo $n > {count}; " + (
        'echo "{\\"kind\\":\\"ExecCredential\\",\\"status\\":{\\"token\\":\\"$WHO-$n\\"}}"'
    )
    plugin = {"command": "/bin/sh", "args": ["-c", script], "env": [{"name": "WHO", "value": "me"}]}
    lab.state["config"] = {"users": [{"name": "me", "user": {"exec": plugin}}]}
    lab.save()
    lab.gateway.add_lines(1, 1, 1)
    lab.gateway.refused_tokens = {"me-1"}

    assert lab.run("logs", "fix").stdout == "line 1:1\n"
    assert lab.gateway.seen_tokens[:2] == ["me-1", "me-2"]


def test_filters_work_together(lab: Lab) -> None:
    lab.gateway.add(*(row(a, s, stream="stderr" if s % 2 else "stdout") for a in (1, 2) for s in range(1, 30)))
    done = lab.run(
        "logs", "fix", "--attempt", "2", "--stream", "stderr", "--grep", ":2", "--tail", "2", "--timestamps",
        "--since", "2026-01-01T00:33:00Z",
    )  # fmt: skip

    assert done.stdout == "2026-01-01T00:33:47+00:00 line 2:27\n2026-01-01T00:33:49+00:00 line 2:29\n"


def test_json_is_one_exact_object_a_line_and_text_is_safe(lab: Lab) -> None:
    hostile = "\x1b]52;c;YQ==\x07 a\nb\u202e \ud83d \x9b2J"
    lab.gateway.add(row(1, 1, hostile), row(1, 2, "x", "stderr"))
    text, lines = lab.run("logs", "fix").stdout, lab.run("logs", "fix", "-o", "json").stdout.splitlines()

    assert text == "␛]52;c;YQ==␇ a␊b<U+202E> \ufffd <U+009B>2J\n! x\n"
    assert [json.loads(line)["message"] for line in lines] == [hostile, "x"]
    assert json.loads(lines[1]) == row(1, 2, "x", "stderr")


def test_a_page_that_breaks_off_is_read_again(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 2500)
    lab.gateway.broken = 3

    assert lab.run("logs", "fix").stdout.splitlines() == messages(2500)


def killed_forwards(lab: Lab) -> set[int]:
    """Those that were running, and are killed now."""
    running = set(filter(is_running, lab.forwards()))
    for pid in running:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return running


def test_following_over_killed_connections_loses_and_doubles_no_line(lab: Lab) -> None:
    """Streams are cut after any number of bytes, queries too, and the port-forward is killed in between."""
    chance = random.Random(7)
    lab.gateway.cuts = [chance.randrange(1, 20_000) for _ in range(40)]
    lab.gateway.add_lines(1, 1, 500)
    sizes, killed, shown = {1: 500, 2: 0}, set[int](), lab.folder / "shown"
    with shown.open("w") as out:
        following = lab.start("logs", "fix", "-f", "--namespace=team-a", stdout=out)
        until(lambda: lab.gateway.streams)
        deadline, number = time.monotonic() + SECONDS, 0
        while (len(lab.gateway.streams) < 15 or number < 60 or not killed) and time.monotonic() < deadline:
            number += 1
            attempt = 1 if number < 20 or number % 7 == 0 else 2  # what the first left is sent by the second
            first, sizes[attempt] = sizes[attempt] + 1, sizes[attempt] + chance.randrange(1, 100)
            lab.gateway.add_lines(attempt, first, sizes[attempt])
            lab.gateway.broken = int(number % 10 == 5)
            if number % 20 == 10:
                killed |= killed_forwards(lab)
            time.sleep(0.03)  # a pace, as an agent has one
        lab.status(phase="Succeeded", attempt=2, logs={"lastSequence": sizes[2]})
        err = following.communicate(timeout=SECONDS)[1]

    assert following.returncode == 0, err
    lines = shown.read_text().splitlines()
    expected = {f"line {a}:{s}" for a, size in sizes.items() for s in range(1, size + 1)}
    assert len(lines) == len(set(lines)), "doubled"
    assert set(lines) == expected, "lost"
    for attempt in sizes:
        own = [int(line.partition(":")[2]) for line in lines if line.startswith(f"line {attempt}:")]
        assert own == sorted(own), "out of order"
    assert len(lab.gateway.streams) >= 15
    assert killed


def test_following_shows_a_line_at_once_and_waits_for_the_last_one_after_the_end(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 2)
    following = lab.start("logs", "fix", "-f", "--tail=1")
    assert following.stdout is not None
    assert following.stdout.readline() == "line 1:2\n"
    lab.gateway.add_lines(1, 3, 3)
    assert following.stdout.readline() == "line 1:3\n"
    lab.status(phase="Failed", attempt=1, logs={"lastSequence": 5})
    lab.gateway.add_lines(1, 4, 5)

    assert following.communicate(timeout=SECONDS)[0] == "line 1:4\nline 1:5\n"
    assert following.returncode == 0


def test_following_a_command_that_has_not_written_yet(lab: Lab) -> None:
    following = lab.start("logs", "fix", "-f", "--stream=stdout")
    until(lambda: lab.gateway.streams)
    lab.gateway.add_lines(1, 1, 2)
    lab.status(phase="Succeeded", attempt=1, logs={"lastSequence": 2})

    out, err = following.communicate(timeout=SECONDS)
    assert (following.returncode, out, err) == (0, "line 1:1\nline 1:2\n", "no lines yet\n")


def test_a_command_that_is_deleted_while_it_is_followed_by_its_id_has_ended(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 2)
    following = lab.start("logs", COMMAND, "-f")
    until(lambda: sum("get" in call for call in lab.calls()) >= 2 if lab.gateway.streams else False)
    lab.state["bugcommands"] = []
    lab.save()

    assert following.communicate(timeout=SECONDS)[0].splitlines() == messages(2)
    assert following.returncode == 0


@pytest.mark.parametrize("trouble", ["no kubectl", "no CRDs", "another cluster"])
def test_following_by_id_goes_on_whatever_kubectl_says(lab: Lab, trouble: str) -> None:
    lab.gateway.add_lines(1, 1, 2)
    if trouble == "no kubectl":
        (lab.folder / "bin" / "kubectl").unlink()
    elif trouble == "no CRDs":
        message = 'error: the server doesn\'t have a resource type "bugcommands"'
        lab.state["refusals"] = {"bugcommands.mentu.dev": message}
    lab.state["bugcommands"] = []
    lab.save()
    following = lab.start("logs", COMMAND, "-f", "--gateway", lab.gateway.url, "--token", "x")
    assert following.stdout is not None
    assert following.stderr is not None
    assert [following.stdout.readline() for _ in range(2)] == ["line 1:1\n", "line 1:2\n"]
    assert "Ctrl-C" in following.stderr.readline(), "it has asked, and says why it goes on"
    lab.gateway.add_lines(1, 3, 3)
    assert following.stdout.readline() == "line 1:3\n"
    following.send_signal(signal.SIGINT)

    assert following.communicate(timeout=SECONDS) == ("", "")
    assert following.returncode == 130


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_follow_ends_with_130_says_nothing_and_leaves_nothing(lab: Lab, ending: int) -> None:
    lab.gateway.add_lines(1, 1, 1)
    following = lab.start("logs", "fix", "-f")
    assert following.stdout is not None
    assert following.stdout.readline() == "line 1:1\n"
    until(lambda: lab.gateway.streams)
    following.send_signal(ending)

    assert following.communicate(timeout=SECONDS) == ("", "")
    assert following.returncode == 130
    assert not is_running(lab.forwards()[0])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("arguments", [("logs", UNKNOWN), ("logs", UNKNOWN, "-f"), ("logs", COMMAND, "-f")])
def test_it_ends_at_once_while_kubectl_does_not_answer(lab: Lab, arguments: tuple[str, ...], ending: int) -> None:
    lab.gateway.add_lines(1, 1, 1)
    lab.state["sleeps"] = "bugcommands.mentu.dev"
    lab.save()
    program = lab.start(*arguments)
    until(lambda: (lab.folder / "calls").exists() and any("bugcommands.mentu.dev" in call for call in lab.calls()))
    started = time.monotonic()
    program.send_signal(ending)
    out, err = program.communicate(timeout=SECONDS)

    assert (program.returncode, err) == (130, "")
    assert out in ("", "line 1:1\n")
    assert time.monotonic() - started < 5


def test_a_killed_program_takes_its_port_forward_along(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 1)
    following = lab.start("logs", "fix", "-f")
    assert following.stdout is not None
    following.stdout.readline()
    following.kill()
    following.communicate(timeout=SECONDS)

    until(lambda: not is_running(lab.forwards()[0]), 10)


def test_a_closed_pipe_is_quiet(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 20_000)
    program = lab.start("logs", "fix")
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdout.readline()
    program.stdout.close()

    assert program.wait(SECONDS) == 141
    assert program.stderr.read() == ""
    program.stderr.close()


def closed_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["logs", "other"], 3, "kubectl get bugcommands"),
        (["logs", UNKNOWN], 3, "nothing is stored"),
        (["logs", "fix", "--grep", "("], 2, "regular expression"),
        (["logs", "fix", "--since", "soon"], 2, "duration"),
        (["logs"], 2, "Usage: kubectl bug logs"),
        (["logs", "fix", "--gateway", "ftp://x"], 2, "https://"),
        (["logs", "fix", "--gateway", "http://gateway.example"], 2, "plain http"),
        (["replay", "fix"], 2, "-o cast FILE"),
        (["replay", "fix", "-o", "cast", "never-written"], 3, "no recording"),
    ],
)
def test_exit_codes_and_what_is_said(lab: Lab, arguments: list[str], code: int, says: str) -> None:
    done = lab.run(*arguments)

    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert says in done.stdout + done.stderr


@pytest.mark.parametrize(("status", "code"), [(401, 4), (403, 4), (404, 3), (418, 1), (302, 1)])
def test_what_the_gateway_refuses_has_an_exit_code_and_its_words_are_safe(lab: Lab, status: int, code: int) -> None:
    lab.gateway.status = status
    done = lab.run("logs", "fix")

    assert done.returncode == code, done.stderr
    assert "no ␛[31mway" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("word", "message", "code"),
    [
        ("services", "Error from server (Forbidden): services is forbidden", 4),
        ("port-forward", "error: unable to forward port because pod is not running. Current status=Pending", 1),
        ("port-forward", "Unable to connect to the server: dial tcp: i/o timeout", 5),
        ("fix", "Unable to connect to the server: dial tcp: i/o timeout", 5),
        ("view", 'error: context "lab" does not exist', 1),
    ],
)
def test_what_keeps_kubectl_from_working_is_said_in_its_words(lab: Lab, word: str, message: str, code: int) -> None:
    lab.state["refusals"] = {word: message}
    lab.save()
    done = lab.run("logs", "fix")

    assert done.returncode == code, done.stderr
    assert message.partition(": ")[2][:30] in done.stderr


def test_several_installations_have_to_be_told_apart(lab: Lab) -> None:
    other = {"metadata": {"namespace": "other", "name": "gateway"}, "spec": {"ports": [{"port": 80}]}}
    lab.state["services"].append(other)
    lab.save()
    lab.gateway.add_lines(1, 1, 1)

    assert lab.run("logs", "fix").returncode == 2
    assert lab.run("logs", "fix", "--gateway-namespace", "other").returncode == 0


def test_a_token_is_not_given_to_what_calls_itself_the_gateway_in_a_namespace_of_one_s_own(lab: Lab) -> None:
    """Somebody else may have made that Service, and may not have been given the token."""
    lab.state["services"][0]["metadata"]["namespace"] = "team-a"
    lab.state["refusals"] = {"--all-namespaces": "Error from server (Forbidden): services is forbidden"}
    lab.save()
    lab.gateway.add_lines(1, 1, 1)
    done = lab.run("logs", "fix", "-n", "team-a")

    assert (done.returncode, "--gateway-namespace" in done.stderr) == (4, True), done.stderr
    assert (lab.forwards(), lab.gateway.seen_tokens) == ([], [])
    assert not [call for call in lab.calls() if {"config", "token"} & set(call)], "no token was asked for"
    assert lab.run("logs", "fix", "-n", "team-a", "--gateway-namespace", "team-a").stdout == "line 1:1\n"


def test_nothing_heavy_is_loaded(lab: Lab) -> None:
    code = (
        "import sys\nfrom bugcommand_operator.cli import main\n"
        "try: main.run(sys.argv[1:])\nexcept SystemExit: pass\n"
        "heavy = ('kubernetes', 'kopf', 'aiohttp', 'sqlalchemy', 'starlette', 'rich', 'structlog')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    lab.gateway.add_lines(1, 1, 1)
    done = subprocess.run(
        [lab.command()[0], "-c", code, "logs", "fix"],
        env=lab.environment, text=True, capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip

    assert done.stdout == "line 1:1\n[]\n", done.stderr


def test_a_gateway_that_is_gone_for_good_is_told_with_5(lab: Lab) -> None:
    started = time.monotonic()
    done = lab.run("logs", COMMAND, "--gateway", f"http://127.0.0.1:{closed_port()}", "--token", "x")

    assert done.returncode == 5
    assert "--gateway" in done.stderr
    assert time.monotonic() - started < 40


def test_a_gateway_that_is_away_for_a_moment_is_waited_for(lab: Lab) -> None:
    lab.gateway.add_lines(1, 1, 1)
    lab.gateway.status = 503
    threading.Timer(1.5, setattr, (lab.gateway, "status", 200)).start()

    assert lab.run("logs", "fix").stdout == "line 1:1\n"


def test_the_shell_s_completion_knows_commands_flags_and_names(lab: Lab) -> None:
    def proposed(*words: str) -> list[str]:
        program = [lab.command()[0], "-m", "bugcommand_operator.cli.completion", *words]
        done = subprocess.run(
            program, env=lab.environment, text=True, capture_output=True, timeout=SECONDS, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        *proposals, directive = done.stdout.splitlines()
        assert directive == ":4"
        return [each for each in proposals if each]

    lab.state["names"] = "bugcommand.mentu.dev/fix\nbugcommand.mentu.dev/other\n"
    lab.save()
    assert proposed("re") == ["retry", "replay", "resume"]
    assert {"run", "list", "logs", "cancel"} < set(proposed(""))
    assert proposed("cancel", "fix", "") == ["other"]
    assert proposed("list", "--phase", "Ru") == ["Running"]
    assert proposed("logs", "--str") == ["--stream"]
    assert proposed("logs", "--namespace=team-a", "f") == ["fix"]
    assert "--namespace=team-a" in lab.calls()[-1]
    lab.state["refusals"] = {"get": "Unable to connect to the server"}
    lab.save()
    assert proposed("logs", "") == []
