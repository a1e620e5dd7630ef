"""The containers that run `mentu-workspace`, and what they are told. Pure."""

from __future__ import annotations

import json
from typing import Any

from bugcommand_operator.api.names import ACTOR
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import (
    EXPORT,
    MIRROR,
    SCRATCH,
    TMP,
    TOOLS,
    WORKSPACE,
    Manifest,
    container_security,
    credential_env,
    env,
    mount,
    proxy_env,
)


def fetch_container(command: Command, repository: RepositorySpec, install: Install) -> Manifest:
    """Holds the git credential, so it sees the mirror alone and never the command's volume."""
    container = _container("fetch", ["fetch"], command, repository, install, [mount(MIRROR, "/mirror")])
    return _with_credential(container, repository)


def prepare_container(command: Command, repository: RepositorySpec, install: Install) -> Manifest:
    """Without a credential it fetches too: one container less in the way of the agent's start."""
    fetches = repository.credentials_secret is None
    mounts = [mount(WORKSPACE, "/workspace"), mount(TOOLS, "/mentu")]
    if repository.mirror.enabled:
        mounts.append(mount(MIRROR, "/mirror", read_only=not fetches))
    container = _container(
        "workspace", ["prepare", "--fetch"] if fetches else ["prepare"], command, repository, install, mounts
    )
    context = command.spec.context
    container["env"] += env(
        MENTU_PROMPT=command.spec.prompt,
        MENTU_CONTEXT=json.dumps(context.to_dict(), ensure_ascii=False) if context else "",
        **({"MENTU_AGENT_CA_BUNDLE": install.ca_bundle} if install.ca_bundle else {}),
    )
    return container


def export_container(command: Command, repository: RepositorySpec, install: Install, publish_as: str) -> Manifest:
    """Reads what the agent wrote; holds no credential. The volume is read-only to it."""
    mounts = [mount(WORKSPACE, "/workspace", read_only=True), mount(EXPORT, "/export")]
    if repository.mirror.enabled:
        mounts.append(mount(MIRROR, "/mirror", read_only=True))
    return _container("export", ["export"], command, repository, install, mounts, publish_as)


def publish_container(command: Command, repository: RepositorySpec, install: Install, publish_as: str) -> Manifest:
    """Holds the credential; of the agent's work it sees the exported bundle alone."""
    mounts = [mount(EXPORT, "/export", read_only=True)]
    if repository.mirror.enabled:
        mounts.append(mount(MIRROR, "/mirror", read_only=True))
    container = _container("publish", ["publish"], command, repository, install, mounts, publish_as)
    return _with_credential(container, repository)


def _with_credential(container: Manifest, repository: RepositorySpec) -> Manifest:
    """With the git credential, and a /tmp that no other container sees."""
    if repository.credentials_secret is None:
        return container
    others = [m for m in container["volumeMounts"] if m["name"] != TMP]
    return container | {
        "env": [*container["env"], *credential_env(repository)],
        "volumeMounts": [*others, mount(SCRATCH, "/tmp")],  # noqa: S108
    }


def _container(
    name: str,
    arguments: list[str],
    command: Command,
    repository: RepositorySpec,
    install: Install,
    mounts: list[Manifest],
    publish_as: str = "Branch",
) -> Manifest:
    request = json.dumps(workspace_request(command, repository, publish_as), ensure_ascii=False)
    trusted = "\n".join(filter(None, (install.ca_bundle, repository.ca_bundle)))
    variables = env(MENTU_WORKSPACE=request, MENTU_CA_BUNDLE=trusted, HOME="/tmp")  # noqa: S108
    return {
        "name": name,
        "image": install.operator_image,
        "imagePullPolicy": install.image_pull_policy,
        "command": ["mentu-workspace", *arguments],
        "env": [*variables, *proxy_env(install.proxy)],
        "resources": install.preparation_resources,
        "securityContext": container_security(),
        "volumeMounts": [*mounts, mount(TMP, "/tmp")],  # noqa: S108
        "terminationMessagePolicy": "File",
    }


def workspace_request(command: Command, repository: RepositorySpec, publish_as: str) -> dict[str, Any]:
    spec = command.spec
    scope = spec.context.scope if spec.context else None
    return {
        "name": command.name,
        "namespace": command.namespace,
        "commandId": command.command_id,
        "commitmentId": command.commitment_id,
        "attempt": command.attempt,
        "repository": spec.repository.name,
        "url": repository.url,
        "baseRef": spec.base_ref,
        "defaultBranch": repository.default_branch,
        "workingDirectory": spec.working_directory,
        "withWorktree": spec.with_worktree,
        "mirror": repository.mirror.enabled,
        "genesisPolicy": repository.genesis_policy.value,
        "actor": ACTOR,
        "identity": repository.commit_identity.to_dict(),
        "baseCommit": command.status.base_commit or "",
        "publishedCommit": (command.status.head_commit or "") if command.status.branch else "",
        "createdAt": command.created_at.isoformat(),
        "output": spec.output.value,
        "scope": scope.to_dict() if scope else None,
        "publishAs": publish_as,
    }
