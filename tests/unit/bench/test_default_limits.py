from __future__ import annotations

from pathlib import Path

from bench.default_limits import without_limits
from dev.cluster import parts
from dev.cluster.layout import Layout


def test_the_limits_and_nothing_else_are_left_to_their_defaults() -> None:
    raised = parts.argv("kube-controller-manager", Layout(Path("/cluster")))
    by_default = without_limits(raised)
    assert set(raised) - set(by_default) == {"--kube-api-qps=1000", "--kube-api-burst=2000"}
    assert by_default == [argument for argument in raised if argument in by_default]
