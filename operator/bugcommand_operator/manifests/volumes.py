"""Volumes: the command's worktree, the Repository's mirror, the Repository's plain checkout. Pure."""

from __future__ import annotations

from bugcommand_operator.api.names import (
    LABEL_MANAGED_BY,
    LABEL_REPOSITORY,
    LABEL_ROLE,
    MANAGED_BY,
    checkout_volume_name,
    label_value,
    mirror_volume_name,
    worktree_volume_name,
)
from bugcommand_operator.api.repository import RepositorySpec, Volume
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.parts import Manifest, labels


def workspace_volume_name(command: Command) -> str:
    if command.spec.with_worktree:
        return worktree_volume_name(command.name)
    return checkout_volume_name(command.spec.repository.name)


def worktree_volume(command: Command, repository: RepositorySpec) -> Manifest:
    """Has no owner yet: a foreground deletion would take it, with the work, before anything could be rescued."""
    name = worktree_volume_name(command.name)
    return _claim(command.namespace, name, labels(command, "worktree"), repository.worktree, "ReadWriteOnce")


def checkout_volume(command: Command, repository: RepositorySpec) -> Manifest:
    name = command.spec.repository.name
    return _claim(
        command.namespace,
        checkout_volume_name(name),
        _repository_labels(name, "checkout"),
        repository.worktree,
        "ReadWriteOnce",
    )


def mirror_volume(namespace: str, name: str, repository: RepositorySpec) -> Manifest:
    return _claim(
        namespace,
        mirror_volume_name(name),
        _repository_labels(name, "mirror"),
        repository.mirror,
        repository.mirror.access_mode,
    )


def _repository_labels(repository: str, role: str) -> dict[str, str]:
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: role, LABEL_REPOSITORY: label_value(repository)}


def _claim(namespace: str, name: str, labelled: dict[str, str], volume: Volume, mode: str) -> Manifest:
    spec: Manifest = {"accessModes": [mode], "resources": {"requests": {"storage": str(volume.size)}}}
    if volume.storage_class_name:
        spec["storageClassName"] = volume.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": namespace, "name": name, "labels": labelled},
        "spec": spec,
    }
