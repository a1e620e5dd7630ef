"""The core: what to do about one command, given what is seen of it. Pure: no I/O, no clock, no memory.

Policies are asked in order; the first that answers decides. Each is a file in `policies/`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import NOTHING, Plan
from bugcommand_operator.core.policies.admission import admit
from bugcommand_operator.core.policies.after import rest
from bugcommand_operator.core.policies.agent import (
    agent_ended,
    agent_not_started,
    agent_running,
    cancel,
    foreign_pod,
    overdue,
    workspace_refused,
)
from bugcommand_operator.core.policies.attempts import end_strays
from bugcommand_operator.core.policies.claim_fence import give_back_too_much
from bugcommand_operator.core.policies.deletion import let_go, rescue_is_late
from bugcommand_operator.core.policies.expiry import expire
from bugcommand_operator.core.policies.gate import open_gate
from bugcommand_operator.core.policies.hold import hold
from bugcommand_operator.core.policies.publish import publish
from bugcommand_operator.core.policies.retry import again
from bugcommand_operator.core.policies.share import leave_to_another
from bugcommand_operator.core.policies.start import start_agent
from bugcommand_operator.core.policies.suspend import suspend
from bugcommand_operator.core.policies.takeover import as_if_ours, is_left_to_us, look_again_at_anothers, take_over

Policy = Callable[[Observed, datetime], Plan | None]


def not_mine(seen: Observed, now: datetime) -> Plan | None:
    """What another executor has claimed is that executor's, but for a finalizer that it has left past its deadline."""
    claim = seen.command.status.claim
    if claim is None or claim.executor == seen.identity.executor:
        return None
    return None if rescue_is_late(seen, now) else look_again_at_anothers(seen, now)


POLICIES: tuple[Policy, ...] = (
    not_mine,
    let_go,
    hold,
    again,
    expire,
    rest,
    end_strays,
    leave_to_another,
    admit,
    give_back_too_much,
    suspend,
    start_agent,
    foreign_pod,
    open_gate,
    cancel,
    overdue,
    workspace_refused,
    agent_ended,
    agent_running,
    agent_not_started,
    publish,
)


def decide(seen: Observed, now: datetime) -> Plan:
    if not is_left_to_us(seen, now):
        return _first_answer(seen, now)
    wanted = _first_answer(as_if_ours(seen), now)
    if seen.command.is_active or not wanted.only_waits:
        return take_over(seen, now)
    return wanted


def leave_to_its_executor(seen: Observed, now: datetime) -> Plan | None:
    """Known from the command alone: nothing else need be looked up. None: it is ours to decide."""
    return None if is_left_to_us(seen, now) else not_mine(seen, now)


def _first_answer(seen: Observed, now: datetime) -> Plan:
    for policy in POLICIES:
        plan = policy(seen, now)
        if plan is not None:
            return plan
    return NOTHING
