from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import yaml
from bench import kwok, many, p10, peer_jobs
from bench.census import Census, Watching
from bench.kube import Raw, WentWrong
from bench.subject import total
from dev.scale import pretended

from bugcommand_operator.api.bugcommand import BugCommandSpec
from bugcommand_operator.core.observed import Container
from bugcommand_operator.core.termination import (
    AgentResult,
    ExportResult,
    PublishResult,
    ShipResult,
    WorkspaceResult,
    result_of,
)

STAGES: list[Raw] = list(yaml.safe_load_all(pretended.STAGES.read_text()))


def said_by(container: str) -> list[Container]:
    """What the stages let a container of that name leave behind."""
    found = re.findall(rf'eq \.name "{container}" }}}}\s*{{{{ \$message = `(.*)` }}}}', pretended.STAGES.read_text())
    return [Container(container, exit_code=0, message=message) for message in found]


def test_pretended_containers_end_with_what_the_operator_understands() -> None:
    assert [result_of(c, WorkspaceResult).base_commit for c in said_by("workspace")] == ["1" * 40]
    assert [result_of(c, AgentResult).unshipped for c in said_by("agent")] == [0]
    assert [result_of(c, ExportResult).has_changes for c in said_by("export")] == [True]
    assert [result_of(c, PublishResult).pushed for c in said_by("publish")] == [True]
    assert [result_of(c, ShipResult).unshipped for c in said_by("ship")] == [0, 0]


def test_what_kwok_is_told_to_mind_is_what_was_made_for_it() -> None:
    told = yaml.safe_load(kwok.configuration())["options"]
    made = pretended.node("n")

    assert told["manageNodesWithLabelSelector"] == f"{pretended.LABEL}=true"
    assert made["metadata"]["labels"][pretended.LABEL] == "true"
    texts = {stage["metadata"]["name"]: str(stage["spec"]) for stage in STAGES}
    assert f"'{pretended.STORAGE_CLASS}'" in texts["volume-made"]
    assert f"storageClassName: {pretended.STORAGE_CLASS}" in texts["volume-made"]
    assert f"key: {pretended.LABEL}," in texts["volume-made"]
    assert f"'{pretended.STORAGE_CLASS}'" in texts["volume-goes"]
    assert pretended.RUNS_FOR in texts["pod-ends"]
    assert pretended.EXIT_CODE in texts["pod-ends"]


def test_a_command_s_pods_are_let_onto_pretended_nodes_and_nowhere_else() -> None:
    spec = {"prompt": "p", "repository": {"name": "r"}, "podTemplate": pretended.pod_template(1.5, 3)}
    template = BugCommandSpec.model_validate(spec).pod_template
    [taint] = pretended.node("n")["spec"]["taints"]

    assert template is not None
    assert template.node_selector.items() <= pretended.node("n")["metadata"]["labels"].items()
    assert [(t.key, t.value, t.effect) for t in template.tolerations] == [(taint["key"], "true", taint["effect"])]
    assert template.annotations == {pretended.RUNS_FOR: "1.500s", pretended.EXIT_CODE: "3"}


def command_event(kind: str, name: str, **status: Any) -> Raw:
    return {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": "1"}, "status": status}}


def pod_event(uid: str, command: str, attempt: str = "1", role: str = "agent") -> Raw:
    labels = {"mentu.dev/role": role, "mentu.dev/command-uid": command, "mentu.dev/attempt": attempt}
    return {"type": "ADDED", "object": {"metadata": {"uid": uid, "labels": labels}, "spec": {}}}


def test_a_second_agent_s_pod_is_an_execution_too_many_whatever_its_attempt() -> None:
    census = Census()
    for event in (pod_event("1", "a"), pod_event("1", "a"), pod_event("2", "a", role="publish"), pod_event("3", "b")):
        census.pod(event, 0)
    assert census.executed_twice == 0

    census.pod(pod_event("4", "a"), 0)
    census.pod(pod_event("5", "b", attempt="2"), 0)
    assert census.executed_twice == 2


def test_a_life_is_timed_by_when_its_events_were_read() -> None:
    census = Census()
    census.command(command_event("ADDED", "a"), 1.0)
    census.command(command_event("MODIFIED", "a", claim={"epoch": 1}, phase="Claimed"), 1.5)
    census.command(command_event("MODIFIED", "a", claim={"epoch": 1}, phase="Running"), 2.0)
    assert (census.waits(), census.phases["Running"], census.ended) == ([0.5], 1, [])

    census.command(command_event("MODIFIED", "a", claim={"epoch": 1}, phase="Succeeded"), 9.0)
    census.command(command_event("MODIFIED", "a", claim={"epoch": 1}, phase="Succeeded"), 10.0)
    assert (census.ended, census.lives["a"].ended, census.phases["Running"]) == (["a"], 9.0, 0)


def test_those_are_present_that_were_made_and_not_deleted_however_often_they_are_shown() -> None:
    census = Census()
    for name in ("a", "b", "c"):
        census.command(command_event("ADDED", name), 1.0)
        census.command(command_event("MODIFIED", name, phase="Running"), 2.0)
    census.leaves("a")
    census.command(command_event("MODIFIED", "a", phase="Succeeded"), 3.0)
    census.command(command_event("DELETED", "a", phase="Succeeded"), 4.0)
    census.command(command_event("DELETED", "b", phase="Running"), 4.0)

    assert (census.present, census.phases["Running"], census.unended()) == (1, 1, 1)


def test_what_was_made_suspended_is_there_and_has_no_end_to_wait_for() -> None:
    census = Census()
    event = command_event("ADDED", "r", phase="Pending")
    event["object"]["metadata"]["uid"] = "u"
    event["object"]["spec"] = {"suspend": True}
    census.command(event, 1.0)
    [life] = census.resting()
    assert (census.present, census.unended(), census.has_begun(life)) == (1, 0, False)

    census.pod(pod_event("1", "u"), 2.0)
    assert census.has_begun(life)


class Gap:
    """An API server whose watch ends once, and that has then forgotten where it was."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told = asyncio.Event()

    async def watch(self, path: str, version: str) -> Any:
        self.asked.append(version)
        yield {"type": "LISTED", "version": version or "5"}
        if not version:
            yield {
                "type": "ADDED",
                "object": {"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}, "spec": {}},
            }
        else:
            yield {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
            self.told.set()


async def test_a_census_with_a_gap_says_nothing() -> None:
    api = Gap()
    with pytest.raises(WentWrong, match="too old"):
        async with Watching(api, "n"):  # type: ignore[arg-type]
            async with asyncio.timeout(5):
                while len(api.asked) < 4:  # noqa: ASYNC110 - both watches have been opened anew
                    await asyncio.sleep(0)
    assert sorted(api.asked) == ["", "", "7", "7"]


async def test_no_more_requests_are_under_way_than_were_allowed() -> None:
    under_way, most, done = 0, 0, []

    async def work(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        done.append(number)

    await many.for_each(range(50), work, at_once=4)
    assert (most, sorted(done)) == (4, list(range(50)))


METRICS = """# TYPE apiserver_request_total counter
apiserver_request_total{code="200",group="mentu.dev",resource="bugcommands",subresource="status",verb="PATCH"} 7
apiserver_request_total{code="409",group="mentu.dev",resource="bugcommands",subresource="status",verb="PATCH"} 2
apiserver_request_total{code="201",group="",resource="pods",subresource="",verb="POST"} 3
apiserver_request_total{code="201",group="",resource="pods",subresource="binding",verb="POST"} 3
apiserver_request_total{code="201",group="",resource="events",subresource="",verb="POST"} 1e+06
"""


def test_our_writes_are_counted_refused_ones_too_and_others_are_not() -> None:
    counts = p10.of(p10.writes(METRICS), p10.OURS)
    assert counts == {("PATCH", "bugcommands/status"): 9, ("POST", "pods"): 3}


def test_a_metric_is_the_sum_of_its_series() -> None:
    text = 'a_total{result="done"} 3.0\na_total{result="failed"} 1.0\na_total_created 9.0\nb 2.0\n'
    assert (total(text, "a_total", {}), total(text, "a_total", {"result": "done"}), total(text, "b", {})) == (4, 3, 2)


def test_a_job_s_pod_has_a_volume_of_its_own_and_shares_nothing() -> None:
    claims = [{"name": n, "persistentVolumeClaim": {"claimName": n}} for n in ("workspace", "mirror")]
    spec = {"containers": [], "volumes": [*claims, {"name": "tmp", "emptyDir": {}}], "schedulingGates": [{"name": "g"}]}
    made = peer_jobs.job_pod({"spec": spec})

    assert [list(volume) for volume in made["volumes"]] == [
        ["name", "ephemeral"],
        ["name", "emptyDir"],
        ["name", "emptyDir"],
    ]
    assert "schedulingGates" not in made
    assert made["tolerations"] == [pretended.TOLERATION]
