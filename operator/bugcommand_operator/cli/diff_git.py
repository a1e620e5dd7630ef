"""The person's own git: finds commits in the clone they stand in, or fetches them into a temporary folder."""

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bugcommand_operator.cli.errors import CliError, NotFound, Unreachable, Usage
from bugcommand_operator.cli.pager import show
from bugcommand_operator.cli.safe_text import visible

SECONDS = 30.0
FETCH_SECONDS = 600.0
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SCP = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
_URL = re.compile(r"(?:https?|ssh|git)://(?:[^@/]+@)?([^:/]+)(?::\d+)?/(.+)")


@dataclass(frozen=True)
class Commits:
    base: str
    head: str
    ref: str

    def __post_init__(self) -> None:
        if not (_COMMIT.fullmatch(self.base) and _COMMIT.fullmatch(self.head)):
            raise CliError("the status names commits that are none")


@dataclass(frozen=True)
class Git:
    flags: tuple[str, ...] = ()

    def has(self, commits: Commits) -> bool:
        """Whether the clone that the person stands in has them already."""
        return all(_succeeds("cat-file", "-e", f"{commit}^{{commit}}") for commit in (commits.base, commits.head))

    def show(self, commits: Commits, folder: str = ".") -> None:
        differences = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", *self.flags, commits.base, commits.head)
        show(["git", "-C", folder, "--no-pager", *differences, "--"])

    def show_fetched(self, commits: Commits, remote: str | Callable[[], str]) -> None:
        url = _remote(remote) if isinstance(remote, str) else _of_own_clone(remote())
        with tempfile.TemporaryDirectory(prefix="kubectl-bug-") as folder:
            _fetch(folder, url, commits)
            self.show(commits, folder)


def _remote(given: str) -> str:
    """A remote's name in the clone that the person stands in, or an address."""
    if given.startswith("-"):
        raise Usage(f"{given!r} is no remote")
    known = _said("remote", "get-url", given)
    if not known and not _URL.fullmatch(given) and not _SCP.fullmatch(given) and not Path(given).is_dir():
        raise Usage(f"{given!r} is neither a remote of this clone nor an address")
    return known or given


def _of_own_clone(url: str) -> str:
    """The remote of the clone that the person stands in, if it is the same repository: they can reach that one."""
    for line in _said("remote", "-v").splitlines():
        address = line.partition("\t")[2].rpartition(" ")[0]
        if same_repository(address, url):
            return address
    return url


def same_repository(one: str, other: str) -> bool:
    return one == other or (_place(one) is not None and _place(one) == _place(other))


def _place(url: str) -> tuple[str, str] | None:
    found = _URL.fullmatch(url) or _SCP.fullmatch(url)
    return (found[1].lower(), found[2].strip("/").removesuffix(".git")) if found else None


def _fetch(folder: str, url: str, commits: Commits) -> None:
    """The two commits alone, and of files only those that differ; from servers that cannot do that, the branch."""
    for setting in (
        ("init", "--quiet", "--bare"),
        ("config", "remote.origin.url", url),
        ("config", "remote.origin.promisor", "true"),
        ("config", "remote.origin.partialclonefilter", "blob:none"),
    ):
        _run(folder, *setting)
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none")
    first = _run(folder, *fetch, "--depth=1", "origin", commits.base, commits.head, seconds=FETCH_SECONDS)
    if first.returncode == 0:
        return
    second = _run(folder, *fetch, "origin", f"+{commits.ref}:{commits.ref}", seconds=FETCH_SECONDS)
    if second.returncode != 0:
        raise _why(url, second.stderr)
    if not all(
        _succeeds("cat-file", "-e", f"{commit}^{{commit}}", folder=folder) for commit in (commits.base, commits.head)
    ):
        raise NotFound(
            f"{commits.ref} of {visible(url)} no longer holds {commits.head[:12]}",
            "The branch was changed or rebased after it was pushed: look at it with git.",
        )


def _why(url: str, stderr: str) -> CliError:
    said = [line for line in stderr.strip().splitlines() if line.strip()]
    text = visible(said[-1])[:500] if said else "git fetch failed"
    hint = (
        "git fetches with your own credentials, not the cluster's: log in to it, run this in your clone, or name an "
        "address that you reach with --remote."
    )
    return Unreachable(f"{visible(url)} cannot be fetched from: {text}", hint)


def _succeeds(*arguments: str, folder: str = ".") -> bool:
    return _run(folder, *arguments).returncode == 0


def _said(*arguments: str) -> str:
    done = _run(".", *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(folder: str, *arguments: str, seconds: float = SECONDS) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["git", "-C", folder, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError as error:
        raise CliError("git was not found", "Install git: it fetches and compares.") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"git {arguments[0]} did not end within {seconds:.0f} s") from error
