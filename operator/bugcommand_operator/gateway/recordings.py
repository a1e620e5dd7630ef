"""`POST /intake/v1/recordings`: a part of a terminal session's recording, answered after its commit.

Who may send, and how much at once, is the same as for lines. A part is text as it comes from the runner, which has
taken out the secrets that it knows; tokens by their shape are taken out here.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from bugcommand_operator.cluster.token_review import PodIdentity
from bugcommand_operator.gateway.body import declared_size, read_body
from bugcommand_operator.gateway.intake import Intake, check_ownership, store_refusals
from bugcommand_operator.gateway.redaction import redact_all
from bugcommand_operator.gateway.refusals import Forbidden, Malformed, Refusal, TooLarge, TryLater
from bugcommand_operator.gateway.wire import MAX_BODY, storable
from bugcommand_operator.store.lines import AttemptKey
from bugcommand_operator.store.lines import Refusal as NotKept
from bugcommand_operator.store.recordings import NoLog, RecordingFull, Recordings

MOST_PARTS = 100_000


class RecordedPart(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    command_id: str = Field(alias="commandId", min_length=1, max_length=63)
    attempt: int = Field(ge=1, lt=1 << 31)
    part: int = Field(ge=1, lt=MOST_PARTS)
    data: str = Field(min_length=1)


@dataclass(frozen=True)
class RecordingIntake:
    intake: Intake
    store: Recordings

    async def post(self, request: Request) -> Response:
        rejects = self.intake.metrics.rejects
        try:
            part = await self._take(request)
        except Refusal as refusal:
            rejects.labels(refusal.reason).inc()
            return JSONResponse(refusal.body(), refusal.status, refusal.headers())
        except ClientDisconnect:
            rejects.labels("Disconnected").inc()
            return Response(status_code=400)
        return JSONResponse({"acked": part})

    async def _take(self, request: Request) -> int:
        pod = await self.intake.identify(request)
        size = declared_size(request, MAX_BODY)
        with self.intake.admission.reserve(pod.pod_uid, size):
            sent = parse(await read_body(request, size))
            check_ownership(pod, sent)
            (data,), redacted = redact_all([storable(sent.data)])
            self.intake.metrics.redactions.inc(redacted)
            await self._keep(pod, sent, data)
        return sent.part

    async def _keep(self, pod: PodIdentity, sent: RecordedPart, data: str) -> None:
        key = AttemptKey(pod.namespace, sent.command_id, sent.attempt)
        try:
            with store_refusals():
                refused = await self.store.keep(key, pod.command_uid, sent.part, data)
        except NoLog as error:
            raise TryLater("LogNotBegun", "no line of this command's log is stored yet") from error
        except RecordingFull as error:
            raise TooLarge("TooLarge", "the recording of this attempt has reached its bound") from error
        if refused is NotKept.BEING_DELETED:
            raise TryLater(refused.value, "the retention of this command's log has ended")
        if refused is not None:
            raise Forbidden(refused.value, "this command id is another's")


def parse(body: bytes) -> RecordedPart:
    """`Malformed` names the first field that is wrong."""
    try:
        return RecordedPart.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise Malformed("InvalidJSON", first["msg"]) from error
        field = ".".join(str(part) for part in first["loc"])
        raise Malformed("InvalidField", f"{field or 'body'}: {first['msg']}", field=field or None) from error
