"""Which rows are ours, and what is to be done about one. Pure: the whole of a row's fate is decided here.

A row's namespace follows from its `workspace_id`: whoever may insert rows of a workspace may have commands carried out
in that namespace, and in no other. A row that the gateway inserted for a sender over HTTP, whose namespace has no
workspace of its own, has one that is derived from the namespace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from uuid import UUID, uuid5

from bugcommand_operator.gateway.bridge.states import AWAITING_APPROVAL, CANCELLED, CLAIMED, FINAL, PENDING

# Namespaces of ours for uuid5; any fixed UUIDs would do, as long as they never change.
WORKSPACES = UUID("6d656e74-7500-5e00-8000-627269646765")
REQUESTS = UUID("6d656e74-7500-5e00-8000-627269646766")

Row = Mapping[str, Any]


class Step(Enum):
    NOTHING = auto()
    CLAIM = auto()
    CREATE = auto()
    """Claimed by our machine, but nobody has written down that its BugCommand exists."""
    REJECT = auto()
    CANCEL = auto()
    APPROVE = auto()
    """Its BugCommand waits for what the row says already."""


@dataclass(frozen=True)
class Territory:
    """Whose rows we take: our machine's, of the workspaces that we know."""

    machine_id: str = "default"
    workspaces: Mapping[str, str] = field(default_factory=dict)
    """workspace_id (lower case) → namespace."""
    default_namespace: str = ""
    """For rows of any other workspace and of none. Empty: they are not ours."""
    namespaces: frozenset[str] = frozenset()
    """Where commands may come to. Empty: anywhere."""

    def covers(self, namespace: str) -> bool:
        return not self.namespaces or namespace in self.namespaces

    def namespace_of(self, row: Row) -> str | None:
        workspace, noted = _text(row.get("workspace_id")), row.get("namespace")
        namespace = self.workspaces.get(workspace)
        if not namespace and noted and workspace == derived_workspace(noted):
            namespace = str(noted)
        namespace = namespace or self.default_namespace
        return namespace if namespace and self.covers(namespace) else None

    def workspace_for(self, namespace: str, wished: str | None = None) -> str | None:
        """The workspace that makes a row come to this namespace."""
        known = sorted(workspace for workspace, target in self.workspaces.items() if target == namespace)
        if wished in known:
            return wished
        if known:
            return known[0]
        return None if namespace == self.default_namespace else derived_workspace(namespace)

    def sure_workspaces(self) -> dict[str, str]:
        """Whose rows are ours whatever else they hold, and where they run."""
        return {workspace: namespace for workspace, namespace in self.workspaces.items() if self.covers(namespace)}

    def namespace_of_all_others(self) -> str:
        """Where a row runs that names no namespace, whatever its workspace; empty when some of them are not ours."""
        everywhere = [self.default_namespace, *self.workspaces.values()]
        return self.default_namespace if all(self.covers(namespace) for namespace in everywhere) else ""

    def step(self, row: Row) -> Step:
        if self.namespace_of(row) is None:
            return Step.NOTHING
        status = row.get("status")
        if status == PENDING:
            return self._step_before_the_claim(row)
        if row.get("claimed_by_machine_id") != self.machine_id:
            return Step.NOTHING
        if row.get("bugcommand") or status == CANCELLED:
            if _is_cancelled(row):
                return Step.NOTHING if row.get("completed_at") else Step.CANCEL
            return Step.APPROVE if status == CLAIMED and _is_to_be_approved(row) else Step.NOTHING
        return _step_unless_rejected(row, Step.CREATE) if status == CLAIMED else Step.NOTHING

    def _step_before_the_claim(self, row: Row) -> Step:
        if (row.get("target_machine_id") or self.machine_id) != self.machine_id:
            return Step.NOTHING
        return _step_unless_rejected(row, Step.CLAIM)


def derived_workspace(namespace: str) -> str:
    return str(uuid5(WORKSPACES, namespace))


def _step_unless_rejected(row: Row, step: Step) -> Step:
    return Step.REJECT if _is_rejected(row) else step


def _is_to_be_approved(row: Row) -> bool:
    return row.get("approval_status") == "approved" and str(row.get("error") or "").startswith(AWAITING_APPROVAL)


def _is_rejected(row: Row) -> bool:
    return row.get("approval_status") == "rejected"


def _is_cancelled(row: Row) -> bool:
    status = row.get("status")
    return status == CANCELLED or (status not in FINAL and _is_rejected(row))


def _text(value: object) -> str:
    return "" if value is None else str(value).lower()
