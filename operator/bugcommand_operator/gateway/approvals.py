"""`POST /bridge/commands/{namespace}/{name}/approval`: somebody agrees to a command, or does not.

It takes a person's own right, `approve` on bugcommands in that namespace, which the API server is asked about. A proxy
token has no person behind it, and a pod's token may be that of an agent: neither approves anything.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bugcommand_operator.api.approval import Decided, Decision
from bugcommand_operator.api.model import DNS_SUBDOMAIN
from bugcommand_operator.cluster.errors import AccessDenied, ClusterError, NotFound, Refused
from bugcommand_operator.cluster.token_review import POD_NAME, IdentityUnavailable, KubernetesUser, Unauthenticated
from bugcommand_operator.gateway.body import declared_size, read_body
from bugcommand_operator.gateway.bridge.claims import KubeSource
from bugcommand_operator.gateway.bridge.posting import WriterAuth
from bugcommand_operator.gateway.bridge.request import refusal_of
from bugcommand_operator.gateway.bridge.text import prose_problem
from bugcommand_operator.gateway.deciding import decide
from bugcommand_operator.gateway.readers import Reader, client_of, token_of
from bugcommand_operator.gateway.refusals import Forbidden, Malformed, Refusal, TryLater, Unauthorized

MAX_BODY = 16 << 10  # a message of 1024 characters may be six times as long in JSON
VERB = "approve"
_NAME = re.compile(DNS_SUBDOMAIN)


class NoSuchCommand(Refusal):
    """404."""

    status = 404


def _plain(text: str) -> str:
    if problem := prose_problem(text):
        raise ValueError(problem)
    return text


class Wish(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    decision: Decision
    message: Annotated[str, Field(max_length=1024), AfterValidator(_plain)] = ""
    generation: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None


@dataclass(frozen=True)
class Approvals:
    auth: WriterAuth
    cluster: KubeSource

    async def post(self, request: Request) -> Response:
        try:
            return JSONResponse(await self._take(request))
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status, refusal.headers())
        except ClientDisconnect:
            return Response(status_code=400)

    async def _take(self, request: Request) -> dict[str, Any]:
        namespace, name = _names(request)
        person = await self._person(request, namespace)
        wish = _parsed(await read_body(request, declared_size(request, MAX_BODY)))
        wanted = Decided(
            decision=wish.decision,
            by=person.name[:512],
            at=datetime.now(UTC).replace(microsecond=0),
            message=wish.message,
        )
        try:
            kube = await self.cluster.kube()
            decided = await decide(kube, namespace, name, wanted, generation=wish.generation)
        except NotFound as error:
            raise NoSuchCommand("NotFound", f"there is no BugCommand {namespace}/{name}") from error
        except AccessDenied as error:
            raise Forbidden("GatewayNotAllowed", f"the gateway itself may not do that: {error}") from error
        except Refused as error:
            raise Malformed("RefusedByCluster", str(error)) from error
        except (ClusterError, IdentityUnavailable) as error:
            raise TryLater("Unavailable", "nothing can be decided now: send it again") from error
        return {"namespace": namespace, "name": name, **decided}

    async def _person(self, request: Request, namespace: str) -> KubernetesUser:
        try:
            reader = await self.auth.identify(token_of(request), client_of(request))
            user = _person_of(reader)
            may = await self.auth.may(reader, VERB, namespace, "")
        except Unauthenticated as error:
            raise Unauthorized("Unauthenticated", str(error)) from error
        except IdentityUnavailable as error:
            raise TryLater("IdentityUnavailable", "tokens and rights cannot be reviewed now") from error
        if not may:
            raise Forbidden("NotAllowed", f"{reader.name} may not {VERB} bugcommands in namespace {namespace}")
        return user


def _names(request: Request) -> tuple[str, str]:
    """What is no name would be another path of the API server's."""
    namespace, name = request.path_params["namespace"], request.path_params["name"]
    if not (_NAME.fullmatch(namespace) and _NAME.fullmatch(name)):
        raise NoSuchCommand("NotFound", "there is no BugCommand of such a name")
    return namespace, name


def _person_of(reader: Reader) -> KubernetesUser:
    if reader.user is None:
        raise Forbidden("NotAPerson", "a proxy token may not approve: use a Kubernetes token of your own")
    if any(key == POD_NAME for key, _ in reader.user.extra):
        raise Forbidden("NotAPerson", "a pod's token may not approve: use a Kubernetes token of your own")
    return reader.user


def _parsed(body: bytes) -> Wish:
    try:
        return Wish.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error, Malformed) from error


def routes(approvals: Approvals) -> list[Route]:
    return [Route("/bridge/commands/{namespace}/{name}/approval", approvals.post, methods=["POST"])]
