"""A trace for each command that ends, as a collector receives it over HTTP."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.support.builders import NAME, NAMESPACE, NOW, UID, command, condition, status, working
from tests.support.cluster_model import ClusterModel
from tests.support.operator_process import OperatorProcess, populated

from bugcommand_operator.api.bugcommand import Attempt, BugCommandStatus, Usage
from bugcommand_operator.api.conditions import ConditionType, Phase
from bugcommand_operator.executor.tracing import Traces, earlier_attempts_of, open_traces, stages_of

SOURCES = Path(__file__).parents[3] / "operator"


class Collector:
    """Decodes what it is sent; each request's spans by name."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.take(self.path, gzip.decompress(body) if packed else body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path: str, body: bytes) -> None:
        assert path == "/v1/traces"
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({a.key: a.value.string_value for a in group.resource.attributes})
            self.spans += [span for scope in group.scope_spans for span in scope.spans]

    def named(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture
def traces(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Traces:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    opened = open_traces()
    assert opened is not None
    return opened


def ended_status(phase: Phase = Phase.SUCCEEDED) -> BugCommandStatus:
    good = phase == Phase.SUCCEEDED
    return working(
        condition(ConditionType.AGENT_RUNNING, "False", "AgentEnded", at=NOW + timedelta(seconds=70)),
        condition(ConditionType.PUBLISHED, "True", "Published", at=NOW + timedelta(seconds=80)),
        condition(ConditionType.SUCCEEDED, "True" if good else "False", "Completed" if good else "PushRejected"),
        agent_start_time=NOW + timedelta(seconds=10),
        completion_time=NOW + timedelta(seconds=80),
        phase=phase,
        usage=Usage(input_tokens=1000, output_tokens=50, cost_usd="0.25"),
    )


def test_a_commands_life_is_one_trace_of_its_stages(traces: Traces, collector: Collector) -> None:
    traces.written(command(working()), ended_status(), None)
    traces.close()
    whole = collector.named("command")
    assert {span.trace_id.hex() for span in collector.spans} == {UID.replace("-", "")}
    stages = {s.name: (s.start_time_unix_nano, s.end_time_unix_nano) for s in collector.spans if s.name != "command"}
    second = 10**9
    claimed = int(NOW.timestamp()) * second
    assert stages == {
        "claim": (claimed - 5 * second, claimed),
        "workspace": (claimed, claimed + 10 * second),
        "agent": (claimed + 10 * second, claimed + 70 * second),
        "publish": (claimed + 70 * second, claimed + 80 * second),
    }
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (claimed - 5 * second, claimed + 80 * second)
    assert {span.parent_span_id for span in collector.spans if span is not whole} == {whole.span_id}
    assert whole.parent_span_id == b""
    said = {a.key: a.value for a in whole.attributes}
    assert said["mentu.command"].string_value == NAME
    assert said["mentu.tokens.input"].int_value == 1000
    assert said["mentu.cost_usd"].double_value == 0.25
    assert collector.resources[0]["service.name"] == "mentu-executor"


def test_a_trace_that_is_sent_twice_is_the_same_trace(traces: Traces, collector: Collector) -> None:
    for _ in range(2):
        traces.written(command(working()), ended_status(), None)
    traces.close()
    assert len(collector.spans) == 10
    assert len({(span.trace_id, span.span_id) for span in collector.spans}) == 5


def test_a_failure_shows_in_the_trace_with_its_reason(traces: Traces, collector: Collector) -> None:
    traces.written(command(working()), ended_status(Phase.FAILED), None)
    traces.close()
    assert collector.named("command").status.code == 2
    assert collector.named("command").status.message == "PushRejected"


def test_only_the_end_is_traced(traces: Traces, collector: Collector) -> None:
    traces.written(command(), working(), None)
    traces.written(command(ended_status()), ended_status(), None)
    traces.close()
    assert collector.spans == []


async def test_after_restarts_at_every_step_there_is_one_whole_trace(
    traces: Traces, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = populated(ClusterModel())
    for _ in range(30):
        process = await OperatorProcess(cluster).start()
        process.reconciler.written.append(traces.written)
        await process.work()
        process.die()
        cluster.step()
    traces.close()
    assert sorted(span.name for span in collector.spans) == ["agent", "claim", "command", "publish", "workspace"]
    assert {a.key: a.value.string_value for a in collector.named("command").attributes}[
        "k8s.namespace.name"
    ] == NAMESPACE


def test_of_a_command_that_was_tried_again_the_trace_shows_every_attempt(traces: Traces, collector: Collector) -> None:
    first = Attempt(
        attempt=1,
        reason="ModelOverloaded",
        start_time=NOW - timedelta(seconds=60),
        completion_time=NOW - timedelta(seconds=20),
    )
    made = replace(command(working()), created_at=NOW - timedelta(seconds=65))
    traces.written(made, ended_status().model_copy(update={"attempt": 2, "attempts": [first]}), None)
    traces.close()
    whole, earlier, claim = (collector.named(name) for name in ("command", "attempt", "claim"))
    now = int(NOW.timestamp()) * 10**9
    assert (whole.start_time_unix_nano, whole.end_time_unix_nano) == (now - 65 * 10**9, now + 80 * 10**9)
    assert (earlier.start_time_unix_nano, earlier.end_time_unix_nano) == (now - 60 * 10**9, now - 20 * 10**9)
    assert {a.key: a.value.string_value or a.value.int_value for a in earlier.attributes} == {
        "mentu.attempt": 1,
        "mentu.reason": "ModelOverloaded",
    }
    assert claim.start_time_unix_nano == earlier.end_time_unix_nano, "the last attempt could begin from then on"
    assert earlier.parent_span_id == whole.span_id
    assert len({span.span_id for span in collector.spans}) == len(collector.spans)


def test_a_command_that_is_cancelled_between_two_attempts_has_worked_in_the_first_alone() -> None:
    only = Attempt(
        attempt=1,
        reason="Suspended",
        start_time=NOW - timedelta(seconds=60),
        completion_time=NOW - timedelta(seconds=20),
    )
    stored = ended_status(Phase.CANCELLED).model_copy(update={"attempts": [only]})
    assert [stage.name for stage in stages_of(command(stored))] == ["claim"]
    assert [stage.id for stage in earlier_attempts_of(command(stored))] == ["attempt 1"]


def test_what_was_not_reached_has_no_stage() -> None:
    over = condition(ConditionType.SUCCEEDED, "False", "Cancelled")
    unclaimed = command(status(over, completion_time=NOW))
    assert [stage.name for stage in stages_of(unclaimed)] == ["claim"]
    unstarted = command(working(over, completion_time=NOW + timedelta(seconds=1)))
    assert [stage.name for stage in stages_of(unstarted)] == ["claim", "workspace"]


def test_clocks_that_disagree_make_no_stage_that_ends_before_it_begins() -> None:
    late = replace(command(ended_status()), created_at=NOW + timedelta(hours=1))
    assert all(stage.end >= stage.start for stage in stages_of(late))


def test_without_a_collector_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)
    assert open_traces() is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert open_traces() is None


def test_an_executor_without_traces_does_not_import_them() -> None:
    program = "import sys, bugcommand_operator.executor.main; sys.exit('opentelemetry.sdk' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(SOURCES)}, check=True, timeout=120)
