"""What a BugCommand says of itself, whatever of it is there yet. Pure."""

from typing import Any

from bugcommand_operator.api.names import worktree_volume_name

Object = dict[str, Any]
FINISHED = frozenset({"Succeeded", "Failed", "Cancelled", "Refused"})


def metadata(command: Object) -> Object:
    return command.get("metadata") or {}


def spec(command: Object) -> Object:
    return command.get("spec") or {}


def status(command: Object) -> Object:
    return command.get("status") or {}


def name(command: Object) -> str:
    return str(metadata(command).get("name") or "")


def phase(command: Object) -> str:
    """A command that no executor has seen yet waits like any other."""
    return str(status(command).get("phase") or "Pending")


def is_finished(command: Object) -> bool:
    return phase(command) in FINISHED


def is_over(command: Object) -> bool:
    """Finished, and nobody has asked for another attempt that has not begun yet."""
    return is_finished(command) and not is_asked_again(command)


def is_asked_again(command: Object) -> bool:
    """As the operator sees it: it counts for exactly the attempt that it names, once that has ended."""
    wanted = (spec(command).get("retry") or {}).get("afterAttempt")
    asked = attempt(command) > 0 and wanted == attempt(command)
    return asked and phase(command) != "Refused" and not spec(command).get("cancel")


def attempt(command: Object) -> int:
    return int(status(command).get("attempt") or 0)


def condition(command: Object, kind: str) -> Object:
    return next((each for each in status(command).get("conditions") or [] if each.get("type") == kind), {})


def reason(command: Object) -> str:
    """Why it is in its phase: the outcome's once there is one, until then what it is at or waits for."""
    ended = condition(command, "Succeeded")
    if ended.get("status") in ("True", "False"):
        return str(ended.get("reason") or "")
    return str(condition(command, "Ready").get("reason") or "")


def message(command: Object) -> str:
    ended = condition(command, "Succeeded")
    chosen = ended if ended.get("status") in ("True", "False") else condition(command, "Ready")
    return str(chosen.get("message") or "")


def state(command: Object) -> str:
    """In a few words: `Running (AgentStarted)`."""
    why = reason(command)
    return f"{phase(command)} ({why})" if why and why != phase(command) else phase(command)


def volume(command: Object) -> str:
    return str(status(command).get("volumeName") or worktree_volume_name(name(command)))
