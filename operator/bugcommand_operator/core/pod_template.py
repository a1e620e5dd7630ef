"""What of `spec.podTemplate` a command may not ask for. Pure.

Add-ons read rights from a pod's labels and annotations: an identity at a cloud, a sidecar, another network. Nobody
knows all of them, so what may be set is listed here and by the installation, and all else is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator

from bugcommand_operator.api.bugcommand import PodTemplate

ALLOWED = (
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "karpenter.sh/do-not-disrupt",
    "kueue.x-k8s.io/queue-name",
    "scale.mentu.dev/",
)
"""Beside names without a prefix, which are their users' own. With a `/` at its end: all that begin so."""
RIGHTS = frozenset({"aadpodidbinding"})
"""Without a prefix, and read by an add-on all the same."""
SYSTEM_CLASSES = "system-"


def template_problem(template: PodTemplate | None, more: tuple[str, ...] = ()) -> str:
    """Empty: nothing. `more`: what the installation allows beside the list."""
    return next(_problems(template, (*ALLOWED, *more)), "") if template is not None else ""


def _problems(template: PodTemplate, allowed: tuple[str, ...]) -> Iterator[str]:
    for field, keys in (("labels", template.labels), ("annotations", template.annotations)):
        for key in keys:
            if not _may_be_set(key, allowed):
                yield (
                    f"spec.podTemplate.{field} may not hold {key!r}, which could give the pod rights: "
                    "leave it out, or have it allowed by the installation (MENTU_POD_TEMPLATE_KEYS)."
                )
    if template.priority_class_name.startswith(SYSTEM_CLASSES):
        yield "spec.podTemplate.priorityClassName may not be one of the system's own: name another."


def _may_be_set(key: str, allowed: tuple[str, ...]) -> bool:
    if "/" not in key:
        return key not in RIGHTS or key in allowed
    return any(key.startswith(each) if each.endswith("/") else key == each for each in allowed)
