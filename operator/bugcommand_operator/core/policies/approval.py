"""Somebody's agreement, where the command or its Repository asks for it. What was decided is in the status, where only
the gateway writes it; a rejection counts even where no approval was asked for."""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.api.approval import Approval, Decision
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command, Observed
from bugcommand_operator.core.plan import Plan
from bugcommand_operator.core.policies.attempts import in_charge
from bugcommand_operator.core.policies.ending import failed

AWAITS = (
    "Waits until somebody who may `approve` bugcommands in this namespace has approved it: "
    "POST /bridge/commands/{namespace}/{name}/approval of the gateway."
)


def rejected(seen: Observed, now: datetime) -> Plan | None:
    decided = seen.command.status.approval
    if decided is None or decided.decision != Decision.REJECTED:
        return None
    why = f": {decided.message}" if decided.message else "."
    message = f"Rejected by {decided.by} at {decided.at:%Y-%m-%dT%H:%M:%SZ}{why}"
    return failed(seen, now, Reason.APPROVAL_REJECTED, message, in_charge(seen, now))


def awaits_approval(seen: Observed) -> tuple[Reason, str] | None:
    command = seen.command
    if not approval_is_required(seen) or (command.status.approval is not None and not _asks_for_more(command)):
        return None
    return Reason.AWAITING_APPROVAL, AWAITS.format(namespace=command.namespace, name=command.name)


def _asks_for_more(command: Command) -> bool:
    """An attempt that somebody has asked for since; one that begins by itself after a back-off was agreed to. Once the
    command was released for it, it would begin though nobody asks any more."""
    decided = command.status.approval
    covered = decided is not None and decided.after_attempt == command.attempt
    was_released = command.condition_reason(ConditionType.CLAIMED) == Reason.RETRY_REQUESTED
    return not covered and (was_released or (command.is_asked_again and command.status.next_attempt_time is None))


def agreed_retries(seen: Observed) -> int:
    """How many attempts may begin by themselves: what was asked for, but no more than was approved."""
    wanted = seen.command.spec.retry.limit if seen.command.spec.retry else 0
    decided = seen.command.status.approval
    return min(wanted, decided.retry_limit) if decided is not None and approval_is_required(seen) else wanted


def approval_is_required(seen: Observed) -> bool:
    by_repository = seen.repository is not None and seen.repository.approval == Approval.REQUIRED
    return by_repository or seen.command.spec.approval == Approval.REQUIRED
