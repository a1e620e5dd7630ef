"""Requests to the gateway on the cluster, through a port-forward. A refusal is an answer like others."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dev.demo.kubectl import Kubectl

SECONDS = 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


class Gateway:
    def __init__(self, kubectl: Kubectl, target: str) -> None:
        self._kubectl = kubectl
        self._target = target

    @contextmanager
    def forwarded(self) -> Iterator[str]:
        with self._kubectl.forward(self._target, 80) as port:
            yield f"http://127.0.0.1:{port}"

    def get(self, path: str, headers: Mapping[str, str], **query: str) -> Answer:
        return self._ask("GET", f"{path}?{urllib.parse.urlencode(query)}", headers, None)

    def post(self, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        return self._ask("POST", path, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())

    def _ask(self, method: str, path: str, headers: Mapping[str, str], data: bytes | None) -> Answer:
        with self.forwarded() as base:
            request = urllib.request.Request(base + path, data=data, headers=dict(headers), method=method)
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    return Answer(answer.status, dict(answer.headers), _value(answer.read()))
            except urllib.error.HTTPError as refusal:
                return Answer(refusal.code, dict(refusal.headers), _value(refusal.read()))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _value(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
