"""`kubectl bug diff`: what the agent changed. While it works, as its worktree stands, by `kubectl exec`; once its
branch is pushed, from the person's own clone or the Repository's remote, by git and with their own credentials."""

from dataclasses import dataclass
from typing import Literal

from bugcommand_operator.cli import output
from bugcommand_operator.cli.attach import CONTAINER, agent_pod
from bugcommand_operator.cli.diff_git import Commits, Git
from bugcommand_operator.cli.errors import CliError, Conflict, NotAllowed
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import REPOSITORIES, Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.pager import show


@dataclass(frozen=True)
class DiffRequest:
    source: Literal["auto", "pod", "git"] = "auto"
    remote: str = ""
    flags: tuple[str, ...] = ()


# A second index shows new files too; neither the agent's own index nor its objects are written to.
_IN_POD = """set -e
cd "$1"; base=$2; shift 2
scratch=$(mktemp -d); trap 'rm -rf "$scratch"' EXIT
cp "$(git rev-parse --git-path index)" "$scratch/index"; mkdir "$scratch/objects"
GIT_ALTERNATE_OBJECT_DIRECTORIES=$(cd "$(git rev-parse --git-path objects)" && pwd)
GIT_INDEX_FILE=$scratch/index GIT_OBJECT_DIRECTORY=$scratch/objects
export GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_INDEX_FILE GIT_OBJECT_DIRECTORY
git add --intent-to-add . 2>/dev/null || true
git --no-pager diff --no-color --no-ext-diff --no-textconv "$@" "$base" --
"""


def show_diff(cluster: Cluster, name: str, request: DiffRequest) -> None:
    command = cluster.command(name)
    works = facts.phase(command) == "Running"
    if request.source == "pod" or (request.source == "auto" and works):
        _from_pod(cluster, command, request)
    else:
        _from_git(cluster, command, request)


def _from_pod(cluster: Cluster, command: Object, request: DiffRequest) -> None:
    pod = agent_pod(command)
    base = str(facts.status(command).get("baseCommit") or "HEAD")
    script = ("sh", "-c", _IN_POD, "diff", worktree(command), base, *request.flags)
    container = f"--container={CONTAINER}"
    arguments = cluster.kubectl.command("exec", pod, container, "--", *script, namespace=cluster.namespace)
    output.note(f"as it stands in pod {pod}, since {base[:12]}; the agent is still at work")
    try:
        show(arguments, is_kubectl=True)
    except NotAllowed as error:
        hint = "It takes the right to create pods/exec; once the branch is pushed, git alone is enough."
        raise NotAllowed(str(error), hint) from error


def worktree(command: Object) -> str:
    """Where the agent's tree is in its pod."""
    if facts.spec(command).get("withWorktree") is False:
        return "/workspace/repo"
    return f"/workspace/repo/.worktrees/{facts.status(command).get('commitmentId')}"


def _from_git(cluster: Cluster, command: Object, request: DiffRequest) -> None:
    commits = _pushed(command)
    if commits is None:
        output.note(f"{facts.name(command)} changed nothing")
        return
    git = Git(request.flags)
    if not request.remote and git.has(commits):
        git.show(commits)
        return
    git.show_fetched(commits, request.remote or (lambda: _url(cluster, command)))


def _pushed(command: Object) -> Commits | None:
    """What of it has reached the remote; None when there was nothing to push."""
    status, name = facts.status(command), facts.name(command)
    base, head, branch = (str(status.get(key) or "") for key in ("baseCommit", "headCommit", "branch"))
    if facts.condition(command, "Published").get("status") == "True" and base and head and branch:
        return Commits(base, head, f"refs/heads/{branch}")
    if facts.condition(command, "Published").get("reason") == "NoChanges" or (
        facts.is_finished(command) and base and base == head
    ):
        return None
    if not facts.attempt(command):
        raise Conflict(f"{name} has not been started: {facts.state(command)}", "There is nothing to compare yet.")
    if facts.is_finished(command) and not status.get("agentStartTime"):
        raise Conflict(f"the agent of {name} never started: {facts.state(command)}", "It changed nothing.")
    if not facts.is_finished(command):
        hint = f"Wait for it with `kubectl bug status {name} --watch`."
        raise Conflict(f"no branch of {name} is pushed yet: {facts.state(command)}", hint)
    hint = (
        f"`kubectl bug retry {name}` goes on with it; before the BugCommand is deleted it is pushed as a rescue ref "
        "(see its Events)."
    )
    raise Conflict(f"{name} pushed no branch; its work is on volume {facts.volume(command)}", hint)


def _url(cluster: Cluster, command: Object) -> str:
    name = str((facts.spec(command).get("repository") or {}).get("name") or "")
    try:
        repository = cluster.api.get(f"{cluster.collection(REPOSITORIES)}/{name}")
    except CliError as error:
        hint = "Run it in a clone that has the branch, or name the remote with --remote URL."
        raise type(error)(str(error), hint) from error
    url = str(facts.spec(repository).get("url") or "")
    if not url.startswith(("https://", "http://")):
        raise CliError(f"the URL of Repository {name} is none that this fetches from", "Name one with --remote URL.")
    return url
