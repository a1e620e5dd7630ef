"""What the pods that push, to publish and to rescue, have come to. Of their containers only ours have a say."""

from __future__ import annotations

from bugcommand_operator.core.observed import Container, Pod

TRY_AGAIN_EXIT_CODE = 21


_OVER_LIMIT = ("exceeds the limit", "exceeds the total limit", "exceeded its local ephemeral storage limit")
"""As the kubelet words it when it evicts a pod for what it has written itself, not for what the node lacks."""


def has_pushed(pod: Pod) -> bool:
    return pod.phase == "Succeeded" or pod.container("publish").exit_code == 0


def failed_container(pod: Pod) -> Container:
    export = pod.container("export")
    return export if export.has_ended and export.exit_code != 0 else pod.container("publish")


def is_too_large(pod: Pod) -> bool:
    """It would be evicted each time."""
    return pod.reason == "Evicted" and any(words in pod.message for words in _OVER_LIMIT)


def may_pass(container: Container) -> bool:
    """It said so itself, or was ended from outside before it could say anything."""
    return container.exit_code == TRY_AGAIN_EXIT_CODE or not container.has_ended
