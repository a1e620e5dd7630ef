"""Conditions, phases and reasons: the vocabulary of a BugCommand's status. Values are contracts; never rename one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from bugcommand_operator.api.model import Model


class Phase(StrEnum):
    PENDING = "Pending"
    CLAIMED = "Claimed"
    PREPARING = "Preparing"
    RUNNING = "Running"
    VERIFYING = "Verifying"
    PUBLISHING = "Publishing"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    REFUSED = "Refused"
    AWAITING_APPROVAL = "AwaitingApproval"
    PARKED = "Parked"


FINISHED_PHASES = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED, Phase.REFUSED})


class ConditionType(StrEnum):
    CLAIMED = "Claimed"
    WORKSPACE_READY = "WorkspaceReady"
    AGENT_RUNNING = "AgentRunning"
    PUBLISHED = "Published"
    LOGS_STORED = "LogsStored"
    SUCCEEDED = "Succeeded"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Why a condition is as it is. The first group waits, the second is on its way, the others have ended."""

    REPOSITORY_NOT_FOUND = "RepositoryNotFound"
    AGENT_NOT_FOUND = "AgentNotFound"
    AWAITING_APPROVAL = "AwaitingApproval"
    SUSPENDED = "Suspended"
    RETRY_BACK_OFF = "RetryBackOff"
    CONCURRENCY_LIMIT_REACHED = "ConcurrencyLimitReached"
    WAITING_FOR_MACHINE = "WaitingForMachine"
    WAITING_FOR_CHECKOUT = "WaitingForCheckout"
    IMAGE_NOT_AVAILABLE = "ImageNotAvailable"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105
    CONTAINER_NOT_STARTING = "ContainerNotStarting"
    UNSCHEDULABLE = "Unschedulable"
    POD_REJECTED = "PodRejected"

    CLAIMED = "Claimed"
    CLAIM_GIVEN_BACK = "ClaimGivenBack"
    PREPARING = "Preparing"
    WORKSPACE_READY = "WorkspaceReady"
    AGENT_STARTED = "AgentStarted"
    AGENT_ENDED = "AgentEnded"
    AGENT_NOT_STARTED = "AgentNotStarted"
    PUBLISHING = "Publishing"
    PUBLISHED = "Published"
    PUBLISHED_IN_PART = "PublishedInPart"
    NOT_REQUESTED = "NotRequested"
    CANCELLING = "Cancelling"
    SUSPENDING = "Suspending"
    RETRY_REQUESTED = "RetryRequested"
    IN_PROGRESS = "InProgress"
    FINISHED = "Finished"
    LOGS_STORED = "LogsStored"
    LOGS_UNSHIPPED = "LogsUnshipped"
    LOGS_REFUSED = "LogsRefused"
    LOG_STORE_AVAILABLE = "LogStoreAvailable"
    LOG_STORE_UNAVAILABLE = "LogStoreUnavailable"

    COMPLETED = "Completed"
    CANCELLED = "Cancelled"
    TIMED_OUT = "TimedOut"
    NO_CHANGES = "NoChanges"
    AGENT_FAILED = "AgentFailed"
    AGENT_START_FAILED = "AgentStartFailed"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    POD_LOST = "PodLost"
    OUT_OF_MEMORY = "OutOfMemory"
    EVICTED = "Evicted"
    TERMINATED = "Terminated"
    ATTEMPT_ALREADY_RAN = "AttemptAlreadyRan"
    RUNNER_FAILED = "RunnerFailed"
    WORKSPACE_FAILED = "WorkspaceFailed"
    PUBLISH_FAILED = "PublishFailed"
    NAME_TAKEN = "NameTaken"
    INVALID_SPEC = "InvalidSpec"
    COMMITMENT_ACTIVE = "CommitmentActive"
    APPROVAL_REJECTED = "ApprovalRejected"

    MODEL_AUTHENTICATION_FAILED = "ModelAuthenticationFailed"
    MODEL_CREDIT_EXHAUSTED = "ModelCreditExhausted"
    MODEL_RATE_LIMITED = "ModelRateLimited"
    MODEL_OVERLOADED = "ModelOverloaded"
    MODEL_UNAVAILABLE = "ModelUnavailable"

    NOT_A_GIT_REPOSITORY = "NotAGitRepository"
    REPOSITORY_UNREACHABLE = "RepositoryUnreachable"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    BASE_REF_NOT_FOUND = "BaseRefNotFound"
    INVALID_REPOSITORY_URL = "InvalidRepositoryURL"
    MIRROR_CORRUPT = "MirrorCorrupt"
    VOLUME_FULL = "VolumeFull"
    WORKING_DIRECTORY_NOT_FOUND = "WorkingDirectoryNotFound"
    WORKING_DIRECTORY_OUTSIDE_TREE = "WorkingDirectoryOutsideTree"
    PERMISSION_DENIED = "PermissionDenied"
    CONSTRAINT_VIOLATED = "ConstraintViolated"
    AUTHOR_TYPE_DENIED = "AuthorTypeDenied"
    GENESIS_MALFORMED = "GenesisMalformed"
    GENESIS_MISSING = "GenesisMissing"
    SCOPE_VIOLATED = "ScopeViolated"
    MENTU_PATH_CHANGED = "MentuPathChanged"
    PUSH_REJECTED = "PushRejected"
    EXPORT_FAILED = "ExportFailed"
    EXPORT_TOO_LARGE = "ExportTooLarge"


WAITING_FOR_ROOM = frozenset({Reason.CONCURRENCY_LIMIT_REACHED, Reason.WAITING_FOR_CHECKOUT})
"""Reasons of a command that stands in the queue: it will run without anybody's doing."""

REFUSALS = frozenset(
    {
        Reason.WORKING_DIRECTORY_OUTSIDE_TREE,
        Reason.PERMISSION_DENIED,
        Reason.CONSTRAINT_VIOLATED,
        Reason.AUTHOR_TYPE_DENIED,
        Reason.GENESIS_MALFORMED,
        Reason.GENESIS_MISSING,
        Reason.INVALID_SPEC,
        Reason.COMMITMENT_ACTIVE,
        Reason.APPROVAL_REJECTED,
    }
)
"""Reasons that end a command as Refused: a rule said no, as against Failed: it was tried and did not work."""

AGENT_REASONS = frozenset(
    {
        Reason.AGENT_FAILED,
        Reason.AGENT_START_FAILED,
        Reason.TIMED_OUT,
        Reason.TERMINATED,
        Reason.ATTEMPT_ALREADY_RAN,
        Reason.RUNNER_FAILED,
        Reason.MODEL_AUTHENTICATION_FAILED,
        Reason.MODEL_CREDIT_EXHAUSTED,
        Reason.MODEL_RATE_LIMITED,
        Reason.MODEL_OVERLOADED,
        Reason.MODEL_UNAVAILABLE,
    }
)
"""Reasons that an agent's container may end its command with: what else it says there is not its to say."""

WORKSPACE_REASONS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.WORKSPACE_FAILED,
        Reason.NOT_A_GIT_REPOSITORY,
        Reason.REPOSITORY_UNREACHABLE,
        Reason.AUTHENTICATION_FAILED,
        Reason.BASE_REF_NOT_FOUND,
        Reason.INVALID_REPOSITORY_URL,
        Reason.MIRROR_CORRUPT,
        Reason.VOLUME_FULL,
        Reason.WORKING_DIRECTORY_NOT_FOUND,
        Reason.WORKING_DIRECTORY_OUTSIDE_TREE,
        Reason.PERMISSION_DENIED,
        Reason.CONSTRAINT_VIOLATED,
        Reason.AUTHOR_TYPE_DENIED,
        Reason.GENESIS_MALFORMED,
        Reason.GENESIS_MISSING,
        Reason.SCOPE_VIOLATED,
        Reason.MENTU_PATH_CHANGED,
        Reason.PUSH_REJECTED,
        Reason.EXPORT_FAILED,
        Reason.EXPORT_TOO_LARGE,
    }
)
"""Reasons of the containers that prepare, export and publish."""


class Condition(Model):
    type: Annotated[str, Field(max_length=316)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    message: Annotated[str, Field(max_length=4096)] = ""
    last_transition_time: datetime
    observed_generation: Annotated[int, Field(ge=0)] | None = None
