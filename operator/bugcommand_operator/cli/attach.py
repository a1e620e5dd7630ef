"""`kubectl bug attach`: the person's terminal in the agent's, with their own rights, by `kubectl exec`."""

import os
import sys

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import CliError, Conflict, NotFound, Usage
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.kubectl import Kubectl

SOCKET = "/tmp/mentu-tmux"  # noqa: S108 (in the agent's pod: the runner's contract, docs/agent-images.md)
CONTAINER = "agent"


def attach(cluster: Cluster, name: str, *, read_only: bool = False) -> None:
    """Does not come back: this process becomes kubectl's."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Usage("attaching takes a terminal", f"See the log instead: `kubectl bug logs -f {name}`.")
    command = cluster.command(name)
    pod = agent_pod(command)
    if facts.spec(command).get("agentMode") == "Headless":
        hint = f"See `kubectl bug logs -f {facts.name(command)}`."
        raise Usage(f"{facts.name(command)} runs headless: it has no terminal", hint)
    output.note("Ctrl-B D leaves, and the agent goes on; while you are attached it is not ended but by its timeout")
    arguments = exec_command(cluster.kubectl, cluster.namespace, pod, read_only=read_only)
    cluster.close()
    become(arguments)


def agent_pod(command: Object) -> str:
    """The pod that the agent works in. Raises what keeps it from being there, and what to do instead."""
    name, phase = facts.name(command), facts.phase(command)
    if facts.is_finished(command):
        hint = f"See `kubectl bug replay {name}` and `kubectl bug logs {name}`."
        raise Conflict(f"{name} has ended: {facts.state(command)}", hint)
    if phase != "Running":
        hints = {
            "Parked": f"`kubectl bug resume {name}` lets it go on.",
            "AwaitingApproval": f"`kubectl bug approve {name}`.",
        }
        hint = hints.get(phase, f"Wait for it with `kubectl bug status {name} --watch`.")
        raise Conflict(f"the agent of {name} does not run: {facts.state(command)}", hint)
    pod = str(facts.status(command).get("podName") or "")
    if not pod:
        raise NotFound(f"the status of {name} names no pod", f"See `kubectl bug describe {name}`.")
    return pod


def exec_command(kubectl: Kubectl, namespace: str, pod: str, *, read_only: bool) -> list[str]:
    look = ["-r"] if read_only else []
    tmux = ["tmux", "-u", "-S", SOCKET, "attach", *look]
    return kubectl.command("exec", "-i", "-t", pod, f"--container={CONTAINER}", "--", *tmux, namespace=namespace)


def become(arguments: list[str]) -> None:
    sys.stdout.flush()
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606 (kubectl is found in the PATH as everywhere here)
    except OSError as error:
        raise CliError(f"kubectl could not be started: {error}", "Is kubectl in your PATH?") from error
