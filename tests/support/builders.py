"""Values of the core with sensible defaults: a test names only what it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bugcommand_operator.api.agent import AgentSpec
from bugcommand_operator.api.bugcommand import BugCommandSpec, BugCommandStatus, Claim
from bugcommand_operator.api.conditions import Condition, ConditionType
from bugcommand_operator.api.names import (
    FINALIZER,
    agent_pod_name,
    commitment_id_from_uid,
    publish_pod_name,
    rescue_pod_name,
    ship_pod_name,
    worktree_volume_name,
)
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command, Container, Observed, Pod, Volume
from bugcommand_operator.core.settings import Identity, Limits

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
UID = "0b5c7c0e-58c1-4d0b-9a83-0c7a3a1f0a01"
OTHER_UID = "ffffffff-58c1-4d0b-9a83-0c7a3a1f0a02"
NAME = "fix-login"
NAMESPACE = "team-a"
ME = Identity(executor="bridge-0", machine="site-1")
LIMITS = Limits()
COMMIT = "1" * 40
HEAD = "2" * 40


def spec(**fields: Any) -> BugCommandSpec:
    return BugCommandSpec.model_validate({"prompt": "Login fails.", "repository": {"name": "shop"}, **fields})


def condition(type_: ConditionType, status: str, reason: str, message: str = "", at: datetime = NOW) -> Condition:
    return Condition.model_validate(
        {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}
    )


def status(*conditions: Condition, **fields: Any) -> BugCommandStatus:
    return BugCommandStatus(conditions=list(conditions), **fields)


def command(
    stored: BugCommandStatus | None = None,
    *,
    uid: str = UID,
    name: str = NAME,
    finalizers: tuple[str, ...] = (),
    deleted_at: datetime | None = None,
    generation: int = 1,
    **spec_fields: Any,
) -> Command:
    """Unclaimed, unless a status says otherwise."""
    return Command(
        namespace=NAMESPACE,
        name=name,
        uid=uid,
        generation=generation,
        resource_version="7",
        created_at=NOW - timedelta(seconds=5),
        deleted_at=deleted_at,
        finalizers=finalizers,
        spec=spec(**spec_fields),
        status=stored or BugCommandStatus(),
    )


def claimed(*conditions: Condition, at: datetime = NOW, executor: str = ME.executor, **fields: Any) -> BugCommandStatus:
    """The status of a command that this executor has claimed."""
    return status(
        condition(ConditionType.CLAIMED, "True", "Claimed"),
        *conditions,
        **{
            "claim": Claim(executor=executor, machine=ME.machine, epoch=1, at=at),
            "attempt": 1,
            "agent": "claude",
            "command_id": UID,
            "commitment_id": commitment_id_from_uid(UID),
            "volume_name": worktree_volume_name(NAME),
            **fields,
        },
    )


def working(*conditions: Condition, at: datetime = NOW, **fields: Any) -> BugCommandStatus:
    """The status of a command whose pod was made."""
    return claimed(*conditions, at=at, pod_name=agent_pod_name(NAME, 1), **fields)


def held_command(stored: BugCommandStatus, **fields: Any) -> Command:
    return command(stored, finalizers=(FINALIZER,), **fields)


def container(name: str, **fields: Any) -> Container:
    return Container(name, **fields)


def running(name: str, *, since: datetime = NOW) -> Container:
    return Container(name, started_at=since)


def waiting(name: str, reason: str = "PodInitializing", message: str = "") -> Container:
    return Container(name, waiting_reason=reason, message=message)


def ended(
    name: str, exit_code: int = 0, *, says: Any = None, since: datetime = NOW, at: datetime = NOW, reason: str = ""
) -> Container:
    message = says if isinstance(says, str) else json.dumps(says) if says is not None else ""
    return Container(name, None, since, at, exit_code, reason or ("Completed" if exit_code == 0 else "Error"), message)


PREPARED = ended("workspace", says={"baseCommit": COMMIT, "branch": "bug/x"})


def pod(
    *containers: Container,
    name: str = agent_pod_name(NAME, 1),
    phase: str = "Running",
    command_uid: str | None = UID,
    **fields: Any,
) -> Pod:
    defaults: dict[str, Any] = {"uid": f"uid-of-{name}", "is_being_deleted": False, "created_at": NOW}
    return Pod(
        name=name,
        command_uid=command_uid,
        phase=phase,
        containers={c.name: c for c in containers},
        **{**defaults, **fields},
    )


def working_pod(**fields: Any) -> Pod:
    return pod(PREPARED, running("agent"), **fields)


def ended_pod(exit_code: int = 0, *, says: Any = None, **fields: Any) -> Pod:
    phase = "Succeeded" if exit_code == 0 else "Failed"
    return pod(PREPARED, ended("agent", exit_code, says=says), **{"phase": phase, **fields})


def exported(*, has_changes: bool | None = True, **more: Any) -> dict[str, Any]:
    says: dict[str, Any] = {"baseCommit": COMMIT, "headCommit": HEAD, **more}
    return says if has_changes is None else {**says, "hasChanges": has_changes}


def publish_pod(*containers: Container, phase: str = "Running", **fields: Any) -> Pod:
    return pod(*containers, phase=phase, **{"name": publish_pod_name(NAME, 1), **fields})


def pushing_pod_that_succeeded(*, has_changes: bool | None = True, **more: Any) -> Pod:
    says = {"branch": "bug/x", "headCommit": HEAD, "pushed": bool(has_changes)}
    return publish_pod(
        ended("export", says=exported(has_changes=has_changes, **more)), ended("publish", says=says), phase="Succeeded"
    )


def rescue_pod(*containers: Container, phase: str = "Running", **fields: Any) -> Pod:
    return pod(*containers, phase=phase, **{"name": rescue_pod_name(NAME, 1), **fields})


def ship_pod(*containers: Container, phase: str = "Running", **fields: Any) -> Pod:
    return pod(*containers, phase=phase, **{"name": ship_pod_name(NAME, 1), **fields})


def volume(*, name: str = worktree_volume_name(NAME), command_uid: str | None = UID, **fields: Any) -> Volume:
    return Volume(name=name, command_uid=command_uid, **{"is_owned": False, "is_being_deleted": False, **fields})


REPOSITORY = RepositorySpec(url="https://git.example.test/shop.git")
AGENT = AgentSpec()


def repository(**fields: Any) -> RepositorySpec:
    return RepositorySpec.model_validate({"url": "https://git.example.test/shop.git", **fields})


def agent(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate(fields)


def observed(of: Command | None = None, **fields: Any) -> Observed:
    """A command, its Repository and its Agent; no pod and no volume unless they are given."""
    seen = Observed(command=of or command(), identity=ME, limits=LIMITS, repository=REPOSITORY, agent=AGENT)
    return replace(seen, **fields)
