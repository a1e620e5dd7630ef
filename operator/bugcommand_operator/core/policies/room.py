"""Which limit keeps a command from running now. The texts name the limit, not how many run: a status that repeated that
would be a write for each command that ends."""

from __future__ import annotations

from bugcommand_operator.api.bugcommand import BugCommandSpec
from bugcommand_operator.api.conditions import Reason
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Load
from bugcommand_operator.core.settings import Limits

NoRoom = tuple[Reason, str]


def no_room(with_worktree: bool, load: Load, limits: Limits, repository: RepositorySpec | None) -> NoRoom | None:
    """The narrowest limit first: it is the one that would hold the command the longest."""
    if held_up := no_shared_room(with_worktree, load, limits, repository):
        return held_up
    if load.executor >= limits.executor:
        return _full(f"an executor runs at most {limits.executor} commands at once")
    return None


def no_shared_room(with_worktree: bool, load: Load, limits: Limits, repository: RepositorySpec | None) -> NoRoom | None:
    """The same of what several executors fill together."""
    if not with_worktree and load.checkout_taken_by:
        return Reason.WAITING_FOR_CHECKOUT, "Waits until the Repository's checkout is free."
    most = repository.concurrency.limit if repository and repository.concurrency else None
    if most is not None and load.repository >= most:
        return _full(f"the Repository lets {most} of its commands run at once")
    if limits.namespace and load.namespace >= limits.namespace:
        return _full(f"at most {limits.namespace} commands of one namespace run at once")
    if limits.machine and load.machine >= limits.machine:
        return _full(f"at most {limits.machine} commands run at once on this machine")
    return None


def shares_room(spec: BugCommandSpec, limits: Limits, repository: RepositorySpec | None, has_rival: bool) -> bool:
    """Whether executors that race for this command's room could take more than there is."""
    limited = repository is not None and repository.concurrency is not None
    exclusive = not spec.with_worktree or has_rival
    return bool(limited or exclusive or limits.namespace or limits.machine)


def _full(limit: str) -> NoRoom:
    return Reason.CONCURRENCY_LIMIT_REACHED, f"Waits for its turn: {limit}."
