"""A deadline counts only time in which somebody could get on: while the API server was away nobody could, and an
executor that has just started does not know for how long it was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.core.observed import Observed


def have_passed(seen: Observed, allowed: timedelta, began: datetime, now: datetime) -> bool:
    return now - max(began, seen.reachable_since or began) > allowed
