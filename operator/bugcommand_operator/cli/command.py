"""Which command is meant by a name, and whether it has ended: as its BugCommand says, through kubectl."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bugcommand_operator.api.names import GROUP
from bugcommand_operator.cli.errors import CliError, KindUnknown, NotFound
from bugcommand_operator.cli.following import Finished
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kubectl import Kubectl, Object

KIND = f"bugcommands.{GROUP}"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_LONG_AGO = timedelta(minutes=10)
"""Lines that have not arrived so long after the end are not waited for: retention may have taken them."""


def is_command_id(name: str) -> bool:
    return _UUID.fullmatch(name.lower()) is not None


@dataclass
class Command:
    """A command by the name that a person gave."""

    kubectl: Kubectl
    given: str
    say: Callable[[str], None] = lambda text: None  # noqa: ARG005
    _name: str = field(default="", init=False)
    _told: bool = field(default=False, init=False)

    @property
    def id(self) -> str:
        return self.given.lower() if is_command_id(self.given) else command_id(self._read())

    def exists(self) -> bool | None:
        """Whether there is a BugCommand; None when that cannot be told."""
        try:
            return self._look() is not None
        except CliError:
            return None

    def state(self) -> Finished | None:
        """None while it works, and where nobody can tell: what keeps kubectl from answering ends no log."""
        with suppress(CliError):
            found = self._look()
            if found is not None:
                return finished(found, datetime.now(UTC))
            if self._is_seen:
                return Finished({})  # deleted: nothing more will be written
        self._tell()
        return None

    @property
    def _is_seen(self) -> bool:
        """Whether it is, or was, in this cluster. An id that is not there may be another cluster's."""
        return bool(self._name) or not is_command_id(self.given)

    def _tell(self) -> None:
        if not self._is_seen and not self._told:
            self._told = True
            self.say("its BugCommand cannot be seen from here: if that stays so, only Ctrl-C ends this")

    def _look(self) -> Object | None:
        """The BugCommand; None when it is sure that there is none."""
        if is_command_id(self.given) and not self._name:
            return self._search()
        try:
            return self._read()
        except KindUnknown:
            raise
        except NotFound:
            return None

    def _read(self) -> Object:
        name = self._name or self.given
        if not _NAME.fullmatch(name):
            raise NotFound("that is neither a BugCommand's name nor a command id", _NAMES)
        try:
            return self.kubectl.get(KIND, name)
        except KindUnknown:
            raise
        except NotFound as error:
            raise NotFound(str(error), error.hint or _NAMES) from error

    def _search(self) -> Object | None:
        """The BugCommand with this id, in the namespace that was asked about, else in any."""
        for everywhere in ((), ("--all-namespaces",)):
            for found in self.kubectl.items(KIND, *everywhere):
                if command_id(found) == self.given.lower():
                    self._name = str(found["metadata"]["name"])
                    self.kubectl = Kubectl(
                        self.kubectl.kubeconfig, self.kubectl.context, str(found["metadata"]["namespace"])
                    )
                    return found
        return None


_NAMES = "See `kubectl get bugcommands`; the log of a deleted one is there by its command id."


def command_id(bugcommand: Object) -> str:
    """As the executor decides it: what the status says, else the spec, else the object's UID."""
    status, spec = bugcommand.get("status") or {}, bugcommand.get("spec") or {}
    return str(status.get("commandId") or spec.get("commandId") or bugcommand["metadata"]["uid"]).lower()


def finished(bugcommand: Object, now: datetime) -> Finished | None:
    status = bugcommand.get("status") or {}
    if not facts.is_over(bugcommand):
        return None
    attempt, last = status.get("attempt") or 0, (status.get("logs") or {}).get("lastSequence") or 0
    if not attempt or not last or _ended_long_ago(status.get("completionTime"), now):
        return Finished({})
    return Finished({int(attempt): int(last)})


def _ended_long_ago(completed: object, now: datetime) -> bool:
    try:
        return now - datetime.fromisoformat(str(completed)) > _LONG_AGO
    except (ValueError, TypeError):
        return False
