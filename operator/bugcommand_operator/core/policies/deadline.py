"""A deadline begins anew when the API server is back from an outage: nobody could get on meanwhile. An executor that
has just started does not know whether there was one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.core.observed import Observed


def have_passed(seen: Observed, allowed: timedelta, began: datetime, now: datetime) -> bool:
    return now - max(began, seen.reachable_since or began) > allowed
