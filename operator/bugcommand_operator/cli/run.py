"""`kubectl bug run`: makes commands from flags or a file, and waits for them when asked to."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from bugcommand_operator.cli import output, printing
from bugcommand_operator.cli.errors import Conflict, NotAllowed, Unreachable, Usage
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import BUGCOMMANDS, REPOSITORIES, Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.waiting import PhaseTeller, Waiter, check_outcomes


@dataclass(frozen=True)
class How:
    """What becomes of commands once they are made. `follow` shows the log of one beside its phases."""

    wait: bool = False
    form: str = ""
    dry_run: bool = False
    follow: Callable[[Cluster, Object], None] | None = None


def run(cluster: Cluster, wanted: list[Object], how: How) -> None:
    if how.follow is not None and len(wanted) != 1:
        raise Usage("--follow shows one command's log, and the file has several", "Take --wait.")
    made = [_make(cluster, _completed(cluster, each), how) for each in wanted]
    if how.dry_run:
        return
    if how.follow is not None:
        how.follow(cluster, made[0])
    elif how.wait:
        waiter = Waiter(cluster, [facts.name(each) for each in made], PhaseTeller(len(made) > 1))
        waiter.wait()
        check_outcomes(waiter.seen)
    elif not how.form:
        output.note(f"follow it with `kubectl bug logs -f {facts.name(made[-1])}`")


def _completed(cluster: Cluster, wanted: Object) -> Object:
    if facts.spec(wanted).get("repository"):
        return wanted
    repository = {"name": _only_repository(cluster)}
    return {**wanted, "spec": {**facts.spec(wanted), "repository": repository}}


def _only_repository(cluster: Cluster) -> str:
    """Where there is one, it is meant."""
    try:
        found = [facts.name(each) for each in cluster.api.get(cluster.collection(REPOSITORIES)).get("items") or []]
    except NotAllowed as error:
        raise Usage("which Repository?", "Name it with --repository: you may not list them.") from error
    if not found:
        raise Usage(
            f"there is no Repository in namespace {cluster.namespace}", "Make one, or name another namespace with -n."
        )
    if len(found) > 1:
        raise Usage("which Repository?", f"Name it with --repository; there are: {', '.join(sorted(found)[:20])}.")
    return found[0]


def _make(cluster: Cluster, wanted: Object, how: How) -> Object:
    name = facts.name(wanted)
    try:
        made = cluster.api.create(cluster.collection(BUGCOMMANDS), wanted, dry_run=how.dry_run)
    except Conflict as error:
        hint = f"It is what `kubectl bug status {name}` shows; give the new one another name."
        raise Conflict(f"a BugCommand named {name} exists", hint) from error
    except Unreachable as error:
        hint = f"It may have been made all the same: see `kubectl bug status {name}` before you try again."
        raise Unreachable(str(error), hint) from error
    _tell(printing.without_managed_fields(made), how)
    return made


def _tell(made: Object, how: How) -> None:
    if how.form in ("json", "yaml"):
        printing.print_object(made, how.form)
        return
    said = "" if how.form == "name" else f" created{' (dry run: nothing was made)' if how.dry_run else ''}"
    sys.stdout.write(f"bugcommand.mentu.dev/{facts.name(made)}{said}\n")
    sys.stdout.flush()
