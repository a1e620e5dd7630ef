"""How long the logs of each Repository are kept, as the API server tells. When it cannot tell, nothing is known: what
would be deleted too early is gone.
"""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bugcommand_operator.api.names import GROUP, VERSION, label_value
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.store.retention import RetentionPolicy

_PAGE = 500
_MOST_PAGES = 200


class Requests(Protocol):
    """The part of `gateway.cluster_link.ClusterLink` that this module uses."""

    async def request(self, method: str, path: str, *, query: Mapping[str, str]) -> dict[str, Any]: ...


async def retention_policy(cluster: Requests, namespaces: Collection[str], default_days: int) -> RetentionPolicy:
    """`namespaces` are those that the installation works in; empty: all."""
    paths = [f"namespaces/{name}/" for name in sorted(namespaces)] or [""]
    found: dict[tuple[str, str], int] = {}
    for path in paths:
        for repository in await _list(cluster, f"/apis/{GROUP}/{VERSION}/{path}repositories"):
            found |= _days_of(repository)
    return RetentionPolicy(default_days, found, frozenset(namespaces) or None)


async def _list(cluster: Requests, path: str) -> list[Mapping[str, Any]]:
    items: list[Mapping[str, Any]] = []
    token = ""
    for _ in range(_MOST_PAGES):
        query = {"limit": str(_PAGE), **({"continue": token} if token else {})}
        page = await cluster.request("GET", path, query=query)
        items += page.get("items") or []
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return items
    raise ClusterError(f"there are more than {_MOST_PAGES * _PAGE} Repositories")


def _days_of(repository: Mapping[str, Any]) -> dict[tuple[str, str], int]:
    """By the name as a pod's label has it: that is how the store knows it."""
    metadata, spec = repository.get("metadata") or {}, repository.get("spec") or {}
    days = (spec.get("logs") or {}).get("retentionDays")
    if not isinstance(days, int) or days < 1:
        return {}
    return {(str(metadata.get("namespace")), label_value(str(metadata.get("name")))): days}
