"""Where the gateway is and which token is sent there."""

import json
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from bugcommand_operator.cli import transport
from bugcommand_operator.cli.access import ClusterAccess
from bugcommand_operator.cli.errors import CliError, NotAllowed, NotFound, Unreachable, Usage
from bugcommand_operator.cli.kubeconfig import bearer_token, token_of
from bugcommand_operator.cli.kubectl import Kubectl
from bugcommand_operator.cli.lines import ProtocolError
from bugcommand_operator.cli.port_forward import PortForward
from bugcommand_operator.cli.transport import Connection


class FakeKubectl(Kubectl):
    """Answers by the first words of what is asked."""

    answers: dict[str, Any] = {}

    def run(self, *arguments: str, namespace: str = "", seconds: float = 30) -> str:
        for words, answer in FakeKubectl.answers.items():
            if " ".join(arguments).startswith(words):
                if isinstance(answer, CliError):
                    raise answer
                return str(answer) if isinstance(answer, str) else json.dumps(answer)
        raise AssertionError(f"nobody should ask for {arguments}")


@pytest.fixture(autouse=True)
def answers() -> dict[str, Any]:
    FakeKubectl.answers = {}
    return FakeKubectl.answers


def config(user: dict[str, Any]) -> dict[str, Any]:
    return {"users": [{"name": "me", "user": user}]}


def test_a_token_that_is_given_needs_no_cluster() -> None:
    assert ClusterAccess(FakeKubectl(), "https://gateway.example", " given \n").token() == "given"


@pytest.mark.parametrize("url", ["http://gateway.example", "http://10.0.0.1:8080", "http://localhost.example"])
def test_the_cluster_s_token_is_not_sent_in_plain_text_to_another_machine(url: str) -> None:
    with pytest.raises(Usage, match="plain http"):
        ClusterAccess(FakeKubectl(), url).token()


@pytest.mark.parametrize(
    "url", ["https://gateway.example", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
)
def test_it_is_sent_where_nobody_can_read_it(answers: dict[str, Any], url: str) -> None:
    answers["config view"] = config({"token": "mine"})
    assert ClusterAccess(FakeKubectl(), url).token() == "mine"


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-Other: b", "é", "x" * 20_000])
def test_what_is_no_token_is_refused(answers: dict[str, Any], token: str) -> None:
    answers["config view"] = config({"token": token} if token.strip() else {"token": "a\tb"})
    with pytest.raises(Usage):
        ClusterAccess(FakeKubectl(), "https://gateway.example").token()


@pytest.mark.parametrize(
    "url", ["gateway", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", "http://x:99999", "//x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Usage):
        transport.parsed(url)


@pytest.mark.parametrize("kind", ["services", "serviceaccounts"])
def test_without_rights_to_look_everywhere_nothing_at_home_is_trusted(answers: dict[str, Any], kind: str) -> None:
    answers["config view"] = config({"client-certificate-data": "AAAA"})
    component = {"services": "gateway", "serviceaccounts": "log-reader"}[kind]
    search = f"get {kind} --selector=app.kubernetes.io/part-of=mentu,app.kubernetes.io/component={component}"
    answers[f"{search} --all-namespaces"] = NotAllowed("forbidden")
    answers[search] = {"items": [{"metadata": {"name": "planted", "namespace": "here"}}]}
    with pytest.raises(NotAllowed) as refusal:
        if kind == "services":
            ClusterAccess(FakeKubectl()).url()
        else:
            ClusterAccess(FakeKubectl(), "https://gateway.example").token()
    assert "--gateway-namespace" in refusal.value.hint


def test_in_the_namespace_that_is_named_nobody_has_to_look_everywhere(answers: dict[str, Any]) -> None:
    answers["config view"] = config({"client-certificate-data": "AAAA"})
    search = "get serviceaccounts --selector=app.kubernetes.io/part-of=mentu,app.kubernetes.io/component=log-reader"
    answers[f"{search} --all-namespaces"] = NotAllowed("forbidden")
    answers[search] = {"items": [{"metadata": {"name": "reader", "namespace": "mentu"}}]}
    answers["create token reader --duration=1h --audience=mentu"] = "made-for-reading\n"
    assert ClusterAccess(FakeKubectl(), "https://gateway.example", "", "mentu").token() == "made-for-reading"


def test_a_cluster_without_the_operator_says_so(answers: dict[str, Any]) -> None:
    answers["get services"] = {"items": []}
    with pytest.raises(NotFound, match="no gateway was found"):
        ClusterAccess(FakeKubectl()).url()


def test_a_token_file_is_read_each_time(answers: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "token"
    answers["config view"] = config({"tokenFile": str(file), "token": "older"})
    file.write_text("one\n")
    assert bearer_token(FakeKubectl()) == "one"
    file.write_text("two\n")
    assert bearer_token(FakeKubectl()) == "two"
    file.unlink()
    with pytest.raises(CliError, match="tokenFile"):
        bearer_token(FakeKubectl())


def test_a_login_program_is_told_what_kubectl_would_tell_it(answers: dict[str, Any], tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f'echo "$KUBERNETES_EXEC_INFO" > {told}; echo "{{\\"status\\":{{\\"token\\":\\"$MINE\\"}}}}"'
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script],
        "env": [{"name": "MINE", "value": "from-login"}], "interactiveMode": "Never",
    }  # fmt: skip
    answers["config view"] = config({"exec": plugin})

    assert bearer_token(FakeKubectl()) == "from-login"
    assert json.loads(told.read_text())["spec"] == {"interactive": False}


def test_a_login_program_that_fails_or_is_missing_is_named(answers: dict[str, Any]) -> None:
    answers["config view"] = config({"exec": {"command": "false"}})
    with pytest.raises(NotAllowed, match="false"):
        bearer_token(FakeKubectl())
    answers["config view"] = config({"exec": {"command": "no-such-login", "installHint": "get it"}})
    with pytest.raises(CliError, match="no-such-login") as missing:
        bearer_token(FakeKubectl())
    assert missing.value.hint == "get it"
    assert token_of(b'{"status": {"clientCertificateData": "AAAA"}}', "login") == ""
    with pytest.raises(CliError, match="ExecCredential"):
        token_of(b"hello", "login")


class ScriptKubectl(Kubectl):
    """A program of the test's in kubectl's place."""

    def command(self, *arguments: str, namespace: str = "") -> list[str]:
        return [sys.executable, "-S", "-c", self.context]


def test_a_port_forward_that_is_never_ready_is_ended_in_time(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = (
        "import os, time, signal\nsignal.signal(15, signal.SIG_IGN)\n"
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(Unreachable, match="not ready within"):
        PortForward(ScriptKubectl(context=script), "n", "s", 80).open(2)

    assert time.monotonic() - started < 20
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_a_port_forward_tells_its_port_and_is_never_held_up_by_its_own_words() -> None:
    script = (
        "import sys, time\nprint('Forwarding from 127.0.0.1:4242 -> 80', flush=True)\n"
        "sys.stdout.write('Handling connection for 4242\\n' * 100_000)\nsys.stdout.flush()\n"
        "sys.stderr.write('x' * 1_000_000)\nsys.exit(0)"
    )
    forward = PortForward(ScriptKubectl(context=script), "n", "s", 80)
    assert forward.open(30) == 4242
    deadline = time.monotonic() + 30
    while forward.is_open:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    forward.close()


@contextmanager
def server(status: int, body: bytes, **headers: str) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}/base", seen
    running.shutdown()
    running.server_close()
    thread.join(10)


def test_an_answer_is_read_below_the_address_that_was_given() -> None:
    with server(200, b"[1]") as (url, seen):
        assert Connection(url, "t").get(
            "/rest/v1/spawn_logs", {"seq": "gt.1", "ts": "gte.2026-01-01T00:00:00+00:00"}
        ) == [1]
    assert seen == ["/base/rest/v1/spawn_logs?seq=gt.1&ts=gte.2026-01-01T00:00:00%2B00:00"]


def test_a_redirect_is_not_followed_so_that_the_token_goes_nowhere_else() -> None:
    with server(200, b"[]") as (elsewhere, seen):
        redirecting = server(302, b"", Location=elsewhere)
        with redirecting as (url, _), pytest.raises(CliError, match="302"):
            Connection(url, "t").get("/rest/v1/x", {})
    assert seen == []


def test_an_answer_that_is_cut_short_is_temporary_and_one_that_is_no_json_is_not() -> None:
    with server(200, b"[1, 2", Content_Length="100") as (url, _), pytest.raises(Unreachable):
        Connection(url, "t").get("/x", {})
    with server(200, b"<html>") as (url, _), pytest.raises(ProtocolError):
        Connection(url, "t").get("/x", {})


def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_ANSWER", 1000)
    with server(200, b"[" + b" " * 5000) as (url, _), pytest.raises(ProtocolError, match="larger"):
        Connection(url, "t").get("/x", {})


def test_a_proxy_of_the_environment_is_used_but_not_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with server(200, b'["by the proxy"]') as (proxy, seen), server(200, b'["direct"]') as (direct, _):
        monkeypatch.setenv("http_proxy", proxy)
        assert Connection("http://gateway.example:81", "t").get("/x", {}) == ["by the proxy"]
        assert Connection(direct, "t").get("/x", {}) == ["direct"]
    assert seen == ["http://gateway.example:81/x?"]


def test_kubectl_is_looked_for_in_the_path_and_missed_with_a_hint(tmp_path: Path) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text('#!/bin/sh\necho \'{"items": [{"a": 1}]}\'\n')
    kubectl.chmod(kubectl.stat().st_mode | stat.S_IXUSR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert Kubectl().items("services") == [{"a": 1}]
        patch.setenv("PATH", str(tmp_path / "nothing"))
        with pytest.raises(CliError, match="kubectl was not found"):
            Kubectl().items("services")
