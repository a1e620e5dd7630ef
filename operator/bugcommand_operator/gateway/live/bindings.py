"""What a channel subscribes to: the `postgres_changes` of a join, checked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.gateway.live.conditions import BadFilter, Condition, equal_to, parse_filter
from bugcommand_operator.gateway.live.line import COLUMNS

SPAWN_LOGS = "spawn_logs"
BRIDGE_COMMANDS = "bridge_commands"
_EVENTS = frozenset({"*", "INSERT", "UPDATE", "DELETE"})
_ECHOED = ("event", "schema", "table", "filter", "select")
_LOG_COLUMNS = frozenset(name for name, _ in COLUMNS)


class BadBinding(Exception):
    """The join cannot be understood, or asks for what is not offered."""


@dataclass(frozen=True, slots=True)
class Binding:
    id: int
    event: str
    table: str
    conditions: tuple[Condition, ...]
    select: tuple[str, ...]
    echo: Mapping[str, Any]  # the stock clients compare each field with what they sent

    def wants(self, event: str) -> bool:
        return self.event in ("*", event)

    @property
    def command_id(self) -> str | None:
        return equal_to(self.conditions, "command_id")

    @property
    def namespace(self) -> str | None:
        return equal_to(self.conditions, "namespace")


def parse_bindings(payload: Mapping[str, Any], first_id: int, most: int) -> tuple[Binding, ...]:
    config = payload.get("config")
    changes = config.get("postgres_changes") if isinstance(config, dict) else None
    if changes is None:
        return ()
    if not isinstance(changes, list) or len(changes) > most:
        raise BadBinding(f"postgres_changes is a list of at most {most}")
    return tuple(_binding(change, first_id + number) for number, change in enumerate(changes))


def _binding(change: object, number: int) -> Binding:
    if not isinstance(change, dict):
        raise BadBinding("each of postgres_changes is an object")
    event, table, text = (change.get(name) for name in ("event", "table", "filter"))
    if not isinstance(event, str) or event not in _EVENTS:
        raise BadBinding("event is one of *, INSERT, UPDATE, DELETE")
    if change.get("schema", "public") not in ("public", "*") or table not in (SPAWN_LOGS, BRIDGE_COMMANDS):
        raise BadBinding(f"only public.{SPAWN_LOGS} and public.{BRIDGE_COMMANDS} are published")
    if not isinstance(text, str | None):
        raise BadBinding("filter is text")
    echo = {"id": number, **{name: change[name] for name in _ECHOED if name in change}}
    return Binding(number, event, table, _conditions(table, text), _selected(change.get("select")), echo)


def _conditions(table: str, text: str | None) -> tuple[Condition, ...]:
    try:
        conditions = parse_filter(text)
    except BadFilter as error:
        raise BadBinding(f"filter: {error}") from error
    unknown = {one.column for one in conditions} - _LOG_COLUMNS
    if table == SPAWN_LOGS and unknown:
        raise BadBinding(f"filter: no such column: {min(unknown)}")
    return conditions


def _selected(names: object) -> tuple[str, ...]:
    if names is None:
        return ()
    if not isinstance(names, list) or len(names) > 64 or not all(isinstance(name, str) for name in names):
        raise BadBinding("select is a list of columns")
    return tuple(names)
