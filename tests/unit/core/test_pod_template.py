"""Which labels, annotations and priority classes a command may give its pod."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import LIMITS, NOW, command, held_command, observed, status

from bugcommand_operator.api.bugcommand import Attempt
from bugcommand_operator.api.conditions import ConditionType, Phase, Reason
from bugcommand_operator.core.decide import decide
from bugcommand_operator.core.policies.share import ONLOOKING
from bugcommand_operator.core.settings import Limits

REFUSED: dict[str, dict[str, Any]] = {
    "an identity at a cloud": {"labels": {"azure.workload.identity/use": "true"}},
    "an identity of an older add-on": {"labels": {"aadpodidbinding": "admin"}},
    "a role at another cloud": {"annotations": {"iam.amazonaws.com/role": "admin"}},
    "secrets that a sidecar brings": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}},
    "no sidecar of the mesh": {"labels": {"sidecar.istio.io/inject": "false"}},
    "another network": {"annotations": {"k8s.v1.cni.cncf.io/networks": "lan"}},
    "another profile": {"annotations": {"container.apparmor.security.beta.kubernetes.io/agent": "unconfined"}},
    "a label of the installation": {"labels": {"app.kubernetes.io/name": "mentu-operator"}},
    "a label that says whose it is": {"labels": {"mentu.dev/command-uid": "x"}},
    "a priority of the system": {"priorityClassName": "system-node-critical"},
}
TAKEN: dict[str, dict[str, Any]] = {
    "names of one's own": {"labels": {"team": "web"}, "annotations": {"note": "x"}},
    "a queue": {"labels": {"kueue.x-k8s.io/queue-name": "agents"}},
    "no eviction": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
    "a pretended agent": {"annotations": {"scale.mentu.dev/runs-for": "1s"}},
    "a priority class": {"priorityClassName": "batch"},
}


def phase_and_message(template: dict[str, Any], limits: Limits = LIMITS) -> tuple[Phase | None, str]:
    plan = decide(observed(command(podTemplate=template), limits=limits), NOW)
    assert plan.status is not None
    assert plan.status.phase != Phase.REFUSED or plan.events[0].reason == Reason.INVALID_SPEC
    return plan.status.phase, plan.events[0].message


@pytest.mark.parametrize("name", REFUSED)
def test_what_may_give_rights_is_refused_by_its_name(name: str) -> None:
    ((field, value),) = REFUSED[name].items()
    phase, message = phase_and_message(REFUSED[name])
    assert phase == Phase.REFUSED
    assert f"spec.podTemplate.{field}" in message
    assert all(key in message for key in value if isinstance(value, dict))


@pytest.mark.parametrize("name", TAKEN)
def test_what_gives_none_is_taken(name: str) -> None:
    assert phase_and_message(TAKEN[name])[0] == Phase.CLAIMED


def test_an_installation_may_allow_more() -> None:
    more = replace(LIMITS, pod_template_keys=("example.com/", "iam.amazonaws.com/role"))
    assert phase_and_message({"labels": {"example.com/team": "a"}}, more)[0] == Phase.CLAIMED
    assert phase_and_message({"annotations": {"iam.amazonaws.com/role": "ci"}}, more)[0] == Phase.CLAIMED
    assert phase_and_message({"annotations": {"iam.amazonaws.com/roles": "ci"}}, more)[0] == Phase.REFUSED


def test_one_that_has_begun_waits_until_it_is_allowed() -> None:
    """It was taken by an installation that allowed it, and what it has done could never be gone on with."""
    between = status(attempt=1, attempts=[Attempt(attempt=1, reason="PodLost", completion_time=NOW)])
    seen = observed(held_command(between, podTemplate=REFUSED["an identity at a cloud"]))
    plan = decide(seen, NOW)
    assert plan.status is not None
    ready = next(c for c in plan.status.conditions if c.type == ConditionType.READY)
    assert (plan.status.phase, ready.reason) == (Phase.PENDING, Reason.INVALID_SPEC)
    assert "azure.workload.identity/use" in ready.message

    allowed = decide(replace(seen, limits=replace(LIMITS, pod_template_keys=("azure.workload.identity/use",))), NOW)
    assert allowed.status is not None
    assert allowed.status.phase == Phase.CLAIMED


def test_what_another_machine_allows_is_not_for_us_to_refuse() -> None:
    of = command(podTemplate=REFUSED["an identity at a cloud"], targetMachine="site-2")
    plan = decide(observed(of, unchanged_for=ONLOOKING), NOW)
    assert plan.status is not None
    ready = next(c for c in plan.status.conditions if c.type == ConditionType.READY)
    assert (plan.status.phase, ready.reason) == (Phase.PENDING, Reason.WAITING_FOR_MACHINE)
