"""An append, step by step: lock how far the attempts have come, see whose they are, place the lines, store them.

All of it is one transaction: lines, counters and ownership agree at any moment. It may not decide who may write;
it only keeps a command id with the object that used it first.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from bugcommand_operator.store.lines import Appended, LogBatch
from bugcommand_operator.store.placing import (
    Claim,
    Place,
    Placed,
    Reached,
    accepted,
    by_place,
    in_question,
    place,
    refusals,
)
from bugcommand_operator.store.tables import Transaction


async def append_in(
    transaction: Transaction, batches: Sequence[LogBatch], *, today: date, cap: int, distrust: bool = False
) -> Appended:
    """`distrust`: look into the table for each line, whatever the counters say."""
    sent = by_place(batches)
    reached = await transaction.lock(sent)
    owners = {command_id: found.owner for (command_id, _), found in reached.items()}
    strangers = _strangers(batches, sent, reached)
    if strangers:
        amend = any(batch.key.command_id in owners for batch in strangers)
        owners |= await transaction.claim(_claims(strangers, today), amend=amend)
    refused = refusals(batches, owners, reached)
    allowed = by_place([batch for index, batch in enumerate(batches) if index not in refused])
    if missing := [where for where in allowed if where not in reached]:
        await transaction.begin(missing, owners)
        reached = {**reached, **await transaction.lock(missing)}
    placed = [
        await _place(transaction, where, reached[where], some, cap=cap, distrust=distrust)
        for where, some in allowed.items()
    ]
    if changed := [attempt for attempt in placed if attempt.lines]:
        await transaction.store(changed)
    return Appended(
        new_lines=sum(len(attempt.lines) for attempt in placed),
        refused=refused,
        accepted=tuple(accepted(placed)),
        repeated=sum(attempt.repeated for attempt in placed),
        truncated=sum(attempt.truncated for attempt in placed),
    )


def _strangers(
    batches: Sequence[LogBatch], sent: Mapping[Place, Sequence[LogBatch]], reached: Mapping[Place, Reached]
) -> list[LogBatch]:
    """Batches of attempts without a line, or that know more of the command than its owner's row says."""
    unknown = set(sent) - set(reached)
    return [
        batch
        for batch in batches
        if (where := (batch.key.command_id, batch.key.attempt)) in unknown or reached[where].owner.lacks(batch)
    ]


def _claims(batches: Sequence[LogBatch], today: date) -> list[Claim]:
    """One for each command id, the first that asks; in the order of locks."""
    claims: dict[str, Claim] = {}
    for batch in batches:
        key = batch.key
        claim = Claim(key.command_id, key.namespace, batch.repository, batch.command_uid, today)
        claims.setdefault(key.command_id, claim)
    return [claims[command_id] for command_id in sorted(claims)]


async def _place(
    transaction: Transaction, where: Place, found: Reached, batches: Sequence[LogBatch], *, cap: int, distrust: bool
) -> Placed:
    asked = in_question(found, batches, distrust=distrust)
    known = await transaction.known(where, found.owner.day, asked) if asked else None
    return place(where, found, batches, known, cap)
