"""Does one thing to several commands, by name or to all that are meant; what fails for one stops none of the rest."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cli import output
from bugcommand_operator.cli.changing import Verb
from bugcommand_operator.cli.errors import CliError, Unreachable, Usage
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import BUGCOMMANDS, Cluster, plain_name
from bugcommand_operator.cli.kube.facts import Object


@dataclass(frozen=True)
class Targets:
    """Names, or a selector, or all; never nothing at all."""

    names: tuple[str, ...] = ()
    all: bool = False
    selector: str = ""

    def __post_init__(self) -> None:
        if self.names and (self.all or self.selector):
            raise Usage("names do not go with --all or a selector", "Give either.")
        if not self.names and not self.all and not self.selector:
            raise Usage("which ones?", "Give names, a selector (-l app=shop), or --all for all of the namespace.")


def change_all(cluster: Cluster, verb: Verb, targets: Targets, *, dry_run: bool = False) -> None:
    def change(name: str, command: Object | None) -> str:
        return _change(cluster, verb, command or cluster.command(name), dry_run=dry_run)

    for_each(cluster, targets, verb.wanted, change)


def for_each(
    cluster: Cluster,
    targets: Targets,
    wanted: Callable[[Object], bool],
    act: Callable[[str, Object | None], str],
) -> None:
    """A line on standard output for each; errors beside them, and the last one's class as the exit code."""
    errors = [error for name, command in _meant(cluster, targets, wanted) if (error := _one(name, command, act))]
    if errors:
        for error in errors[:-1]:
            output.tell(error)
        raise errors[-1]


def _one(name: str, command: Object | None, act: Callable[[str, Object | None], str]) -> CliError | None:
    try:
        sys.stdout.write(f"{output.safe(act(name, command))}\n")
        sys.stdout.flush()
    except Unreachable:
        raise  # the others cannot be reached either
    except CliError as error:
        return error
    return None


def _meant(cluster: Cluster, targets: Targets, wanted: Callable[[Object], bool]) -> Iterator[tuple[str, Object | None]]:
    if targets.names:
        yield from ((name, None) for name in dict.fromkeys(map(plain_name, targets.names)))
        return
    found = [each for each in _listed(cluster, targets.selector) if wanted(each)]
    if not found:
        output.note(f"nothing to do: no such BugCommands in namespace {cluster.namespace}")
    yield from ((facts.name(each), each) for each in found)


def _listed(cluster: Cluster, selector: str) -> Iterable[Object]:
    query = {"labelSelector": selector} if selector else {}
    for page in cluster.api.pages(cluster.collection(BUGCOMMANDS), query):
        yield from map(_without_text, page.get("items") or [])


def _without_text(command: Object) -> Object:
    """Of many commands, prompts and log tails are not kept in memory."""
    spec = {key: value for key, value in facts.spec(command).items() if key not in ("prompt", "context")}
    return {**command, "spec": spec, "status": {k: v for k, v in facts.status(command).items() if k != "logs"}}


def _change(cluster: Cluster, verb: Verb, command: Object, *, dry_run: bool) -> str:
    change = verb.decide(command)
    name = facts.name(command)
    if change.spec is not None and not dry_run:
        made = cluster.api.merge(cluster.path_of(name), {"spec": change.spec})
        _check_kept(change.spec, facts.spec(made))
    return f"bugcommand.mentu.dev/{name} {change.said}{' (dry run)' if dry_run else ''}"


def _check_kept(wanted: dict[str, Any], kept: dict[str, Any]) -> None:
    """The API server drops fields that the CRD lacks without a word."""
    for field, value in wanted.items():
        if isinstance(value, dict):
            _check_kept(value, kept.get(field) or {})
        elif kept.get(field, value if value is False else None) != value:
            raise CliError(
                f"the cluster does not know the field {field!r} of BugCommands: nothing was changed",
                "Its CRDs are older than this program: upgrade the operator (helm does not upgrade CRDs by itself).",
            )
