"""`status.logs` follows what is stored: the end of the log, in time, within one budget for all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.support.builders import NAMESPACE, UID
from tests.support.cluster_model import Call, ClusterModel, bug_command
from tests.support.fake_kube import FakeKube

from bugcommand_operator.cluster.errors import ClusterUnavailable
from bugcommand_operator.executor.tails import SELDOM, WRITES_PER_ROUND, Tails
from bugcommand_operator.executor.world import World
from bugcommand_operator.store.errors import StoreUnavailable
from bugcommand_operator.store.lines import AttemptKey, LogLine, LogRow, Progress

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLAIM: dict[str, Any] = {"executor": "bridge-0", "machine": "m", "epoch": 1, "at": "2026-03-01T12:00:00Z"}


class Lines:
    """A store in a list."""

    def __init__(self) -> None:
        self.stored: dict[AttemptKey, list[LogLine]] = {}
        self.asked = 0
        self.away = False

    def say(self, key: AttemptKey, *messages: str) -> None:
        lines = self.stored.setdefault(key, [])
        lines += [LogLine(len(lines) + n, "stdout", AT, text) for n, text in enumerate(messages, 1)]

    async def tail(self, key: AttemptKey, limit: int) -> list[LogLine]:
        return self.stored[key][-limit:]

    async def progress(self, command_ids: Collection[str]) -> Mapping[AttemptKey, Progress]:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return {k: Progress(len(v), v[-1].seq) for k, v in self.stored.items() if k.command_id in command_ids}

    async def read(self, command_id: str, **_: Any) -> list[LogRow]:
        raise AssertionError("the tail alone is read")


class Following:
    def __init__(self) -> None:
        self.cluster = ClusterModel()
        self.world = World()
        self.lines = Lines()
        self.woken: list[tuple[str, str]] = []
        self.tails = Tails(FakeKube(self.cluster), self.world, self.lines, CLAIM["executor"], self.woken.append)

    def add(
        self,
        number: int = 0,
        *,
        ended: datetime | None = None,
        claimed: bool = True,
        more: Mapping[str, Any] | None = None,
    ) -> AttemptKey:
        uid = f"{number:08d}" + UID[8:]
        self.cluster.create(bug_command(f"bug-{number}", NAMESPACE, uid))
        pod = {"podName": f"bug-{number}-1-agent"}
        status: dict[str, Any] = {"claim": CLAIM, "attempt": 1, **pod, **(more or {})} if claimed else {}
        if ended is not None:
            how = {"type": "Succeeded", "status": "True", "reason": "r", "lastTransitionTime": "2026-03-01T12:00:00Z"}
            status |= {"completionTime": ended.isoformat(), "conditions": [how]}
        body = {"status": status}
        self.world.put_command(self.cluster.patch("BugCommand", NAMESPACE, f"bug-{number}", body, status=True))
        self.cluster.calls.clear()
        return AttemptKey(NAMESPACE, uid, 1)

    def store(self) -> tuple[datetime | None, bool]:
        return self.world.log_store_away_since, self.world.log_store_answers

    def logs(self, number: int = 0) -> dict[str, Any]:
        found = self.cluster.find("BugCommand", f"bug-{number}")
        assert found is not None
        return dict(found["status"].get("logs") or {})


@pytest.fixture
def following() -> Following:
    return Following()


async def test_the_tail_is_what_was_said_last(following: Following) -> None:
    key = following.add()
    following.lines.say(key, *(f"line {n}" for n in range(80)))
    await following.tails.once()

    logs = following.logs()
    assert (logs["lines"], logs["lastSequence"], len(logs["tail"])) == (80, 80, 50)
    assert (logs["tail"][0], logs["tail"][-1]) == ("line 30", "line 79")


BEGAN = "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("containers", "asked"),
    [
        ({}, 0),
        ({"workspace": {"running": {"startedAt": BEGAN}}, "agent": {"waiting": {"reason": "PodInitializing"}}}, 0),
        ({"agent": {"running": {"startedAt": BEGAN}}}, 1),
        ({"agent": {"terminated": {"exitCode": 1, "startedAt": BEGAN}}}, 1),
    ],
    ids=["nothing runs", "it is prepared", "its agent runs", "its agent has ended"],
)
async def test_the_store_is_asked_for_what_a_pod_said_whose_runner_has_begun(
    following: Following, containers: dict[str, Any], asked: int
) -> None:
    following.add()
    meta = {"name": "bug-0-1-agent", "namespace": NAMESPACE, "resourceVersion": "9"}
    states = [{"name": name, "state": state} for name, state in containers.items()]
    following.world.put_pod({"metadata": meta, "spec": {"nodeName": "n"}, "status": {"containerStatuses": states}})
    await following.tails.once()

    assert following.lines.asked == asked


@pytest.mark.parametrize(("more", "asked"), [({"podName": None}, 0), ({}, 1)], ids=["claimed only", "pod not known"])
async def test_the_store_is_asked_for_a_pod_that_is_not_known_once_a_status_names_it(
    following: Following, more: dict[str, Any], asked: int
) -> None:
    following.add(more=more)
    await following.tails.once()

    assert following.lines.asked == asked


async def test_a_command_that_has_finished_is_asked_for_seldom_after_a_moment(following: Following) -> None:
    following.lines.say(following.add(ended=datetime.now(UTC) - timedelta(seconds=30)), "late")
    for _ in range(2 * SELDOM):
        await following.tails.once()

    assert following.lines.asked == 2
    assert following.logs()["tail"] == ["late"]


async def test_the_last_lines_of_one_that_has_just_finished_are_looked_for_each_round(following: Following) -> None:
    key = following.add(ended=datetime.now(UTC))
    for said in ("one", "two"):
        following.lines.say(key, said)
        await following.tails.once()

    assert following.logs()["tail"] == ["one", "two"]


async def test_nothing_new_is_not_written_again(following: Following) -> None:
    following.lines.say(following.add(), "one")
    await following.tails.once()
    await following.tails.once()

    assert len(following.cluster.calls) == 1


async def test_each_new_line_is_followed(following: Following) -> None:
    key = following.add()
    following.lines.say(key, "one")
    await following.tails.once()
    following.lines.say(key, "two")
    await following.tails.once()

    assert following.logs()["tail"] == ["one", "two"]


async def test_lines_that_arrive_after_the_end_are_still_followed_for_a_while(following: Following) -> None:
    key = following.add(ended=datetime.now(UTC))
    old = following.add(1, ended=datetime.now(UTC) - timedelta(minutes=10))
    for each in (key, old):
        following.lines.say(each, "late")
    await following.tails.once()

    assert following.logs()["tail"] == ["late"]
    assert following.logs(1) == {}


async def test_a_command_of_another_executor_is_left_to_it(following: Following) -> None:
    key = following.add()
    following.lines.say(key, "one")
    other = Tails(FakeKube(following.cluster), following.world, following.lines, "bridge-1")

    assert not await other.once()
    assert following.cluster.calls == []


async def test_the_store_is_not_asked_when_nothing_runs(following: Following) -> None:
    following.add(claimed=False)
    await following.tails.once()

    assert following.lines.asked == 0


async def test_a_round_writes_no_more_than_its_budget_and_everybody_has_a_turn(following: Following) -> None:
    keys = [following.add(n) for n in range(2 * WRITES_PER_ROUND)]
    for key in keys:
        following.lines.say(key, "hello")
    await following.tails.once()
    assert len(following.cluster.calls) == WRITES_PER_ROUND

    for key in keys:
        following.lines.say(key, "again")
    await following.tails.once()
    assert all(following.logs(n) for n in range(len(keys)))


async def test_of_many_rounds_are_rarer_and_write_as_much_more(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bugcommand_operator.executor.tails.MOST_EACH_SECOND", 10)
    for number in range(30):
        following.lines.say(following.add(number), "hello")
    written: list[int] = []
    for _ in range(9):
        await following.tails.each_second()
        written.append(len(following.cluster.calls))
        following.cluster.calls.clear()

    assert written == [WRITES_PER_ROUND, 0, 0, 0, 4 * WRITES_PER_ROUND, 0, 0, 0, 5]


async def test_finished_ones_that_a_round_did_not_reach_have_their_turn_in_the_next(following: Following) -> None:
    """As when the store is back after an outage: none is left until nobody looks any more."""
    many = 3 * WRITES_PER_ROUND
    for number in range(many):
        following.lines.say(following.add(number, ended=datetime.now(UTC) - timedelta(seconds=30)), "late")
    for _ in range(SELDOM + 2):
        await following.tails.once()

    assert all(following.logs(number) for number in range(many))


async def test_one_with_a_long_log_has_its_turn_among_many_that_talk_all_the_time(following: Following) -> None:
    keys = [following.add(n) for n in range(WRITES_PER_ROUND + 1)]
    following.lines.say(keys[0], *["long"] * 500)
    for _ in range(4):
        for key in keys:
            following.lines.say(key, "and on")
        await following.tails.once()

    assert following.logs(0)["lines"] > 501


async def test_a_write_over_another_version_is_left_to_the_next_round(following: Following) -> None:
    key = following.add()
    following.lines.say(key, "one")
    edited = following.cluster.patch("BugCommand", NAMESPACE, "bug-0", {"metadata": {"labels": {"a": "b"}}})
    await following.tails.once()
    assert following.logs() == {}

    following.world.put_command(edited)
    await following.tails.once()
    assert following.logs()["tail"] == ["one"]


async def test_one_write_that_fails_keeps_no_other_from_being_made(following: Following) -> None:
    for number in range(2):
        following.lines.say(following.add(number), "one")

    def away(call: Call) -> None:
        if call.name == "bug-0":
            raise ClusterUnavailable("away")

    following.cluster.before = away
    await following.tails.once()

    assert (following.logs(0), following.logs(1)["tail"]) == ({}, ["one"])


async def test_the_lines_of_another_namespace_with_the_same_id_are_not_shown(following: Following) -> None:
    key = following.add()
    following.lines.say(AttemptKey("elsewhere", key.command_id, 1), "not yours")
    await following.tails.once()

    assert following.logs() == {}


async def test_a_store_that_begins_anew_is_followed_from_its_beginning(following: Following) -> None:
    key = following.add()
    following.lines.say(key, "one", "two", "three")
    await following.tails.once()
    following.lines.stored[key] = [LogLine(4, "stdout", AT, "four")]
    await following.tails.once()

    assert (following.logs()["lines"], following.logs()["tail"]) == (1, ["four"])


def shows(following: Following, number: int, type_: str, status: str, reason: str) -> None:
    condition = {"type": type_, "status": status, "reason": reason, "lastTransitionTime": "2026-03-01T12:00:00Z"}
    body = {"status": {"conditions": [condition]}}
    following.world.put_command(following.cluster.patch("BugCommand", NAMESPACE, f"bug-{number}", body, status=True))


async def test_running_commands_are_looked_at_when_the_store_has_been_away_for_long_and_not_before(
    following: Following,
) -> None:
    following.add()
    following.add(1)
    shows(following, 0, "AgentRunning", "True", "AgentStarted")
    following.lines.away = True
    await following.tails.round()
    since = following.world.log_store_away_since
    await following.tails.round()
    assert following.world.log_store_away_since == since is not None
    assert (following.woken, following.world.log_store_answers) == ([], False)

    following.world.log_store_away_since = datetime.now(UTC) - timedelta(seconds=61)
    await following.tails.round()
    assert following.woken == [(NAMESPACE, "bug-0")]


async def test_those_that_were_told_are_looked_at_once_the_store_answers(following: Following) -> None:
    following.add()
    following.add(1)
    shows(following, 0, "LogsStored", "False", "LogStoreUnavailable")
    following.world.log_store_away_since = datetime.now(UTC) - timedelta(seconds=100)
    following.lines.away = True
    await following.tails.round()
    assert following.woken == []

    following.lines.away = False
    await following.tails.round()
    assert following.woken == [(NAMESPACE, "bug-0")]
    assert following.store() == (None, True)


async def test_a_store_that_is_not_asked_is_not_away(following: Following) -> None:
    following.world.log_store_away_since = datetime.now(UTC) - timedelta(seconds=100)
    await following.tails.round()
    assert following.store() == (None, False)


async def test_lines_that_no_status_shows_yet_are_told_and_are_none_once_it_does() -> None:
    following = Following()
    following.lines.say(following.add(), "one", "two", "three")
    await following.tails.once()
    assert REGISTRY.get_sample_value("mentu_log_tail_lag_lines") == 3
    await following.tails.once()
    assert REGISTRY.get_sample_value("mentu_log_tail_lag_lines") == 0
