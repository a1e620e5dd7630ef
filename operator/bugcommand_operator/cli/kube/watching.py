"""Changes of a collection, from a version on, over connections that end and break."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bugcommand_operator.cli.errors import Unreachable
from bugcommand_operator.cli.kube.api import Api, Object
from bugcommand_operator.cli.kube.patience import Patience

_AT_ONCE_SECONDS = 1.0
_CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})


@dataclass
class Watching:
    """What happens while a connection is away is not missed, but for states that were only passed through."""

    api: Api
    path: str
    query: Mapping[str, str]
    version: str
    say: Callable[[str], None]
    accept: str = "application/json"

    def events(self) -> Iterator[Object]:
        """Without end. Raises `Expired` when the server has forgotten that version, and `Unreachable` after long."""
        patience = Patience(self.say)
        while True:  # bounded by who reads, or by the patience with a cluster that does not answer
            began = time.monotonic()
            try:
                yield from self._until_it_ends(patience)
                if time.monotonic() - began < _AT_ONCE_SECONDS:
                    patience.wait(Unreachable("the cluster ends each watch at once"))
            except Unreachable as error:
                patience.wait(error)

    def _until_it_ends(self, patience: Patience) -> Iterator[Object]:
        for event in self.api.watch(self.path, {**self.query, "resourceVersion": self.version}, self.accept):
            patience.forget()
            self.version = version_of(event.get("object") or {}) or self.version
            if event.get("type") in _CHANGES:
                yield event


def version_of(value: Object) -> str:
    """Of an object, a list, or a table with one row, beside which its object is."""
    rows = value.get("rows")
    found = (rows[0].get("object") or {}) if rows else value
    return str((found.get("metadata") or {}).get("resourceVersion") or "")
