"""`kubectl bug describe`: all that is known of a command, its pods, volumes and Events, as far as one may see them."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bugcommand_operator.api.names import LABEL_COMMAND_UID
from bugcommand_operator.cli.errors import CliError
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.ages import age, duration, parsed
from bugcommand_operator.cli.kube.cluster import Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.kube.table import Table
from bugcommand_operator.cli.safe_text import visible
from bugcommand_operator.cli.status_view import status_lines

_MOST_EVENTS = 500
_IN_LIST = "  "


def describe(cluster: Cluster, name: str) -> None:
    command, now = cluster.command(name), datetime.now(UTC)
    selector = {"labelSelector": f"{LABEL_COMMAND_UID}={facts.metadata(command).get('uid')}"}
    involved = {
        "fieldSelector": f"involvedObject.uid={facts.metadata(command).get('uid')}",
        "limit": str(_MOST_EVENTS),
    }
    lines = [
        *status_lines(command, now, tail=50),
        *_text("Prompt", str(facts.spec(command).get("prompt") or "")),
        *_context(facts.spec(command).get("context") or {}),
        *_section("Conditions", _CONDITION, [_condition(each, now) for each in _list(command, "conditions")]),
        *_section("Attempts", _ATTEMPT, [_attempt(each, now) for each in _list(command, "attempts")]),
        *_seen(cluster, "pods", "Pods", _POD, selector, lambda each: _pod(each, now)),
        *_seen(cluster, "persistentvolumeclaims", "Volumes", _VOLUME, selector, lambda each: _volume(each, now)),
        *_seen(cluster, "events", "Events", _EVENT, involved, lambda each: _event(each, now)),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


_CONDITION = ("Type", "Status", "Reason", "Age", "Message")
_ATTEMPT = ("Attempt", "Reason", "Took", "Exit code", "Pod", "Message")
_POD = ("Name", "Phase", "Node", "Age")
_VOLUME = ("Name", "Phase", "Size", "Age")
_EVENT = ("Age", "Type", "Reason", "From", "Message")


def _condition(each: dict[str, Any], now: datetime) -> list[object]:
    since = age(each.get("lastTransitionTime"), now)
    return [each.get("type"), each.get("status"), each.get("reason"), since, each.get("message")]


def _attempt(each: dict[str, Any], now: datetime) -> list[object]:
    began, ended = parsed(each.get("startTime")), parsed(each.get("completionTime"))
    took = duration(((ended or now) - began).total_seconds()) if began else ""
    return [
        each.get("attempt"),
        each.get("reason"),
        took,
        each.get("exitCode"),
        each.get("podName"),
        each.get("message"),
    ]


def _pod(each: Object, now: datetime) -> list[object]:
    status, metadata = facts.status(each), facts.metadata(each)
    phase = "Terminating" if metadata.get("deletionTimestamp") else status.get("phase")
    return [facts.name(each), phase, facts.spec(each).get("nodeName"), age(metadata.get("creationTimestamp"), now)]


def _volume(each: Object, now: datetime) -> list[object]:
    status = facts.status(each)
    size = (status.get("capacity") or {}).get("storage")
    return [facts.name(each), status.get("phase"), size, age(facts.metadata(each).get("creationTimestamp"), now)]


def _event(each: Object, now: datetime) -> list[object]:
    when = each.get("lastTimestamp") or each.get("eventTime") or facts.metadata(each).get("creationTimestamp")
    source = (each.get("source") or {}).get("component") or each.get("reportingComponent")
    return [age(when, now), each.get("type"), each.get("reason"), source, each.get("message")]


def _list(command: Object, field: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = facts.status(command).get(field) or []
    return found


def _seen(
    cluster: Cluster, kind: str, title: str, headers: tuple[str, ...], query: dict[str, str],
    row: Callable[[Object], list[object]],
) -> list[str]:  # fmt: skip
    """What one may not see is said in its place: the rest is still of use."""
    try:
        items = cluster.api.get(cluster.core(kind), query).get("items") or []
    except CliError as error:
        return [f"{title}:", f"{_IN_LIST}<{visible(str(error))}>"]
    return _section(title, headers, [row(each) for each in sorted(items, key=_when)])


def _when(each: Object) -> str:
    metadata = facts.metadata(each)
    return str(each.get("lastTimestamp") or each.get("eventTime") or metadata.get("creationTimestamp") or "")


def _section(title: str, headers: tuple[str, ...], rows: list[list[object]]) -> list[str]:
    if not rows:
        return [f"{title}:  <none>"]
    return [f"{title}:", *(_IN_LIST + line for line in Table(headers).lines(rows))]


def _text(title: str, text: str) -> list[str]:
    return [f"{title}:", *(_IN_LIST + visible(line) for line in text.strip().split("\n"))]


def _context(context: dict[str, Any]) -> list[str]:
    if not context:
        return []
    from bugcommand_operator.cli.printing import yaml_text

    return _text("Context", yaml_text(context))
