"""The words that others rely on: API group, labels, names of children. Light, so that anything may import it."""

from __future__ import annotations

import hashlib
import re

GROUP = "mentu.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "mentu"

ACTOR = "agent:executor"
FIELD_MANAGER = "mentu-executor"
TOKEN_AUDIENCE = "mentu"  # noqa: S105 - the name of an audience, not a token

FINALIZER = f"{GROUP}/keep-work"
VOLUME_GATE = f"{GROUP}/volumes"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "mentu-operator"
LABEL_COMMAND = f"{GROUP}/command"
LABEL_COMMAND_UID = f"{GROUP}/command-uid"
LABEL_COMMAND_ID = f"{GROUP}/command-id"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_ROLE = f"{GROUP}/role"
LABEL_REPOSITORY = f"{GROUP}/repository"
LABEL_KEPT = f"{GROUP}/kept"
LABEL_COMPONENT = "app.kubernetes.io/component"

ROLE_AGENT = "agent"
ROLE_PUBLISH = "publish"
ROLE_RESCUE = "rescue"
ROLE_SHIP = "ship"

MAX_COMMAND_NAME = 50
MAX_LABEL_VALUE = 63
MAX_EXECUTOR_NAME = 200


def agent_pod_name(command: str, attempt: int) -> str:
    return f"{command}-{attempt}-agent"


def publish_pod_name(command: str, attempt: int) -> str:
    return f"{command}-{attempt}-publish"


def rescue_pod_name(command: str, attempt: int) -> str:
    return f"{command}-{attempt}-rescue"


def ship_pod_name(command: str, attempt: int) -> str:
    return f"{command}-{attempt}-ship"


def pod_names(command: str, attempt: int) -> tuple[str, ...]:
    """Of all that an attempt may have."""
    return tuple(name(command, attempt) for name in (agent_pod_name, publish_pod_name, rescue_pod_name, ship_pod_name))


def worktree_volume_name(command: str) -> str:
    return f"{command}-worktree"


def mirror_volume_name(repository: str) -> str:
    return f"{repository}-mirror"


def checkout_volume_name(repository: str) -> str:
    return f"{repository}-checkout"


def branch_name(commitment_id: str) -> str:
    return f"bug/{commitment_id}"


def rescue_ref(commitment_id: str, attempt: int) -> str:
    return f"refs/mentu/rescue/{commitment_id}/{attempt}"


def commitment_id_from_uid(uid: str) -> str:
    return "cmt_" + uid.replace("-", "")[:12]


def executor_object_name(instance_id: str) -> str:
    """Of an executor's entry and Lease: its id, or where no object may be called that, something near it and a hash."""
    near = re.sub(r"[^-a-z0-9.]+", "-", instance_id.lower())[:MAX_EXECUTOR_NAME].strip("-.")
    if near == instance_id and ".." not in near and ".-" not in near and "-." not in near:
        return near
    digest = hashlib.sha256(instance_id.encode()).hexdigest()[:8]
    return f"{near[: MAX_EXECUTOR_NAME - 9].replace('.', '-').strip('-')}-{digest}".lstrip("-")


def label_value(name: str) -> str:
    """A label holds 63 characters, an object's name up to 253: a long one is cut and told apart by a hash."""
    if len(name) <= MAX_LABEL_VALUE:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_LABEL_VALUE - 9].rstrip('-._')}-{digest}"
