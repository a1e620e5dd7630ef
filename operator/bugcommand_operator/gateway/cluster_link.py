"""The gateway's connection to the API server, made in the background once the gateway listens: the client's import
alone takes as long as all the rest of the start. Until then its answer is that it cannot tell yet.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Any

from bugcommand_operator.cluster.access_review import AccessReviewer
from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.token_review import (
    IdentityUnavailable,
    KubernetesUser,
    PodIdentity,
    TokenReviewer,
)


class ClusterLink:
    """Token and access reviews, through one client."""

    def __init__(self, kubeconfig: str, audience: str, namespaces: Collection[str] = ()) -> None:
        self._kubeconfig, self._audience = kubeconfig, audience
        self._namespaces = frozenset(namespaces)
        self._connecting: asyncio.Task[Cluster] | None = None

    def start(self, on_failure: Callable[[], object]) -> None:
        self._connecting = asyncio.create_task(Cluster.connect(self._kubeconfig), name="connect-cluster")
        self._connecting.add_done_callback(lambda task: on_failure() if task.exception() else None)

    async def cluster(self) -> Cluster:
        if self._connecting is None:
            raise IdentityUnavailable("the gateway is starting")
        return await asyncio.shield(self._connecting)

    async def authenticate(self, token: str) -> PodIdentity:
        reviewer = TokenReviewer(await self.cluster(), self._audience, self._namespaces)
        return await reviewer.authenticate(token)

    async def user_of(self, token: str) -> KubernetesUser:
        return await TokenReviewer(await self.cluster(), self._audience, self._namespaces).user_of(token)

    async def may(self, user: KubernetesUser, verb: str, namespace: str) -> bool:
        return await AccessReviewer(await self.cluster()).may(user, verb, namespace)

    async def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """`Cluster.request`, for those who read or make objects."""
        return await (await self.cluster()).request(method, path, **options)

    async def close(self) -> None:
        """Ends the connection. Raises what kept it from being made, which is a mistake in the configuration."""
        if self._connecting is not None:
            await (await self._connecting).close()
