"""`kubectl bug approve`: a person's decision over a command that waits for one, in their own name, by the gateway."""

from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cli.applying import Targets, for_each
from bugcommand_operator.cli.errors import CliError, Conflict, NotAllowed, NotFound
from bugcommand_operator.cli.gateway import Gateway
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.transport import RIGHT_TO_READ

_RIGHT = "It takes the right to `approve` bugcommands.mentu.dev in the namespace, in your own name."
APPROVED, REJECTED = "Approved", "Rejected"


@dataclass(frozen=True)
class Decision:
    rejected: bool = False
    message: str = ""

    @property
    def word(self) -> str:
        return REJECTED if self.rejected else APPROVED

    def about(self, command: Object) -> dict[str, Any]:
        """With the generation that was looked at: what was changed since is another decision."""
        seen = facts.metadata(command).get("generation")
        return {"decision": self.word, "message": self.message, **({"generation": seen} if seen else {})}


def decide(cluster: Cluster, gateway: Gateway, targets: Targets, decision: Decision) -> None:
    def one(name: str, command: Object | None) -> str:
        return _decide(cluster, gateway, command or cluster.command(name), decision)

    for_each(cluster, targets, lambda each: facts.phase(each) == "AwaitingApproval", one)


def _decide(cluster: Cluster, gateway: Gateway, command: Object, decision: Decision) -> str:
    name = facts.name(command)
    before = _given(command)
    if before and facts.phase(command) != "AwaitingApproval":  # else somebody has asked for one more attempt since
        return _as_before(command, before, decision)
    if facts.is_finished(command):
        raise Conflict(f"{name} has ended: {facts.state(command)}", "There is nothing left to decide.")
    try:
        gateway.post(f"/bridge/commands/{cluster.namespace}/{name}/approval", decision.about(command))
    except Conflict as error:
        return _as_before(*_decided_meanwhile(cluster, name, error), decision)
    except NotAllowed as error:
        if error.hint != RIGHT_TO_READ:
            raise
        raise NotAllowed(str(error), _RIGHT) from error
    except NotFound as error:
        raise NotFound(str(error), "Is the gateway of an older version, or is --gateway another cluster's?") from error
    if decision.rejected:
        return f"bugcommand.mentu.dev/{name} rejected: it will not be run, and ends as Refused"
    follow = f"follow it with `kubectl bug status {name} --watch`"
    return f"bugcommand.mentu.dev/{name} approved: it runs when its turn comes; {follow}"


def _given(command: Object) -> str:
    return str((facts.status(command).get("approval") or {}).get("decision") or "")


def _as_before(command: Object, before: str, decision: Decision) -> str:
    """The same decision twice is harmless; another one comes too late."""
    name = facts.name(command)
    by = (facts.status(command).get("approval") or {}).get("by") or "somebody"
    if before == decision.word:
        return f"bugcommand.mentu.dev/{name} was {before.lower()} before, by {by}"
    hint = f"To stop it: `kubectl bug cancel {name}`." if before == APPROVED else "Make a new one: `kubectl bug run`."
    raise Conflict(f"{name} was {before.lower()} by {by} already", hint)


def _decided_meanwhile(cluster: Cluster, name: str, error: CliError) -> tuple[Object, str]:
    """Somebody else was faster, or the answer to ours was lost on its way."""
    command = cluster.command(name)
    if before := _given(command):
        return command, before
    hint = f"Look at it once more: `kubectl bug describe {name}`."
    raise Conflict(str(error), hint) from error
