"""The objects that tests on the cluster use: agents that are a few lines of shell, repositories, pods that look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dev.demo import objects
from dev.demo.settings import EXAMPLES, Settings

Raw = dict[str, Any]
NAMESPACE, SERVERS, SYSTEM, RELEASE = "mentu-e2e", "mentu-e2e-servers", "mentu-e2e-system", "mentu"
SCENARIOS = Path(__file__).parents[1] / "e2e" / "scenarios"
START_DEADLINE = 40
# The runner puts two lines before the prompt when there is a bug context: the rest is the program.
SHELL = ["bash", "-c", 'eval "$(printf "%s\\n" "$0" | sed 1,2d)"']
IMAGE = "localhost/mentu-agent:dev"


def namespace(name: str) -> Raw:
    made = objects.namespace(name)
    made["metadata"]["labels"] |= {
        "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    return made


def mentu(kind: str, name: str, spec: Raw) -> Raw:
    return {"apiVersion": "mentu.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def secret(name: str, **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def shell_agent(name: str = "shell", **spec: Any) -> Raw:
    """An agent whose prompt is a program for bash."""
    return mentu("Agent", name, {"command": SHELL, "transcript": "Plain", **spec})


def claude_agent(name: str, key: str = "model-key", **variables: str) -> Raw:
    """The real claude; its model is the replay server."""
    settings = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", **variables}
    return mentu(
        "Agent",
        name,
        {
            "command": ["claude"],
            "args": ["--dangerously-skip-permissions"],
            "transcript": "ClaudeCode",
            "env": [{"name": name, "value": value} for name, value in settings.items()],
            "credential": {"secretName": key, "key": "api-key", "env": "ANTHROPIC_API_KEY"},
            "baseURL": f"http://replay.{SERVERS}.svc:8787",
        },
    )


def repository(name: str, path: str = "", **spec: Any) -> Raw:
    """A public repository of the git server; `path` is its name there."""
    url = f"http://git.{SERVERS}.svc/public/{path or name}.git"
    return mentu("Repository", name, {"url": url, "mirror": {"size": "1Gi"}, "worktree": {"size": "1Gi"}, **spec})


def bug(name: str, prompt: str, **spec: Any) -> Raw:
    given = {"repository": {"name": "plain"}, "agent": "shell", "timeoutSeconds": 120, "output": "None", **spec}
    return mentu("BugCommand", name, {"prompt": prompt, **given})


def servers(settings: Settings) -> list[Raw]:
    """The git server, the replay server with all scenarios, and a web server that is no git server."""
    scenarios, *replay = objects.replay_server(settings)
    files = sorted([*(EXAMPLES / "scenarios").glob("*.yaml"), *SCENARIOS.glob("*.yaml")])
    scenarios["data"] = {file.name: file.read_text(encoding="utf-8") for file in files}
    return [*objects.git_server(settings), scenarios, *replay, *web_server()]


WEB_PROGRAM = """
import http.server, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<html>\\n<body>Welcome to the shop</body>\\n</html>\\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
threading.Thread(target=http.server.ThreadingHTTPServer(("", 8001), Page).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""


def web_server() -> list[Raw]:
    """Agents may reach its port 8000, and no policy of theirs lets them reach 8001."""
    labels = {"app.kubernetes.io/name": "web"}
    container = _container(["python3", "-c", WEB_PROGRAM]) | {
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}
    }
    pod = {"metadata": {"labels": labels}, "spec": {**_pod_spec(container), "restartPolicy": "Always"}}
    ports = [{"name": f"http-{port}", "port": port} for port in (8000, 8001)]
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web"},
            "spec": {"selector": labels, "ports": ports},
        },
    ]


def looking_pod(name: str, script: str, claims: dict[str, str]) -> Raw:
    """A pod that runs a script beside volumes; {mount path: claim}."""
    mounts = [{"name": f"v{n}", "mountPath": path} for n, path in enumerate(claims)]
    volumes = [{"name": f"v{n}", "persistentVolumeClaim": {"claimName": c}} for n, c in enumerate(claims.values())]
    container = _container(["bash", "-c", script]) | {"volumeMounts": mounts}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {**_pod_spec(container), "volumes": volumes, "activeDeadlineSeconds": 60},
    }


def _container(command: list[str]) -> Raw:
    return {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _pod_spec(container: Raw) -> Raw:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
