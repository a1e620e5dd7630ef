"""`helm test`: whom its pod asks, and what the program in it takes for an answer."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import pytest
from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    POSTGRES,
    RELEASE,
    Manifest,
    environment,
    executor_pod,
    of_kind,
    one,
    render,
)

SCRIPT = CHART / "files" / "check.py"
Served = Callable[..., str]


def asked(objects: list[Manifest]) -> dict[str, list[str]]:
    containers = one("Pod", f"{RELEASE}-test", objects)["spec"]["containers"]
    assert all(c["command"] == ["python3", "-Ic", SCRIPT.read_text()] for c in containers)
    return {c["name"]: c["args"] for c in containers}


@pytest.mark.parametrize("values", [{}, POSTGRES])
def test_it_asks_the_gateway_at_the_address_that_agents_are_given(values: dict[str, Any]) -> None:
    objects = render(**values)
    assert asked(objects)["gateway"] == [environment("executor", objects)["MENTU_INTAKE_URL"] + "/readyz"]


def test_it_asks_the_executor_by_the_service_that_names_its_pods_where_its_probe_does() -> None:
    objects = render()
    (container,) = (c for c in executor_pod(objects)["spec"]["containers"] if c["name"] == "executor")
    (port,) = (
        p["containerPort"] for p in container["ports"] if p["name"] == container["livenessProbe"]["httpGet"]["port"]
    )
    service = one("StatefulSet", f"{RELEASE}-executor", objects)["spec"]["serviceName"]
    path = container["livenessProbe"]["httpGet"]["path"]
    assert asked(objects)["executor"] == [f"http://{service}.{NAMESPACE}.svc:{port}{path}"]


def test_it_asks_for_every_resource_that_there_is() -> None:
    plurals = {crd["spec"]["names"]["plural"] for crd in of_kind("CustomResourceDefinition", render())}
    url, *words = asked(render(crds={"enabled": False}))["resources"]
    assert (url, set(words)) == ("https://kubernetes.default.svc/apis/mentu.dev/v1alpha1", plurals)


@pytest.fixture
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def served() -> Iterator[Served]:
    """A server on loopback that gives these answers in turn, the last of them for ever."""
    servers: list[HTTPServer] = []

    def serve(*answers: tuple[int, str]) -> str:
        left = list(answers)

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Answers))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/readyz"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_what_is_not_ready_yet_is_asked_again(check: ModuleType, served: Served) -> None:
    check.main([served((503, "no"), (200, "[]"), (200, '{"name":"agents"}')), "agents"], pause=0)


@pytest.mark.parametrize(
    ("answer", "told"), [((503, "no"), "503"), ((200, '{"name":"agents/status"}'), "the answer lacks agents")]
)
def test_what_stays_wrong_is_said(
    check: ModuleType, served: Served, answer: tuple[int, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TRIES", 2)
    with pytest.raises(SystemExit, match=told):
        check.main([served(answer), "agents"], pause=0)
