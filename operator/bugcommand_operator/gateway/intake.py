"""`POST /intake/v1/logs`: a pod's log lines, answered after their commit.

Order matters: who it is, then whether there is room, then the body, then whether the lines are its own. Nothing
of a stranger's body is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from bugcommand_operator.cluster.token_review import (
    IdentityUnavailable,
    NotACommandPod,
    PodIdentity,
    Unauthenticated,
)
from bugcommand_operator.gateway.admission import Admission
from bugcommand_operator.gateway.auth import Authenticator
from bugcommand_operator.gateway.body import declared_size, read_body
from bugcommand_operator.gateway.metrics import Metrics
from bugcommand_operator.gateway.readers import client_of
from bugcommand_operator.gateway.redaction import redact_all
from bugcommand_operator.gateway.refusals import (
    Forbidden,
    Malformed,
    Refusal,
    TryLater,
    Unauthorized,
)
from bugcommand_operator.gateway.wire import MAX_BODY, Submission, moments, parse_submission, storable
from bugcommand_operator.gateway.writer import BatchWriter
from bugcommand_operator.store.errors import StoreFull, StoreRejected, StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogBatch, LogLine

_KNOWS_AFTER = {"Mentu-Knows-After": "1"}
"""A sender need not wait for this answer: what it sends `after` lines is never stored before them."""


@dataclass(frozen=True)
class Intake:
    authenticator: Authenticator
    admission: Admission
    writer: BatchWriter
    metrics: Metrics

    async def post_logs(self, request: Request) -> Response:
        try:
            acked = await self._take(request)
        except Refusal as refusal:
            self.metrics.rejects.labels(refusal.reason).inc()
            return JSONResponse(refusal.body(), refusal.status, refusal.headers())
        except ClientDisconnect:
            self.metrics.rejects.labels("Disconnected").inc()
            return Response(status_code=400)
        return JSONResponse({"acked": acked}, headers=_KNOWS_AFTER)

    async def _take(self, request: Request) -> int:
        pod = await self.identify(request)
        size = declared_size(request, MAX_BODY)
        with self.admission.reserve(pod.pod_uid, size):
            submission = parse_submission(await read_body(request, size))
            check_ownership(pod, submission)
            batch, redacted = as_batch(submission, pod)
            self.metrics.redactions.inc(redacted)
            await self._store(batch)
        return max(line.seq for line in batch.lines)

    async def identify(self, request: Request) -> PodIdentity:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("Unauthenticated", "a bearer token is required")
        try:
            return await self.authenticator.authenticate(token.strip(), client_of(request))
        except Unauthenticated as error:
            raise Unauthorized("Unauthenticated", str(error)) from error
        except NotACommandPod as error:
            raise Forbidden("NotACommandPod", str(error)) from error
        except IdentityUnavailable as error:
            raise TryLater("IdentityUnavailable", "tokens cannot be reviewed now") from error

    async def _store(self, batch: LogBatch) -> None:
        with store_refusals():
            await self.writer.submit(batch)


@contextmanager
def store_refusals() -> Iterator[None]:
    """What keeps the store from storing, as the sender gets to read it."""
    try:
        yield
    except StoreFull as error:
        raise TryLater("StoreFull", "the log store has no room left", retry_after=10) from error
    except StoreUnavailable as error:
        raise TryLater("StoreUnavailable", "the log store cannot be written now") from error
    except StoreRejected as error:
        raise Malformed("RejectedByStore", "the log store refuses these values") from error


class Owned(Protocol):
    """What is sent says whose it is."""

    @property
    def command_id(self) -> str: ...
    @property
    def attempt(self) -> int: ...


def check_ownership(pod: PodIdentity, submission: Owned) -> None:
    """A pod writes its own command's lines, of its own attempt or of an earlier one that left some behind."""
    if submission.command_id != pod.command_id:
        raise Forbidden("NotYourCommand", f"this pod works on {pod.command_id}", field="commandId")
    if submission.attempt > pod.attempt:
        raise Forbidden("NotYourAttempt", f"this pod is attempt {pod.attempt}", field="attempt")


def as_batch(submission: Submission, pod: PodIdentity) -> tuple[LogBatch, int]:
    """What is stored of a submission, and how many tokens were taken out of it."""
    sent = submission.lines
    messages, redacted = redact_all([storable(line["message"]) for line in sent], [line["stream"] for line in sent])
    lines = [
        LogLine(line["seq"], line["stream"], at, message)
        for line, at, message in zip(sent, moments(sent), messages, strict=True)
    ]
    key = AttemptKey(pod.namespace, submission.command_id, submission.attempt)
    more = (pod.repository, pod.command_uid, submission.after)
    return LogBatch(key, submission.epoch, submission.machine_id, lines, *more), redacted
