"""The agent's pod. Pure. The model credential is in its `agent` container and nowhere else."""

from __future__ import annotations

import json
from typing import Any

from bugcommand_operator.api.agent import AgentSpec, Resources
from bugcommand_operator.api.bugcommand import PodTemplate
from bugcommand_operator.api.names import (
    GROUP,
    LABEL_REPOSITORY,
    ROLE_AGENT,
    VOLUME_GATE,
    agent_pod_name,
    label_value,
    mirror_volume_name,
)
from bugcommand_operator.api.repository import RepositorySpec
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import (
    MIRROR,
    MIRROR_REPOSITORY,
    TMP,
    TOKEN_FOLDER,
    TOOLS,
    WORKSPACE,
    Manifest,
    claim_volume,
    container_security,
    empty_dir,
    env,
    labels,
    mount,
    owner,
    pod_security,
    proxy_env,
    scratch_volume,
    token_volume,
    tolerations,
)
from bugcommand_operator.manifests.volumes import workspace_volume_name
from bugcommand_operator.manifests.workspace import fetch_container, prepare_container

RUNNER = "/mentu/lib"
"""Also where Python starts, for `-m` imports from there first: the volume may hold what another agent has planted."""

BACKSTOP_SECONDS = 3600
"""Should runner and operator both fail to end an agent at its timeout, the kubelet does, this much later."""

CERTIFICATES = "/mentu/ca-certificates.crt"
TRUSTING = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
"""What programs call a file of certificates; the init container writes it where the installation has any."""

PROFILE_ANNOTATIONS = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)

SELECTING_LABELS = (f"{GROUP}/", *(f"app.kubernetes.io/{word}" for word in ("name", "instance", "component")))


def agent_pod(command: Command, repository: RepositorySpec, agent: AgentSpec, install: Install) -> Manifest:
    template = command.spec.pod_template or PodTemplate()
    inits = [prepare_container(command, repository, install)]
    if repository.credentials_secret is not None and repository.mirror.enabled:
        inits.insert(0, fetch_container(command, repository, install))
    spec: Manifest = {
        "restartPolicy": "Never",
        "schedulingGates": [{"name": VOLUME_GATE}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": install.termination_grace_seconds,
        "activeDeadlineSeconds": command.spec.timeout_seconds + install.drain_seconds + BACKSTOP_SECONDS,
        "securityContext": pod_security(),
        "initContainers": inits,
        "containers": [_agent_container(command, repository, agent, install)],
        "volumes": _volumes(command, repository, install),
        **_placement(command, repository, template),
    }
    if agent.runtime_class_name:
        spec["runtimeClassName"] = agent.runtime_class_name
    secrets = [*install.image_pull_secrets, *(s.name for s in agent.image_pull_secrets)]
    if secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in dict.fromkeys(secrets)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": command.namespace,
            "name": agent_pod_name(command.name, command.attempt),
            "labels": {**_labels(template), **labels(command, ROLE_AGENT)},
            "annotations": {"kubectl.kubernetes.io/default-container": "agent", **_annotations(template)},
            "ownerReferences": [owner(command)],
        },
        "spec": spec,
    }


def _labels(template: PodTemplate) -> dict[str, str]:
    """Some labels make a pod one of an installation's own to its policies, budgets and hooks; those a command may not
    set either."""
    return {key: value for key, value in template.labels.items() if not key.startswith(SELECTING_LABELS)}


def _annotations(template: PodTemplate) -> dict[str, str]:
    """Some annotations are security settings under another name; those a command may not set."""
    return {key: value for key, value in template.annotations.items() if not key.startswith(PROFILE_ANNOTATIONS)}


def _agent_container(command: Command, repository: RepositorySpec, agent: AgentSpec, install: Install) -> Manifest:
    mounts = [
        mount(WORKSPACE, "/workspace"),
        mount(TOOLS, "/mentu", read_only=True),
        mount(TMP, "/tmp"),  # noqa: S108
        mount("token", TOKEN_FOLDER, read_only=True),
    ]
    if repository.mirror.enabled:
        # Not the lock beside it: a reader of that file could hold it, and with it every fetch of the Repository.
        mounts.append(mount(MIRROR, MIRROR_REPOSITORY, read_only=True, sub_path="repo.git"))
    return {
        "name": "agent",
        "image": agent.image or install.agent_image,
        "imagePullPolicy": agent.image_pull_policy if agent.image else install.image_pull_policy,
        "command": ["python3", "-m", "bugcommand_operator.runner"],
        "workingDir": RUNNER,
        "env": _agent_env(command, repository, agent, install),
        "resources": _resources(command.spec.resources, agent.resources, install.agent_resources),
        "securityContext": container_security(),
        "volumeMounts": mounts,
        "terminationMessagePolicy": "File",
        "stdin": False,
    }


def _agent_env(command: Command, repository: RepositorySpec, agent: AgentSpec, install: Install) -> list[Manifest]:
    """The last word on a name wins: the installation's proxy is the Agent's to change, and the operator's variables are
    nobody else's to set."""
    variables = proxy_env(install.proxy)
    if install.ca_bundle:
        variables += env(**dict.fromkeys(TRUSTING, CERTIFICATES))
    variables += env(**{v.name: v.value for v in agent.env})
    if agent.base_url:
        variables += env(ANTHROPIC_BASE_URL=agent.base_url)
    if agent.credential:
        secret = {"name": agent.credential.secret_name, "key": agent.credential.key}
        variables.append({"name": agent.credential.env, "valueFrom": {"secretKeyRef": secret}})
    variables += env(
        MENTU_RUN=json.dumps(run_request(command, repository, agent, install), ensure_ascii=False),
        MENTU_PROMPT=command.spec.prompt,
        MENTU_TOKEN_FILE=f"{TOKEN_FOLDER}/token",
        PYTHONPATH=RUNNER,
        PYTHONNOUSERSITE="1",
        PYTHONDONTWRITEBYTECODE="1",
        HOME=home_folder(command),
    )
    return list({variable["name"]: variable for variable in variables}.values())


def run_request(command: Command, repository: RepositorySpec, agent: AgentSpec, install: Install) -> dict[str, Any]:
    """What the runner is told; its shape is the contract in docs/agent-images.md."""
    spec = command.spec
    tree = f"/workspace/repo/.worktrees/{command.commitment_id}" if spec.with_worktree else "/workspace/repo"
    claim = command.status.claim
    return {
        "name": command.name,
        "namespace": command.namespace,
        "workspaceId": install.workspace_id,
        "commandId": command.command_id,
        "commitmentId": command.commitment_id,
        "attempt": command.attempt,
        "epoch": claim.epoch if claim else 0,
        "machineId": claim.machine if claim else "",
        "mode": spec.agent_mode.value,
        "command": agent.command,
        "args": agent.args,
        "transcript": agent.transcript.value,
        "cwd": f"{tree}/{spec.working_directory}".rstrip("/"),
        "worktree": tree,
        "repository": "/workspace/repo",
        "home": home_folder(command),
        "stateDir": state_folder(command),
        "timeoutSeconds": spec.timeout_seconds,
        "terminationGraceSeconds": install.termination_grace_seconds - 5,
        "drainSeconds": install.drain_seconds,
        "intakeUrl": install.intake_url,
        "redactEnv": [agent.credential.env] if agent.credential else [],
        "identity": repository.commit_identity.to_dict(),
    }


def state_folder(command: Command) -> str:
    """A plain checkout is used by one command after the other: each has its marks and its spool to itself."""
    return "/workspace/state" if command.spec.with_worktree else f"/workspace/state/{command.command_id}"


def home_folder(command: Command) -> str:
    """What an earlier command of the same checkout has left in its home (shell and git configuration, packages for
    Python) does not steer this one."""
    return "/workspace/home" if command.spec.with_worktree else f"/workspace/home/{command.command_id}"


def _resources(of_command: Resources | None, of_agent: Resources, default: Manifest) -> Manifest:
    """The command's word before the agent's before the installation's, field by field."""
    layers = [default, of_agent.to_dict(), of_command.to_dict() if of_command else {}]
    merged = {kind: _merged(layer.get(kind) or {} for layer in layers) for kind in ("requests", "limits")}
    return {kind: values for kind, values in merged.items() if values}


def _merged(layers: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for layer in layers:
        result.update(layer)
    return result


def _volumes(command: Command, repository: RepositorySpec, install: Install) -> list[Manifest]:
    volumes = [
        claim_volume(WORKSPACE, workspace_volume_name(command)),
        empty_dir(TOOLS, "64Mi"),
        empty_dir(TMP, install.scratch_limit),
        token_volume(),
    ]
    if repository.mirror.enabled:
        volumes.append(claim_volume(MIRROR, mirror_volume_name(command.spec.repository.name)))
        volumes += scratch_volume(repository, install.scratch_limit)
    return volumes


def _placement(command: Command, repository: RepositorySpec, template: PodTemplate) -> Manifest:
    placement = tolerations(command)
    if template.node_selector:
        placement["nodeSelector"] = template.node_selector
    if template.priority_class_name:
        placement["priorityClassName"] = template.priority_class_name
    if repository.mirror.enabled and repository.mirror.access_mode == "ReadWriteOnce":
        placement["affinity"] = beside_the_mirror(command)
    return placement


def beside_the_mirror(command: Command) -> Manifest:
    """A ReadWriteOnce mirror is on one node: the Repository's running pods keep together there."""
    term = {
        "labelSelector": {"matchLabels": {LABEL_REPOSITORY: label_value(command.spec.repository.name)}},
        "topologyKey": "kubernetes.io/hostname",
    }
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
