"""One trace for each command that has ended, sent by OTLP where a collector is named; off otherwise, and not imported.

A trace is made from the final status alone, so it is whole whichever executors have worked on the command, and after
any restart. Its ids follow from the object's UID: should it be sent twice, it is the same trace. It may be missing:
who has to know counts on metrics and Events.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus
from bugcommand_operator.api.conditions import ConditionType
from bugcommand_operator.core.observed import Command, Pod
from bugcommand_operator.executor.metrics import agent_end, condition, dollars

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "mentu-executor"
Attributes = dict[str, str | int | float]
log = structlog.get_logger()


@dataclass(frozen=True)
class Stage:
    name: str
    start: datetime
    end: datetime
    id: str = ""
    """Of several of one name; empty: its name says it."""
    attributes: Attributes = field(default_factory=dict)


class Traces:
    """`written` is told of status writes; it never waits and never raises: spans are sent by a thread."""

    def __init__(self, export: Callable[[ReadableSpan], None], close: Callable[[], None], resource: Resource) -> None:
        self._export = export
        self.close = close
        self._resource = resource

    def written(self, before: Command, status: BugCommandStatus, _pod: Pod | None) -> None:
        after = replace(before, status=status)
        if before.is_finished or not after.is_finished:
            return
        for span in spans_of(after, self._resource):
            self._export(span)


def open_traces() -> Traces | None:
    """What the environment asks for, in OpenTelemetry's own variables."""
    if not any(os.environ.get(name) for name in ENDPOINTS) or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.error("no traces: install mentu-operator[tracing]", error=str(error))
        return None
    processor = BatchSpanProcessor(OTLPSpanExporter())
    resource = Resource.create({"service.name": SERVICE}).merge(OTELResourceDetector().detect())
    return Traces(processor.on_end, processor.shutdown, resource)


def stages_of(command: Command) -> Iterator[Stage]:
    """In the order in which they were; one that was not reached is not there. Clocks may differ: none is negative."""
    status, end = command.status, command.status.completion_time or command.created_at
    claimed = status.claim.at if status.claim else None
    yield _stage("claim", _asked_at(command), claimed or end)
    if claimed is None or command.attempt in {each.attempt for each in _earlier(command)}:
        return
    started, ended = status.agent_start_time, agent_end(command)
    yield _stage("workspace", claimed, started or end)
    if started is None:
        return
    yield _stage("agent", started, ended or end)
    if condition(command, ConditionType.PUBLISHED) is not None:
        yield _stage("publish", ended or started, end)


def _asked_at(command: Command) -> datetime:
    """When an attempt could have begun at the earliest: the last before it had ended, or the command was made."""
    return max((each.completion_time for each in _earlier(command)), default=command.created_at)


def _earlier(command: Command) -> list[Attempt]:
    """Attempts before the last claim, which may be one that only ended the command."""
    claim = command.status.claim
    return [
        each
        for each in command.status.attempts
        if each.attempt < command.attempt or (claim is not None and each.completion_time < claim.at)
    ]


def earlier_attempts_of(command: Command) -> Iterator[Stage]:
    """As far as the status still tells of them."""
    for each in _earlier(command):
        if each.start_time is not None:
            said: Attributes = {"mentu.attempt": each.attempt, "mentu.reason": each.reason}
            made = _stage("attempt", each.start_time, each.completion_time)
            yield replace(made, id=f"attempt {each.attempt}", attributes=said)


def _of_attempt(command: Command, name: str) -> str:
    return name if command.attempt <= 1 else f"{name} {command.attempt}"


def _stage(name: str, start: datetime, end: datetime) -> Stage:
    return Stage(name, start, max(start, end))


def spans_of(command: Command, resource: Resource) -> list[ReadableSpan]:
    """The command's span, then those of its earlier attempts and of the last one's stages."""
    stages = [*earlier_attempts_of(command), *stages_of(command)]
    whole = _stage("command", command.created_at, max(stage.end for stage in stages))
    whole = replace(whole, attributes=_attributes(command))
    return [_span(command, stage, resource) for stage in (whole, *stages)]


def _span(command: Command, stage: Stage, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(name: str) -> SpanContext:
        return SpanContext(
            _trace_id(command.uid),
            _span_id(command.uid, _of_attempt(command, name)),
            is_remote=False,
            trace_flags=TraceFlags(1),
        )

    is_whole = stage.name == "command"
    succeeded = condition(command, ConditionType.SUCCEEDED)
    failed = is_whole and succeeded is not None and succeeded.status == "False"
    return ReadableSpan(
        name=stage.name,
        context=context(stage.id or stage.name),
        parent=None if is_whole else context("command"),
        resource=resource,
        attributes=stage.attributes,
        kind=SpanKind.INTERNAL,
        instrumentation_scope=InstrumentationScope(SERVICE),
        status=Status(StatusCode.ERROR, succeeded.reason) if failed and succeeded else Status(StatusCode.UNSET),
        start_time=_nanoseconds(stage.start),
        end_time=_nanoseconds(stage.end),
    )


def _attributes(command: Command) -> Attributes:
    status = command.status
    claim, usage = status.claim, status.usage
    known: dict[str, str | int | float | None] = {
        "k8s.namespace.name": command.namespace,
        "mentu.command": command.name,
        "mentu.command_id": command.command_id,
        "mentu.commitment_id": command.commitment_id,
        "mentu.repository": command.spec.repository.name,
        "mentu.agent": status.agent,
        "mentu.attempt": command.attempt,
        "mentu.phase": str(status.phase),
        "mentu.reason": command.condition_reason(ConditionType.SUCCEEDED),
        "mentu.executor": claim.executor if claim else None,
        "mentu.machine": claim.machine if claim else None,
        "mentu.tokens.input": usage.input_tokens if usage else None,
        "mentu.tokens.output": usage.output_tokens if usage else None,
        "mentu.cost_usd": dollars(usage) if usage else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _trace_id(uid: str) -> int:
    """The UID itself, so that who has the object finds the trace."""
    try:
        return UUID(uid).int
    except ValueError:
        return int.from_bytes(hashlib.sha256(uid.encode()).digest()[:16], "big") or 1


def _span_id(uid: str, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{uid}/{name}".encode()).digest()[:8], "big") or 1


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1000
