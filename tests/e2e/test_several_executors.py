"""Two executors as the chart installs them: one goes for good and the other goes on with its agents as they are; a
person approves by way of the real gateway; what the dashboards ask for is what the real processes expose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.demo.kubectl import CommandError, call
from prometheus_client.parser import text_string_to_metric_families
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, condition, message_of, reason_of, rows
from tests.support.cluster_objects import RELEASE, Raw, bug
from tests.support.cluster_postgres import NAMESPACE, SYSTEM, PostgresLab, postgres_values
from tests.support.kubectl import eventually
from tests.support.kubectl_bug import PROGRAM, KubectlBug

CHART = Path(__file__).parents[2] / "helm" / "mentu-operator"
COUNTS = "n=0; until [ -e /tmp/go ]; do n=$((n + 1)); echo line $n; sleep 0.02; done; echo counted $n"
LEASE_SECONDS = 5
EXECUTORS = {f"bridge-{RELEASE}-executor-{n}": f"{RELEASE}-executor-{n}" for n in range(2)}
SURVIVOR, GONE = EXECUTORS
MOST_COMMANDS = 12
"""Each falls to either by the toss of a coin."""


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[PostgresLab]:
    made = PostgresLab(lab.settings)
    wanted = postgres_values(lab.settings)["executor"] | {"replicas": 2, "leaseSeconds": LEASE_SECONDS}
    try:
        made.up(executor=wanted)
        yield made
    finally:
        made.clean()


def both_are_there(pair: PostgresLab) -> None:
    """Whatever a test before has done."""
    pair.system.run("scale", f"statefulset/{RELEASE}-executor", "--replicas=2")
    eventually(lambda: entries(pair), lambda names: names == set(EXECUTORS), 90, "both are registered")


def entries(pair: PostgresLab) -> set[str]:
    found = json.loads(pair.system.run("get", "executors", "-o", "json"))
    return {item["metadata"]["name"] for item in found["items"]}


def exposed(pair: PostgresLab, pod: str, port: int) -> dict[str, dict[str, float]]:
    """What a pod's /metrics says: by family, its samples by name and labels."""
    text = pair.system.run("get", "--raw", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:{port}/proxy/metrics")
    return {
        family.name: {f"{sample.name}{sorted(sample.labels.items())}": sample.value for sample in family.samples}
        for family in text_string_to_metric_families(text)
    }


def program_env(pair: PostgresLab) -> dict[str, str]:
    return KubectlBug(pair.kubectl, SYSTEM).env()


def asked_for() -> set[str]:
    """Every metric of ours that a dashboard or an alert names, as a family."""
    texts = [path.read_text() for path in (CHART / "dashboards").glob("*.json")]
    texts.append((CHART / "rules" / "mentu.yaml").read_text())
    names = {name for text in texts for name in re.findall(r"\bmentu_\w+", text)}
    return {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names}


def test_both_are_registered_and_see_each_other(pair: PostgresLab) -> None:
    both_are_there(pair)
    rows_of_both = call([*PROGRAM, "executors", "-n", SYSTEM, "--no-headers"], timeout=60, env=program_env(pair))
    assert {row.split()[0]: row.split()[4] for row in rows_of_both.splitlines()} == dict.fromkeys(EXECUTORS, "True")
    for pod in EXECUTORS.values():
        alive_by_now = eventually(
            lambda pod=pod: exposed(pair, pod, 9090)["mentu_executors_alive"],  # type: ignore[misc]
            lambda found: list(found.values()) == [2.0],
            60,
            "it counts two",
        )
        assert alive_by_now


def test_a_person_approves_by_the_gateway_in_their_own_name_and_nobody_else_does(pair: PostgresLab) -> None:
    pair.kubectl.run("create", "serviceaccount", "lead")
    pair.kubectl.run("create", "serviceaccount", "stranger")
    role = f"--clusterrole={RELEASE}-{SYSTEM}-approver"
    pair.kubectl.run("create", "rolebinding", "approvers", role, f"--serviceaccount={NAMESPACE}:lead")
    program = KubectlBug(pair.kubectl, SYSTEM)
    waits = pair.run(bug("to-approve", "echo approved", approval="Required"))
    waits.waits("AwaitingApproval")

    with pytest.raises(CommandError, match="approve"):
        program.run("approve", waits.name, "--token", pair.token("stranger", pair.kubectl))
    assert waits.status["phase"] == "AwaitingApproval"
    said = program.run("approve", waits.name, "-m", "looks right", "--token", pair.token("lead", pair.kubectl))
    assert "approved" in said

    status = waits.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    approval = status["approval"]
    assert approval["decision"] == "Approved"
    assert approval["by"] == f"system:serviceaccount:{NAMESPACE}:lead"
    assert approval["message"] == "looks right"
    assert waits.object["metadata"]["creationTimestamp"] <= approval["at"] <= status["completionTime"]


def test_rights_that_are_taken_away_are_named_and_work_goes_on_when_they_are_given_back(pair: PostgresLab) -> None:
    both_are_there(pair)
    role = f"{RELEASE}-{SYSTEM}-executor"
    found = pair.kubectl.get("role", role)
    assert found is not None, pair.kubectl.run("get", "roles")
    rules = found["rules"]
    less = [rule for rule in rules if "bugcommands/status" not in rule["resources"]]
    assert less != rules
    set_rules(pair, role, less)
    waits = pair.run(bug("without-rights", "echo allowed again"))
    lacking = degraded_of_both(pair, "True")
    set_rules(pair, role, rules)

    assert all("patch bugcommands/status" in each["message"] for each in lacking), lacking
    assert reason_of(waits.ended(150)) == ("Succeeded", "Completed")
    degraded_of_both(pair, "False")


def set_rules(pair: PostgresLab, role: str, rules: list[Raw]) -> None:
    pair.kubectl.run("patch", "role", role, "--type=merge", "-p", json.dumps({"rules": rules}))


def degraded_of_both(pair: PostgresLab, status: str) -> list[Raw]:
    """The condition of each, once it is so for all."""

    def look() -> list[Raw]:
        items = json.loads(pair.system.run("get", "executors", "-o", "json"))["items"]
        return [condition(item.get("status") or {}, "Degraded") for item in items]

    def are_all(found: list[Raw]) -> bool:
        return len(found) == len(EXECUTORS) and all(each.get("status") == status for each in found)

    return eventually(look, are_all, 90, f"Degraded is {status}")


def of_both(pair: PostgresLab) -> dict[str, Bug]:
    """Commands that work, at least one of each executor's."""
    found: dict[str, Bug] = {}
    for number in range(MOST_COMMANDS):
        made = pair.run(bug(f"long-{number}", COUNTS, timeoutSeconds=600))
        holder = made.running()["claim"]["executor"]
        if holder in found:
            made.cancel()
        found.setdefault(holder, made)
        if set(found) == set(EXECUTORS):
            return found
    raise AssertionError(f"of {MOST_COMMANDS} commands all fell to {set(found)}")


def test_one_that_is_gone_for_good_leaves_its_running_agent_to_the_other_which_lets_it_work_on(
    pair: PostgresLab,
) -> None:
    both_are_there(pair)
    found = of_both(pair)
    left, kept = found[GONE], found[SURVIVOR]
    before = {made.name: made.agent_container["containerID"] for made in found.values()}
    pair.system.run("scale", f"statefulset/{RELEASE}-executor", "--replicas=1")
    pair.system.run("delete", "pod", EXECUTORS[GONE], "--force", "--grace-period=0", "--ignore-not-found")

    eventually(lambda: left.status["claim"], lambda claim: claim["executor"] == SURVIVOR, 90, "it is taken over")
    eventually(lambda: entries(pair), lambda names: names == {SURVIVOR}, 60, "its entry is gone")
    so_far = len(left.printed())
    left.prints(f"line {so_far + 20}")
    for made in (left, kept):
        made.inside("touch /tmp/go")
    for made, epoch in ((left, 2), (kept, 1)):
        status = made.ended()
        assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
        assert (status["attempt"], status["claim"]["epoch"]) == (1, epoch)
        assert made.agent_container["containerID"] == before[made.name], "the same agent, not a second one"
        assert made.agent_container["restartCount"] == 0
        printed = made.printed()
        assert rows(pair.stored_up_to(status["commandId"], len(printed))) == printed
    assert [event.reason for event in left.events("TakenOver", "Succeeded")].count("TakenOver") == 1
    taken = exposed(pair, EXECUTORS[SURVIVOR], 9090)["mentu_takeovers"]
    assert taken["mentu_takeovers_total[('result', 'won')]"] >= 1


def test_what_the_dashboards_and_alerts_ask_for_is_what_the_processes_expose(pair: PostgresLab) -> None:
    there = set(exposed(pair, EXECUTORS[SURVIVOR], 9090))
    there |= set(exposed(pair, pair.gateways()[0], 8080))
    assert asked_for() <= there, asked_for() - there
