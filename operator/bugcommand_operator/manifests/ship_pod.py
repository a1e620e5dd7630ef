"""What sends the lines that a runner could not: a container that only reads the agent's volume and holds no credential
but the pod's own token for the log intake. In a pod of its own, or first in the one that rescues. Pure."""

from __future__ import annotations

import json

from bugcommand_operator.api.names import ROLE_SHIP, ship_pod_name
from bugcommand_operator.core.observed import Command
from bugcommand_operator.manifests.agent_pod import state_folder
from bugcommand_operator.manifests.install import Install
from bugcommand_operator.manifests.parts import (
    TMP,
    TOKEN_FOLDER,
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
    token_volume,
    tolerations,
)
from bugcommand_operator.manifests.volumes import workspace_volume_name

GRACE = 60
"""From the end of shipping to the end of the pod, and for its start."""


def ship_pod(command: Command, install: Install) -> Manifest:
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": install.drain_seconds + GRACE,
        "terminationGracePeriodSeconds": 10,
        "securityContext": pod_security(),
        "containers": [ship_container(command, install, install.drain_seconds)],
        "volumes": [
            claim_volume(WORKSPACE, workspace_volume_name(command)),
            empty_dir(TMP, install.scratch_limit),
            token_volume(),
        ],
        **tolerations(command),
    }
    if install.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in install.image_pull_secrets]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": command.namespace,
            "name": ship_pod_name(command.name, command.attempt),
            "labels": labels(command, ROLE_SHIP),
            "ownerReferences": [owner(command)],
        },
        "spec": spec,
    }


def ship_container(command: Command, install: Install, seconds: int) -> Manifest:
    claim = command.status.claim
    request = {
        "commandId": command.command_id,
        "attempt": command.attempt,
        "epoch": claim.epoch if claim else 0,
        "machineId": claim.machine if claim else "",
        "stateDir": state_folder(command),
        "intakeUrl": install.intake_url,
        "seconds": seconds,
    }
    return {
        "name": "ship",
        "image": install.operator_image,
        "imagePullPolicy": install.image_pull_policy,
        "command": ["python3", "-m", "bugcommand_operator.runner.ship"],
        "env": env(MENTU_SHIP=json.dumps(request), MENTU_TOKEN_FILE=f"{TOKEN_FOLDER}/token", HOME="/tmp"),  # noqa: S108
        "resources": install.preparation_resources,
        "securityContext": container_security(),
        "volumeMounts": [
            mount(WORKSPACE, "/workspace", read_only=True),
            mount(TMP, "/tmp"),  # noqa: S108
            mount("token", TOKEN_FOLDER, read_only=True),
        ],
        "terminationMessagePolicy": "File",
    }
