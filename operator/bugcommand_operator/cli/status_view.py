"""One command as people read it: each line a name and what is known. Pure: an object in, text out."""

from datetime import datetime
from typing import Any

from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.ages import age, duration, parsed
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.safe_text import visible

Field = tuple[str, str]
_PROMPT = 100
_TAIL = 10
_SHORT = 12


def status_lines(command: Object, now: datetime, tail: int = _TAIL) -> list[str]:
    """Only what there is: a command that waits has no pod, one without changes no branch."""
    fields = [(name, text) for name, text in _fields(command, now) if text]
    width = max(len(name) for name, _ in fields) + 3
    lines = [f"{name + ':':<{width}}{visible(text)}" for name, text in fields]
    said = ((facts.status(command).get("logs") or {}).get("tail") or [])[-tail:] if tail else []
    return [*lines, *(["Log:", *(f"  {visible(str(line))}" for line in said)] if said else [])]


def _fields(command: Object, now: datetime) -> list[Field]:
    metadata, spec, status = facts.metadata(command), facts.spec(command), facts.status(command)
    return [
        ("Name", facts.name(command)),
        ("Namespace", str(metadata.get("namespace") or "")),
        ("Phase", facts.state(command)),
        ("Message", facts.message(command)),
        ("Asked for", _asked(spec, command)),
        ("Queue", _queue(status)),
        ("Approval", approval(command, now)),
        ("Prompt", _first_line(str(spec.get("prompt") or ""))),
        ("Repository", _repository(spec)),
        ("Agent", _agent(spec, status)),
        ("Attempt", _attempt(command, now)),
        ("Executor", _executor(status)),
        ("Pod", str(status.get("podName") or "")),
        ("Volume", str(status.get("volumeName") or "")),
        ("Time", _times(command, now)),
        ("Branch", _branch(status)),
        ("Changes", _diff(status)),
        ("Lines", _lines(status)),
        ("Usage", _usage(status.get("usage") or {})),
        ("Command id", str(status.get("commandId") or spec.get("commandId") or "")),
    ]


def _asked(spec: dict[str, Any], command: Object) -> str:
    if facts.is_finished(command):
        return ""
    return ", ".join(
        what for what, is_asked in (("cancel", spec.get("cancel")), ("suspend", spec.get("suspend"))) if is_asked
    )


def _queue(status: dict[str, Any]) -> str:
    position = status.get("queuePosition")
    return f"position {position}" if position else ""


def approval(command: Object, now: datetime) -> str:
    given = facts.status(command).get("approval") or {}
    if given.get("decision"):
        said = f": {given['message']}" if given.get("message") else ""
        when = f" {age(given['at'], now)} ago" if given.get("at") else ""
        return f"{given['decision']} by {given.get('by') or '<unknown>'}{when}{said}"
    if facts.phase(command) == "AwaitingApproval":
        return f"waits for it: kubectl bug approve {facts.name(command)}"
    return "required" if facts.spec(command).get("approval") == "Required" else ""


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    whole = len(line) <= _PROMPT and line == text.strip()
    return line if whole else f"{line[:_PROMPT].rstrip()} …"


def _repository(spec: dict[str, Any]) -> str:
    name = str((spec.get("repository") or {}).get("name") or "")
    folder = f", in {spec['workingDirectory']}" if spec.get("workingDirectory") else ""
    return f"{name}{' at ' + str(spec['baseRef']) if spec.get('baseRef') else ''}{folder}"


def _agent(spec: dict[str, Any], status: dict[str, Any]) -> str:
    name = str(status.get("agent") or spec.get("agent") or "")
    return f"{name} ({spec.get('agentMode') or 'Terminal'})" if name else ""


def _attempt(command: Object, now: datetime) -> str:
    attempt = facts.attempt(command)
    if not attempt:
        return ""
    limit = int((facts.spec(command).get("retry") or {}).get("limit") or 0)
    until = parsed(facts.status(command).get("nextAttemptTime"))
    coming = f", the next in {duration((until - now).total_seconds())}" if until and until > now else ""
    return f"{attempt}{f' of {limit + 1}' if limit else ''}{coming}"


def _executor(status: dict[str, Any]) -> str:
    claim = status.get("claim") or {}
    return f"{claim.get('executor')} on machine {claim.get('machine')}" if claim else ""


def _times(command: Object, now: datetime) -> str:
    status = facts.status(command)
    made = parsed(facts.metadata(command).get("creationTimestamp"))
    began, ended = parsed(status.get("startTime")), parsed(status.get("completionTime"))
    parts = [f"made {age(made.isoformat(), now)} ago"] if made else []
    if began and made:
        parts.append(f"waited {duration((began - made).total_seconds())}")
    if began and (ended or status.get("claim")):  # between two attempts it does not work
        parts.append(f"{'took' if ended else 'works for'} {duration(((ended or now) - began).total_seconds())}")
    return ", ".join(parts)


def _branch(status: dict[str, Any]) -> str:
    return str(status.get("branch") or status.get("rescueRef") or "")


def _diff(status: dict[str, Any]) -> str:
    base, head = (str(status.get(key) or "")[:_SHORT] for key in ("baseCommit", "headCommit"))
    size, span = status.get("diff") or {}, f"{base}..{head}" if base and head else ""
    if not size:
        return span
    files = size.get("files", 0)
    counted = f"{files} file{'s' if files != 1 else ''}, +{size.get('insertions', 0)} -{size.get('deletions', 0)}"
    return f"{counted} ({span})" if span else counted


def _lines(status: dict[str, Any]) -> str:
    lines = (status.get("logs") or {}).get("lines")
    return str(lines) if lines else ""


def _usage(usage: dict[str, Any]) -> str:
    if not usage:
        return ""
    cost = f", {usage['costUSD']} USD" if usage.get("costUSD") else ""
    return f"{usage.get('inputTokens', 0)} tokens in, {usage.get('outputTokens', 0)} out{cost}"
