"""Who a bearer token belongs to: the pod that a projected token was issued for, and the command it works on.

The API server vouches for the token (TokenReview, our audience), the pod's labels say which command and attempt,
and the uid binds the two: a token outlives neither its pod nor the name's next owner. Nothing is cached here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bugcommand_operator.api.names import LABEL_ATTEMPT, LABEL_COMMAND_ID
from bugcommand_operator.cluster.errors import AccessDenied, ClusterError, ClusterUnavailable, NotFound

AUDIENCE = "mentu"

_POD_NAME = "authentication.kubernetes.io/pod-name"
_POD_UID = "authentication.kubernetes.io/pod-uid"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class PodIdentity:
    namespace: str
    pod_name: str
    pod_uid: str
    command_id: str
    attempt: int


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
    """Asks the API server about tokens."""

    def __init__(self, cluster: Requests, audience: str = AUDIENCE) -> None:
        self._cluster = cluster
        self._audience = audience

    async def authenticate(self, token: str) -> PodIdentity:
        namespace, name, uid = pod_of(await self._review(token), self._audience)
        try:
            pod = await self._cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        except NotFound as error:
            raise Unauthenticated("the token's pod is gone") from error
        except ClusterError as error:
            raise IdentityUnavailable(str(error)) from error
        return identity_of(pod, namespace, name, uid)

    async def _review(self, token: str) -> Mapping[str, Any]:
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
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


def pod_of(status: Mapping[str, Any], audience: str) -> tuple[str, str, str]:
    """Namespace, name and uid of the pod that a reviewed token is bound to."""
    if status.get("authenticated") is not True:
        raise Unauthenticated(str(status.get("error") or "the token is not valid"))
    if audience not in (status.get("audiences") or []):
        raise Unauthenticated(f"the token is not for the audience {audience}")
    user: Mapping[str, Any] = status.get("user") or {}
    kind, _, account = str(user.get("username", "")).partition(_SERVICE_ACCOUNT)
    namespace = account.partition(":")[0]
    extra: Mapping[str, Any] = user.get("extra") or {}
    name, uid = ("".join(extra.get(key) or []) for key in (_POD_NAME, _POD_UID))
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
    return PodIdentity(namespace, name, uid, command_id, int(attempt))
