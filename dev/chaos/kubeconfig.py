"""What a kubeconfig says about its API server, as a proxy needs it; and a kubeconfig that names the proxy instead."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Upstream:
    url: str
    tls: ssl.SSLContext | None
    headers: dict[str, str]


async def upstream_of(kubeconfig: str) -> Upstream:
    """Read by the official client, which knows every way to say who one is."""
    kubernetes: Any = import_module("kubernetes.aio")
    found = kubernetes.client.Configuration()
    await kubernetes.config.load_kube_config(config_file=kubeconfig or None, client_configuration=found)
    token = await found.get_api_key_with_prefix("BearerToken")
    return Upstream(found.host, _tls(found), {"Authorization": token} if token else {})


def _tls(found: Any) -> ssl.SSLContext | None:
    if not found.host.startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=found.ssl_ca_cert or None)
    if found.cert_file:
        context.load_cert_chain(found.cert_file, found.key_file)
    return context


def write_kubeconfig(path: Path, url: str) -> str:
    """For a server without TLS that asks nobody who they are."""
    name = "chaos"
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.write_text(json.dumps(body))
    return str(path)
