"""What a person asks of commands that exist: cancel, suspend, resume, retry. Pure: a command in, a change out, with the
words for what follows. To ask for the same thing twice is harmless."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cli.errors import Conflict
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.facts import Object


@dataclass(frozen=True)
class Change:
    """`spec` is what to set, None when it is so already; `said` is what that means."""

    said: str
    spec: dict[str, Any] | None = None


Decide = Callable[[Object], Change]
"""Raises `Conflict` when the command is in no state for it."""


@dataclass(frozen=True)
class Verb:
    """`wanted` says which commands are meant when they are not named."""

    name: str
    decide: Decide
    wanted: Callable[[Object], bool]


def cancel(command: Object) -> Change:
    name = facts.name(command)
    if facts.is_finished(command):
        return Change(f"has ended already: {facts.state(command)}; nothing to cancel")
    kept = _where_the_work_is(command)
    if facts.spec(command).get("cancel"):
        return Change(f"cancel was requested before; {kept}")
    goes_on = f"; follow it with `kubectl bug status {name} --watch`" if facts.attempt(command) else ""
    return Change(f"cancel requested; {kept}{goes_on}", {"cancel": True})


def suspend(command: Object) -> Change:
    if facts.is_finished(command):
        return Change(f"has ended already: {facts.state(command)}; nothing to suspend")
    later = f"`kubectl bug resume {facts.name(command)}` lets it go on"
    if facts.spec(command).get("suspend"):
        return Change(f"is suspended already; {later}")
    if not facts.attempt(command):
        return Change(f"suspended: it is not started; {later}", {"suspend": True})
    if facts.spec(command).get("withWorktree") is False:
        hint = f"Wait for its end, or `kubectl bug cancel {facts.name(command)}`."
        raise Conflict(f"{facts.name(command)} works in a plain checkout, which the next command would have", hint)
    kept = f"the agent is asked to stop, its work stays on volume {facts.volume(command)}"
    return Change(f"suspend requested: {kept}; {later}", {"suspend": True})


def resume(command: Object) -> Change:
    if facts.is_finished(command):
        again = f"`kubectl bug retry {facts.name(command)}` starts another attempt"
        return Change(f"has ended already: {facts.state(command)}; nothing to resume; {again}")
    if not facts.spec(command).get("suspend"):
        return Change("is not suspended")
    if not facts.attempt(command):
        return Change("resumed: it is started when its turn comes", {"suspend": False})
    return Change("resumed: a new attempt goes on with the kept work when its turn comes", {"suspend": False})


def retry(command: Object) -> Change:
    """One more attempt after the last one. A cancelled command's cancelling is taken back, or it would end anew."""
    name, attempt = facts.name(command), facts.attempt(command)
    if not facts.is_finished(command):
        return _retry_of_unfinished(command)
    if problem := _why_never_again(command):
        raise Conflict(f"{name} {problem}", "Make a new one: `kubectl bug run`.")
    if facts.is_asked_again(command):
        return Change(f"attempt {attempt + 1} was requested before")
    wanted: dict[str, Any] = {"retry": {"afterAttempt": attempt}}
    wanted |= {field: False for field in ("cancel", "suspend") if facts.spec(command).get(field)}
    said = f"attempt {attempt + 1} requested: it goes on with the work on volume {facts.volume(command)}"
    return Change(f"{said}; follow it with `kubectl bug status {name} --watch`", wanted)


def _retry_of_unfinished(command: Object) -> Change:
    name, state = facts.name(command), facts.state(command)
    if _asked_again_after(command) or facts.status(command).get("nextAttemptTime"):
        return Change(f"is on its way again: {state}, attempt {facts.attempt(command)}")
    hint = f"Wait for its end (`kubectl bug status {name} --watch`), or cancel it first."
    raise Conflict(f"{name} has not ended: {state}", hint)


def _why_never_again(command: Object) -> str:
    if not facts.attempt(command):
        return f"was never started: {facts.state(command)}"
    if facts.phase(command) == "Refused":
        return f"was refused, and would be again: {facts.state(command)}"
    if facts.spec(command).get("withWorktree") is False:
        return "has no worktree of its own, and the checkout may be another command's by now"
    return ""


def _asked_again_after(command: Object) -> int:
    return int((facts.spec(command).get("retry") or {}).get("afterAttempt") or 0)


def _where_the_work_is(command: Object) -> str:
    if not facts.attempt(command):
        return "it was not started, there is no work to keep"
    return f"the agent is asked to end, its work is kept on volume {facts.volume(command)}"


def is_unfinished(command: Object) -> bool:
    return not facts.is_finished(command)


def _ended_badly(command: Object) -> bool:
    """Those that succeeded are tried again only by name."""
    return facts.phase(command) in ("Failed", "Cancelled") and not _why_never_again(command)


CANCEL = Verb("cancel", cancel, is_unfinished)
SUSPEND = Verb("suspend", suspend, is_unfinished)
RESUME = Verb("resume", resume, lambda command: is_unfinished(command) and bool(facts.spec(command).get("suspend")))
RETRY = Verb("retry", retry, _ended_badly)
