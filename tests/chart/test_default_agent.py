"""The default Agent: what it says, where it is made, and how the hook's Job applies it."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest
from tests.chart.rendering import CHART, NAMESPACE, RELEASE, Manifest, of_kind, one, pod_of, render

from bugcommand_operator.api.agent import AgentSpec

NAME = f"{RELEASE}-default-agent"
SCRIPT = CHART / "files" / "apply_agents.py"
Answer = tuple[int, Manifest]


def config_maps(objects: list[Manifest]) -> dict[str, Manifest]:
    return {o["metadata"]["namespace"]: o for o in of_kind("ConfigMap", objects)}


def agent_of(**values: Any) -> Manifest:
    (config,) = config_maps(render(defaultAgent=values)).values()
    agent: Manifest = json.loads(config["data"]["agent.json"])
    return agent


def test_the_agent_is_one_that_the_operator_understands() -> None:
    agent = agent_of()
    spec = AgentSpec.model_validate(agent["spec"])
    assert (agent["apiVersion"], agent["kind"], agent["metadata"]["name"]) == ("mentu.dev/v1alpha1", "Agent", "claude")
    assert (spec.command, spec.image) == (["claude"], "")
    assert spec.credential is not None
    assert (spec.credential.secret_name, spec.credential.key) == ("anthropic", "api-key")


def test_the_agent_says_what_the_values_say() -> None:
    secret = {"name": "mine", "key": "token", "env": "CLAUDE_CODE_OAUTH_TOKEN"}
    agent = agent_of(name="other", credentialSecret=secret, baseURL="http://model:8787", env={"A": 'say "b"'})
    spec = AgentSpec.model_validate(agent["spec"])
    assert agent["metadata"]["name"] == "other"
    assert spec.credential is not None
    assert spec.credential.to_dict() == {"secretName": "mine", "key": "token", "env": "CLAUDE_CODE_OAUTH_TOKEN"}
    assert spec.base_url == "http://model:8787"
    assert [(v.name, v.value) for v in spec.env] == [("A", 'say "b"')]


def test_without_a_secrets_name_the_agent_has_no_credential() -> None:
    assert "credential" not in agent_of(credentialSecret={"name": ""})["spec"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [NAMESPACE]),
        ({"watchNamespaces": ["a", "b"]}, ["a", "b"]),
        ({"watchNamespaces": ["a"], "defaultAgent": {"namespaces": ["c", NAMESPACE]}}, ["c", NAMESPACE]),
    ],
)
def test_the_agent_is_made_where_commands_are(values: dict[str, Any], expected: list[str]) -> None:
    objects = render(**values)
    (container,) = pod_of(one("Job", NAME, objects))["spec"]["containers"]
    assert container["args"] == [NAME, *expected]
    assert sorted(n for n, c in config_maps(objects).items() if "agent.json" in c["data"]) == sorted(expected)
    assert [r["metadata"]["namespace"] for r in of_kind("Role", objects) if r["metadata"]["name"] == NAME] == expected


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["a"]}])
def test_the_job_finds_its_script_in_the_config_map_that_it_mounts(values: dict[str, Any]) -> None:
    objects = render(**values)
    spec = pod_of(one("Job", NAME, objects))["spec"]
    (volume,) = spec["volumes"]
    mounted = config_maps(objects)[NAMESPACE]
    assert volume["configMap"]["name"] == mounted["metadata"]["name"]
    folder = spec["containers"][0]["volumeMounts"][0]["mountPath"]
    assert spec["containers"][0]["command"][-1].removeprefix(f"{folder}/") in mounted["data"]
    assert mounted["data"]["apply_agents.py"].rstrip() == SCRIPT.read_text().rstrip()


def test_the_job_leaves_nothing_behind_whether_it_succeeds_or_fails() -> None:
    job = one("Job", NAME, render())
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    assert "hook-succeeded" in job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert job["spec"]["activeDeadlineSeconds"] < 300  # the time that Helm waits for a hook, if not told otherwise


def test_no_default_agent_leaves_no_trace_of_it() -> None:
    assert not [o for o in render(defaultAgent={"create": False}) if NAME in json.dumps(o)]


@dataclass
class ApiServer:
    """Has the ConfigMap; answers each PATCH with the next of `answers`, and the last one for ever."""

    answers: list[Answer] = field(default_factory=lambda: [(200, {})])
    patches: list[tuple[str, str | None, Manifest]] = field(default_factory=list)
    url: str = ""

    def config_map(self) -> Manifest:
        return {
            "metadata": {"name": NAME, "uid": "uid-1"},
            "data": {"agent.json": json.dumps(agent_of())},
        }

    def patched(self, path: str, content_type: str | None, body: Manifest) -> Answer:
        self.patches.append((path, content_type, body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def server() -> Iterator[ApiServer]:
    state = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer((200, state.config_map()))

        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(state.patched(self.path, self.headers["Content-Type"], body))

        def _answer(self, answer: Answer) -> None:
            data = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("apply_agents", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def apply(script: ModuleType, server: ApiServer) -> Callable[[float], str]:
    def call(seconds: float) -> str:
        api = script.Api(server.url, "token", None)
        done: str = script.apply_patiently(api, NAME, "shop", time.monotonic() + seconds, pause=0.01)
        return done

    return call


def test_the_agent_is_applied_with_the_config_map_as_its_owner(
    server: ApiServer, apply: Callable[[float], str]
) -> None:
    assert apply(5) == "agent shop/claude applied"
    ((path, content_type, body),) = server.patches
    assert path.split("?")[0] == "/apis/mentu.dev/v1alpha1/namespaces/shop/agents/claude"
    assert content_type == "application/apply-patch+yaml"
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": NAME, "uid": "uid-1"}
    assert body["metadata"]["ownerReferences"] == [owner]
    assert body["spec"] == agent_of()["spec"]


@pytest.mark.parametrize("status", [403, 404, 429, 503])
def test_a_definition_or_a_right_that_is_not_known_yet_is_waited_for(
    server: ApiServer, apply: Callable[[float], str], status: int
) -> None:
    server.answers = [(status, {}), (status, {}), (200, {})]
    assert apply(20) == "agent shop/claude applied"
    assert len(server.patches) == 3


def test_a_refusal_that_cannot_pass_ends_the_job_with_what_the_server_said(
    server: ApiServer, apply: Callable[[float], str]
) -> None:
    server.answers = [(422, {"message": "spec.env: not so"})]
    with pytest.raises(SystemExit, match=r"namespace shop: .*422 .*spec\.env: not so"):
        apply(20)
    assert len(server.patches) == 1


def test_waiting_has_an_end(server: ApiServer, apply: Callable[[float], str]) -> None:
    server.answers = [(404, {"message": "no such kind"})]
    with pytest.raises(SystemExit, match="no such kind"):
        apply(2)
    assert 2 <= len(server.patches) <= 400
