"""What a BugCommand's status means in the words of `bridge_commands`. Pure; tolerates whatever an object may lack."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bugcommand_operator.core.text import clean, shortened

PENDING, CLAIMED, RUNNING, COMPLETED, FAILED, CANCELLED = (
    "pending",
    "claimed",
    "running",
    "completed",
    "failed",
    "cancelled",
)
FINAL = frozenset({COMPLETED, FAILED, CANCELLED})
MAX_ERROR_BYTES = 4096
AWAITING_APPROVAL = "AwaitingApproval"
_BETWEEN_ATTEMPTS = frozenset({"Suspended", "RetryBackOff"})
_APPROVALS = {"Approved": "approved", "Rejected": "rejected"}
_WORKING = frozenset({"Running", "Verifying", "Publishing"})

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowState:
    """The columns that follow a BugCommand. None is not known: such a column is left as it is."""

    status: str
    machine: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    exit_code: int | None = None
    error: str | None = None
    """Also what holds a command up that has not begun, or is between two attempts."""
    approval: str | None = None
    again_at: datetime | None = None
    """When an attempt after the first began: a row that had ended before that is open again."""

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


def state_of(obj: Raw) -> RowState:
    status: Raw = obj.get("status") or {}
    succeeded = _condition(status, "Succeeded")
    truth = succeeded.get("status")
    machine = (status.get("claim") or {}).get("machine") or None
    started = _moment(status.get("agentStartTime"))
    approval = _APPROVALS.get(str((status.get("approval") or {}).get("decision")))
    if truth not in {"True", "False"}:
        working = status.get("phase") in _WORKING or started is not None
        return RowState(
            RUNNING if working else CLAIMED,
            machine,
            started,
            error=_held_up(status),
            approval=approval,
            again_at=_again_at(status),
        )
    return RowState(
        COMPLETED if truth == "True" else FAILED,
        machine,
        started,
        _moment(status.get("completionTime")) or _moment(succeeded.get("lastTransitionTime")),
        _exit_code(status.get("exitCode"), succeeded=truth == "True"),
        None if truth == "True" else error_text(succeeded.get("reason"), succeeded.get("message")),
        approval,
        _again_at(status),
    )


def _held_up(status: Raw) -> str | None:
    ready = _condition(status, "Ready")
    reason = ready.get("reason")
    waits = reason == AWAITING_APPROVAL or (reason in _BETWEEN_ATTEMPTS and status.get("attempt"))
    return error_text(reason, ready.get("message")) if waits and not status.get("claim") else None


def _again_at(status: Raw) -> datetime | None:
    attempt = status.get("attempt")
    return _moment(status.get("startTime")) if isinstance(attempt, int) and attempt > 1 else None


def gone(obj: Raw | None, now: datetime) -> RowState:
    """The state that a command is left in when its BugCommand is deleted."""
    last = state_of(obj or {})
    if last.is_final:
        return last
    error = error_text("Deleted", "the BugCommand was deleted before it had ended")
    return RowState(FAILED, last.machine, last.started_at, now, None, error, last.approval)


def error_text(reason: object, message: object) -> str:
    text = f"{reason or 'Failed'}: {message}" if message else str(reason or "Failed")
    return shortened(clean(text.replace("\0", "\ufffd")), MAX_ERROR_BYTES)


def _condition(status: Raw, kind: str) -> Raw:
    return next((one for one in status.get("conditions") or () if one.get("type") == kind), {})


def _exit_code(code: object, *, succeeded: bool) -> int | None:
    """The table's column has four bytes."""
    if isinstance(code, int) and abs(code) < 1 << 31:
        return code
    return 0 if succeeded else None


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
