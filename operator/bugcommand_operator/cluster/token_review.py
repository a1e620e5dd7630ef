"""Who a bearer token belongs to: the pod that a projected token was issued for, and the command it works on.

The API server vouches for the token (TokenReview, our audience), the pod's labels say which command and attempt,
and the uid binds the two: a token outlives neither its pod nor the name's next owner. Nothing is cached here.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.api.names import LABEL_ATTEMPT, LABEL_COMMAND_ID, LABEL_COMMAND_UID, LABEL_REPOSITORY
from bugcommand_operator.cluster.errors import AccessDenied, ClusterError, ClusterUnavailable, NotFound

AUDIENCE = "mentu"

POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class PodIdentity:
    namespace: str
    pod_name: str
    pod_uid: str
    command_id: str
    attempt: int
    command_uid: str = ""
    repository: str = ""


@dataclass(frozen=True, slots=True)
class KubernetesUser:
    """Somebody that the API server knows, with all that it needs to know to decide about their rights."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class IdentityError(Exception):
    """The bearer's identity was not established."""


class Unauthenticated(IdentityError):
    """The token is not valid, not for us, or not a pod's."""


class NotACommandPod(IdentityError):
    """The token is valid, but its pod carries out no attempt of a command."""


class IdentityUnavailable(IdentityError):
    """Temporary: the API server could not be asked. It says nothing about the token."""


class Requests(Protocol):
    """The part of `cluster.client.Cluster` that this module uses."""

    async def request(self, method: str, path: str, *, body: Any = None) -> dict[str, Any]: ...


class TokenReviewer:
    """Asks the API server about tokens. `namespaces` are those that the installation works in; empty: all."""

    def __init__(self, cluster: Requests, audience: str = AUDIENCE, namespaces: Collection[str] = frozenset()) -> None:
        self._cluster = cluster
        self._audience = audience
        self._namespaces = frozenset(namespaces)

    async def authenticate(self, token: str) -> PodIdentity:
        """The command's pod that the token was issued for."""
        namespace, name, uid = pod_of(await self._review(token, self._audience), self._audience)
        if self._namespaces and namespace not in self._namespaces:  # we may not even look at its pods
            raise NotACommandPod(f"namespace {namespace} is not one that this installation works in")
        try:
            pod = await self._cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        except NotFound as error:
            raise Unauthenticated("the token's pod is gone") from error
        except ClusterError as error:
            raise IdentityUnavailable(str(error)) from error
        return identity_of(pod, namespace, name, uid)

    async def user_of(self, token: str) -> KubernetesUser:
        """Whoever the API server says it is, for our audience or for the API server's own."""
        audience = self._audience if self._audience in claimed_audiences(token) else ""
        return user_of(await self._review(token, audience), audience)

    async def _review(self, token: str, audience: str) -> Mapping[str, Any]:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, **({"audiences": [audience]} if audience else {})},
        }
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        try:
            answer = await self._cluster.request("POST", path, body=review)
        except (ClusterUnavailable, AccessDenied) as error:
            raise IdentityUnavailable(str(error)) from error
        except ClusterError as error:
            raise Unauthenticated(f"the API server does not take this token: {error}") from error
        status: Mapping[str, Any] = answer.get("status") or {}
        return status


def claimed_audiences(token: str) -> frozenset[str]:
    """Whom a token says it is for: only a hint which review to ask for, the answer is the API server's."""
    parts = token.split(".")
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "==")) if len(parts) == 3 else {}
    except (ValueError, RecursionError):
        return frozenset()
    said = claims.get("aud") if isinstance(claims, dict) else None
    several = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    return frozenset(audience for audience in several if isinstance(audience, str))


def user_of(status: Mapping[str, Any], audience: str) -> KubernetesUser:
    user: Mapping[str, Any] = _authenticated(status, audience).get("user") or {}
    if not user.get("username"):
        raise Unauthenticated("the token has no user")
    extra = tuple((str(key), tuple(values or ())) for key, values in sorted((user.get("extra") or {}).items()))
    return KubernetesUser(user["username"], user.get("uid") or "", tuple(user.get("groups") or ()), extra)


def _authenticated(status: Mapping[str, Any], audience: str) -> Mapping[str, Any]:
    if status.get("authenticated") is not True:
        raise Unauthenticated(str(status.get("error") or "the token is not valid"))
    if audience and audience not in (status.get("audiences") or []):
        raise Unauthenticated(f"the token is not for the audience {audience}")
    return status


def pod_of(status: Mapping[str, Any], audience: str) -> tuple[str, str, str]:
    """Namespace, name and uid of the pod that a reviewed token is bound to."""
    user: Mapping[str, Any] = _authenticated(status, audience).get("user") or {}
    kind, _, account = str(user.get("username", "")).partition(_SERVICE_ACCOUNT)
    namespace = account.partition(":")[0]
    extra: Mapping[str, Any] = user.get("extra") or {}
    name, uid = ("".join(extra.get(key) or []) for key in (POD_NAME, _POD_UID))
    if kind or not (namespace and name and uid):
        raise Unauthenticated("the token is not bound to a pod")
    return namespace, name, uid


def identity_of(pod: Mapping[str, Any], namespace: str, name: str, uid: str) -> PodIdentity:
    """The command and attempt of the pod, if it is the very pod that the token was issued for."""
    metadata: Mapping[str, Any] = pod.get("metadata") or {}
    if metadata.get("uid") != uid:
        raise Unauthenticated(f"pod {namespace}/{name} is not the one this token was issued for")
    labels: Mapping[str, str] = metadata.get("labels") or {}
    command_id, attempt = labels.get(LABEL_COMMAND_ID, ""), labels.get(LABEL_ATTEMPT, "")
    if not command_id or not (attempt.isascii() and attempt.isdigit()) or int(attempt) < 1:
        raise NotACommandPod(f"pod {namespace}/{name} has no labels {LABEL_COMMAND_ID} and {LABEL_ATTEMPT}")
    command_uid, repository = labels.get(LABEL_COMMAND_UID, ""), labels.get(LABEL_REPOSITORY, "")
    return PodIdentity(namespace, name, uid, command_id, int(attempt), command_uid, repository)
