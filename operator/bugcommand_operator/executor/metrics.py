"""What the executor counts for Prometheus, each documented in docs/metrics.md. No label carries an object's name.

What has happened is counted from the status write that made it so, once the API server has taken it: the write is a
compare-and-set, so each step is counted by one executor, once, and a restart repeats nothing. Times come from the
status and the pod, never from memory. What is there right now is read at each scrape (`world_metrics.py`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import dropwhile

from prometheus_client import Counter, Gauge, Histogram

from bugcommand_operator.api.bugcommand import BugCommandStatus, Claim, Usage
from bugcommand_operator.api.conditions import (
    FINISHED_PHASES,
    REFUSALS,
    Condition,
    ConditionType,
    Phase,
    Reason,
)
from bugcommand_operator.core.observed import Command, Pod

MOMENTS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SOON = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)
WORK = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)

PASSES = Counter("mentu_reconcile_total", "Passes over commands, by how they went.", ["result"])
PASS_SECONDS = Histogram("mentu_reconcile_seconds", "Time of one pass over one command.", buckets=MOMENTS)
QUEUE_DEPTH = Gauge("mentu_queue_depth", "Commands that wait for a pass, or for a turn to ask, or are in one.")
QUEUE_OLDEST = Gauge(
    "mentu_queue_oldest_seconds", "Age of the oldest pass that somebody waits for, its waits included; 0: all are done."
)
STARTS_WAITING = Gauge(
    "mentu_starts_waiting",
    "Claimed commands that wait for their start: others are claimed, or get their volumes, first.",
)
TURNS_WAITING = Gauge(
    "mentu_turns_waiting", "Passes that wait for their turn to ask the API server, by what they are for.", ["sort"]
)
QUEUE_WAIT = Histogram("mentu_queue_wait_seconds", "How long a pass waited for a worker.", buckets=MOMENTS)
LEASE_RENEWALS = Counter(
    "mentu_lease_renewals_total",
    "Rounds in which the executor renews its Lease and lists the others', by result.",
    ["result"],
)
LEASE_RENEWED = Gauge("mentu_lease_renewed_timestamp_seconds", "When the executor's own Lease was last renewed.")
MAY_CLAIM = Gauge("mentu_may_claim", "1 while the executor claims commands: its own Lease is held.")
TAKEOVERS = Counter(
    "mentu_takeovers_total", "Attempts to take over a dead executor's command: won, or lost to another.", ["result"]
)
CLAIMS = Counter("mentu_claims_total", "Attempts to claim a command: won, or lost to another executor.", ["result"])
PICKUP_SECONDS = Histogram(
    "mentu_pickup_seconds", "From a command's creation (whole seconds) to its first claim.", buckets=SOON
)
WORKSPACE_SECONDS = Histogram(
    "mentu_workspace_seconds", "Time that the containers took which fetch and prepare a workspace.", buckets=WORK
)
START_SECONDS = Histogram(
    "mentu_start_seconds", "From a claim to the agent's start: volume, scheduling, workspace.", buckets=WORK
)
AGENT_SECONDS = Histogram("mentu_agent_seconds", "How long an agent worked.", buckets=WORK)
PUBLISH_SECONDS = Histogram("mentu_publish_seconds", "How long publishing took, retries included.", buckets=WORK)
COMMAND_SECONDS = Histogram(
    "mentu_command_seconds",
    "From the claim to the end of a command, by the phase it ended in.",
    ["phase"],
    buckets=WORK,
)
FINISHED = Counter("mentu_finished_total", "Commands that have ended, by phase and reason.", ["phase", "reason"])
SWEPT = Counter(
    "mentu_swept_total",
    "Pods and volumes that were found to have outlived their command, by what was done.",
    ["kind", "verdict"],
)
ATTEMPTS = Counter(
    "mentu_attempts_total", "Attempts that have ended, by reason: also those that another follows.", ["reason"]
)
TOKENS = Counter("mentu_tokens_total", "Tokens that agents have reported, by direction.", ["direction"])
COST = Counter("mentu_cost_usd_total", "US dollars that agents have reported as spent.")
TAIL_LAG = Gauge("mentu_log_tail_lag_lines", "Stored log lines of running commands that no status shows yet.")
LAST_EVENT = Gauge(
    "mentu_last_watch_event_timestamp_seconds", "When the watch of a kind began, or last showed anything.", ["kind"]
)
LAST_ANSWER = Gauge(
    "mentu_last_watch_answer_timestamp_seconds",
    "When the API server last answered the watch of a kind; a quiet watch is opened anew every five minutes.",
    ["kind"],
)


def start_at_zero() -> None:
    """A series that begins with its first event hides that event from `increase()`."""
    for result in ("done", "conflict", "failed"):
        PASSES.labels(result)
    for result in ("won", "lost"):
        CLAIMS.labels(result)
        TAKEOVERS.labels(result)
    for result in ("renewed", "failed"):
        LEASE_RENEWALS.labels(result)
    for kind, verdict in (("Pod", "delete"), ("PersistentVolumeClaim", "delete"), ("PersistentVolumeClaim", "keep")):
        SWEPT.labels(kind, verdict)
    for direction in ("input", "output"):
        TOKENS.labels(direction)
    for phase in FINISHED_PHASES:
        COMMAND_SECONDS.labels(phase)
    for reason in dropwhile(lambda r: r != Reason.COMPLETED, Reason):
        FINISHED.labels(_phase_by(reason), reason)
        ATTEMPTS.labels(reason)
    ATTEMPTS.labels(Reason.SUSPENDED)


def _phase_by(reason: Reason) -> Phase:
    if reason == Reason.COMPLETED:
        return Phase.SUCCEEDED
    if reason == Reason.CANCELLED:
        return Phase.CANCELLED
    return Phase.REFUSED if reason in REFUSALS else Phase.FAILED


start_at_zero()


def count_lost(before: Command, wanted: BugCommandStatus | None) -> None:
    """`wanted` would have been written over `before`, but somebody else was first."""
    claim = wanted.claim if wanted is not None else None
    if claim is not None and not before.is_claimed:
        CLAIMS.labels("lost").inc()
    elif _takes_over(before, claim):
        TAKEOVERS.labels("lost").inc()


def _takes_over(before: Command, claim: Claim | None) -> bool:
    old = before.status.claim
    return old is not None and claim is not None and old.executor != claim.executor


def count_written(before: Command, status: BugCommandStatus, pod: Pod | None) -> None:
    """`status` has been written over `before`; `pod` is the agent's, as far as it is known."""
    after = replace(before, status=status)
    _count_claim(before, after)
    _count_start(before, after, pod)
    _count_agent(before, after, pod)
    _count_publishing(before, after)
    _count_usage(before, after)
    _count_attempt(before, after)
    if after.is_finished and not before.is_finished:
        _count_end(after)


def _count_attempt(before: Command, after: Command) -> None:
    ended = after.status.attempts[-1:]
    if ended and ended[0].attempt not in {each.attempt for each in before.status.attempts}:
        ATTEMPTS.labels(ended[0].reason).inc()


def _count_claim(before: Command, after: Command) -> None:
    claim = after.status.claim
    if _takes_over(before, claim):
        TAKEOVERS.labels("won").inc()
    if before.is_claimed or claim is None:
        return
    CLAIMS.labels("won").inc()
    if before.attempt == 0:
        PICKUP_SECONDS.observe(seconds(before.created_at, claim.at))


def _count_start(before: Command, after: Command, pod: Pod | None) -> None:
    ready = ConditionType.WORKSPACE_READY
    if pod is not None and after.condition_status(ready) == "True" != before.condition_status(ready):
        containers = (pod.container("fetch"), pod.container("workspace"))
        began = [c.started_at for c in containers if c.started_at is not None]
        ended = pod.container("workspace").finished_at
        if began and ended is not None:
            WORKSPACE_SECONDS.observe(seconds(min(began), ended))
    started, claim = after.status.agent_start_time, after.status.claim
    if started is not None and started != before.status.agent_start_time and claim is not None:
        START_SECONDS.observe(seconds(claim.at, started))


def _count_agent(before: Command, after: Command, pod: Pod | None) -> None:
    started, end = after.status.agent_start_time, agent_end(after)
    if started is None or end is None or agent_end(before) is not None:
        return
    shown = pod.container("agent").finished_at if pod is not None else None
    AGENT_SECONDS.observe(seconds(started, shown or end))


def _count_publishing(before: Command, after: Command) -> None:
    was, now = condition(before, ConditionType.PUBLISHED), condition(after, ConditionType.PUBLISHED)
    if was is None or now is None or was.reason != Reason.PUBLISHING:
        return
    if now.reason != Reason.PUBLISHING or after.is_finished:
        PUBLISH_SECONDS.observe(
            seconds(was.last_transition_time, after.status.completion_time or now.last_transition_time)
        )


def _count_usage(before: Command, after: Command) -> None:
    """Only what is new: a later report holds the earlier ones, of this attempt and of those before it."""
    if after.status.usage is None or after.status.usage == before.status.usage:
        return
    old, new = before.status.usage or Usage(), after.status.usage
    TOKENS.labels("input").inc(max(new.input_tokens - old.input_tokens, 0))
    TOKENS.labels("output").inc(max(new.output_tokens - old.output_tokens, 0))
    COST.inc(max(dollars(new) - dollars(old), 0))


def _count_end(after: Command) -> None:
    succeeded, phase = condition(after, ConditionType.SUCCEEDED), str(after.status.phase)
    FINISHED.labels(phase, succeeded.reason if succeeded else "").inc()
    started, ended = after.status.start_time, after.status.completion_time
    if started is not None and ended is not None:
        COMMAND_SECONDS.labels(phase).observe(seconds(started, ended))


def agent_end(command: Command) -> datetime | None:
    """When it was noticed that the agent, once started, works no more."""
    running = condition(command, ConditionType.AGENT_RUNNING)
    if command.status.agent_start_time is None or running is None or running.status != "False":
        return None
    return running.last_transition_time


def condition(command: Command, type_: ConditionType) -> Condition | None:
    return next((c for c in command.status.conditions if c.type == type_), None)


def dollars(usage: Usage) -> float:
    """An agent says what it likes: what is no amount is none."""
    try:
        amount = float(usage.cost_usd or 0)
    except ValueError:
        return 0.0
    return amount if 0 <= amount < 1e9 else 0.0


def seconds(start: datetime, end: datetime) -> float:
    return max((end - start).total_seconds(), 0.0)
