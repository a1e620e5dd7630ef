"""A second installation beside the one of all tests: its log store is Postgres, and it has two gateways. It works in a
namespace of its own, so that no command has two operators. The git server is the first one's."""

from __future__ import annotations

import json
from typing import Any

from dev.demo.kubectl import CommandError, Kubectl
from dev.demo.settings import Settings
from dev.postgres.access import DATABASE, URL_SECRET, USER, make_access, manifests, url_secret
from tests.support import cluster_helm
from tests.support.cluster_bug import Bug
from tests.support.cluster_objects import RELEASE, Raw, namespace, repository, secret, shell_agent
from tests.support.cluster_values import helm_values
from tests.support.gateway_http import Gateway
from tests.support.kubectl import eventually

NAMESPACE, SYSTEM = "mentu-e2e-postgres", "mentu-e2e-postgres-system"
SET = "statefulset/postgres"
POD = "postgres-0"
GATEWAYS = "app.kubernetes.io/component=gateway"
REPLICAS = 2
PROXY_TOKEN = "a-token-of-the-tests-that-is-long-enough"
WORKSPACE = "0b7f3d4e-93a1-4c36-9a53-5f4a2f7d0c11"
CHECKOUT = "/home/somebody/work/plain"
"""Where a sender of commands has the repository `plain` on a machine of its own."""
ROWS = """
select coalesce(json_agg(row_to_json(l) order by attempt, seq), '[]') from spawn_logs l where command_id = :'id'
"""
ROW = "select coalesce((select row_to_json(b) from bridge_commands b where id = :'id'), 'null')"
INSERT = """
insert into bridge_commands (id, workspace_id, prompt, working_directory, agent, timeout_seconds, created_at)
values (:'id', :'workspace', :'prompt', :'directory', 'shell', 120, now()) returning to_json(id)
"""


class PostgresLab:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kubectl = Kubectl(settings.kubeconfig, NAMESPACE)
        self.system = Kubectl(settings.kubeconfig, SYSTEM)

    # Up and down

    def up(self, **values: Any) -> None:
        self.clean()
        self.kubectl.apply([namespace(name) for name in (NAMESPACE, SYSTEM)])
        access = make_access(SYSTEM)
        self.system.apply(
            [
                *manifests(access, self.settings.image("mentu-postgres")),
                url_secret(access),
                secret("proxy-tokens", **{"tokens.yaml": json.dumps(proxy_tokens())}),
            ]
        )
        self.database_is_back()
        self.install(**values)
        self.kubectl.apply([shell_agent(), repository("plain", pathPrefixes=[CHECKOUT])])

    def install(self, **values: Any) -> None:
        """Installs, or upgrades."""
        cluster_helm.install(self.system, postgres_values(self.settings) | values, seconds=180)

    def clean(self) -> None:
        """Also after a run that was killed, whose operator may be gone while commands hold its finalizer."""
        try:
            self._delete_commands()
        except CommandError:
            for name in self.kubectl.run("get", "bugcommands", "-o", "name").split():
                self.kubectl.run("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        cluster_helm.clean(self.system)
        self.kubectl.run("delete", "namespace", NAMESPACE, SYSTEM, "--ignore-not-found", "--timeout=90s", timeout=100)

    def _delete_commands(self) -> None:
        if self.kubectl.run("get", "crd", "bugcommands.mentu.dev", "--ignore-not-found"):
            self.kubectl.run("delete", "bugcommands", "--all", "--timeout=90s", timeout=100)

    # The database

    def database_goes_away(self) -> None:
        self.system.run("scale", SET, "--replicas=0")
        self.system.run("wait", "--for=delete", f"pod/{POD}", "--timeout=60s", timeout=70)

    def database_is_back(self) -> None:
        self.system.run("scale", SET, "--replicas=1")
        self.system.run("rollout", "status", SET, "--timeout=90s", timeout=100)

    def query(self, statement: str, **variables: str) -> Any:
        """The one JSON value that a statement gives, asked of the database itself."""
        given = [f"--set={name}={value}" for name, value in variables.items()]
        psql = f'PGPASSWORD=$(cat /secret/password) exec psql -h 127.0.0.1 -U {USER} -d {DATABASE} -XAtq "$@"'
        command = ("sh", "-c", psql, "psql", "--set=ON_ERROR_STOP=1", *given, "-f", "-")
        return json.loads(self.system.run("exec", "-i", POD, "--", *command, given=statement))

    def stored(self, command_id: str) -> list[dict[str, Any]]:
        """The rows of spawn_logs, in order."""
        return list(self.query(ROWS, id=command_id))

    def stored_up_to(self, command_id: str, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        return eventually(
            lambda: self.stored(command_id), lambda found: len(found) >= count, seconds, f"{count} lines are stored"
        )

    def row(self, command_id: str) -> Raw | None:
        """The row of bridge_commands."""
        found: Raw | None = self.query(ROW, id=command_id)
        return found

    def insert(self, command_id: str, prompt: str) -> None:
        """As other programs do that share this database."""
        self.query(INSERT, id=command_id, workspace=WORKSPACE, prompt=prompt, directory=f"{CHECKOUT}/src")

    def row_has(self, command_id: str, status: str, seconds: float = 90) -> Raw:
        """The row once it has this status."""

        def look() -> Raw:
            return self.row(command_id) or {}

        return eventually(look, lambda row: row.get("status") == status, seconds, f"the row is {status}")

    # The gateways

    def gateways(self) -> list[str]:
        """Those that are ready."""
        text = self.system.run("get", "pods", f"--selector={GATEWAYS}", "-o", "json")
        return [pod["metadata"]["name"] for pod in json.loads(text)["items"] if _ready(pod)]

    def gateways_are_back(self) -> None:
        eventually(self.gateways, lambda ready: len(ready) == REPLICAS, 90, f"{REPLICAS} gateways are ready")

    def kill_gateway(self, name: str) -> None:
        """Without a moment to tidy up."""
        self.system.run("delete", "pod", name, "--force", "--grace-period=0")

    def gateway(self) -> Gateway:
        return Gateway(self.system, f"service/{RELEASE}-gateway")

    def token(self, account: str, where: Kubectl) -> str:
        return where.run("create", "token", account, "--duration=10m").strip()

    # Commands

    def run(self, command: Raw) -> Bug:
        self.kubectl.apply([command])
        return Bug(self.kubectl, command["metadata"]["name"])


def proxy_tokens() -> list[Raw]:
    scopes = ["read", "write"]
    return [{"name": "tests", "token": PROXY_TOKEN, "namespace": NAMESPACE, "repositories": [], "scopes": scopes}]


def postgres_values(settings: Settings) -> Raw:
    """As the first installation, whose CRDs are used, with the database in place of the volume."""
    return helm_values(settings) | {
        "watchNamespaces": [NAMESPACE],
        "crds": {"enabled": False},
        "rbac": {"aggregateRoles": False},
        "database": {"type": "postgres", "urlSecret": {"name": URL_SECRET, "key": "url"}},
        "gateway": {"replicas": REPLICAS, "proxyTokensSecret": {"name": "proxy-tokens"}},
        "bridge": {"enabled": True, "workspaces": {WORKSPACE: NAMESPACE}},
    }


def _ready(pod: Raw) -> bool:
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions") or ()}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
