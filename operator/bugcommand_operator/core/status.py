"""How a status is built: conditions set, the phase derived from them, texts kept within their limits. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from bugcommand_operator.api.bugcommand import BugCommandStatus
from bugcommand_operator.api.conditions import REFUSALS, WAITING_FOR_ROOM, Condition, ConditionType, Phase, Reason
from bugcommand_operator.core.observed import Command
from bugcommand_operator.core.tail import MAX_BYTES, MAX_LINE_BYTES, newest
from bugcommand_operator.core.text import clean, shortened, stored_json_bytes

MAX_MESSAGE_BYTES = 1024
MOST_BYTES = 32 * 1024
AROUND_THE_TAIL = 512
"""Names, numbers, quotes and commas."""
Truth = Literal["True", "False", "Unknown"]


class StatusEditor:
    """Collects one pass's changes to a status; `done` is what to write, or None when nothing changed."""

    def __init__(self, command: Command, now: datetime) -> None:
        self._before = command.status
        self._generation = command.generation
        self._now = now
        self._fields: dict[str, Any] = {}
        self._told = {c.type: c for c in command.status.conditions}
        self._conditions = dict(self._told)

    def set(self, **fields: Any) -> StatusEditor:
        self._fields.update(fields)
        return self

    def condition(self, type_: ConditionType, status: Truth, reason: str, message: str = "") -> StatusEditor:
        before, message = self._told.get(type_), shortened(clean(message), MAX_MESSAGE_BYTES)
        now = (status, reason, message, self._generation)
        if before is not None and now == (before.status, before.reason, before.message, before.observed_generation):
            self._conditions[type_] = before
            return self
        same = before is not None and before.status == status
        self._conditions[type_] = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=before.last_transition_time if before and same else self._now.replace(microsecond=0),
            observed_generation=self._generation,
        )
        return self

    def without(self, *types: ConditionType) -> StatusEditor:
        for type_ in types:
            self._conditions.pop(type_, None)
        return self

    def value(self, field: str) -> Any:
        """As it stands by now."""
        return self._fields.get(field, getattr(self._before, field))

    def reason_of(self, type_: ConditionType) -> str | None:
        """As it stands by now."""
        return _reason({c.type: c for c in self._conditions.values()}, type_)

    def waiting(self, reason: str, message: str) -> StatusEditor:
        """kstatus: on its way, but held up by something that a person may have to do."""
        self.condition(ConditionType.READY, "False", reason, message)
        self.condition(ConditionType.RECONCILING, "True", reason, message)
        return self.condition(ConditionType.STALLED, "True", reason, message)

    def progressing(self, reason: str, message: str) -> StatusEditor:
        self.condition(ConditionType.READY, "False", reason, message)
        self.condition(ConditionType.RECONCILING, "True", reason, message)
        return self.condition(ConditionType.STALLED, "False", reason)

    def finished(self, succeeded: bool, reason: str, message: str) -> StatusEditor:
        truth: Truth = "True" if succeeded else "False"
        self.condition(ConditionType.SUCCEEDED, truth, reason, message)
        self.condition(ConditionType.READY, truth, reason, message)
        self.condition(ConditionType.RECONCILING, "False", Reason.FINISHED)
        self.condition(ConditionType.STALLED, "False" if succeeded else "True", reason, "" if succeeded else message)
        return self.set(completion_time=self._now)

    def done(self) -> BugCommandStatus | None:
        after = self._before.model_copy(update={**self._fields, "conditions": list(self._conditions.values())})
        after = after.model_copy(update={"observed_generation": self._generation, "phase": phase_of(after)})
        if after.queue_position is not None and not stands_in_the_queue(after):
            after = after.model_copy(update={"queue_position": None})
        return None if after == self._before else _small(after)


def _small(status: BugCommandStatus) -> BugCommandStatus:
    """The tail of the log makes room: all of its lines are stored elsewhere."""
    logs = status.logs
    if logs is None or not logs.tail or _size(status) <= MOST_BYTES:
        return status
    return status.model_copy(
        update={"logs": logs.model_copy(update={"tail": newest(logs.tail, room_for_tail(status))})}
    )


def room_for_tail(status: BugCommandStatus) -> int:
    """What the rest of it leaves: many attempts, with much to say of each, leave less."""
    rest = _size(status.model_copy(update={"logs": None}))
    return max(min(MAX_BYTES, MOST_BYTES - AROUND_THE_TAIL - rest), MAX_LINE_BYTES)


def _size(status: BugCommandStatus) -> int:
    return stored_json_bytes(json.dumps(status.to_dict(), ensure_ascii=False))


def stands_in_the_queue(status: BugCommandStatus) -> bool:
    reason = _reason({c.type: c for c in status.conditions}, ConditionType.READY)
    return status.claim is None and reason in WAITING_FOR_ROOM


def phase_of(status: BugCommandStatus) -> Phase:
    conditions = {c.type: c for c in status.conditions}
    succeeded = conditions.get(ConditionType.SUCCEEDED)
    if succeeded is not None and succeeded.status != "Unknown":
        return _finished_phase(succeeded)
    if status.claim is None:
        return _waiting_phase(status, _reason(conditions, ConditionType.READY))
    if _reason(conditions, ConditionType.PUBLISHED) == Reason.PUBLISHING:
        return Phase.PUBLISHING
    running = conditions.get(ConditionType.AGENT_RUNNING)
    if running is not None and (running.status == "True" or running.reason == Reason.AGENT_ENDED):
        return Phase.RUNNING
    return Phase.PREPARING if status.pod_name else Phase.CLAIMED


def _waiting_phase(status: BugCommandStatus, reason: str | None) -> Phase:
    if reason == Reason.AWAITING_APPROVAL:
        return Phase.AWAITING_APPROVAL
    return Phase.PARKED if status.attempt and reason == Reason.SUSPENDED else Phase.PENDING


def _finished_phase(succeeded: Condition) -> Phase:
    if succeeded.status == "True":
        return Phase.SUCCEEDED
    if succeeded.reason == Reason.CANCELLED:
        return Phase.CANCELLED
    return Phase.REFUSED if succeeded.reason in REFUSALS else Phase.FAILED


def _reason(conditions: dict[str, Condition], type_: ConditionType) -> str | None:
    condition = conditions.get(type_)
    return condition.reason if condition else None
