"""`kubectl bug diff` and `attach`: from the agent's pod, the person's clone, and a remote, with a real git."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.process.cli.commands import Object, bugcommand, put
from tests.process.cli.conftest import Inside, Lab
from tests.process.cli.test_replay import on_terminal

BRANCH = "bug/cmt_fix"
NAMES = (
    "-c",
    "user.name=a",
    "-c",
    "user.email=a@b.test",
    "-c",
    "init.defaultBranch=main",
    "-c",
    "commit.gpgsign=false",
)


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *NAMES, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.fixture
def remote(tmp_path: Path) -> tuple[Path, str, str]:
    """A repository with a branch that an agent pushed: where it is, from which commit, to which."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "--quiet")
    (origin / "sum.py").write_text("total = a - b\n")
    git(origin, "add", ".")
    git(origin, "commit", "--quiet", "-m", "base")
    base = git(origin, "rev-parse", "HEAD")
    git(origin, "checkout", "--quiet", "-b", BRANCH)
    (origin / "sum.py").write_text("total = a + b\n")
    git(origin, "commit", "--quiet", "-a", "-m", "fix")
    head = git(origin, "rev-parse", "HEAD")
    git(origin, "checkout", "--quiet", "main")
    return origin, base, head


def pushed(base: str, head: str) -> Object:
    published = [{"type": "Published", "status": "True", "reason": "Published"}]
    status = {"baseCommit": base, "headCommit": head, "branch": BRANCH, "conditions": published}
    return bugcommand("fix", "Succeeded", spec={"repository": {"name": "shop"}}, status=status)


CHANGE = ["-total = a - b", "+total = a + b"]


def changed(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_a_clone_that_has_the_commits_is_enough(
    inside: Inside, remote: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, base, head = remote
    put(inside, pushed(base, head))
    monkeypatch.chdir(origin)
    assert changed(inside.run("diff", "fix")) == CHANGE
    assert inside.run("diff", "fix", "--stat").stdout.startswith(" sum.py | 2 +-")
    assert inside.run("diff", "fix", "--name-only").stdout == "sum.py\n"


def test_else_it_is_fetched_and_nothing_is_left_behind(
    inside: Inside, remote: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin, base, head = remote
    put(inside, pushed(base, head))
    scratch, elsewhere = tmp_path / "scratch", tmp_path / "elsewhere"
    scratch.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert changed(inside.run("diff", "fix", "--remote", str(origin))) == CHANGE
    assert (list(scratch.iterdir()), list(elsewhere.iterdir())) == ([], [])


def test_a_remote_of_one_s_own_clone_is_taken_by_its_name_and_the_clone_stays_as_it_is(
    inside: Inside, remote: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin, base, head = remote
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "--quiet")
    git(clone, "remote", "add", "upstream", str(origin))
    before = git(clone, "count-objects"), sorted((clone / ".git").iterdir())
    put(inside, pushed(base, head))
    monkeypatch.chdir(clone)

    assert changed(inside.run("diff", "fix", "--remote", "upstream")) == CHANGE
    assert (git(clone, "count-objects"), sorted((clone / ".git").iterdir())) == before


def test_on_a_terminal_it_is_coloured_harmless_and_goes_through_the_pager(
    lab: Lab, remote: tuple[Path, str, str], tmp_path: Path
) -> None:
    origin, base, _ = remote
    git(origin, "checkout", "--quiet", BRANCH)
    (origin / "sum.py").write_text("total = '\x1b]52;c;YQ==\x07'\n")
    git(origin, "commit", "--quiet", "-a", "-m", "hostile")
    put(lab, pushed(base, git(origin, "rev-parse", "HEAD")))
    for pager, paged in (("cat", False), (f"tee {tmp_path / 'paged'}", True)):
        (lab.folder / ".gitconfig").write_text(f"[core]\n\tpager = {pager}\n")
        with on_terminal(lab, "diff", "fix", "--remote", str(origin)) as terminal:
            assert terminal.end() == 0
        shown = terminal.seen.decode()
        assert "\x1b[31m-total = a - b\x1b[0m" in shown
        assert "\x1b[32m+total = '␛]52;c;YQ==␇'\x1b[0m" in shown
        assert (tmp_path / "paged").exists() is paged


def test_a_branch_that_was_rewritten_is_no_reason_to_show_something_else(
    inside: Inside, remote: tuple[Path, str, str], tmp_path: Path
) -> None:
    origin, base, _ = remote
    put(inside, pushed(base, "0123456789" * 4))
    done = inside.run("diff", "fix", "--remote", str(origin))
    assert (done.returncode, done.stdout) == (3, "")
    assert "no longer holds 012345678901" in done.stderr


def test_a_remote_that_cannot_be_reached_says_whose_credentials_are_used(
    inside: Inside, remote: tuple[Path, str, str]
) -> None:
    _, base, head = remote
    inside.state["repositories"][0]["spec"]["url"] = "http://127.0.0.1:9/shop.git"
    put(inside, pushed(base, head))
    done = inside.run("diff", "fix")
    assert (done.returncode, done.stdout, "--remote" in done.stderr) == (5, "", True)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (bugcommand("fix", "Failed", status={"agentStartTime": "2026-01-01T00:00:00Z"}), 1, "volume fix-worktree"),
        (bugcommand("fix", "Failed"), 1, "never started"),
        (bugcommand("fix", "Pending"), 1, "not been started"),
        (bugcommand("fix", "Publishing"), 1, "pushed yet"),
        (
            bugcommand("fix", "Succeeded", status={"conditions": [{"type": "Published", "reason": "NoChanges"}]}),
            0,
            "changed nothing",
        ),
    ],
)
def test_without_a_branch_it_says_where_the_work_is(inside: Inside, command: Object, code: int, said: str) -> None:
    put(inside, command)
    done = inside.run("diff", "fix")
    assert (done.returncode, done.stdout, said in done.stderr) == (code, "", True)


def test_while_the_agent_works_its_tree_is_shown_with_new_files_and_left_as_it_is(
    inside: Inside, remote: tuple[Path, str, str], tmp_path: Path
) -> None:
    origin, base, _ = remote
    tree = tmp_path / "workspace" / "repo" / ".worktrees" / "cmt_fix"
    git(origin, "worktree", "add", "--quiet", "--detach", str(tree), base)
    (tree / "sum.py").write_text("total = b\n")
    (tree / "new.py").write_text("new = 1\n")
    before = git(tree, "status", "--porcelain"), git(tree, "count-objects")
    status = {"podName": "fix-1-agent", "commitmentId": "cmt_fix", "baseCommit": base}
    put(inside, bugcommand("fix", "Running", status=status), workspace=str(tmp_path / "workspace"))

    assert changed(inside.run("diff", "fix")) == ["+new = 1", "-total = a - b", "+total = b"]
    assert (git(tree, "status", "--porcelain"), git(tree, "count-objects")) == before
    assert inside.calls()[-1][:4] == ["--namespace=team-a", "exec", "fix-1-agent", "--container=agent"]


def test_without_the_right_to_exec_it_says_which_one(inside: Inside) -> None:
    forbidden = 'Error from server (Forbidden): pods "fix-1-agent" is forbidden: User "me" cannot create pods/exec'
    put(inside, bugcommand("fix", "Running", status={"podName": "fix-1-agent"}), refusals={"exec": forbidden})
    done = inside.run("diff", "fix")
    assert (done.returncode, "pods/exec" in done.stderr) == (4, True)


def test_attaching_gives_the_terminal_to_kubectl_and_closes_the_way_to_the_cluster(lab: Lab) -> None:
    put(lab, bugcommand("fix", "Running", status={"podName": "fix-1-agent"}))
    with on_terminal(lab, "attach", "fix", "--read-only") as terminal:
        assert terminal.end() == 1  # the stand-in's, which only says what it was asked for
    assert b"attached: tmux -u -S /tmp/mentu-tmux attach -r" in terminal.seen
    assert lab.calls()[-1][:6] == ["--namespace=team-a", "exec", "-i", "-t", "fix-1-agent", "--container=agent"]


@pytest.mark.parametrize(
    ("phase", "spec", "hint"),
    [("Succeeded", {}, "replay"), ("Parked", {}, "resume"), ("Running", {"agentMode": "Headless"}, "logs -f")],
)
def test_where_there_is_no_terminal_to_attach_to_it_says_what_there_is(
    lab: Lab, phase: str, spec: dict[str, Any], hint: str
) -> None:
    put(lab, bugcommand("fix", phase, spec=spec, status={"podName": "fix-1-agent"}))
    with on_terminal(lab, "attach", "fix") as terminal:
        assert terminal.end() in (1, 2)
    assert f"kubectl bug {hint} fix".encode() in terminal.seen
