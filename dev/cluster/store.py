"""etcd's alarm that it is full, which it keeps over restarts: taken back when the cluster is started.

A test tells etcd that it is full, and may be killed before it takes that back. One that really is full says so again.
"""

import http.client
import json
from typing import Any

_ALARM = "/v3/maintenance/alarm"


def makes_room() -> bool:
    """Whether etcd has answered: for those who ask again."""
    try:
        for alarm in _post({"action": "GET"}).get("alarms", []):
            _post({**alarm, "action": "DEACTIVATE"})
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return True


def _post(body: dict[str, Any]) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", 2379, timeout=5)
    try:
        connection.request("POST", _ALARM, json.dumps(body))
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise http.client.HTTPException(f"etcd answered {answer.status}")
    found: dict[str, Any] = json.loads(text)
    return found
