"""Which rights we lack, as the API server's answers say: RBAC denies them, and nothing that is tried again helps.

Only what RBAC itself says counts: an admission webhook or a quota answers 403 too, about one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cluster.errors import AccessDenied

_DENIED = re.compile(
    r' cannot (\w+) resource "([^"/]+)/?([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?'
)
"""As the API server's RBAC authorizer words it."""
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OPTIONAL = frozenset({"storageclasses"})
"""What is asked where it may be, and done without elsewhere."""


@dataclass(frozen=True, order=True)
class Right:
    verb: str
    resource: str
    subresource: str
    group: str
    namespace: str
    """Empty: all of them, or none."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f"/{self.subresource}" if self.subresource else "")

    def review(self) -> dict[str, Any]:
        """What asks the API server whether we have it by now; everybody may ask that of themselves."""
        attributes = {
            "verb": self.verb,
            "resource": self.resource,
            "subresource": self.subresource,
            "group": self.group,
            "namespace": self.namespace,
        }
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
        }


class Rights:
    def __init__(self) -> None:
        self.denied: set[Right] = set()

    @contextmanager
    def noting(self) -> Iterator[None]:
        """What becomes of one request."""
        try:
            yield
        except AccessDenied as error:
            found = _DENIED.search(str(error))
            if found and found[2] not in OPTIONAL:
                self.denied.add(Right(*found.groups(default="")))
            raise

    def lacking(self) -> list[str]:
        """In words, each once: `patch bugcommands/status`."""
        return sorted({str(right) for right in self.denied})
