"""A pod that was scheduled before its volumes are bound is put back for seconds; so it is made behind a gate.

The gate is only ours where volumes are bound at once. It opens when they are, or when that takes suspiciously long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import OpenGate, Plan
from bugcommand_operator.core.policies.start import start_deadline_has_passed

LONGEST = timedelta(seconds=10)


def open_gate(seen: Observed, now: datetime) -> Plan | None:
    pod = seen.agent_pod
    if pod is None or not pod.is_gated or pod.is_being_deleted or seen.command.spec.cancel:
        return None
    if start_deadline_has_passed(seen, now):
        return None
    waited = now - pod.created_at
    if _volumes_are_bound(seen) or waited > LONGEST:
        return Plan(actions=(OpenGate(pod.name),), look_again_after=LONGEST)
    return Plan(look_again_after=LONGEST - waited + timedelta(seconds=1))


def _volumes_are_bound(seen: Observed) -> bool:
    wanted = [seen.volume]
    if seen.repository is not None and seen.repository.mirror.enabled:
        wanted.append(seen.mirror)
    return all(volume is not None and volume.is_bound for volume in wanted)
