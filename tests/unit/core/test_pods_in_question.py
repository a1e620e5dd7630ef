"""Of which pods the API server is asked whether they are there, where none is known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.builders import NAME, NOW, claimed, command, condition, held_command, working

from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.pods_in_question import pods_in_question

LEFT = condition(ConditionType.LOGS_STORED, "False", Reason.LOGS_UNSHIPPED)
STORED = condition(ConditionType.LOGS_STORED, "True", Reason.LOGS_STORED)
PUBLISHING = condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING)
FAILED = condition(ConditionType.SUCCEEDED, "False", Reason.AGENT_FAILED)
DAY = timedelta(days=1)

BETWEEN_ATTEMPTS = held_command(working(claim=None, completion_time=None))
AGENT, PUBLISH, RESCUE, SHIP = "agent", "publish", "rescue", "ship"

CASES: dict[str, tuple[Command, set[str]]] = {
    "of one that waits nothing was made": (command(), set()),
    "a first attempt that has only been claimed has made nothing": (held_command(claimed()), set()),
    "of a later attempt something may be there": (held_command(claimed(attempt=2)), {AGENT}),
    "the agent of which the status tells": (held_command(working()), {AGENT}),
    "a claim that is to be given back": (held_command(claimed(), suspend=True), {AGENT}),
    "one that pushes": (held_command(working(PUBLISHING)), {AGENT, PUBLISH}),
    "between two attempts": (BETWEEN_ATTEMPTS, {AGENT, PUBLISH, SHIP}),
    "finished, and nothing is left": (held_command(working(FAILED, PUBLISHING, STORED, completion_time=NOW)), set()),
    "finished, and lines are left": (held_command(working(FAILED, LEFT, completion_time=NOW)), {SHIP}),
    "lines that nobody ships any more": (held_command(working(FAILED, LEFT, completion_time=NOW - 2 * DAY)), set()),
    "finished, and asked for again": (
        held_command(working(FAILED, completion_time=NOW), retry={"afterAttempt": 1}),
        {AGENT, PUBLISH, SHIP},
    ),
    "deleted": (held_command(working(), deleted_at=NOW), {AGENT, PUBLISH, RESCUE, SHIP}),
    "deleted, and let go already": (command(working(FAILED, completion_time=NOW), deleted_at=NOW), set()),
}


@pytest.mark.parametrize("case", CASES)
def test_an_absence_is_believed_unless_something_would_be_made_again_or_missed(case: str) -> None:
    of, roles = CASES[case]

    assert pods_in_question(of, NOW) == {f"{NAME}-{of.attempt}-{role}" for role in roles}
