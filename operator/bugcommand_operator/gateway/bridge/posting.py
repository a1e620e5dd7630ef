"""`POST /bridge/commands`: a command by HTTP. It answers once the command is kept: as a row where there is Postgres,
which then goes the way of everybody's rows, else as a BugCommand.

Order matters: who it is, then whether there is room, then the body, then whether it may.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol
from uuid import uuid4, uuid5

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bugcommand_operator.cluster.errors import AccessDenied, ClusterError
from bugcommand_operator.cluster.token_review import IdentityUnavailable, Unauthenticated
from bugcommand_operator.gateway.admission import Admission
from bugcommand_operator.gateway.body import declared_size, read_body
from bugcommand_operator.gateway.bridge.claims import KubeSource, translated
from bugcommand_operator.gateway.bridge.keeping import Keeper, Kept, NewCommand
from bugcommand_operator.gateway.bridge.refusals import NotTheSame, Untranslatable
from bugcommand_operator.gateway.bridge.repositories import Repositories
from bugcommand_operator.gateway.bridge.request import PostedCommand, parse_body
from bugcommand_operator.gateway.bridge.rows import REQUESTS, Territory
from bugcommand_operator.gateway.readers import Reader, client_of, token_of
from bugcommand_operator.gateway.refusals import Forbidden, Malformed, Refusal, TryLater, Unauthorized
from bugcommand_operator.store.errors import StoreError, StoreRejected

MAX_BODY = 512 << 10  # a prompt of 64 KiB may be six times as long in JSON
_HELD_BYTES, _HELD_BYTES_PER_SENDER = 16 << 20, 4 << 20
_LONGEST_KEY = 255


class WriterAuth(Protocol):
    async def identify(self, token: str, client: str = "") -> Reader: ...

    async def may(self, reader: Reader, verb: str, namespace: str, repository: str) -> bool: ...


@dataclass(frozen=True)
class Posting:
    auth: WriterAuth
    cluster: KubeSource
    repositories: Repositories
    territory: Territory
    keeper: Keeper
    room: Admission

    async def post(self, request: Request) -> Response:
        try:
            kept, new = await self._take(request)
        except Refusal as refusal:
            return JSONResponse(refusal.body(), refusal.status, refusal.headers())
        except ClientDisconnect:
            return Response(status_code=400)
        headers = {} if new else {"Idempotent-Replay": "true"}
        return JSONResponse(kept.body(), 201, headers)

    async def _take(self, request: Request) -> tuple[Kept, bool]:
        reader = await self._identify(request)
        key = _idempotency_key(request)
        size = declared_size(request, MAX_BODY)
        with self.room.reserve(reader.name, size):
            command = parse_body(await read_body(request, size))
        namespace = await self._namespace(reader, command)
        try:
            return await self._keep(reader, command, namespace, key)
        except (StoreRejected, AccessDenied) as error:
            raise _permanent(error) from error
        except (StoreError, ClusterError, IdentityUnavailable) as error:
            raise TryLater("Unavailable", "the command cannot be kept now: send it again") from error

    async def _identify(self, request: Request) -> Reader:
        try:
            return await self.auth.identify(token_of(request), client_of(request))
        except Unauthenticated as error:
            raise Unauthorized("Unauthenticated", str(error)) from error
        except IdentityUnavailable as error:
            raise TryLater("IdentityUnavailable", "tokens cannot be reviewed now") from error

    async def _namespace(self, reader: Reader, command: PostedCommand) -> str:
        bound = sorted(reader.namespaces or ())
        namespace = command.namespace or (bound[0] if len(bound) == 1 else self.territory.default_namespace)
        if not namespace:
            raise Untranslatable("NamespaceNotGiven", "namespace: say where the command is to run", field="namespace")
        any_of_its = next(iter(reader.repositories or ("",)))  # which one it is for is checked when that is known
        try:
            may = self.territory.covers(namespace) and await self.auth.may(reader, "create", namespace, any_of_its)
        except IdentityUnavailable as error:
            raise TryLater("IdentityUnavailable", "rights cannot be reviewed now") from error
        if not may:
            message = f"{reader.name} may not create BugCommands in namespace {namespace}"
            raise Forbidden("NotAllowed", message, field="namespace")
        return namespace

    async def _keep(self, reader: Reader, command: PostedCommand, namespace: str, key: str | None) -> tuple[Kept, bool]:
        digest = digest_of(command)
        command_id = str(_id_for(reader.name, namespace, key) if key else uuid4())
        if key and (known := await self.keeper.find(command_id, namespace)) is not None:
            return _same(known, digest), False
        kube = await self.cluster.kube()
        manifest = await translated(
            kube, self.repositories, command, command_id, namespace, allowed=reader.repositories
        )
        wished = str(command.workspace_id) if command.workspace_id else None
        workspace = self.territory.workspace_for(namespace, wished)
        kept = await self.keeper.keep(NewCommand(command, manifest, workspace, digest, reader.name))
        return _same(kept, digest), kept.new


def routes(posting: Posting) -> list[Route]:
    return [Route("/bridge/commands", posting.post, methods=["POST"])]


def room_for_requests() -> Admission:
    return Admission(_HELD_BYTES, _HELD_BYTES_PER_SENDER)


def digest_of(command: PostedCommand) -> str:
    """The same for the same request, whatever the order and spacing of its JSON."""
    plain = command.model_dump(mode="json", exclude_none=True)
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _id_for(sender: str, namespace: str, key: str) -> Any:
    return uuid5(REQUESTS, json.dumps([sender, namespace, key]))


def _same(kept: Kept, digest: str) -> Kept:
    if kept.digest != digest:
        message = "Idempotency-Key: was used for another request: use a new key for each command"
        raise NotTheSame("IdempotencyKeyReused", message, field="Idempotency-Key")
    return kept


def _permanent(error: Exception) -> Refusal:
    if isinstance(error, AccessDenied):
        return Forbidden("GatewayNotAllowed", f"the gateway itself may not do that: {error}")
    return Untranslatable("RejectedByStore", f"the database refuses these values: {error}")


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"Idempotency-Key: is 1 to {_LONGEST_KEY} printable ASCII characters"
        raise Malformed("InvalidIdempotencyKey", message, field="Idempotency-Key")
    return key
