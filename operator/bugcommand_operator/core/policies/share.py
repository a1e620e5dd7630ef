"""Executors race for commands, and each leaves to the others what is theirs first: less is tried in vain, and the work
is spread. Who leaves what to whom follows from what all of them see; what one has left the next one takes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.core.executors import Executors, Peer
from bugcommand_operator.core.observed import Command, Observed
from bugcommand_operator.core.plan import Plan
from bugcommand_operator.core.sharing import falls_to, ranked, until_its_turn

LOOK_AGAIN = timedelta(minutes=5)
"""A place that becomes free calls up who may take it, and an executor that comes or goes makes all look anew."""
UNREGISTERED = timedelta(seconds=5)
ONLOOKING = timedelta(seconds=10)
"""Longer than whoever may take a command needs to take it, or to say what it waits for."""


def leave_to_another(seen: Observed, now: datetime) -> Plan | None:
    """None: it is for us to look after."""
    if seen.command.is_claimed:
        return None
    if not seen.executors.may_claim:
        return Plan(look_again_after=UNREGISTERED)
    me = seen.identity.executor
    if patience := until_an_onlooker_tells(seen):
        return Plan(look_again_after=patience)
    able = [peer.id for peer in _eligible(seen) if _has_room(seen, peer)]
    if not able:
        return None
    if me not in able:
        return Plan(look_again_after=LOOK_AGAIN)
    rank = ranked(seen.command.uid, able).index(me)
    wait = until_its_turn(rank, len(able), now - seen.command.created_at)
    return Plan(look_again_after=wait) if wait else None


def is_ours_to_tell(seen: Observed) -> bool:
    """What a command waits for is said by one of those that could take it, else by one of all: they would contradict
    each other, each write answered by the next."""
    about = _eligible(seen) or seen.executors.live
    return falls_to(seen.identity.executor, seen.command.uid, (peer.id for peer in about))


def is_for_strangers(command: Command, machine: str, executors: Executors) -> bool:
    """For another machine, of which nobody is known here. Its executors may have a registry of their own."""
    target = command.spec.target_machine
    return target not in {"", machine} and not executors.of_machine(target)


def until_an_onlooker_tells(seen: Observed) -> timedelta:
    """What strangers are about to do with a command is not disturbed: a word of ours, written just then, would cost one
    of them its claim. First we are sure of our own registry, and have seen the command unchanged for a while."""
    if not is_for_strangers(seen.command, seen.identity.machine, seen.executors):
        return timedelta(0)
    if seen.executors.live and seen.executors.may_be_alive is None:
        return UNREGISTERED
    return max(ONLOOKING - seen.unchanged_for, timedelta(0))


def nobody_could(seen: Observed) -> bool:
    """Known for sure: without a registry nobody can tell."""
    return bool(seen.executors.live) and not _eligible(seen)


def _eligible(seen: Observed) -> tuple[Peer, ...]:
    return seen.executors.of_machine(seen.command.spec.target_machine)


def _has_room(seen: Observed, peer: Peer) -> bool:
    if peer.id == seen.identity.executor:
        return seen.load.executor < seen.limits.executor
    return peer.has_room
