"""Output `Branch`: the work leaves through a pod of its own; agent and git credential never meet."""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import Diff
from bugcommand_operator.api.conditions import WORKSPACE_REASONS, ConditionType, Reason
from bugcommand_operator.api.names import publish_pod_name
from bugcommand_operator.core.observed import Container, Observed, Pod
from bugcommand_operator.core.plan import CreatePod, DeletePod, Event, Plan
from bugcommand_operator.core.policies.agent import facts
from bugcommand_operator.core.policies.deadline import have_passed
from bugcommand_operator.core.policies.ending import failed, succeeded
from bugcommand_operator.core.policies.pushing import failed_container, has_pushed, is_too_large, may_pass
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.termination import ExportResult, PublishResult, known_reason, result_of

LOOK_AGAIN = timedelta(seconds=10)
OTHER_WORK = (
    "The agent left work elsewhere (a stash, another branch, a repository inside the tree); it is kept on the volume."
)


def publish(seen: Observed, now: datetime) -> Plan | None:
    """Asked once the agent has completed. A publish pod that is lost is made again: pushing twice is harmless."""
    pod = seen.publish_pod
    if pod is None:
        return _start(seen, now)
    if pod.command_uid != seen.command.uid:
        return failed(seen, now, Reason.NAME_TAKEN, f"A pod named {pod.name} exists that is not this command's.")
    if has_pushed(pod):
        return _published(seen, now, pod)
    if pod.has_ended:
        return _not_published(seen, now, pod)
    if _is_late(seen, now):
        return failed(seen, now, Reason.PUBLISH_FAILED, _too_long(seen))
    return Plan(status=_publishing(seen, now, pod.name).done(), events=_news(seen), look_again_after=LOOK_AGAIN)


def _too_long(seen: Observed) -> str:
    told = next((c.message for c in seen.command.status.conditions if c.type == ConditionType.PUBLISHED), "")
    return f"Publishing took too long; the work is kept on the volume. {told}".rstrip()


def _start(seen: Observed, now: datetime) -> Plan:
    if held_up := _held_up(seen):
        return _wait(seen, now, *held_up)
    name = publish_pod_name(seen.command.name, seen.command.attempt)
    return Plan(
        actions=(CreatePod("publish"),),
        status=_publishing(seen, now, name).done(),
        events=_news(seen),
        look_again_after=LOOK_AGAIN,
    )


def _news(seen: Observed) -> tuple[Event, ...]:
    """Told with the status that says it first, which may be written a pass after the pod was made."""
    if seen.command.condition_reason(ConditionType.PUBLISHED) == Reason.PUBLISHING:
        return ()
    return (Event("Publishing", f"The work is exported and pushed as {seen.command.branch}."),)


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
    """What an earlier try has said stays to be read while the next one runs."""
    status = _facts(seen, now)
    message = f"Pod {pod_name} pushes {seen.command.branch}."
    if seen.command.condition_reason(ConditionType.PUBLISHED) != Reason.PUBLISHING:
        status.condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING, message)
    return status.progressing(Reason.PUBLISHING, message)


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
        return _nothing_published(seen, now, status, exported)
    result = result_of(pod.container("publish"), PublishResult)
    status.set(
        branch=seen.command.branch,
        head_commit=result.head_commit or exported.head_commit,
        diff=Diff(**exported.diff.model_dump()) if exported.diff else None,
    )
    message = _published_message(seen, exported)
    in_part = exported.left_uncommitted or exported.other_work
    reason = Reason.PUBLISHED_IN_PART if in_part else Reason.PUBLISHED
    status.condition(ConditionType.PUBLISHED, "True", reason, message)
    return succeeded(seen, now, message, status)


def _nothing_published(seen: Observed, now: datetime, status: StatusEditor, exported: ExportResult) -> Plan:
    """What the condition of publishing says decides over the volume: `NoChanges` lets it go, any other keeps it."""
    message = "The agent has completed without changing anything: there is nothing to publish."
    published = Reason.NO_CHANGES
    if exported.other_work:
        message = f"There is nothing to publish on the branch. {OTHER_WORK}"
        published = Reason.PUBLISHED_IN_PART
    status.condition(ConditionType.PUBLISHED, "False", published, message)
    return failed(seen, now, Reason.NO_CHANGES, message, status)


def _published_message(seen: Observed, exported: ExportResult) -> str:
    sentences = [f"Pushed as {seen.command.branch}."]
    if exported.committed_leftovers:
        sentences.append("The agent had not committed its changes: one commit was made of them.")
    if exported.left_uncommitted:
        sentences.append(f"{exported.left_uncommitted} changed files were left uncommitted and are not in it.")
    if exported.other_work:
        sentences.append(OTHER_WORK)
    return " ".join(sentences)


def _not_published(seen: Observed, now: datetime, pod: Pod) -> Plan:
    container = failed_container(pod)
    result = result_of(container, PublishResult)
    reason = known_reason(result.reason, WORKSPACE_REASONS, Reason.PUBLISH_FAILED)
    message = result.message or _how_it_failed(pod, container)
    if is_too_large(pod):
        reason, message = Reason.EXPORT_TOO_LARGE, f"The work is too large to be taken out: {pod.message}"
    elif may_pass(container) and not _is_late(seen, now):
        tried = f"{reason}: {message} It is tried again."
        status = _facts(seen, now).condition(ConditionType.PUBLISHED, "False", Reason.PUBLISHING, tried)
        actions = () if pod.is_being_deleted else (DeletePod(pod.name, pod.uid),)
        return Plan(actions=actions, status=status.done(), look_again_after=LOOK_AGAIN)
    status = _facts(seen, now).condition(ConditionType.PUBLISHED, "False", reason, message)
    return failed(seen, now, reason, message, status)


def _how_it_failed(pod: Pod, container: Container) -> str:
    if container.has_ended:
        return f"Container {container.name} ended with exit code {container.exit_code}."
    return f"Pod {pod.name} ended before it had pushed: {pod.reason or pod.phase} {pod.message}".rstrip()


def _is_late(seen: Observed, now: datetime) -> bool:
    """Counted from when it was first told of: while no executor was there nobody has tried."""
    told = (c.last_transition_time for c in seen.command.status.conditions if c.type == ConditionType.PUBLISHED)
    began = next(told, None)
    return began is not None and have_passed(seen, seen.limits.publish, began, now)
