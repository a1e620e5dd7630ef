"""A command whose finalizer somebody has taken off (uninstalling the operator does, so that none hangs on it) gets it
back as long as its work is only on its volume: a deletion would leave that volume behind, and nobody would push it."""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import HoldFinalizer, Plan


def hold(seen: Observed, _now: datetime) -> Plan | None:
    command, volume = seen.command, seen.volume
    if command.is_being_deleted or command.holds_finalizer or not command.attempt:
        return None
    if volume is None or volume.command_uid != command.uid or volume.is_owned or volume.is_being_deleted:
        return None
    if seen.agent_pod is not None and seen.agent_pod.is_gated:
        return None  # nothing has run, and the gate does not open without it
    return Plan(actions=(HoldFinalizer(),), go_on=True)
