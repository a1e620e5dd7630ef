"""The pod that takes work out: `export` reads the agent's volume, `publish` holds the credential and pushes. Pure."""

from __future__ import annotations

from bugcommand_operator.api.names import (
    ROLE_PUBLISH,
    ROLE_RESCUE,
    mirror_volume_name,
    publish_pod_name,
    rescue_pod_name,
)
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.agent_pod import beside_the_mirror
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import (
    EXPORT,
    MIRROR,
    TMP,
    WORKSPACE,
    Manifest,
    claim_volume,
    empty_dir,
    labels,
    owner,
    pod_security,
    scratch_volume,
    token_volume,
    tolerations,
)
from bugcommand_operator.manifests.ship_pod import ship_container
from bugcommand_operator.manifests.volumes import workspace_volume_name
from bugcommand_operator.manifests.workspace import export_container, publish_container

DEADLINE_SECONDS = 900


def publish_pod(command: Command, repository: RepositorySpec, install: Install) -> Manifest:
    pod = _pod(command, repository, install, publish_pod_name(command.name, command.attempt), ROLE_PUBLISH, "Branch")
    pod["metadata"]["ownerReferences"] = [owner(command)]
    return pod


def rescue_pod(command: Command, repository: RepositorySpec, install: Install) -> Manifest:
    """Has no owner: its command is being deleted, and a foreground deletion would take the pod first."""
    return _pod(command, repository, install, rescue_pod_name(command.name, command.attempt), ROLE_RESCUE, "Rescue")


def _pod(
    command: Command, repository: RepositorySpec, install: Install, name: str, role: str, publish_as: str
) -> Manifest:
    inits = [export_container(command, repository, install, publish_as)]
    volumes = _volumes(command, repository, install)
    if role == ROLE_RESCUE:  # the last that sees the volume: what the log lacks is sent first
        inits.insert(0, ship_container(command, install, install.ship_seconds))
        volumes.append(token_volume())
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": DEADLINE_SECONDS,
        "terminationGracePeriodSeconds": 10,
        "securityContext": pod_security(),
        "initContainers": inits,
        "containers": [publish_container(command, repository, install, publish_as)],
        "volumes": volumes,
        **tolerations(command),
    }
    if repository.mirror.enabled and repository.mirror.access_mode == "ReadWriteOnce":
        spec["affinity"] = beside_the_mirror(command)
    if install.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in install.image_pull_secrets]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": command.namespace, "name": name, "labels": labels(command, role)},
        "spec": spec,
    }


def _volumes(command: Command, repository: RepositorySpec, install: Install) -> list[Manifest]:
    volumes = [
        claim_volume(WORKSPACE, workspace_volume_name(command)),
        empty_dir(EXPORT, install.scratch_limit),
        empty_dir(TMP, install.scratch_limit),
        *scratch_volume(repository, install.scratch_limit),
    ]
    if repository.mirror.enabled:
        volumes.append(claim_volume(MIRROR, mirror_volume_name(command.spec.repository.name)))
    return volumes
