"""Of which pods an absence is only believed when the API server says so. Pure.

A list or a watch may be behind, and the first list leaves out pods that have ended: where a pod that is wrongly taken
for absent would be made again, or its end be missed, it is asked for.
"""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import agent_pod_name, pod_names, publish_pod_name, ship_pod_name
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.policies.log_store import may_be_shipped


def pods_in_question(command: Command, now: datetime) -> frozenset[str]:
    """Their names. Of a command that is let go all of them: a pod that goes on would write into what is taken away."""
    name, attempt = command.name, command.attempt
    if is_let_go(command):
        return frozenset(pod_names(name, attempt))
    agent, publish, ship = agent_pod_name(name, attempt), publish_pod_name(name, attempt), ship_pod_name(name, attempt)
    if _begins_anew(command):
        return frozenset({agent, publish, ship})
    asked = {agent: _agent_may_be_there(command), publish: _is_publishing(command), ship: may_be_shipped(command, now)}
    return frozenset(pod for pod, is_asked in asked.items() if is_asked)


def is_let_go(command: Command) -> bool:
    """What there is of it must be known before."""
    return command.is_being_deleted and command.holds_finalizer


def _begins_anew(command: Command) -> bool:
    """Another attempt is to begin: nothing of the last one may be left."""
    return command.is_between_attempts or (command.is_finished and command.is_asked_again)


def _agent_may_be_there(command: Command) -> bool:
    """Of a claim that could be given back, or ends without a pod, it must be known that there is none."""
    was_made = command.status.pod_name is not None
    return command.is_active and (was_made or command.attempt > 1 or command.is_to_be_parked)


def _is_publishing(command: Command) -> bool:
    return command.is_active and command.condition_reason(ConditionType.PUBLISHED) == Reason.PUBLISHING
