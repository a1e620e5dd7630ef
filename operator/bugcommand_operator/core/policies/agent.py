"""While the agent's pod exists: its start, its work, its end, and what each way of ending means."""

from __future__ import annotations

from datetime import datetime, timedelta

from bugcommand_operator.api.bugcommand import Output, Usage
from bugcommand_operator.api.conditions import AGENT_REASONS, WORKSPACE_REASONS, ConditionType, Reason
from bugcommand_operator.core.observed import PREPARATION, Container, Observed, Pod
from bugcommand_operator.core.plan import DeletePod, Event, Plan
from bugcommand_operator.core.policies.ending import failed, succeeded
from bugcommand_operator.core.policies.log_store import note_logs, note_store
from bugcommand_operator.core.policies.pushing import is_too_large
from bugcommand_operator.core.policies.retry import attempt_failed
from bugcommand_operator.core.policies.start import TRY_AGAIN, start_deadline_has_passed
from bugcommand_operator.core.spending import together
from bugcommand_operator.core.status import StatusEditor
from bugcommand_operator.core.termination import AgentResult, WorkspaceResult, known_reason, result_of

AGENT = "agent"
IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
START_FAILURES = frozenset({"StartError", "ContainerCannotRun"})
LOOK_AGAIN = timedelta(seconds=10)
SCHEDULING_GRACE = timedelta(seconds=30)
"""A volume that is being made or a node that is being started shows as unschedulable for a while: no news yet."""


def foreign_pod(seen: Observed, now: datetime) -> Plan | None:
    """An earlier command of this name may have left it; then it goes by itself, so there is some patience."""
    pod = seen.agent_pod
    if pod is None or pod.command_uid == seen.command.uid:
        return None
    if seen.command.spec.cancel:
        return failed(seen, now, Reason.CANCELLED, "Cancelled.")
    message = f"A pod named {pod.name} exists that is not this command's: delete it, and make a new BugCommand."
    if seen.command.status.pod_name or start_deadline_has_passed(seen, now):
        return failed(seen, now, Reason.NAME_TAKEN, message)
    return Plan(
        status=StatusEditor(seen.command, now).waiting(Reason.NAME_TAKEN, message).done(), look_again_after=TRY_AGAIN
    )


def cancel(seen: Observed, now: datetime) -> Plan | None:
    """The pod is asked to end: the runner checkpoints the work on its way out. Cancelled once the pod is gone."""
    pod = seen.agent_pod
    if not seen.command.spec.cancel or pod is None or completed(pod):
        return None
    if pod.has_ended:
        return failed(seen, now, Reason.CANCELLED, "Cancelled; its work is kept.", facts(seen, now, pod))
    status = facts(seen, now, pod).progressing(
        Reason.CANCELLING, "Cancelling: the agent is asked to end, its work is kept."
    )
    actions = () if pod.is_being_deleted else (DeletePod(pod.name, pod.uid),)
    return Plan(actions=actions, status=status.done(), status_first=True, look_again_after=LOOK_AGAIN)


def overdue(seen: Observed, now: datetime) -> Plan | None:
    """The runner ends an agent at its timeout. Should it not, the pod is deleted, the reason written down first."""
    pod = seen.agent_pod
    if pod is None or pod.has_ended or not _is_overdue(seen, pod, now):
        return None
    status = facts(seen, now, pod).condition(ConditionType.AGENT_RUNNING, "False", Reason.TIMED_OUT)
    actions = () if pod.is_being_deleted else (DeletePod(pod.name, pod.uid),)
    return Plan(actions=actions, status=status.done(), status_first=True, look_again_after=LOOK_AGAIN)


def _is_overdue(seen: Observed, pod: Pod, now: datetime) -> bool:
    started = pod.container(AGENT).started_at
    return started is not None and now - started > _allowed(seen)


def _allowed(seen: Observed) -> timedelta:
    """An agent that ended at its timeout may have lines left, which its runner still ships."""
    return timedelta(seconds=seen.command.spec.timeout_seconds) + seen.limits.overdue + seen.limits.drain


def workspace_refused(seen: Observed, now: datetime) -> Plan | None:
    """A preparation that failed says why; the agent never started, so there is no work to keep."""
    pod = seen.agent_pod
    container = _failed_preparation(pod) if pod else None
    if pod is None or container is None:
        return None
    result = result_of(container, WorkspaceResult)
    reason = known_reason(result.reason, WORKSPACE_REASONS, _killed(container) or Reason.WORKSPACE_FAILED)
    message = result.message or f"Container {container.name} ended with exit code {container.exit_code}."
    status = StatusEditor(seen.command, now).condition(ConditionType.WORKSPACE_READY, "False", reason, message)
    return attempt_failed(seen, now, reason, message, status)


def agent_ended(seen: Observed, now: datetime) -> Plan | None:
    pod = seen.agent_pod
    if pod is None or not pod.has_ended:
        return None
    reason, message = _how_it_ended(seen, pod)
    if reason != Reason.COMPLETED:
        return attempt_failed(seen, now, reason, message, facts(seen, now, pod), lasting=_would_fail_again(pod))
    if seen.command.spec.output == Output.BRANCH:
        return None
    return succeeded(seen, now, "The agent has completed.", facts(seen, now, pod))


def _would_fail_again(pod: Pod) -> bool:
    return is_too_large(pod) or result_of(pod.container(AGENT), AgentResult).lasting


def _how_it_ended(seen: Observed, pod: Pod) -> tuple[Reason, str]:
    container = pod.container(AGENT)
    if completed(pod):
        return Reason.COMPLETED, ""
    if pod.reason == "Evicted":
        return Reason.EVICTED, f"The pod was evicted: {pod.message}"
    if killed := _killed(container):
        return killed, "The agent's container ran out of memory: raise resources.limits.memory."
    if pod.reason == "DeadlineExceeded" or _was_ended_for_time(seen):
        return Reason.TIMED_OUT, f"Ended after {seen.command.spec.timeout_seconds} s; its work is kept."
    return _what_the_container_says(pod, container)


def _what_the_container_says(pod: Pod, container: Container) -> tuple[Reason, str]:
    if not container.has_ended:
        why = f"{pod.reason or pod.phase} {pod.message}".rstrip()
        return Reason.TERMINATED, f"The pod ended before its agent did: {why}"
    if container.reason in START_FAILURES:
        return Reason.AGENT_START_FAILED, container.message or container.reason
    result = result_of(container, AgentResult)
    otherwise = f"The agent ended with exit code {container.exit_code}."
    return known_reason(result.reason, AGENT_REASONS, Reason.AGENT_FAILED), result.message or otherwise


def _was_ended_for_time(seen: Observed) -> bool:
    """`overdue` wrote it down before it deleted the pod: what the pod says on its way out does not change it."""
    return seen.command.condition_reason(ConditionType.AGENT_RUNNING) == Reason.TIMED_OUT


def completed(pod: Pod) -> bool:
    return pod.container(AGENT).exit_code == 0


def _killed(container: Container) -> Reason | None:
    return Reason.OUT_OF_MEMORY if container.reason == "OOMKilled" else None


def agent_running(seen: Observed, now: datetime) -> Plan | None:
    pod = seen.agent_pod
    if pod is None or not pod.container(AGENT).is_running:
        return None
    status = facts(seen, now, pod)
    status.progressing(Reason.AGENT_STARTED, f"The agent works in pod {pod.name}.")
    is_news = seen.command.condition_status(ConditionType.AGENT_RUNNING) != "True"
    started = (Event("AgentStarted", f"The agent works in pod {pod.name}."),) if is_news else ()
    events = (*started, *note_store(seen, status, now))
    return Plan(status=status.done(), events=events, look_again_after=_until_overdue(seen, pod, now))


def _until_overdue(seen: Observed, pod: Pod, now: datetime) -> timedelta:
    started = pod.container(AGENT).started_at or now
    end = started + _allowed(seen)
    return max(end - now, timedelta(0)) + timedelta(seconds=1)


def agent_not_started(seen: Observed, now: datetime) -> Plan | None:
    """Still being prepared: what holds it up is said at once, and ends the command at the start deadline."""
    pod = seen.agent_pod
    if pod is None or pod.has_ended:
        return None
    held_up = _held_up(pod, now)
    if start_deadline_has_passed(seen, now):
        late = Reason.START_DEADLINE_EXCEEDED, "The agent did not start in time."
        reason, message = held_up or _stalled_by(seen) or late
        return failed(seen, now, reason, message, facts(seen, now, pod))
    if held_up is None:  # that the workspace is there is told with the agent's start: one write for both
        status = StatusEditor(seen.command, now).set(pod_name=pod.name)
        status.progressing(Reason.PREPARING, "The workspace is being prepared.")
        return Plan(status=status.done(), look_again_after=SCHEDULING_GRACE)
    status = facts(seen, now, pod).waiting(*held_up)
    is_news = seen.command.condition_reason(ConditionType.READY) != held_up[0]
    events = (Event(*held_up, "Warning"),) if is_news else ()
    return Plan(status=status.done(), events=events, look_again_after=LOOK_AGAIN)


def _stalled_by(seen: Observed) -> tuple[str, str] | None:
    """What was last told to be in the way, which the pod itself may not show: a refusal of its volume, say."""
    told = (c for c in seen.command.status.conditions if c.type == ConditionType.STALLED and c.status == "True")
    return next(((c.reason, c.message) for c in told), None)


def _held_up(pod: Pod, now: datetime) -> tuple[Reason, str] | None:
    for container in pod.containers.values():
        waiting = container.waiting_reason
        if waiting in IMAGE_REASONS:
            return Reason.IMAGE_NOT_AVAILABLE, container.message or f"{waiting}: container {container.name}"
        if waiting == "CreateContainerConfigError":
            return Reason.SECRET_NOT_FOUND, container.message
        if waiting in {"CreateContainerError", "RunContainerError", "CrashLoopBackOff"}:
            return Reason.CONTAINER_NOT_STARTING, container.message or str(waiting)
    if pod.unschedulable and now - pod.created_at > SCHEDULING_GRACE:
        return Reason.UNSCHEDULABLE, pod.unschedulable
    return None


def _failed_preparation(pod: Pod) -> Container | None:
    states = (pod.container(name) for name in PREPARATION)
    return next((c for c in states if c.has_ended and c.exit_code != 0), None)


def facts(seen: Observed, now: datetime, pod: Pod) -> StatusEditor:
    """What the pod shows, whichever way it goes on from here."""
    status = StatusEditor(seen.command, now).set(pod_name=pod.name)
    workspace, agent = pod.container("workspace"), pod.container(AGENT)
    if workspace.exit_code == 0:
        result = result_of(workspace, WorkspaceResult)
        status.set(base_commit=result.base_commit or seen.command.status.base_commit)
        status.condition(ConditionType.WORKSPACE_READY, "True", Reason.WORKSPACE_READY, "The worktree is there.")
    if agent.is_running:
        status.set(agent_start_time=agent.started_at)
        status.condition(ConditionType.AGENT_RUNNING, "True", Reason.AGENT_STARTED)
    if agent.has_ended:
        _ended_facts(seen, status, agent)
    return status


def _ended_facts(seen: Observed, status: StatusEditor, agent: Container) -> None:
    """What the log holds is not among them: that is read where the lines are stored."""
    result = result_of(agent, AgentResult)
    status.set(exit_code=agent.exit_code, agent_start_time=agent.started_at)
    if result.usage:
        status.set(usage=together(seen.command.status.earlier_usage, Usage(**result.usage.model_dump())))
    if result.checkpoint:
        status.set(checkpoint_commit=result.checkpoint)
    if agent.started_at:
        note_logs(status, result)
    if not _was_ended_for_time(seen):
        reason = Reason.AGENT_ENDED if agent.started_at else Reason.AGENT_NOT_STARTED
        status.condition(ConditionType.AGENT_RUNNING, "False", reason)
