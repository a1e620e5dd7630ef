"""The chart's whole life on a cluster: installed, tested, upgraded from an older one, uninstalled, installed again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.demo.kubectl import CommandError
from tests.support import cluster_helm
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of
from tests.support.cluster_chart import SYSTEM, ChartLab, older_chart
from tests.support.cluster_objects import bug

WORKS = "echo ready; until [ -e /tmp/go ]; do sleep 0.2; done; echo went on > late.txt; echo over"
FAILS = "echo x > tried.txt; exit 1"
FINALIZER = "mentu.dev/keep-work"


@pytest.fixture(scope="module")
def chart(lab: Lab) -> Iterator[ChartLab]:
    made = ChartLab(lab.settings)
    try:
        made.up()
        yield made
    finally:
        made.clean()
        lab.install()  # the CRDs are its own again


def finalizers(of: Bug) -> list[str]:
    return list(of.object["metadata"].get("finalizers") or [])


def works(chart: ChartLab, name: str) -> Bug:
    made = chart.run(bug(name, WORKS, output="Branch"))
    made.running()
    made.prints("ready")
    return made


def test_helm_test_finds_gateway_executor_and_resources(chart: ChartLab) -> None:
    assert "Phase:          Succeeded" in cluster_helm.run_tests(chart.system)


def test_where_it_is_wanted_a_command_in_progress_keeps_the_release_and_nothing_changes(chart: ChartLab) -> None:
    chart.install(uninstall={"runningCommands": "Refuse"})
    made, executor = works(chart, "in-progress"), chart.executor_uid()
    with pytest.raises(CommandError, match="failed"):
        cluster_helm.uninstall(chart.system, seconds=60)
    told = chart.system.run("logs", "job/mentu-uninstall")
    assert "1 BugCommand(s) are in progress" in told
    assert "mentu-e2e-chart/in-progress (Running)" in told
    assert (chart.executor_uid(), finalizers(made)) == (executor, [FINALIZER])
    cluster_helm.stay(chart.system)
    chart.install()
    made.inside("touch /tmp/go")
    status = made.ended()
    assert (reason_of(status), status["attempt"]) == (("Succeeded", "Completed"), 1), message_of(status)


def test_an_upgrade_from_an_older_chart_brings_its_definitions_and_disturbs_no_agent(
    chart: ChartLab, tmp_path: Path
) -> None:
    made = works(chart, "upgraded")
    chart.install("--take-ownership", chart=older_chart(tmp_path), crds={"enabled": True})
    assert chart.columns() == []
    chart.install(crds={"enabled": True})
    assert "Age" in chart.columns()
    made.inside("touch /tmp/go")
    status = made.ended()
    assert (reason_of(status), status["attempt"]) == (("Succeeded", "Completed"), 1), message_of(status)


def test_definitions_that_nobody_owns_are_taken_over_with_all_their_objects(chart: ChartLab) -> None:
    before = chart.crd()["metadata"]["uid"]
    agents = chart.kubectl.run("get", "agents.mentu.dev", "-o", "name")
    chart.nobody_owns_the_crds()
    chart.install("--take-ownership", crds={"enabled": True})
    meta = chart.crd()["metadata"]
    assert meta["uid"] == before
    assert meta["annotations"]["meta.helm.sh/release-namespace"] == SYSTEM
    assert meta["annotations"]["helm.sh/resource-policy"] == "keep"
    assert chart.kubectl.run("get", "agents.mentu.dev", "-o", "name") == agents != ""


def test_what_uninstalling_leaves_can_be_deleted_and_what_goes_on_is_taken_in_hand_again(chart: ChartLab) -> None:
    left = works(chart, "left-alone")
    failed = [chart.run(bug(name, FAILS, output="Branch")) for name in ("gone-meanwhile", "waits")]
    for made in failed:
        made.ended()
    uid, [volume] = failed[0].uid, failed[0].volumes()
    definition = chart.crd()["metadata"]["uid"]
    chart.install(crds={"enabled": True})
    cluster_helm.uninstall(chart.system)

    assert chart.executor_uid() == ""
    assert chart.crd()["metadata"]["uid"] == definition
    assert [finalizers(made) for made in (left, *failed)] == [[], [], []]
    failed[0].delete(seconds=10)
    [kept] = failed[0].volumes(uid).values()
    assert (kept["metadata"]["name"], kept["metadata"]["labels"].get("mentu.dev/kept")) == (volume, "true")
    assert left.inside("echo still here") == "still here\n"

    chart.install(crds={"enabled": True})
    left.inside("touch /tmp/go")
    status = left.ended()
    assert (reason_of(status), status["attempt"]) == (("Succeeded", "Completed"), 1), message_of(status)
    uid = failed[1].uid
    failed[1].delete()
    failed[1].leaves_nothing(uid)
    chart.kubectl.run("delete", "persistentvolumeclaim", volume, "--wait=false")
