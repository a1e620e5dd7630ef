"""Private repositories over HTTPS, and remotes that misbehave."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.process.workspace.conftest import Place, Remote, git
from tests.support.githttp import GitHandler, GitServer, make_certificate

from bugcommand_operator.workspace import git as git_module
from bugcommand_operator.workspace.main import run

TOKEN = "s3cret-t0ken-of-the-test"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server(remote: Remote, certificate: Path) -> Iterator[GitServer]:
    with GitServer(remote.bare.parent, username="x-access-token", password=TOKEN, certificate=certificate) as running:
        yield running


@pytest.fixture
def private(tmp_path: Path, server: GitServer, certificate: Path) -> Place:
    place = Place(tmp_path / "private", f"{server.url}/remote.git")
    place.env.pop("MENTU_ALLOW_FILE_PROTOCOL")
    place.env["MENTU_CA_BUNDLE"] = certificate.read_text().split("-----BEGIN PRIVATE")[0]
    (place.folder / "credentials/password").write_text(TOKEN + "\n")
    return place


def test_a_private_repository_is_fetched_prepared_and_pushed_with_its_token(
    private: Place, remote: Remote, server: GitServer
) -> None:
    private.run("fetch")
    private.run("prepare")
    head = private.agent_commits({"src/app.py": "fixed\n"})
    assert private.take_out()[1]["pushed"] is True
    assert remote.value(private.branch) == head
    assert not any(header is None for header in server.authorizations), "the token goes with the first request"


def test_a_push_sends_only_what_is_new_even_when_the_base_branch_has_moved_on(
    private: Place, remote: Remote, server: GitServer
) -> None:
    remote.commit({f"big/{number}.txt": f"{number}\n" * 500 for number in range(200)})
    private.run("fetch")
    private.run("prepare")
    private.agent_commits({"src/app.py": "fixed\n"})
    remote.commit({"moved.txt": "m\n"})
    sizes: list[int] = []

    def measure(handler: GitHandler) -> bool:
        if handler.path.endswith("git-receive-pack") and handler.command == "POST":
            sizes.append(int(handler.headers.get("Content-Length", "10000000")))
        return False

    server.fault = measure
    private.take_out()
    assert max(sizes) < 5_000, sizes


def test_the_token_is_in_no_argument_no_file_and_no_output(
    private: Place, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    original = os.posix_spawnp

    def watched(program: str, arguments: list[str], environment: dict[str, str], **options: Any) -> int:
        seen.append(arguments)
        return original(program, arguments, environment, **options)

    monkeypatch.setattr(os, "posix_spawnp", watched)
    results = [private.run("fetch"), private.run("prepare")]
    private.agent_commits({"src/app.py": "fixed\n"})
    results += private.take_out()
    encoded = server.credential
    for secret in (TOKEN, encoded):
        assert secret not in str(seen)
        assert secret not in str(results)
        files = [path for path in private.folder.rglob("*") if path.is_file() and path.parent.name != "credentials"]
        assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_a_wrong_or_missing_token_is_an_authentication_failure(private: Place) -> None:
    (private.folder / "credentials/password").write_text("wrong")
    failed = private.fails("fetch")
    assert (failed["reason"], failed["code"]) == ("AuthenticationFailed", 20)
    (private.folder / "credentials/password").unlink()
    assert private.fails("fetch")["reason"] == "AuthenticationFailed"


def test_a_token_that_was_made_for_another_host_is_not_sent(private: Place, server: GitServer) -> None:
    (private.folder / "credentials/host").write_text("github.com\n")
    assert private.fails("fetch")["reason"] == "AuthenticationFailed"
    assert server.seen == []


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(private: Place, server: GitServer) -> None:
    private.env["MENTU_CA_BUNDLE"] = ""
    failed = private.fails("fetch")
    assert (failed["reason"], failed["code"]) == ("RepositoryUnreachable", 21)
    assert server.seen == []


def test_a_token_never_goes_over_plain_http(private: Place) -> None:
    url = private.request["url"].replace("https://", "http://")
    assert private.fails("fetch", url=url)["reason"] == "InvalidRepositoryURL"


def test_a_redirect_is_not_followed_and_takes_no_token_along(private: Place, server: GitServer, remote: Remote) -> None:
    with GitServer(remote.bare.parent) as other:
        server.fault = lambda handler: handler.reply(302, Location=f"{other.url}{handler.path}")
        assert private.fails("fetch")["reason"] == "InvalidRepositoryURL"
        assert other.seen == []


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (401, "AuthenticationFailed", 20),
        (403, "AuthenticationFailed", 20),
        (404, "NotAGitRepository", 20),
        (429, "RepositoryUnreachable", 21),
        (500, "RepositoryUnreachable", 21),
        (503, "RepositoryUnreachable", 21),
    ],
)
def test_what_the_remote_answers_becomes_a_reason(
    private: Place, server: GitServer, status: int, reason: str, code: int
) -> None:
    server.fault = lambda handler: handler.reply(status)
    failed = private.fails("fetch")
    assert (failed["reason"], failed["code"]) == (reason, code)


def test_a_web_page_is_not_a_git_repository(private: Place, server: GitServer) -> None:
    page = b"<!doctype html>\n<html>\n<body>hello</body>\n</html>\n"
    server.fault = lambda handler: handler.reply(200, page, Content_Type="text/html")
    assert private.fails("fetch")["reason"] == "NotAGitRepository"


def test_a_remote_that_hangs_is_given_up_in_bounded_time(
    private: Place, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(
        "bugcommand_operator.workspace.job.Git", lambda **options: git_module.Git(ls_seconds=0.5, **options)
    )
    server.fault = lambda handler: release.wait(30) or True
    try:
        failed = private.fails("fetch")
    finally:
        release.set()
    assert (failed["reason"], failed["code"]) == ("RepositoryUnreachable", 21)


def test_a_remote_that_is_gone_is_unreachable_for_now(private: Place, server: GitServer) -> None:
    failed = private.fails("fetch", url="https://127.0.0.1:1/remote.git")
    assert (failed["reason"], failed["code"]) == ("RepositoryUnreachable", 21)


def test_a_push_whose_answer_was_lost_is_a_success(private: Place, server: GitServer, remote: Remote) -> None:
    private.run("fetch")
    private.run("prepare")
    head = private.agent_commits({"src/app.py": "fixed\n"})
    private.run("export")

    def lose_the_answer(handler: GitHandler) -> bool:
        if handler.command == "POST" and handler.path.endswith("git-receive-pack"):
            git(remote.clone, "fetch", "-q", str(private.repo / ".git"), private.branch)
            git(remote.clone, "push", "-q", "origin", f"FETCH_HEAD:{private.branch}")
            return handler.reply(502)
        return False

    server.fault = lose_the_answer
    assert private.run("publish")["headCommit"] == head


def test_a_push_that_may_not_be_made_is_an_authentication_failure(private: Place, server: GitServer) -> None:
    private.run("fetch")
    private.run("prepare")
    private.agent_commits({"src/app.py": "fixed\n"})
    private.run("export")
    server.fault = lambda handler: "receive-pack" in handler.path and handler.reply(403)
    assert private.fails("publish")["reason"] == "AuthenticationFailed"


def test_the_file_protocol_is_only_for_tests(private: Place, remote: Remote) -> None:
    code, result = run(["fetch"], private.environ(url=remote.url))
    assert (code, result["reason"]) == (20, "InvalidRepositoryURL")


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/pwned",
        "ssh://-oProxyCommand=touch/x",
        "https://--upload-pack=x/y",
        "https://user:pass@127.0.0.1/x.git",
        "https:///host/x.git",
        "https://169.254.169.254/x.git",
        "https://2852039166/x.git",
        "https://127.0.0.1/x%0ahost=evil.git",
        "-u/x",
        "",
    ],
)
def test_a_hostile_address_reaches_no_git_process(
    private: Place, server: GitServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("git was started")

    monkeypatch.setattr(os, "posix_spawnp", never)
    for step in (["fetch"], ["prepare", "--fetch"], ["prepare"]):
        code, result = run(step, private.environ(url=url))
        assert (code, result["reason"]) == (20, "InvalidRepositoryURL")
