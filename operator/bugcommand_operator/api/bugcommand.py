"""`BugCommand`: the Command. What is broken and where (spec), and all that is known of its execution (status)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from bugcommand_operator.api.agent import Resources
from bugcommand_operator.api.approval import Approval, Decided
from bugcommand_operator.api.conditions import Condition, Phase
from bugcommand_operator.api.model import DNS_SUBDOMAIN, LocalReference, Model, rule, rules
from bugcommand_operator.api.repository import REF_NAME_RULES

UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
COMMITMENT_ID = r"^cmt_[0-9a-z_]{1,59}$"
MAX_PROMPT_BYTES = 65_536
MAX_TAIL_LINES = 50
MOST_RETRIES = 10
MOST_ATTEMPTS_TOLD = 16

Pattern = Annotated[str, Field(min_length=1, max_length=512)]
Sentence = Annotated[str, Field(min_length=1, max_length=1024)]


class AgentMode(StrEnum):
    TERMINAL = "Terminal"
    HEADLESS = "Headless"


class Output(StrEnum):
    NONE = "None"
    BRANCH = "Branch"
    PULL_REQUEST = "PullRequest"
    MERGE_QUEUE = "MergeQueue"


class Scope(Model):
    """Which paths a fix may touch; checked on the diff before anything is pushed."""

    allowed_patterns: Annotated[list[Pattern], Field(max_length=50)] = []
    forbidden_patterns: Annotated[list[Pattern], Field(max_length=50)] = []
    max_file_changes: Annotated[int, Field(ge=1, le=100_000)] | None = None


class BugContext(Model):
    """What the agent finds in .mentu/bug-context.md."""

    objective: Annotated[str, Field(max_length=8192)] = ""
    hypothesis: Annotated[str, Field(max_length=8192)] = ""
    likely_files: Annotated[list[Pattern], Field(max_length=50)] = []
    scope: Scope | None = None
    constraints: Annotated[list[Sentence], Field(max_length=30)] = []
    success_criteria: Annotated[list[Sentence], Field(max_length=30)] = []


class Toleration(Model):
    key: Annotated[str, Field(max_length=316)] = ""
    operator: Annotated[str, Field(json_schema_extra={"enum": ["Exists", "Equal"]})] = "Equal"
    value: Annotated[str, Field(max_length=63)] = ""
    effect: Annotated[str, Field(json_schema_extra={"enum": ["", "NoSchedule", "PreferNoSchedule", "NoExecute"]})] = ""


class PodTemplate(Model):
    """The bounded set of pod fields that a command may set. Security settings are not among them."""

    labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)] = {}
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=1024)]], Field(max_length=16)] = {}
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=16)] = {}
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = []
    priority_class_name: Annotated[str, Field(max_length=253)] = ""


WORKING_DIRECTORY_RULES = rules(
    rule("!self.startsWith('/')", "workingDirectory is relative to the repository's root: remove the leading /"),
    rule(
        "!self.split('/').exists(part, part == '..')",
        "workingDirectory must stay inside the repository: remove ..",
    ),
    rule("!self.matches('[\\\\x00-\\\\x1f\\\\x7f]')", "workingDirectory must not hold control characters"),
)

MUTABLE_AFTER_CLAIM = frozenset({"cancel", "suspend", "retry", "priority", "ttlSecondsAfterFinished"})


class Retry(Model):
    """Further attempts, which go on with the work of the earlier ones (docs/lifecycle.md)."""

    limit: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_RETRIES,
            description="How many further attempts begin by themselves, each after a failure that may pass: the model "
            "was overloaded, the pod was lost. 0: none.",
        ),
    ] = 0
    after_attempt: (
        Annotated[
            int,
            Field(
                ge=1,
                le=1_000_000,
                description="One more attempt once the attempt of this number has ended, however it has ended; "
                "spec.cancel must be false. What was refused stays refused.",
            ),
        ]
        | None
    ) = None


class BugCommandSpec(Model):
    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.output) || self.output in ['None', 'Branch']",
                "output PullRequest and MergeQueue are not supported by this version: use Branch or None",
                fieldPath=".output",
            ),
            rule(
                "!has(oldSelf.approval) || oldSelf.approval != 'Required' || self.approval == 'Required'",
                "approval stays Required: only who may approve BugCommands can let it run",
                fieldPath=".approval",
            ),
            rule(
                "!has(self.retry) || !has(self.withWorktree) || self.withWorktree "
                "|| ((!has(self.retry.limit) || self.retry.limit == 0) && !has(self.retry.afterAttempt))",
                "a plain checkout (withWorktree: false) is never tried again: the next command may have it by then",
                fieldPath=".retry",
            ),
        )
    )

    prompt: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_PROMPT_BYTES,
            description="What is broken, in words: 1 B to 64 KiB.",
            json_schema_extra=rules(
                rule(f"size(bytes(self)) <= {MAX_PROMPT_BYTES}", "prompt must be at most 64 KiB of UTF-8"),
                rule("!self.matches('\\\\x00')", "prompt must not hold NUL"),
            ),
        ),
    ]
    repository: LocalReference
    working_directory: Annotated[
        str,
        Field(
            max_length=1024,
            description="Relative to the repository's root, used exactly as given.",
            json_schema_extra=WORKING_DIRECTORY_RULES,
        ),
    ] = ""
    agent: Annotated[
        str,
        Field(
            max_length=253,
            pattern=rf"^$|{DNS_SUBDOMAIN}",
            description="Name of an Agent. Empty: the Repository's default agent, else `claude`.",
        ),
    ] = ""
    with_worktree: Annotated[
        bool,
        Field(
            description="false: a plain checkout that the Repository's next such command sees; these run one at a time."
        ),
    ] = True
    command_id: (
        Annotated[
            str,
            Field(
                pattern=UUID,
                max_length=36,
                description="command_id of spawn_logs. Default: the object's UID.",
            ),
        ]
        | None
    ) = None
    commitment_id: (
        Annotated[
            str,
            Field(pattern=COMMITMENT_ID, max_length=63, description="Default: derived from the object's UID."),
        ]
        | None
    ) = None
    base_ref: Annotated[
        str,
        Field(
            max_length=250,
            description="Branch, tag or commit to start from. Empty: the Repository's default branch.",
            json_schema_extra=REF_NAME_RULES,
        ),
    ] = ""
    target_machine: Annotated[
        str, Field(max_length=253, description="Only executors of this machine may claim it. Empty: any.")
    ] = ""
    priority: Annotated[
        int,
        Field(
            ge=-1000,
            le=1000,
            description="Higher first; equal ones in the order they were made. Waiting raises it: by one a minute, "
            "unless the installation says otherwise.",
        ),
    ] = 0
    suspend: Annotated[
        bool,
        Field(
            description="true: not started. What runs already is ended with its work kept, and goes on in a new "
            "attempt once it is false again; a plain checkout (withWorktree: false) is left running."
        ),
    ] = False
    retry: Retry | None = None
    cancel: Annotated[bool, Field(description="true: ended, its work kept.")] = False
    approval: Annotated[
        Approval, Field(description="Required: it waits until somebody has approved it. It can not be taken back.")
    ] = Approval.NOT_REQUIRED
    agent_mode: AgentMode = AgentMode.TERMINAL
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800, description="Longest time that the agent may work.")] = 3600
    ttl_seconds_after_finished: (
        Annotated[
            int,
            Field(
                ge=0,
                le=2_147_483_647,
                description="Deleted so long after its end, unpublished work pushed or kept as with any deletion. "
                "Absent: it stays.",
            ),
        ]
        | None
    ) = None
    context: BugContext | None = None
    output: Output = Output.BRANCH
    resources: Resources | None = None
    pod_template: PodTemplate | None = None


class Claim(Model):
    executor: str
    machine: str
    epoch: Annotated[int, Field(ge=1)]
    at: datetime


class Logs(Model):
    tail: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=MAX_TAIL_LINES)] = []
    lines: Annotated[int, Field(ge=0)] = 0
    last_sequence: Annotated[int, Field(ge=0)] = 0


class Diff(Model):
    files: int = 0
    insertions: int = 0
    deletions: int = 0


class Usage(Model):
    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    cost_usd: str | None = Field(
        default=None, alias="costUSD", max_length=32, description="A decimal; absent when the agent does not say."
    )


class Attempt(Model):
    """One that has ended, and what it came to."""

    attempt: Annotated[int, Field(ge=1)]
    reason: Annotated[str, Field(max_length=64)]
    message: Annotated[str, Field(max_length=256)] = ""
    exit_code: int | None = None
    pod_name: str | None = None
    start_time: datetime | None = None
    completion_time: datetime
    head_commit: Annotated[str | None, Field(description="What it pushed, or its last checkpoint.")] = None
    rescue_ref: Annotated[str | None, Field(description="Where its last checkpoint is, on the volume.")] = None


class BugCommandStatus(Model):
    observed_generation: int | None = None
    phase: Annotated[Phase, Field(description="Derived from the conditions, for people to read.")] | None = None
    conditions: Annotated[
        list[Condition],
        Field(
            max_length=16,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = []
    claim: Claim | None = None
    last_epoch: (
        Annotated[int, Field(ge=1, description="Of the last claim that was given back; absent when none was.")] | None
    ) = None
    approval: Annotated[Decided, Field(description="What was decided; written by the gateway.")] | None = None
    queue_position: (
        Annotated[
            int,
            Field(
                ge=1,
                description="Place among the commands that wait for room, over the whole installation. Beyond 10 it is "
                "rounded to two digits and may be behind.",
            ),
        ]
        | None
    ) = None
    attempt: Annotated[int, Field(ge=0)] | None = None
    attempts: Annotated[
        list[Attempt],
        Field(max_length=MOST_ATTEMPTS_TOLD, description="Those that have ended, the newest last; the oldest go."),
    ] = []
    retries: (
        Annotated[int, Field(ge=1, description="Attempts that have begun by themselves, or are about to.")] | None
    ) = None
    next_attempt_time: Annotated[datetime, Field(description="Before it no attempt begins by itself.")] | None = None
    agent: str | None = None
    command_id: str | None = None
    commitment_id: str | None = None
    pod_name: str | None = None
    volume_name: str | None = None
    branch: str | None = None
    base_commit: str | None = None
    head_commit: str | None = None
    checkpoint_commit: Annotated[str, Field(description="What the runner last kept of this attempt.")] | None = None
    rescue_ref: str | None = None
    diff: Diff | None = None
    logs: Logs | None = None
    usage: Annotated[Usage, Field(description="Of all attempts together.")] | None = None
    earlier_usage: Annotated[Usage, Field(description="Of those before this attempt.")] | None = None
    exit_code: int | None = None
    start_time: datetime | None = None
    agent_start_time: datetime | None = None
    completion_time: datetime | None = None


def immutable_after_claim() -> dict[str, str]:
    """CEL for the fields of the spec that what was claimed, or approved, is built on.

    One rule for all: the API server evaluates it at each status write, and each look at a field costs it a copy of the
    schema around that field. So it asks first whether the spec is free yet, as at a claim, then whether all of it is as
    it was, as at each later write.
    """
    fields = [f.alias or name for name, f in BugCommandSpec.model_fields.items()]
    same = {f: _is_unchanged(f) for f in fields if f not in MUTABLE_AFTER_CLAIM}
    begun = ("claim", "attempt", "approval")
    free = "!has(oldSelf.status) || " + " && ".join(f"!has(oldSelf.status.{name})" for name in begun)
    refusal = "cannot change once the command is claimed or its approval decided: make a new BugCommand"
    named = [f"(!{unchanged} ? 'spec.{field} ' : '')" for field, unchanged in same.items()]
    return rule(
        f"{free} || self.spec == oldSelf.spec || ({' && '.join(same.values())})",
        f"what the command's execution is built on {refusal}",
        messageExpression=" + ".join([*named, f"'{refusal}'"]),
    )


def _is_unchanged(field: str) -> str:
    old, new = f"oldSelf.spec.{field}", f"self.spec.{field}"
    return f"(has({new}) == has({old}) && (!has({new}) || {new} == {old}))"
