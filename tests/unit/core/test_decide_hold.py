"""A finalizer that somebody has taken off is put back as long as work is only on the command's volume."""

from __future__ import annotations

import pytest
from tests.support.builders import (
    NOW,
    OTHER_UID,
    command,
    condition,
    ended_pod,
    observed,
    pod,
    volume,
    working,
    working_pod,
)

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import VOLUME_GATE
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import HoldFinalizer

FAILED = condition(ConditionType.SUCCEEDED, "False", Reason.AGENT_FAILED)


@pytest.mark.parametrize(
    ("seen", "held"),
    [
        (observed(command(working()), volume=volume(), agent_pod=working_pod()), True),
        (observed(command(working(FAILED)), volume=volume(), agent_pod=ended_pod(1)), True),
        (observed(command(working(FAILED)), volume=volume(), agent_pod=None), True),
        (observed(command(working(FAILED)), volume=volume(is_owned=True)), False),
        (observed(command(working(FAILED)), volume=volume(command_uid=OTHER_UID)), False),
        (observed(command(working(FAILED)), volume=volume(is_being_deleted=True)), False),
        (observed(command(working(FAILED)), volume=None), False),
        (observed(command(working(FAILED), deleted_at=NOW), volume=volume()), False),
        (observed(command(working()), volume=volume(), agent_pod=pod(gates=(VOLUME_GATE,))), False),
        (observed(command(), volume=volume()), False),
    ],
)
def test_a_command_is_held_while_its_work_is_nowhere_else(seen: Observed, held: bool) -> None:
    plan = decide(seen, NOW)
    assert (HoldFinalizer() in plan.actions) == held
    assert not held or (plan.go_on, plan.status) == (True, None)
