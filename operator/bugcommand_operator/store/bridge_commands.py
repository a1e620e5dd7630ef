"""`bridge_commands` in Postgres: a row inserted, claimed, followed. Each change is one statement whose WHERE says from
which state it may be made, so that of several gateways one does it and a state that is final stays.

The table may be older than we are and made by others: values go without a type of ours, and the column's own is used.
It decides nothing about whose a row is or what becomes of it.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bugcommand_operator.store.engine import own_errors
from bugcommand_operator.store.errors import StoreRejected

Row = Mapping[str, Any]

_CLAIMABLE = """
  status = 'pending'
  AND coalesce(nullif(target_machine_id, ''), :machine) = :machine
  AND approval_status IS DISTINCT FROM 'rejected'
"""
_FINAL = "('completed', 'failed', 'cancelled')"

_CLAIM = f"""
UPDATE bridge_commands
SET status = 'claimed', claimed_by_machine_id = :machine, claimed_at = now(), namespace = :namespace, updated_at = now()
WHERE id = :id AND {_CLAIMABLE}
RETURNING *
"""  # noqa: S608 (all of it is ours)

_CLAIM_OUTRIGHT = f"""
UPDATE bridge_commands AS asked
SET status = 'claimed', claimed_by_machine_id = :machine, claimed_at = now(), updated_at = now()
WHERE id = :id AND {_CLAIMABLE} AND (
  EXISTS (
    SELECT FROM unnest(CAST(:workspaces AS text[]), CAST(:namespaces AS text[])) AS known (workspace, namespace)
    WHERE known.workspace = lower(CAST(asked.workspace_id AS text))
      AND coalesce(asked.namespace, known.namespace) = known.namespace
  )
  OR CAST(:elsewhere AS text) <> ''
    AND (asked.namespace IS NULL OR asked.workspace_id IS NULL AND asked.namespace = :elsewhere)
)
RETURNING *
"""  # noqa: S608

# Who follows BugCommands may have been faster, and has then written its name, or even its end.
_CREATED = f"""
UPDATE bridge_commands
SET namespace = :namespace, repository = :repository, bugcommand = :bugcommand, updated_at = now(),
    error = CASE WHEN status IN {_FINAL} AND bugcommand IS NOT NULL THEN error END
WHERE id = :id AND claimed_by_machine_id = :machine AND coalesce(bugcommand, :bugcommand) = :bugcommand
"""  # noqa: S608

_REFUSE = """
UPDATE bridge_commands
SET status = 'failed', error = :error, completed_at = now(), updated_at = now(),
    claimed_by_machine_id = coalesce(claimed_by_machine_id, :machine)
WHERE id = :id AND bugcommand IS NULL
  AND (status = 'pending' OR (status = 'claimed' AND claimed_by_machine_id = :machine))
"""

# Cancelled before there was a BugCommand: so long after the claim nobody is about to make one any more.
_END_CANCELLED = """
UPDATE bridge_commands SET completed_at = now(), updated_at = now()
WHERE id = :id AND status = 'cancelled' AND claimed_by_machine_id = :machine AND bugcommand IS NULL
  AND completed_at IS NULL AND coalesce(claimed_at, updated_at, created_at) < now() - interval '10 minutes'
"""

_EXPLAIN = """
UPDATE bridge_commands SET error = :error, updated_at = now()
WHERE id = :id AND status = 'claimed' AND claimed_by_machine_id = :machine AND bugcommand IS NULL
  AND error IS DISTINCT FROM :error
"""

# A command that had ended and runs again: whoever tells of an attempt that began before that end comes too late.
_RUNS_AGAIN = "(status IN ('completed', 'failed') AND :again_at > completed_at)"
# Of what the last end has left nothing stays then.
_COMPLETED_AT, _EXIT_CODE = (
    f"CASE WHEN status IN ('completed', 'failed') THEN :{name} ELSE coalesce(:{name}, {name}) END"
    for name in ("completed_at", "exit_code")
)
# What holds a claimed row up is no longer so once its BugCommand does not say it.
_ERROR = """
CASE WHEN :status IN ('claimed', 'running') OR status IN ('completed', 'failed') THEN :error
     ELSE coalesce(:error, error) END
"""
# Whoever rejects has the last word: what a row's owner has rejected is being cancelled.
_APPROVAL = "CASE WHEN approval_status = 'rejected' THEN approval_status ELSE coalesce(:approval, approval_status) END"

# From claimed to running and on, never back but for another attempt; a row that others have cancelled stays so, and
# still learns how it ended.
_FOLLOW = f"""
UPDATE bridge_commands SET
  status = CASE WHEN status = 'cancelled' OR (status = 'running' AND :status = 'claimed') THEN status ELSE :status END,
  started_at = coalesce(:started_at, started_at), completed_at = {_COMPLETED_AT}, exit_code = {_EXIT_CODE},
  error = {_ERROR}, approval_status = {_APPROVAL},
  bugcommand = coalesce(bugcommand, :bugcommand), updated_at = now()
WHERE id = :id AND namespace = :namespace AND claimed_by_machine_id = :machine
  AND coalesce(bugcommand, :bugcommand) = :bugcommand
  AND (status IN ('claimed', 'running') OR {_RUNS_AGAIN}
       OR (status = 'cancelled' AND completed_at IS NULL AND :status IN {_FINAL}))
  AND ((status, started_at, completed_at, exit_code, error, approval_status) IS DISTINCT FROM
       (CASE WHEN status = 'running' AND :status = 'claimed' THEN status ELSE :status END,
        coalesce(:started_at, started_at), {_COMPLETED_AT}, {_EXIT_CODE}, {_ERROR}, {_APPROVAL})
       OR bugcommand IS NULL)
"""  # noqa: S608

_DUE = f"""
SELECT id, status, CAST(workspace_id AS text) AS workspace_id, namespace FROM bridge_commands
WHERE status IN ('pending', 'claimed', 'running', 'cancelled') AND id > :after
AND (CAST(:any AS boolean) OR namespace IS NOT NULL
     OR lower(CAST(workspace_id AS text)) = ANY (CAST(:workspaces AS text[])))
AND (
  ({_CLAIMABLE})
  OR (status = 'pending' AND approval_status = 'rejected')
  OR (status = 'claimed' AND claimed_by_machine_id = :machine AND bugcommand IS NULL
      AND claimed_at < now() - make_interval(secs => :grace))
  OR (status = 'claimed' AND claimed_by_machine_id = :machine AND bugcommand IS NOT NULL
      AND approval_status = 'approved' AND error LIKE 'AwaitingApproval%')
  OR (claimed_by_machine_id = :machine AND completed_at IS NULL
      AND (status = 'cancelled' OR (bugcommand IS NOT NULL AND approval_status = 'rejected')))
)
ORDER BY id LIMIT :limit
"""  # noqa: S608

_UNFINISHED = """
SELECT id, namespace, bugcommand FROM bridge_commands
WHERE status IN ('claimed', 'running', 'cancelled') AND claimed_by_machine_id = :machine
  AND bugcommand IS NOT NULL AND completed_at IS NULL AND id > :after
ORDER BY id LIMIT :limit
"""

# What decides about a row: columns that can be read whatever the others hold.
_FATE = """
SELECT CAST(id AS text) AS id, CAST(workspace_id AS text) AS workspace_id, namespace, status, prompt,
       target_machine_id, claimed_by_machine_id, approval_required, approval_status, bugcommand, error,
       completed_at IS NOT NULL AS completed_at
FROM bridge_commands WHERE id = :id
"""

_LONGEST_SECONDS = 20.0
FIRST_ID = "00000000-0000-0000-0000-000000000000"


class UnreadableRow(StoreRejected):
    """A column holds what no reader can take, such as JSON with a number or a depth beyond all bounds, or a time that
    never comes. What the statement changed is changed."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What a BugCommand says about its row. None is not known: such a column is left as it is."""

    command_id: str
    namespace: str
    bugcommand: str
    status: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    exit_code: int | None = None
    error: str | None = None
    approval: str | None = None
    again_at: datetime | None = None
    """When an attempt after the first began; it opens a row that had ended before."""


@dataclass(frozen=True, slots=True)
class Due:
    command_id: str
    is_claimed: bool
    """Long enough ago: whoever claimed it does not carry it on."""
    place: Row
    """The columns that tell where it would run."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    command_id: str
    namespace: str
    bugcommand: str


def open_engine(url: str) -> AsyncEngine:
    """An engine of the bridge's own: logs must not wait for commands. A connection that has died is found by using it,
    and whatever failed with it is tried again."""
    return create_async_engine(url, pool_size=8, max_overflow=4, pool_timeout=10, pool_use_lifo=True)


@lru_cache(64)
def _parsed(statement: str) -> TextClause:
    return text(statement)


class BridgeCommands:
    """The rows, as the gateways of one machine see them."""

    def __init__(self, engine: AsyncEngine, machine_id: str) -> None:
        self._engine, self.machine_id = engine, machine_id
        # A statement alone needs no transaction: that saves two of its three turns with the server.
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def insert(self, row: Mapping[str, Any]) -> bool:
        """False when a row with this id is there already: then nothing is changed."""
        columns = sorted(row)
        names, places = ", ".join(columns), ", ".join(f":{column}" for column in columns)
        statement = f"INSERT INTO bridge_commands ({names}) VALUES ({places}) ON CONFLICT (id) DO NOTHING"  # noqa: S608
        values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.items()}
        return await self._change(statement, values) == 1

    async def get(self, command_id: str) -> Row | None:
        """All of it. Raises `UnreadableRow`."""
        found = await self._rows("SELECT * FROM bridge_commands WHERE id = :id", {"id": command_id})
        return found[0] if found else None

    async def fate(self, command_id: str) -> Row | None:
        """What decides about the row, and can always be read; of `completed_at` only whether it is set."""
        found = await self._rows(_FATE, {"id": command_id})
        return found[0] if found else None

    async def claim(self, command_id: str, namespace: str) -> Row | None:
        """The row, now ours; None when another was faster or it may not be claimed. Raises `UnreadableRow`: ours."""
        values = {"id": command_id, "machine": self.machine_id, "namespace": namespace}
        claimed = await self._rows(_CLAIM, values)
        return claimed[0] if claimed else None

    async def claim_outright(self, command_id: str, known: Mapping[str, str], elsewhere: str) -> Row | None:
        """The same without having seen the row: turns with the server less for a row that is new. `known`: the
        workspaces whose rows are taken, and their namespaces; `elsewhere`: the namespace of all other rows, empty if
        those are not. Not taken is a row that names another namespace: somebody has to look at it. Where a row runs is
        written down once its BugCommand is made."""
        chosen = {"workspaces": list(known), "namespaces": list(known.values()), "elsewhere": elsewhere}
        claimed = await self._rows(_CLAIM_OUTRIGHT, {"id": command_id, "machine": self.machine_id, **chosen})
        return claimed[0] if claimed else None

    async def created(self, command_id: str, namespace: str, repository: str, bugcommand: str) -> None:
        values = {"namespace": namespace, "repository": repository, "bugcommand": bugcommand}
        await self._change(_CREATED, {"id": command_id, "machine": self.machine_id, **values})

    async def refuse(self, command_id: str, error: str) -> bool:
        """Ended before there was a BugCommand."""
        return await self._change(_REFUSE, {"id": command_id, "machine": self.machine_id, "error": error}) == 1

    async def end_cancelled(self, command_id: str) -> None:
        """Of a row that has no BugCommand: nothing will follow, once it is old enough."""
        await self._change(_END_CANCELLED, {"id": command_id, "machine": self.machine_id})

    async def explain(self, command_id: str, error: str) -> None:
        """Why a row that is claimed has no BugCommand yet."""
        await self._change(_EXPLAIN, {"id": command_id, "machine": self.machine_id, "error": error})

    async def follow(self, states: Sequence[Followed]) -> int:
        """How many rows have changed. In one order for all gateways, or two of them could deadlock."""
        changed = 0
        with own_errors():
            async with asyncio.timeout(_LONGEST_SECONDS), self._engine.begin() as connection:
                for state in sorted(states, key=lambda one: one.command_id):
                    result = await connection.execute(_parsed(_FOLLOW), self._values(state))
                    changed += result.rowcount
        return changed

    def _values(self, state: Followed) -> dict[str, Any]:
        values = {name: getattr(state, name) for name in Followed.__slots__ if name != "command_id"}
        return {"id": state.command_id, "machine": self.machine_id, **values}

    async def due(
        self, after: str, limit: int, grace_seconds: float, workspaces: Sequence[str], *, any_workspace: bool
    ) -> list[Due]:
        """Rows of these workspaces about which something may have to be done. Those whose namespace is noted are
        among them, whatever their workspace; so not all are ours."""
        chosen = {"workspaces": list(workspaces), "any": any_workspace}
        values = {"after": after, "limit": limit, "machine": self.machine_id, "grace": grace_seconds, **chosen}
        rows = await self._rows(_DUE, values)
        return [Due(str(row["id"]), row["status"] == "claimed", row) for row in rows]

    async def unfinished(self, after: str, limit: int) -> list[Unfinished]:
        """Rows of ours whose BugCommand has not been seen to end."""
        values = {"after": after, "limit": limit, "machine": self.machine_id}
        rows = await self._rows(_UNFINISHED, values)
        return [Unfinished(str(row["id"]), row["namespace"], row["bugcommand"]) for row in rows]

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[Row]:
        try:
            with own_errors():
                async with asyncio.timeout(_LONGEST_SECONDS), self._single.connect() as connection:
                    return [dict(row) for row in (await connection.execute(_parsed(statement), values)).mappings()]
        except (ValueError, RecursionError, OverflowError) as error:  # out of the driver, which decodes JSON
            raise UnreadableRow(f"a column cannot be read: {str(error)[:200]}") from error
        except StoreRejected as error:
            if _is_the_servers(error):
                raise
            raise UnreadableRow(f"a column cannot be read: {str(error)[:200]}") from error

    async def _change(self, statement: str, values: Mapping[str, Any]) -> int:
        with own_errors():
            async with asyncio.timeout(_LONGEST_SECONDS), self._single.connect() as connection:
                return (await connection.execute(_parsed(statement), values)).rowcount


def _is_the_servers(error: StoreRejected) -> bool:
    """And not the driver's own, which cannot decode what the server has sent."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return getattr(cause, "sqlstate", None) is not None
