"""Which rights are lacking, by what the API server has answered."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bugcommand_operator.cluster.client import Cluster
from bugcommand_operator.cluster.errors import AccessDenied, ClusterError, ClusterUnavailable, Conflict
from bugcommand_operator.cluster.kube import Kube
from bugcommand_operator.cluster.rights import REVIEWS, Right, Rights


def denied(what: str, group: str = "mentu.dev", namespace: str = "team-a") -> AccessDenied:
    """As RBAC says it."""
    place = f'{what} in API group "{group}" in the namespace "{namespace}"'
    return AccessDenied(
        f'PATCH /apis: fix is forbidden: User "system:serviceaccount:m:e" cannot patch resource {place}', 403
    )


def ask(rights: Rights, error: ClusterError) -> None:
    with pytest.raises(type(error)), rights.noting():
        raise error


def test_a_right_that_rbac_denies_is_named_once_for_all_namespaces() -> None:
    rights = Rights()
    for namespace in ("team-a", "team-b"):
        ask(rights, denied('"bugcommands/status"', namespace=namespace))
    ask(rights, denied('"pods"', ""))
    assert rights.lacking() == ["patch bugcommands/status", "patch pods"]
    assert rights.denied == {
        Right("patch", "bugcommands", "status", "mentu.dev", "team-a"),
        Right("patch", "bugcommands", "status", "mentu.dev", "team-b"),
        Right("patch", "pods", "", "", "team-a"),
    }


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied('admission webhook "policy.example.test" denied the request: no', 403),
        AccessDenied('pods "x" is forbidden: exceeded quota: most, requested: pods=1, used: pods=9', 403),
        Conflict("changed", 409),
        ClusterUnavailable("away"),
        denied('"storageclasses"', "storage.k8s.io"),
    ],
)
def test_nothing_else_is_a_right_that_is_missing(error: ClusterError) -> None:
    rights = Rights()
    ask(rights, error)
    assert rights.lacking() == []


def test_the_question_whether_we_have_it_by_now_names_what_was_denied() -> None:
    assert Right("patch", "bugcommands", "status", "mentu.dev", "team-a").review()["spec"] == {
        "resourceAttributes": {
            "verb": "patch",
            "resource": "bugcommands",
            "subresource": "status",
            "group": "mentu.dev",
            "namespace": "team-a",
        }
    }
    assert Right("list", "pods", "", "", "").review()["spec"] == {
        "resourceAttributes": {"verb": "list", "resource": "pods"}
    }


async def test_what_is_allowed_again_is_forgotten_and_the_rest_is_not() -> None:
    class Reviewer:
        async def request(self, method: str, path: str, *, body: dict[str, Any], **_how: Any) -> dict[str, Any]:
            assert (method, path) == ("POST", REVIEWS)
            return {"status": {"allowed": body["spec"]["resourceAttributes"]["verb"] == "patch"}}

    kube = Kube(cast(Cluster, Reviewer()))
    kept = Right("create", "pods", "", "", "team-a")
    kube.rights.denied |= {Right("patch", "bugcommands", "status", "mentu.dev", "team-a"), kept}
    await kube.review_rights()
    assert kube.rights.denied == {kept}
