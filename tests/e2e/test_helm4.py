"""The chart's life with Helm 4, which applies on the server and waits in another way than Helm 3: installed, upgraded
from an older chart under a running agent, uninstalled. What both do alike is in test_chart.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import cluster_helm
from tests.support.cluster import Lab
from tests.support.cluster_bug import message_of, reason_of
from tests.support.cluster_chart import SYSTEM, ChartLab, older_chart
from tests.support.cluster_objects import bug

WORKS = "echo ready; until [ -e /tmp/go ]; do sleep 0.2; done; echo x > late.txt; echo over"
# The definitions are another release's, and Helm 3 has written them.
TAKEN_OVER = ("--take-ownership", "--force-conflicts")


@pytest.fixture(scope="module")
def chart(lab: Lab) -> Iterator[ChartLab]:
    made = ChartLab(lab.settings, cluster_helm.HELM_4)
    try:
        made.up()
        yield made
    finally:
        made.clean()
        lab.install()  # the CRDs are its own again


def test_it_is_upgraded_with_its_definitions_under_a_running_agent_and_uninstalled_without_them(
    chart: ChartLab, tmp_path: Path
) -> None:
    before = chart.crd()["metadata"]["uid"]
    made = chart.run(bug("helm-4", WORKS, output="Branch"))
    made.running()
    made.prints("ready")
    chart.install(*TAKEN_OVER, chart=older_chart(tmp_path), crds={"enabled": True})
    assert chart.columns() == []
    chart.install(crds={"enabled": True})
    assert "Age" in chart.columns()
    made.inside("touch /tmp/go")
    status = made.ended()
    assert (reason_of(status), status["attempt"]) == (("Succeeded", "Completed"), 1), message_of(status)

    cluster_helm.uninstall(chart.system, helm=chart.helm)
    assert chart.executor_uid() == ""
    meta = chart.crd()["metadata"]
    assert (meta["uid"], meta["annotations"]["meta.helm.sh/release-namespace"]) == (before, SYSTEM)
    assert not made.object["metadata"].get("finalizers")
    assert made.status["phase"] == "Succeeded"
