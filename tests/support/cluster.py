"""A cluster with the operator and the servers that the tests use: put there once for a session, and taken away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dev.demo.kubectl import CommandError, Kubectl
from dev.demo.settings import Settings
from dev.gitserver.access import GitAccess, make_access, manifests
from tests.support import cluster_helm
from tests.support.cluster_bug import Bug
from tests.support.cluster_objects import (
    NAMESPACE,
    RELEASE,
    SERVERS,
    SYSTEM,
    Raw,
    looking_pod,
    namespace,
    secret,
    servers,
)
from tests.support.cluster_repositories import Repositories
from tests.support.cluster_values import helm_values
from tests.support.kubectl import eventually, watched

EXECUTOR = f"{RELEASE}-executor-0"
STATEFUL_SET = f"statefulset/{RELEASE}-executor"
WAS = "e2e.mentu.dev/replicas"
READ_LINES = """
import json, sqlite3, sys
store = sqlite3.connect("file:/data/mentu.db?mode=ro", uri=True)
store.row_factory = sqlite3.Row
rows = store.execute("select * from spawn_logs where command_id = ? order by attempt, seq", sys.argv[1:])
print(json.dumps([dict(row) for row in rows], default=str))
"""


class Lab:
    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.kubectl = Kubectl(settings.kubeconfig, NAMESPACE)
        self.system = Kubectl(settings.kubeconfig, SYSTEM)
        self.servers = Kubectl(settings.kubeconfig, SERVERS)
        self.access: GitAccess = make_access(SERVERS)
        self.repositories = Repositories(self.servers, self.access, folder)

    # Up and down

    def up(self) -> None:
        self.clean()
        self.kubectl.apply([namespace(name) for name in (NAMESPACE, SERVERS, SYSTEM)])
        self._quiet_others()
        self.servers.apply([*manifests(self.access), *servers(self.settings)])
        self.install()
        self.kubectl.apply(
            [
                secret("model-key", **{"api-key": "the-replay-server-takes-any-key"}),
                secret("git-token", username=self.access.user, password=self.access.token),
            ]
        )
        for name in ("git", "replay", "web"):
            self.servers.run("rollout", "status", f"deployment/{name}", "--timeout=120s", timeout=130)
        self.repositories.seed()

    def down(self) -> None:
        """Raises when commands do not go away by themselves: whatever the tests did, they have to."""
        try:
            self._delete_commands()
        finally:
            self.clean()
            self._wake_others()

    def clean(self) -> None:
        """Also after a run that was killed, whose operator may be gone while commands hold its finalizer."""
        try:
            self._delete_commands()
        except CommandError:
            for name in self.kubectl.run("get", "bugcommands", "-o", "name").split():
                self.kubectl.run("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        cluster_helm.clean(self.system)
        gone = (NAMESPACE, SERVERS, SYSTEM)
        self.kubectl.run("delete", "namespace", *gone, "--ignore-not-found", "--timeout=90s", timeout=100)

    def _delete_commands(self) -> None:
        """While the operator and the git server are there, which their deletion needs."""
        if self.kubectl.run("get", "crd", "bugcommands.mentu.dev", "--ignore-not-found"):
            self.kubectl.run("delete", "bugcommands", "--all", "--timeout=90s", timeout=100)

    def install(self) -> None:
        # Whoever used this cluster before may have put the CRDs there.
        how = ["--take-ownership"] if self.settings.own_cluster else []
        cluster_helm.install(self.system, helm_values(self.settings), *how)

    def _quiet_others(self) -> None:
        """Another operator on this cluster would work on our commands too: it rests as long as the tests run."""
        for where, name, item in self._operators():
            replicas = item["spec"]["replicas"]
            if where != SYSTEM and replicas and _works_everywhere(item):
                self.kubectl.run("annotate", "statefulset", name, f"{WAS}={replicas}", "--overwrite", namespace=where)
                self.kubectl.run("scale", "statefulset", name, "--replicas=0", namespace=where)

    def _wake_others(self) -> None:
        """What this run, or one that was killed, has put to rest."""
        for where, name, item in self._operators():
            if replicas := (item["metadata"].get("annotations") or {}).get(WAS):
                self.kubectl.run("scale", "statefulset", name, f"--replicas={replicas}", namespace=where)
                self.kubectl.run("annotate", "statefulset", name, f"{WAS}-", namespace=where)

    def _operators(self) -> list[tuple[str, str, Raw]]:
        text = self.kubectl.run(
            "get", "statefulsets", "--all-namespaces", "--selector=app.kubernetes.io/name=mentu-operator", "-o", "json"
        )
        items = json.loads(text)["items"]
        return [(item["metadata"]["namespace"], item["metadata"]["name"], item) for item in items]

    # What tests do

    def apply(self, *given: Raw) -> None:
        self.kubectl.apply(list(given))

    def run(self, command: Raw) -> Bug:
        """Applies a BugCommand."""
        self.apply(command)
        return self.bug(command["metadata"]["name"])

    def bug(self, name: str) -> Bug:
        return Bug(self.kubectl, name)

    def stored(self, command_id: str) -> list[dict[str, Any]]:
        """The rows of spawn_logs, in order."""
        program = ("python3", "-c", READ_LINES, command_id)
        text = self.system.run("exec", EXECUTOR, "-c", "gateway", "--", *program)
        return list(json.loads(text))

    def stored_up_to(self, command_id: str, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        """The same, once there are so many of them."""
        return eventually(
            lambda: self.stored(command_id), lambda found: len(found) >= count, seconds, f"{count} lines are stored"
        )

    def look(self, name: str, script: str, claims: dict[str, str]) -> str:
        """What a script says about volumes."""
        pod = f"look-{name}"
        self.apply(looking_pod(pod, script, claims))

        def good(obj: Raw) -> bool:
            return (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")

        watched(self.kubectl, "pod", pod, good, 60, "it has looked")
        text = self.kubectl.run("logs", pod)
        self.kubectl.run("delete", "pod", pod, "--wait=false")
        return text

    def executor_goes_away(self) -> None:
        self.system.run("scale", STATEFUL_SET, "--replicas=0")
        self.system.run("wait", "--for=delete", f"pod/{EXECUTOR}", "--timeout=60s", timeout=70)

    def executor_is_back(self) -> None:
        """From there, or from having been killed."""
        self.system.run("scale", STATEFUL_SET, "--replicas=1")
        self.system.run("rollout", "status", STATEFUL_SET, "--timeout=120s", timeout=130)

    def executor_log(self) -> str:
        return self.system.run("logs", EXECUTOR, "-c", "executor")

    def executor_restarts(self) -> list[int]:
        pod = self.system.get("pod", EXECUTOR) or {}
        return [c["restartCount"] for c in pod["status"]["containerStatuses"]]


def _works_everywhere(stateful_set: Raw) -> bool:
    containers = stateful_set["spec"]["template"]["spec"]["containers"]
    env = {e["name"]: e.get("value", "") for c in containers for e in c.get("env") or ()}
    watched_namespaces = json.loads(env.get("MENTU_NAMESPACES") or "[]")
    return not watched_namespaces or NAMESPACE in watched_namespaces
