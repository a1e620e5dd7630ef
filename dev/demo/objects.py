"""The objects of the demo, made from the files in examples/ and dev/gitserver. Pure but for reading those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dev.demo.settings import EXAMPLES, ROOT, Settings
from dev.gitserver.access import GitAccess

Manifest = dict[str, Any]
REPOSITORY_PATH = "private/pricing.git"
TEST_COMMAND = ("python3", "-B", "-m", "unittest")
CLONE = r"""
printf '%s' "$CA" > /tmp/ca.crt
helper='!f() { printf "username=%s\npassword=%s\n" "$(cat /credentials/username)" "$(cat /credentials/password)"; }; f'
git -c core.hooksPath=/dev/null -c credential.helper="$helper" -c http.sslCAInfo=/tmp/ca.crt \
    clone --quiet --single-branch --branch "$REF" -- "$URL" /source/project
git -C /source/project log -1 --format='%H'
"""


def read(path: Path) -> list[Manifest]:
    return [item for item in yaml.safe_load_all(path.read_text(encoding="utf-8")) if item]


def repository_url(namespace: str) -> str:
    return f"https://git.{namespace}.svc/{REPOSITORY_PATH}"


def namespace(name: str) -> Manifest:
    """With the strictest Pod Security, which everything here, the agent included, keeps."""
    enforced = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": enforced}}


def git_server(settings: Settings) -> list[Manifest]:
    return _with_image(read(ROOT / "dev" / "gitserver" / "gitserver.yaml"), settings.image("mentu-gitserver"))


def replay_server(settings: Settings) -> list[Manifest]:
    files = sorted((EXAMPLES / "scenarios").glob("*.yaml"))
    scenarios: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "replay-scenarios"},
        "data": {file.name: file.read_text(encoding="utf-8") for file in files},
    }
    return [scenarios, *_with_image(read(EXAMPLES / "replay-server.yaml"), settings.image("mentu-operator"))]


def agent(settings: Settings) -> list[Manifest]:
    """The Agent, and the Secret with its key: the user's own, or one that only the replay server takes."""
    if settings.replay:
        return read(EXAMPLES / "agent-replay.yaml")
    [made] = read(EXAMPLES / "agent.yaml")
    secret: Manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": made["spec"]["credential"]["secretName"]},
        "stringData": {made["spec"]["credential"]["key"]: settings.api_key},
    }
    if settings.base_url:
        made["spec"]["baseURL"] = settings.base_url
    return [secret, made]


def repository(settings: Settings, access: GitAccess) -> Manifest:
    [made] = read(EXAMPLES / "repository.yaml")
    made["spec"] |= {"url": repository_url(settings.namespace), "caBundle": access.certificate}
    return made


def command(settings: Settings) -> Manifest:
    [made] = read(EXAMPLES / "bugcommand.yaml")
    made["spec"]["agent"] = settings.agent
    return made


def test_pod(name: str, ref: str, settings: Settings, access: GitAccess) -> Manifest:
    """Runs the project's tests in a clean clone. What runs the code has neither token nor service account."""
    image = settings.image("mentu-agent")
    variables = {"REF": ref, "URL": repository_url(settings.namespace), "CA": access.certificate, "HOME": "/tmp"}
    clone = _container("clone", image, ["sh", "-euc", CLONE]) | {
        "env": [{"name": key, "value": value} for key, value in variables.items()],
        "volumeMounts": [
            *_mounts("source", "tmp"),
            {"name": "credentials", "mountPath": "/credentials", "readOnly": True},
        ],
    }
    test = _container("test", image, list(TEST_COMMAND)) | {
        "workingDir": "/source/project",
        "volumeMounts": _mounts("source", "tmp"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "mentu-demo-test"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": 150,
            "securityContext": _pod_security(),
            "initContainers": [clone],
            "containers": [test],
            "volumes": [
                {"name": "source", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
                {"name": "credentials", "secret": {"secretName": "git-token"}},
            ],
        },
    }


def _with_image(objects: list[Manifest], image: str) -> list[Manifest]:
    for item in objects:
        if item["kind"] == "Deployment":
            for container in item["spec"]["template"]["spec"]["containers"]:
                container["image"] = image
    return objects


def _container(name: str, image: str, command: list[str]) -> Manifest:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _mounts(*names: str) -> list[Manifest]:
    return [{"name": name, "mountPath": f"/{name}"} for name in names]


def _pod_security() -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
