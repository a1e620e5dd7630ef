"""A small client of the cluster's API server, for the scripts that start and look at it."""

import http.client
import json
import ssl
from datetime import datetime
from typing import Any

from dev.cluster.layout import API_PORT, Layout


def get(layout: Layout, path: str, seconds: float = 5) -> str | None:
    """The body, or None: for those who ask again."""
    try:
        context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
        context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
        connection = http.client.HTTPSConnection("127.0.0.1", API_PORT, timeout=seconds, context=context)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
    except (OSError, http.client.HTTPException):
        return None
    return body if answer.status == 200 else None


def get_object(layout: Layout, path: str) -> dict[str, Any] | None:
    body = get(layout, path)
    return json.loads(body) if body else None


def _conditions(found: dict[str, Any] | None, kind: str) -> list[dict[str, Any]]:
    return [one for one in (found or {}).get("status", {}).get("conditions", []) if one["type"] == kind]


def condition(found: dict[str, Any] | None, kind: str) -> bool:
    return any(one["status"] == "True" for one in _conditions(found, kind))


def condition_time(found: dict[str, Any] | None, kind: str) -> datetime | None:
    """When the condition was last reported, changed or not."""
    times = [one["lastHeartbeatTime"] for one in _conditions(found, kind) if one.get("lastHeartbeatTime")]
    return datetime.fromisoformat(times[0]) if times else None
