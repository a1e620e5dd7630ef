"""What a reader gets to see of a question: the commands or namespaces that it names, as far as they may read them.

What may not be read is taken out before the store is asked, so that it cannot be told from what does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bugcommand_operator.gateway.readers import Reader, ReaderAuth
from bugcommand_operator.gateway.rest.conditions import Compare, Condition
from bugcommand_operator.gateway.rest.errors import BadQuery
from bugcommand_operator.gateway.rest.tables import BRIDGE_COMMANDS, Table
from bugcommand_operator.store.reading import Filter, LogReader, RowQuery, Scope

MAX_COMMANDS = 100
MAX_NAMESPACES = 20
_HINT = "Add command_id=eq.<id> or namespace=eq.<name> to the query."


@dataclass(frozen=True, slots=True)
class Permitted:
    """The scope to read in, and of the named commands those that may be read; None: no command was named."""

    scope: Scope
    commands: tuple[str, ...] | None = None

    @property
    def nothing(self) -> bool:
        return self.commands == () or self.scope.namespaces == frozenset()


async def permitted(
    auth: ReaderAuth, reader: Reader, logs: LogReader, table: Table, conditions: Iterable[Condition]
) -> Permitted:
    conditions = tuple(conditions)
    commands = _named(conditions, table.command_column)
    if commands is not None:
        return await _by_command(auth, reader, logs, table, commands)
    namespaces = _named(conditions, "namespace")
    if namespaces is None:
        namespaces = reader.namespaces
    if namespaces is None:
        raise BadQuery("PGRST100", "the query names neither a command nor a namespace", hint=_HINT)
    if len(namespaces) > MAX_NAMESPACES:
        raise BadQuery("PGRST100", f"the query names more than {MAX_NAMESPACES} namespaces")
    readable = [name for name in sorted(namespaces) if await _may_read_some(auth, reader, name)]
    return Permitted(Scope(frozenset(readable), reader.repositories))


async def _by_command(
    auth: ReaderAuth, reader: Reader, logs: LogReader, table: Table, commands: frozenset[str]
) -> Permitted:
    if len(commands) > MAX_COMMANDS:
        raise BadQuery("PGRST100", f"the query names more than {MAX_COMMANDS} commands")
    owners = await _owners(logs, table, commands)
    readable = [
        command
        for command, (namespace, repository) in sorted(owners.items())
        if await auth.may_read(reader, namespace, repository)
    ]
    namespaces = frozenset(owners[command][0] for command in readable)
    return Permitted(Scope(namespaces, reader.repositories), tuple(readable))


async def _owners(logs: LogReader, table: Table, commands: frozenset[str]) -> dict[str, tuple[str, str]]:
    """Namespace and repository of each. Rows that somebody inserted may have no lines, and so no owner, yet."""
    if table is not BRIDGE_COMMANDS:
        found = await logs.owners(commands)
        return {command: (owner.namespace, owner.repository) for command, owner in found.items()}
    wanted = Filter("id", "in", tuple(sorted(commands)))
    columns = ("id", "namespace", "repository")
    rows = await logs.rows(RowQuery(columns=columns, filters=(wanted,), limit=MAX_COMMANDS, table=table.name))
    return {str(row["id"]): (row["namespace"], row["repository"] or "") for row in rows if row["namespace"]}


async def _may_read_some(auth: ReaderAuth, reader: Reader, namespace: str) -> bool:
    """Whether anything there may be read; the scope's repositories then say what."""
    repositories = sorted(reader.repositories) if reader.repositories is not None else [""]
    return bool(repositories) and await auth.may_read(reader, namespace, repositories[0])


def _named(conditions: Iterable[Condition], column: str) -> frozenset[str] | None:
    """The values that this column has to have; None when the question leaves it open."""
    named: frozenset[str] | None = None
    for condition in conditions:
        values = _values(condition, column)
        if values is not None:
            named = values if named is None else named & values
    return named


def _values(condition: Condition, column: str) -> frozenset[str] | None:
    if isinstance(condition, Compare):
        if condition.column != column or condition.negated or condition.op not in ("eq", "in"):
            return None
        values = condition.value if condition.op == "in" else (condition.value,)
        return frozenset(str(value) for value in values)
    return _named(condition.parts, column) if condition.kind == "and" and not condition.negated else None
