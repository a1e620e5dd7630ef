"""Applies the chart's default Agent: Helm cannot, in the release that brings the Agent's own definition.

    apply_agents.py NAME NAMESPACE...

In each namespace it reads the release's ConfigMap NAME, whose `agent.json` is the object, and applies that with
the ConfigMap as its owner: uninstalling the release removes both. It needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

DEADLINE_SECONDS = 120.0
PAUSE_SECONDS = 2.0
REQUEST_SECONDS = 10.0
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RETRIED = frozenset({401, 403, 404, 409, 429, 500, 502, 503, 504})
"""Besides an overloaded server: a definition that is not served yet, and rights that are not known yet."""


class Api:
    """The API server, as this pod's service account."""

    def __init__(self, url: str, token: str, tls: ssl.SSLContext | None) -> None:
        self._url, self._token, self._tls = url, token, tls

    @classmethod
    def of_this_pod(cls) -> Api:
        host = os.environ["KUBERNETES_SERVICE_HOST"]
        host = f"[{host}]" if ":" in host else host
        url = f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}"
        return cls(url, (ACCOUNT / "token").read_text(), ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt")))

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address is the cluster's own
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/apply-patch+yaml"},
        )
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._tls) as answer:  # noqa: S310
            result: dict[str, Any] = json.load(answer)
            return result


def owned(agent: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", **{k: config["metadata"][k] for k in ("name", "uid")}}
    return {**agent, "metadata": {**agent["metadata"], "ownerReferences": [owner]}}


def apply(api: Api, name: str, namespace: str) -> str:
    config = api.call("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}")
    agent = owned(json.loads(config["data"]["agent.json"]), config)
    collection = f"/apis/{agent['apiVersion']}/namespaces/{namespace}/agents"
    api.call("PATCH", f"{collection}/{agent['metadata']['name']}?fieldManager=mentu-chart&force=true", agent)
    return f"agent {namespace}/{agent['metadata']['name']} applied"


def apply_patiently(api: Api, name: str, namespace: str, deadline: float, pause: float = PAUSE_SECONDS) -> str:
    while True:
        try:
            return apply(api, name, namespace)
        except urllib.error.HTTPError as error:
            problem = f"{error.url}: {error.code} {error.read(2000).decode(errors='replace')}"
            may_pass = error.code in RETRIED
        except OSError as error:
            problem, may_pass = str(error), True
        if not may_pass or time.monotonic() + pause > deadline:
            raise SystemExit(f"default Agent not applied in namespace {namespace}: {problem}")
        print(f"waiting: {problem}", file=sys.stderr, flush=True)  # noqa: T201
        time.sleep(pause)


def main(arguments: list[str]) -> None:
    name, *namespaces = arguments
    api = Api.of_this_pod()
    deadline = time.monotonic() + DEADLINE_SECONDS
    for namespace in namespaces:
        print(apply_patiently(api, name, namespace, deadline), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
