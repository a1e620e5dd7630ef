"""A finished command: no pod of it goes on but one that ships what is left of its log, and a volume whose work is safe
may go with its command."""

from __future__ import annotations

from datetime import datetime

from bugcommand_operator.core.observed import Observed
from bugcommand_operator.core.plan import Action, DeletePod, OwnVolume, Plan
from bugcommand_operator.core.policies.deletion import work_is_safe
from bugcommand_operator.core.policies.log_store import ship_what_is_left


def rest(seen: Observed, now: datetime) -> Plan | None:
    if not seen.command.is_finished:
        return None
    shipping = ship_what_is_left(seen, now)
    return shipping.then(*_stray_pods(seen), *_own_volume(seen))


def _stray_pods(seen: Observed) -> tuple[Action, ...]:
    pods = (seen.agent_pod, seen.publish_pod, *seen.stray_pods)
    stray = [p for p in pods if p and p.is_active and not p.is_being_deleted and p.command_uid == seen.command.uid]
    return tuple(DeletePod(p.name, p.uid) for p in stray)


def _own_volume(seen: Observed) -> tuple[Action, ...]:
    volume = seen.volume
    if volume is None or volume.is_owned or volume.command_uid != seen.command.uid or volume.is_being_deleted:
        return ()
    pod = seen.agent_pod
    if pod is not None and pod.is_active and pod.command_uid == seen.command.uid:
        return ()  # its agent may have started since this was observed
    return (OwnVolume(volume.name),) if work_is_safe(seen) else ()
