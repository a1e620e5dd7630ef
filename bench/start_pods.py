"""P3's peers: pods that a person would write for the same task. Pure."""

from __future__ import annotations

from bench.images import image
from bench.objects import Manifest

MIRROR = "by-hand-mirror"
UID = 1000
LINE = "ready"


def claim(name: str) -> Manifest:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def bare(name: str) -> Manifest:
    return _pod(name, [_says_ready([])])


def by_hand(name: str) -> Manifest:
    """The worktree on a volume of its own, made by `git worktree add` from a mirror that is there already."""
    mounts = [_mount("workspace"), _mount("mirror")]
    add = ["git", "-C", "/mirror/repo.git", "worktree", "add", "-q", "-b", f"bug/{name}", f"/workspace/{name}", "main"]
    init = _container("worktree", image("mentu-operator"), add, mounts)
    return _pod(name, [_says_ready(mounts)], [init], [_volume("workspace", name), _volume("mirror", MIRROR)])


def fill_mirror(name: str, url: str) -> Manifest:
    clone = ["git", "clone", "--quiet", "--mirror", url, "/mirror/repo.git"]
    return _pod(
        name, [_container("fill", image("mentu-operator"), clone, [_mount("mirror")])], [], [_volume("mirror", MIRROR)]
    )


def _says_ready(mounts: list[Manifest]) -> Manifest:
    return _container("agent", image("mentu-agent"), ["sh", "-c", f"echo {LINE}"], mounts)


def _pod(
    name: str, containers: list[Manifest], inits: list[Manifest] | None = None, volumes: list[Manifest] | None = None
) -> Manifest:
    spec: Manifest = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsUser": UID, "runAsGroup": UID, "fsGroup": UID, "runAsNonRoot": True},
        "initContainers": inits or [],
        "containers": containers,
        "volumes": volumes or [],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def _container(name: str, which: str, command: list[str], mounts: list[Manifest]) -> Manifest:
    return {
        "name": name,
        "image": which,
        "imagePullPolicy": "IfNotPresent",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": mounts,
    }


def _mount(name: str) -> Manifest:
    return {"name": name, "mountPath": f"/{name}"}


def _volume(name: str, claim_name: str) -> Manifest:
    return {"name": name, "persistentVolumeClaim": {"claimName": claim_name}}
