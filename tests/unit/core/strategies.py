"""Arbitrary worlds: any combination of pods, states, conditions and fields, likely ones and impossible ones alike."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from tests.support.builders import (
    AGENT,
    LIMITS,
    ME,
    NAME,
    NAMESPACE,
    NOW,
    OTHER_UID,
    REPOSITORY,
    UID,
    condition,
    exported,
    spec,
)

from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus, Claim, Logs
from bugcommand_operator.api.conditions import ConditionType, Reason
from bugcommand_operator.api.names import FINALIZER, agent_pod_name, publish_pod_name, rescue_pod_name, ship_pod_name
from bugcommand_operator.core.observed import Command, Container, Load, Observed, Pod, Volume
from bugcommand_operator.core.status import MAX_MESSAGE_BYTES
from bugcommand_operator.core.text import clean, shortened

MOMENTS = st.integers(-7200, 7200).map(lambda seconds: NOW + timedelta(seconds=seconds))
TIMES_TO_LIVE = st.sampled_from([None, None, 0, 60, 86_400])
REASONS = st.sampled_from(sorted(Reason))
TEXTS = st.one_of(st.sampled_from(["", "why", "<&>" * 500, "\x1b[31m", "\u202e", "é" * 2000]), st.text(max_size=40))
SAYINGS: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    st.builds(lambda reason, text: {"reason": reason, "message": text, "lines": 5}, REASONS, TEXTS),
    st.builds(lambda changes, other: exported(has_changes=changes, otherWork=other), st.booleans(), st.booleans()),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2), max_leaves=3
    ),
)


def as_stored(text: str) -> str:
    """What a status holds was cleaned and bounded when it was written."""
    return shortened(clean(text), MAX_MESSAGE_BYTES)


def conditions() -> st.SearchStrategy[list[Any]]:
    one = st.builds(
        condition,
        st.sampled_from(sorted(ConditionType)),
        st.sampled_from(["True", "False", "Unknown"]),
        REASONS,
        TEXTS.map(as_stored),
    )
    return st.lists(one, max_size=8, unique_by=lambda c: c.type)


def claims() -> st.SearchStrategy[Claim | None]:
    mine = st.builds(Claim, executor=st.just(ME.executor), machine=st.just("m"), epoch=st.just(1), at=MOMENTS)
    theirs = st.builds(Claim, executor=st.just("bridge-9"), machine=st.just("m"), epoch=st.just(1), at=MOMENTS)
    return st.one_of(st.none(), mine, mine, mine, theirs)


def attempts() -> st.SearchStrategy[list[Attempt]]:
    """None, one, or all that are told with all that there is to tell."""
    ended: dict[str, Any] = {
        "pod_name": agent_pod_name(NAME, 1),
        "start_time": NOW,
        "head_commit": "1" * 40,
        "exit_code": 137,
    }
    told: dict[str, Any] = {
        "message": as_stored("<" * 160)[:30],
        "rescue_ref": f"refs/mentu/rescue/{'c' * 63}/1000",
        **ended,
    }
    return st.sampled_from([0, 0, 1, 16]).map(
        lambda n: [Attempt(attempt=i + 1, reason="ModelOverloaded", completion_time=NOW, **told) for i in range(n)]
    )


def statuses() -> st.SearchStrategy[BugCommandStatus]:
    return st.builds(
        BugCommandStatus,
        conditions=conditions(),
        claim=claims(),
        attempt=st.sampled_from([None, 1, 1, 2]),
        attempts=attempts(),
        retries=st.sampled_from([None, 1]),
        next_attempt_time=st.none() | MOMENTS,
        pod_name=st.sampled_from([None, agent_pod_name(NAME, 1)]),
        agent_start_time=st.none() | MOMENTS,
        completion_time=st.none() | MOMENTS,
        logs=st.sampled_from([None, Logs(tail=["<" * 54] * 50, lines=50, last_sequence=50)]),
        branch=st.sampled_from([None, "bug/cmt_x"]),
    )


def specs() -> st.SearchStrategy[Any]:
    return st.builds(
        spec,
        cancel=st.booleans(),
        suspend=st.booleans(),
        withWorktree=st.booleans(),
        output=st.sampled_from(["Branch", "None"]),
        timeoutSeconds=st.sampled_from([1, 600, 604800]),
        targetMachine=st.sampled_from(["", ME.machine, "other"]),
        retry=st.sampled_from([None, {"limit": 1}, {"afterAttempt": 1}, {"limit": 2, "afterAttempt": 2}]),
        ttlSecondsAfterFinished=TIMES_TO_LIVE,
    )


def commands() -> st.SearchStrategy[Command]:
    return st.builds(
        Command,
        namespace=st.just(NAMESPACE),
        name=st.just(NAME),
        uid=st.just(UID),
        generation=st.integers(1, 3),
        resource_version=st.just("7"),
        created_at=MOMENTS,
        deleted_at=st.none() | MOMENTS,
        finalizers=st.sampled_from([(), (FINALIZER,), ("x/other",), ("x/other", FINALIZER)]),
        spec=specs(),
        status=statuses(),
    )


def containers(name: str) -> st.SearchStrategy[Container]:
    waits = st.builds(
        Container,
        name=st.just(name),
        waiting_reason=st.sampled_from(
            ["PodInitializing", "ErrImagePull", "CreateContainerConfigError", "CrashLoopBackOff"]
        ),
        message=TEXTS,
    )
    runs = st.builds(Container, name=st.just(name), started_at=MOMENTS)
    ends = st.builds(
        Container,
        name=st.just(name),
        started_at=st.none() | MOMENTS,
        finished_at=MOMENTS,
        exit_code=st.sampled_from([0, 0, 1, 20, 21, 124, 137, 143]),
        reason=st.sampled_from(["Completed", "Error", "OOMKilled", "StartError"]),
        message=SAYINGS.map(json.dumps) | TEXTS,
    )
    return st.one_of(waits, runs, ends)


def pods(name: str, *names: str) -> st.SearchStrategy[Pod | None]:
    some = st.lists(st.sampled_from([*names, "sidecar"]), max_size=4, unique=True).flatmap(
        lambda chosen: st.fixed_dictionaries({n: containers(n) for n in chosen})
    )
    pod = st.builds(
        Pod,
        name=st.just(name),
        uid=st.just(f"uid-of-{name}"),
        command_uid=st.sampled_from([UID, UID, UID, OTHER_UID, None]),
        phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
        is_being_deleted=st.booleans(),
        created_at=MOMENTS,
        reason=st.sampled_from(["", "Evicted", "DeadlineExceeded", "NodeLost"]),
        message=TEXTS,
        unschedulable=st.sampled_from(["", "no node"]),
        gates=st.sampled_from([(), (), ("mentu.dev/volumes",), ("kueue/x",)]),
        is_scheduled=st.booleans(),
        version=st.just("12"),
        containers=some,
    )
    return st.none() | pod


def volumes() -> st.SearchStrategy[Volume | None]:
    volume = st.builds(
        Volume,
        name=st.just(f"{NAME}-worktree"),
        command_uid=st.sampled_from([UID, UID, OTHER_UID, None]),
        is_owned=st.booleans(),
        is_being_deleted=st.booleans(),
        is_bound=st.booleans(),
    )
    return st.none() | volume


def worlds() -> st.SearchStrategy[Observed]:
    return st.builds(
        Observed,
        command=commands(),
        identity=st.just(ME),
        limits=st.just(LIMITS),
        repository=st.sampled_from([REPOSITORY, REPOSITORY, None]),
        agent=st.sampled_from([AGENT, AGENT, None]),
        load=st.builds(
            Load,
            executor=st.integers(0, 5),
            checkout_taken_by=st.sampled_from([None, "other"]),
            commitment_taken_by=st.sampled_from([None, None, "other"]),
        ),
        agent_pod=pods(agent_pod_name(NAME, 1), "fetch", "workspace", "agent"),
        publish_pod=pods(publish_pod_name(NAME, 1), "export", "publish"),
        rescue_pod=pods(rescue_pod_name(NAME, 1), "ship", "export", "publish"),
        ship_pod=pods(ship_pod_name(NAME, 1), "ship"),
        volume=volumes(),
        mirror=volumes(),
        volumes_bind_at_once=st.booleans(),
        namespace_is_terminating=st.booleans(),
        refused=st.sampled_from(["", "", "over quota"]),
    )


def moments() -> st.SearchStrategy[datetime]:
    return MOMENTS
