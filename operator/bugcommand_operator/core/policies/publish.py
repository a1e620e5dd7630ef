"""Output `Branch`: the work leaves through a pod of its own; agent and git credential never meet."""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import Diff
from bugcommand_operator.api.conditions import WORKSPACE_REASONS, ConditionType, Reason
from bugcommand_operator.api.names import publish_pod_name
from bugcommand_operator.core.observed import Container, Observed, Pod
from bugcommand_operator.core.plan import CreatePod, DeletePod, Event, Plan
from bugcommand_operator.core.policies.agent import AGENT, facts
from bugcommand_operator.core.policies.ending import failed, succeeded
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.termination import ExportResult, PublishResult, known_reason, result_of

TRY_AGAIN_EXIT_CODE = 21
LOOK_AGAIN = timedelta(seconds=10)


def publish(seen: Observed, now: datetime) -> Plan | None:
    """Asked once the agent has completed. A publish pod that is lost is made again: pushing twice is harmless."""
    pod = seen.publish_pod
    if pod is None:
        return _start(seen, now)
    if pod.command_uid != seen.command.uid:
        return failed(seen, now, Reason.NAME_TAKEN, f"A pod named {pod.name} exists that is not this command's.")
    if pod.phase == "Succeeded":
        return _published(seen, now, pod)
    if pod.phase == "Failed":
        return _not_published(seen, now, pod)
    if _is_late(seen, now):
        return failed(seen, now, Reason.PUBLISH_FAILED, "Publishing took too long; the work is kept on the volume.")
    return Plan(status=_publishing(seen, now, pod.name).done(), look_again_after=LOOK_AGAIN)


def _start(seen: Observed, now: datetime) -> Plan:
    if held_up := _held_up(seen):
        return _wait(seen, now, *held_up)
    name = publish_pod_name(seen.command.name, seen.command.attempt)
    is_news = seen.command.condition_reason(ConditionType.PUBLISHED) != Reason.PUBLISHING
    events = (Event("Publishing", f"The work is exported and pushed as {seen.command.branch}."),) if is_news else ()
    return Plan(
        actions=(CreatePod("publish"),),
        status=_publishing(seen, now, name).done(),
        events=events,
        look_again_after=LOOK_AGAIN,
    )


def _held_up(seen: Observed) -> tuple[Reason, str] | None:
    if seen.repository is None:
        name = seen.command.spec.repository.name
        return Reason.REPOSITORY_NOT_FOUND, f"Repository {name!r} was deleted before the work was published: make it."
    return (Reason.POD_REJECTED, seen.refused) if seen.refused else None


def _wait(seen: Observed, now: datetime, reason: Reason, message: str) -> Plan:
    if _is_late(seen, now):
        return failed(seen, now, reason, f"{message} The work is kept on the volume.")
    status = _facts(seen, now).condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING, message)
    return Plan(status=status.waiting(reason, message).done(), look_again_after=LOOK_AGAIN)


def _facts(seen: Observed, now: datetime) -> StatusEditor:
    """The agent's end is told with the first status that is written after it."""
    pod = seen.agent_pod
    return facts(seen, now, pod) if pod is not None else StatusEditor(seen.command, now)


def _publishing(seen: Observed, now: datetime, pod_name: str) -> StatusEditor:
    status = _facts(seen, now)
    status.condition(
        ConditionType.PUBLISHED, "False", Reason.PUBLISHING, f"Pod {pod_name} pushes {seen.command.branch}."
    )
    return status.progressing(Reason.PUBLISHING, f"Pod {pod_name} pushes {seen.command.branch}.")


def _published(seen: Observed, now: datetime, pod: Pod) -> Plan:
    exported = result_of(pod.container("export"), ExportResult)
    status = _facts(seen, now)
    if exported.base_commit:
        status.set(base_commit=exported.base_commit)
    if exported.has_changes is None:
        message = f"Pod {pod.name} did not say what it pushed; the work is kept on the volume."
        status.condition(ConditionType.PUBLISHED, "False", Reason.PUBLISH_FAILED, message)
        return failed(seen, now, Reason.PUBLISH_FAILED, message, status)
    if not exported.has_changes:
        message = "The agent has completed without changing anything: there is nothing to publish."
        status.condition(ConditionType.PUBLISHED, "False", Reason.NO_CHANGES, message)
        return failed(seen, now, Reason.NO_CHANGES, message, status)
    result = result_of(pod.container("publish"), PublishResult)
    status.set(
        branch=seen.command.branch,
        head_commit=result.head_commit or exported.head_commit,
        diff=Diff(**exported.diff.model_dump()) if exported.diff else None,
    )
    message = _published_message(seen, exported)
    status.condition(ConditionType.PUBLISHED, "True", Reason.PUBLISHED, message)
    return succeeded(seen, message, status)


def _published_message(seen: Observed, exported: ExportResult) -> str:
    message = f"Pushed as {seen.command.branch}."
    if exported.committed_leftovers:
        return message + " The agent had not committed its changes: one commit was made of them."
    if exported.left_uncommitted:
        return message + f" {exported.left_uncommitted} changed files were left uncommitted and are not in it."
    return message


def _not_published(seen: Observed, now: datetime, pod: Pod) -> Plan:
    container = next((c for c in pod.containers.values() if c.has_ended and c.exit_code != 0), pod.container("publish"))
    may_pass = container.exit_code == TRY_AGAIN_EXIT_CODE or not container.has_ended
    if may_pass and not _is_late(seen, now):
        actions = () if pod.is_being_deleted else (DeletePod(pod.name, pod.uid),)
        return Plan(actions=actions, look_again_after=LOOK_AGAIN)
    result = result_of(container, PublishResult)
    reason = known_reason(result.reason, WORKSPACE_REASONS, Reason.PUBLISH_FAILED)
    message = result.message or _how_it_failed(pod, container)
    status = _facts(seen, now).condition(ConditionType.PUBLISHED, "False", reason, message)
    return failed(seen, now, reason, message, status)


def _how_it_failed(pod: Pod, container: Container) -> str:
    if container.has_ended:
        return f"Container {container.name} ended with exit code {container.exit_code}."
    return f"Pod {pod.name} ended before it had pushed: {pod.reason or pod.phase} {pod.message}".rstrip()


def _is_late(seen: Observed, now: datetime) -> bool:
    """Counted from the agent's end; where its pod is gone, from when publishing was first told of."""
    ended = seen.agent_pod.container(AGENT).finished_at if seen.agent_pod else None
    told = (c.last_transition_time for c in seen.command.status.conditions if c.type == ConditionType.PUBLISHED)
    began = ended or next(told, None)
    return began is not None and now - began > seen.limits.publish
