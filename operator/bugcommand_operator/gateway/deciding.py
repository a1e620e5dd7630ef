"""Writes down what was decided about a command, and about each attempt that is asked for after it: once, over the very
version that was looked at, so that neither a claim nor another decision slips in between."""

from __future__ import annotations

from typing import Any

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.api.conditions import FINISHED_PHASES, ConditionType, Reason
from bugcommand_operator.cluster.errors import Conflict
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.gateway.refusals import Refusal, TryLater

Raw = dict[str, Any]
_TRIES = 5


class Settled(Refusal):
    """409, permanent: it is too late for this decision, or it was made about something else."""

    status = 409


async def decide(
    kube: Kube, namespace: str, name: str, wanted: Decided, *, generation: int | None = None, only_first: bool = False
) -> Raw:
    """What is decided about it now. `generation`: of the object that whoever decides has seen. `only_first`: about the
    command, not about an attempt that was asked for after it. Raises `Settled`, and `NotFound` and its like."""
    for _ in range(_TRIES):
        found = await kube.get("BugCommand", namespace, name)
        known = (found.get("status") or {}).get("approval")
        if known and (only_first or not _asks_for_more(found, known)):
            return _the_same(known, wanted)
        _must_be_open(found, generation)
        decided = _covering(found, wanted)
        meta = {"uid": found["metadata"]["uid"], "resourceVersion": found["metadata"]["resourceVersion"]}
        body = {"metadata": meta, "status": {"approval": {**dict.fromkeys(known or ()), **decided}}}
        try:
            await kube.patch("BugCommand", namespace, name, body, status=True)
        except Conflict:
            continue
        return decided
    raise TryLater("Busy", "the command is being changed all the time: send it again")


def _covering(found: Raw, wanted: Decided) -> Raw:
    """What is approved is the command with the attempts that it asks for now."""
    retry = found["spec"].get("retry") or {}
    after = _one_more_after(found) or retry.get("afterAttempt")
    covers = {"retry_limit": retry.get("limit") or 0, "after_attempt": after}
    return wanted.model_copy(update=covers).to_dict()


def _asks_for_more(found: Raw, known: Raw) -> bool:
    """Somebody has asked for one more attempt since it was approved."""
    after = _one_more_after(found)
    is_new = after is not None and after != known.get("afterAttempt")
    return known.get("decision") == Decision.APPROVED and is_new


def _one_more_after(found: Raw) -> int | None:
    """The attempt after which somebody has asked for one more. Once the command was released for it, it waits for it
    though nobody asks any more."""
    status = found.get("status") or {}
    asked = (found["spec"].get("retry") or {}).get("afterAttempt")
    claimed: Raw = next((c for c in status.get("conditions") or () if c.get("type") == ConditionType.CLAIMED), {})
    last = status.get("attempt")
    return last if last and (asked == last or claimed.get("reason") == Reason.RETRY_REQUESTED) else None


def _the_same(known: Raw, wanted: Decided) -> Raw:
    if known.get("decision") != wanted.decision:
        message = f"it was {known.get('decision')} by {known.get('by')} at {known.get('at')}: that stays"
        raise Settled("AlreadyDecided", message)
    return known


def _must_be_open(found: Raw, generation: int | None) -> None:
    status = found.get("status") or {}
    if status.get("phase") in FINISHED_PHASES or found["metadata"].get("deletionTimestamp"):
        raise Settled("AlreadyEnded", "the command has ended, or is being deleted")
    if status.get("claim"):
        raise Settled("AlreadyClaimed", "the command is claimed already: to end it, set spec.cancel to true")
    if generation not in {None, found["metadata"].get("generation")}:
        message = (
            f"its spec has changed: it is of generation {found['metadata'].get('generation')} now; look at it again"
        )
        raise Settled("Changed", message, field="generation")
