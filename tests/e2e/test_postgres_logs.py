"""Postgres with two gateways: each line once and in order, whatever goes away meanwhile; commands that come as rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from dev.demo.kubectl import CommandError, call
from dev.demo.settings import CHART
from tests.support.cluster import Lab
from tests.support.cluster_bug import Bug, message_of, reason_of, rows
from tests.support.cluster_objects import RELEASE, Raw, bug
from tests.support.cluster_postgres import CHECKOUT, PROXY_TOKEN, SYSTEM, PostgresLab
from tests.support.gateway_http import bearer
from tests.support.kubectl import eventually
from tests.support.kubectl_bug import KubectlBug, parsed

COUNTS = "n=0; until [ -e /tmp/go ]; do n=$((n + 1)); echo line $n; sleep 0.02; done; echo counted $n"
LOGS = "/rest/v1/spawn_logs"
COMMITS = "echo $MENTU_BRIDGE_COMMAND_ID > bridge.txt; pwd; git add bridge.txt; git commit -qm 'From outside'"


@pytest.fixture(scope="module")
def postgres(lab: Lab) -> Iterator[PostgresLab]:
    made = PostgresLab(lab.settings)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="module")
def ended(postgres: PostgresLab) -> tuple[Bug, Raw]:
    made = postgres.run(bug("short", "for n in $(seq 300); do echo line $n; done; echo over >&2"))
    return made, made.ended()


def each_line_once(postgres: PostgresLab, made: Bug, status: Raw) -> None:
    """In the database, in the pod's log, in the status: the same lines, each once, in order."""
    printed = made.printed()
    stored = postgres.stored_up_to(status["commandId"], len(printed))
    assert [row["seq"] for row in stored] == list(range(1, len(printed) + 1))
    assert rows(stored) == printed
    assert made.logs_up_to(len(printed))["lines"] == len(printed)
    numbered = [line for line in printed if line.startswith("line ")]
    assert numbered == [f"line {n}" for n in range(1, len(numbered) + 1)]


def goes_on(made: Bug, lines: int) -> None:
    so_far = len(made.printed())
    made.prints(f"line {so_far + lines}")


def ends_well(postgres: PostgresLab, made: Bug) -> None:
    made.inside("touch /tmp/go")
    status = made.ended()
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    assert status["attempt"] == 1
    each_line_once(postgres, made, status)


def test_a_commands_lines_are_in_postgres_each_once(postgres: PostgresLab, ended: tuple[Bug, Raw]) -> None:
    made, status = ended
    assert reason_of(status) == ("Succeeded", "Completed"), message_of(status)
    each_line_once(postgres, made, status)
    stored = postgres.stored(status["commandId"])
    assert {row["namespace"] for row in stored} == {postgres.kubectl.namespace}
    assert "over" in [row["message"] for row in stored if row["stream"] == "stderr"]


def test_who_may_get_commands_reads_their_lines_through_the_gateway(
    postgres: PostgresLab, ended: tuple[Bug, Raw]
) -> None:
    made, status = ended
    each_line_once(postgres, made, status)
    wanted = {"command_id": f"eq.{status['commandId']}", "order": "ts.asc,seq.asc", "limit": "1000"}
    gateway = postgres.gateway()
    for headers in (bearer(postgres.token("mentu-log-reader", postgres.system)), {"X-Proxy-Token": PROXY_TOKEN}):
        answer = gateway.get(LOGS, headers, **wanted)
        assert answer.status == 200, answer.body
        assert [row["seq"] for row in answer.body] == [row["seq"] for row in postgres.stored(status["commandId"])]
        assert rows(answer.body) == made.printed()


def test_who_is_nobody_or_may_not_get_commands_reads_nothing(postgres: PostgresLab, ended: tuple[Bug, Raw]) -> None:
    _made, status = ended
    wanted = {"command_id": f"eq.{status['commandId']}"}
    gateway = postgres.gateway()
    for headers in ({}, bearer("not-a-token"), {"X-Proxy-Token": PROXY_TOKEN[:-1] + "x"}):
        assert gateway.get(LOGS, headers, **wanted).status == 401, headers
    stranger = gateway.get(LOGS, bearer(postgres.token("default", postgres.kubectl)), **wanted)
    assert stranger.status == 403 or stranger.body == [], stranger


def test_nothing_is_lost_while_the_database_is_away_and_the_command_says_that_it_is(postgres: PostgresLab) -> None:
    made = postgres.run(bug("database-away", COUNTS))
    made.running()
    made.prints("line 20")
    command_id = made.status["commandId"]
    postgres.stored_up_to(command_id, 10)
    postgres.database_goes_away()
    made.has_condition("LogsStored", "False", "LogStoreUnavailable", seconds=150)
    goes_on(made, 100)
    postgres.database_is_back()
    postgres.gateways_are_back()
    made.has_condition("LogsStored", "True", "LogStoreAvailable")
    postgres.stored_up_to(command_id, len(made.printed()), seconds=60)
    ends_well(postgres, made)


def test_nothing_is_lost_or_doubled_when_gateways_are_killed_one_after_the_other(postgres: PostgresLab) -> None:
    made = postgres.run(bug("gateways-killed", COUNTS))
    made.running()
    made.prints("line 20")
    for name in postgres.gateways():
        postgres.kill_gateway(name)
        goes_on(made, 100)
    postgres.gateways_are_back()
    ends_well(postgres, made)


def test_who_follows_a_log_is_told_each_line_once_while_gateways_are_killed(
    postgres: PostgresLab, tmp_path: Path
) -> None:
    made = postgres.run(bug("followed", COUNTS))
    made.running()
    made.prints("line 20")
    output = tmp_path / "followed"
    program = KubectlBug(postgres.kubectl, SYSTEM)
    with program.started(output, "logs", made.name, "--follow", "-o", "json") as process:
        eventually(output.read_text, lambda text: "line 20" in text, 30, "it follows")
        for name in postgres.gateways():
            postgres.kill_gateway(name)
            goes_on(made, 100)
        postgres.gateways_are_back()
        ends_well(postgres, made)
        assert process.wait(90) == 0
    shown = parsed(output.read_text())
    assert [row["seq"] for row in shown] == list(range(1, len(shown) + 1))
    assert rows(shown) == made.printed()


def test_an_upgrade_replaces_gateways_and_executor_under_a_running_agent(postgres: PostgresLab) -> None:
    made = postgres.run(bug("upgraded", COUNTS))
    made.running()
    made.prints("line 20")
    before = set(postgres.gateways())
    postgres.install(podAnnotations={"e2e.mentu.dev/round": "2"})
    postgres.gateways_are_back()
    assert not before & set(postgres.gateways())
    goes_on(made, 50)
    ends_well(postgres, made)


def carried_out(postgres: PostgresLab, command_id: str) -> list[str]:
    """What the agent printed of a command that has come in by the bridge, once it has ended well."""
    row = postgres.row_has(command_id, "completed")
    assert (row["exit_code"], row["error"]) == (0, None)
    assert row["claimed_at"] <= row["started_at"] <= row["completed_at"]
    made = Bug(postgres.kubectl, f"bridge-{command_id}")
    status = made.ended()
    assert (reason_of(status), status["commandId"]) == (("Succeeded", "Completed"), command_id)
    each_line_once(postgres, made, status)
    return made.printed()


def test_a_row_that_somebody_inserts_becomes_one_command_and_tells_how_it_ended(postgres: PostgresLab) -> None:
    command_id = str(uuid.uuid4())
    postgres.insert(command_id, COMMITS)
    printed = carried_out(postgres, command_id)
    assert any(line.endswith("/src") for line in printed), "the prefix of the path is the repository"


def test_a_command_that_is_posted_twice_with_one_key_is_carried_out_once(postgres: PostgresLab) -> None:
    headers = {"X-Proxy-Token": PROXY_TOKEN, "Idempotency-Key": "once"}
    body = {"prompt": COMMITS, "working_directory": CHECKOUT, "agent": "shell", "timeout_seconds": 120}
    gateway = postgres.gateway()
    first, again = (gateway.post("/bridge/commands", headers, body) for _ in range(2))
    assert (first.status, again.status) == (201, 201), (first, again)
    assert again.headers.get("idempotent-replay") == "true"
    assert first.body["id"] == again.body["id"]
    carried_out(postgres, first.body["id"])


def test_a_command_from_a_stranger_or_for_a_place_that_is_not_known_is_refused(postgres: PostgresLab) -> None:
    body = {"prompt": COMMITS, "working_directory": "/home/somebody/else", "agent": "shell"}
    gateway = postgres.gateway()
    assert gateway.post("/bridge/commands", {}, body).status == 401
    refused = gateway.post("/bridge/commands", {"X-Proxy-Token": PROXY_TOKEN}, body)
    assert (refused.status, refused.body["field"]) == (422, "working_directory"), refused


def test_helms_own_test_finds_a_gateway_that_is_ready(postgres: PostgresLab) -> None:
    call(["helm", "test", RELEASE, "--namespace", SYSTEM, "--timeout=60s"], timeout=70, env=postgres.kubectl.env)


@pytest.mark.parametrize(
    ("release", "values", "said"),
    [
        (
            "other",
            "database.type=postgres,database.urlSecret.name=missing",
            rf"Secret {SYSTEM}/missing \(database.urlSecret\) does not exist",
        ),
        (RELEASE, "database.type=sqlite", r"made without a volume for logs.*delete statefulset mentu-executor"),
    ],
)
def test_what_the_cluster_as_it_is_cannot_take_is_refused_before_anything_is_changed(
    postgres: PostgresLab, release: str, values: str, said: str
) -> None:
    command = ["helm", "upgrade", "--install", release, str(CHART), "--namespace", SYSTEM]
    with pytest.raises(CommandError, match=said):
        call([*command, f"--set=crds.enabled=false,{values}"], timeout=60, env=postgres.kubectl.env)
