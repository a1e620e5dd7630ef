"""Waits for commands to end, and tells of each phase as it comes. What is waited for is never changed by it."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import CliError, Ended, ExitCode, Expired, NotFound
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import BUGCOMMANDS, Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.kube.watching import Watching

_CODES = {
    "Failed": ExitCode.COMMAND_FAILED,
    "Cancelled": ExitCode.COMMAND_CANCELLED,
    "Refused": ExitCode.COMMAND_REFUSED,
}


@dataclass
class Waiter:
    """`seen` holds the last state of each command; None: it was deleted."""

    cluster: Cluster
    names: Collection[str]
    report: Callable[[Object], None]
    seen: dict[str, Object | None] = field(default_factory=dict)

    def wait(self) -> None:
        for name, found in self._changes():
            if found is not None:
                self.report(found)
            self.seen[name] = found
            if len(self.seen) == len(self.names) and all(map(_is_over, self.seen.values())):
                return

    def _changes(self) -> Iterator[tuple[str, Object | None]]:
        """States of the commands, first as they are and then as they change."""
        while True:  # bounded by the commands' end, or by the patience of Watching
            version, found = self._listed()
            yield from ((name, found.get(name)) for name in self.names)
            try:
                for event in Watching(self.cluster.api, self._path, self._query, version, output.note).events():
                    name = facts.name(event["object"])
                    if name in self.names:
                        yield name, None if event["type"] == "DELETED" else event["object"]
            except Expired:
                continue

    def _listed(self) -> tuple[str, dict[str, Object]]:
        version, found = "", dict[str, Object]()
        for page in self.cluster.api.pages(self._path, self._query):
            version = str((page.get("metadata") or {}).get("resourceVersion") or version)
            found.update({facts.name(each): each for each in page.get("items") or [] if facts.name(each) in self.names})
        return version, found

    @property
    def _path(self) -> str:
        return self.cluster.collection(BUGCOMMANDS)

    @property
    def _query(self) -> dict[str, str]:
        return {"fieldSelector": f"metadata.name={next(iter(self.names))}"} if len(self.names) == 1 else {}


def _is_over(command: Object | None) -> bool:
    return command is None or facts.is_over(command)


@dataclass
class PhaseTeller:
    """A line when a command's phase or its reason is news; with its name when there are several."""

    several: bool = False
    say: Callable[[str], None] = output.note
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _told: dict[str, tuple[str, str]] = field(default_factory=dict, init=False)

    def __call__(self, command: Object) -> None:
        name, news = facts.name(command), (facts.state(command), facts.message(command))
        if self._told.get(name) == news:
            return
        self._told[name] = news
        who = f"{name}: " if self.several else ""
        said = f": {news[1]}" if news[1] else ""
        self.say(f"{self.now().astimezone():%H:%M:%S} {who}{news[0]}{said}{_needs_a_person(command)}")


def _needs_a_person(command: Object) -> str:
    """What it waits for that only a person can do."""
    verb = {"AwaitingApproval": "approve", "Parked": "resume"}.get(facts.phase(command))
    if verb is None and facts.phase(command) == "Pending" and facts.spec(command).get("suspend"):
        verb = "resume"
    return f" (kubectl bug {verb} {facts.name(command)})" if verb else ""


def check_outcomes(ends: dict[str, Object | None]) -> None:
    """Silent when all succeeded; else raises what the first one that did not has come to."""
    bad = {name: end for name, end in ends.items() if end is None or facts.phase(end) != "Succeeded"}
    for each in list(bad.items())[1:]:
        output.tell(_ending(*each))
    for name, end in bad.items():
        raise _ending(name, end)


def _ending(name: str, end: Object | None) -> CliError:
    if end is None:
        return NotFound(f"{name} was deleted", "Its log is still there by its command id, until its retention ends.")
    text = f"{name} {facts.state(end)}"
    said = facts.message(end)
    hint = f"See `kubectl bug describe {name}` and `kubectl bug logs {name}`; `kubectl bug retry {name}` tries again."
    code = _CODES.get(facts.phase(end), ExitCode.COMMAND_FAILED)
    return Ended(f"{text}: {said}" if said else text, hint, code)
