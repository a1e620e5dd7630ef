"""Pieces that the pods share. Every container is `restricted`: no root, no capabilities, a read-only root."""

from __future__ import annotations

from typing import Any

from bugcommand_operator.api.names import (
    LABEL_ATTEMPT,
    LABEL_COMMAND,
    LABEL_COMMAND_ID,
    LABEL_COMMAND_UID,
    LABEL_MANAGED_BY,
    LABEL_REPOSITORY,
    LABEL_ROLE,
    MANAGED_BY,
    TOKEN_AUDIENCE,
    label_value,
)
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command

Manifest = dict[str, Any]
UID = 1000
TOKEN_SECONDS = 7200
TOKEN_FOLDER = "/var/run/secrets/mentu"  # noqa: S105
WORKSPACE, MIRROR, TOOLS, EXPORT = "workspace", "mirror", "tools", "export"
MIRROR_REPOSITORY = "/mirror/repo.git"
"""The same in every pod: the agent's repository names it as the place that it borrows objects from."""
TMP, SCRATCH = "tmp", "scratch"
"""SCRATCH is /tmp of a container that holds the git credential: what it leaves there no other container sees."""


def pod_security() -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": UID,
        "runAsGroup": UID,
        "fsGroup": UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def owner(command: Command) -> Manifest:
    return {
        "apiVersion": "mentu.dev/v1alpha1",
        "kind": "BugCommand",
        "name": command.name,
        "uid": command.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def labels(command: Command, role: str) -> dict[str, str]:
    return {
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_ROLE: role,
        LABEL_COMMAND: label_value(command.name),
        LABEL_COMMAND_UID: command.uid,
        LABEL_COMMAND_ID: command.command_id,
        LABEL_ATTEMPT: str(command.attempt),
        LABEL_REPOSITORY: label_value(command.spec.repository.name),
    }


def tolerations(command: Command) -> Manifest:
    """Of every pod of the command's: where its volume can be reached, all nodes may be tainted."""
    template = command.spec.pod_template
    if template is None or not template.tolerations:
        return {}
    return {"tolerations": [{k: v for k, v in t.to_dict().items() if v} for t in template.tolerations]}


def env(**values: str) -> list[Manifest]:
    return [{"name": name, "value": literal(value)} for name, value in values.items()]


def proxy_env(proxy: dict[str, str]) -> list[Manifest]:
    """In both spellings: some programs know only the one, some only the other."""
    return env(**proxy, **{name.lower(): value for name, value in proxy.items()})


def literal(value: str) -> str:
    """Kubernetes expands $(NAME) in values and takes $$ for $: a prompt must reach the agent as it was written."""
    return value.replace("$", "$$")


def empty_dir(name: str, limit: str) -> Manifest:
    """Never without a limit: it is the node's disk, and others live there too."""
    return {"name": name, "emptyDir": {"sizeLimit": limit}}


def claim_volume(name: str, claim: str, *, read_only: bool = False) -> Manifest:
    spec: Manifest = {"claimName": claim}
    return {"name": name, "persistentVolumeClaim": {**spec, "readOnly": True} if read_only else spec}


def scratch_volume(repository: RepositorySpec, limit: str) -> list[Manifest]:
    return [empty_dir(SCRATCH, limit)] if repository.credentials_secret is not None else []


def credential_env(repository: RepositorySpec) -> list[Manifest]:
    """By variables, not as a volume: a Secret that is missing, or lacks the token, then shows in the container's state,
    and the container starts by itself once it is there."""
    if repository.credentials_secret is None:
        return []
    name = repository.credentials_secret.name
    return [
        _from_secret("MENTU_GIT_PASSWORD", name, "password"),
        _from_secret("MENTU_GIT_USERNAME", name, "username", optional=True),
        _from_secret("MENTU_GIT_HOST", name, "host", optional=True),
    ]


def _from_secret(variable: str, name: str, key: str, *, optional: bool = False) -> Manifest:
    reference: Manifest = {"name": name, "key": key}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference | ({"optional": True} if optional else {})}}


def token_volume() -> Manifest:
    """The pod's own token, good for nothing but the gateway: the API server refuses its audience."""
    source = {"serviceAccountToken": {"audience": TOKEN_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}}
    return {"name": "token", "projected": {"defaultMode": 0o440, "sources": [source]}}


def mount(name: str, path: str, *, read_only: bool = False, sub_path: str = "") -> Manifest:
    made: Manifest = {"name": name, "mountPath": path}
    if sub_path:
        made["subPath"] = sub_path
    return {**made, "readOnly": True} if read_only else made
