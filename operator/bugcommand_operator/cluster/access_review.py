"""Whether the API server would let somebody `get` the BugCommands of a namespace (SubjectAccessReview).

That right is what reading a command's log takes, and it can be asked after the command itself is gone. Nothing is
cached here.
"""

from bugcommand_operator.api.names import GROUP
from bugcommand_operator.cluster.errors import ClusterError
from bugcommand_operator.cluster.token_review import IdentityUnavailable, KubernetesUser, Requests

_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class AccessReviewer:
    """Asks the API server what somebody may do."""

    def __init__(self, cluster: Requests) -> None:
        self._cluster = cluster

    async def may(self, user: KubernetesUser, verb: str, namespace: str, resource: str = "bugcommands") -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": user.name,
                "uid": user.uid,
                "groups": list(user.groups),
                "extra": {key: list(values) for key, values in user.extra},
                "resourceAttributes": {"namespace": namespace, "verb": verb, "group": GROUP, "resource": resource},
            },
        }
        try:
            answer = await self._cluster.request("POST", _PATH, body=review)
        except ClusterError as error:
            raise IdentityUnavailable(str(error)) from error
        status = answer.get("status") or {}
        return status.get("allowed") is True and status.get("denied") is not True
