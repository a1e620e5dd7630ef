"""The faults one by one: which tests show what holds, and what is not shown. `docs/faults.md` is this table.

Tests that need a cluster run only where they are asked for; a row says when part of it has not been run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
SCHEDULES = "tests/chaos/test_schedules.py"
POINTS = "tests/chaos/test_points.py"
FAULTS = "tests/integration/test_faults.py"
EXECUTOR = "tests/integration/test_executor.py"
SEVERAL = "tests/integration/test_several_executors.py"
LIVES = "tests/unit/executor/test_lives.py"
DATABASE = "tests/process/store/test_faults.py"
ON_A_CLUSTER = ("tests/integration/", "tests/e2e/")


@dataclass(frozen=True)
class Row:
    number: int
    fault: str
    shown_by: tuple[str, ...]
    """Tests by file, or by file and name: one that is parametrized stands for all of its cases."""
    holds: str
    lacks: str = ""
    """What is not shown by any test yet."""


ROWS = (
    Row(
        1,
        "operator killed before and after every external write",
        (POINTS, SCHEDULES, "tests/process/store/test_kill.py", "tests/e2e/test_operator_killed.py"),
        "Every write of an executor, its Lease's and its entry's among them, is a point that was seen, not listed: at "
        "each one it dies before, after, and with the write on its way to arrive later; so does the one that takes "
        "over from it. Log writers are killed in the middle of commits.",
        "The gateway's writes to BugCommands and bridge rows are killed at chosen places, not at every one.",
    ),
    Row(
        2,
        "killed between creating a pod and hearing of it",
        (POINTS, f"{LIVES}::test_a_squatted_pod_is_not_adopted_and_ends_the_command_at_its_deadline", EXECUTOR),
        "Names are deterministic: the next process finds the pod, and takes it only with its command's UID.",
    ),
    Row(
        3,
        "two executors race",
        (
            SCHEDULES,
            f"{LIVES}::test_of_two_executors_exactly_one_claims",
            "tests/unit/executor/test_racing.py",
            EXECUTOR,
        ),
        "Each epoch is won once, and only its winner writes the status; a commitment is worked on by one command at a "
        "time, a namespace by no more than its limit lets in.",
        "Of the limits that executors share the schedules know the namespace's; the others are raced without faults.",
    ),
    Row(
        4,
        "SIGSTOP, take-over, SIGCONT",
        (
            SCHEDULES,
            "tests/e2e/test_several_executors.py::"
            "test_one_that_is_gone_for_good_leaves_its_running_agent_to_the_other_which_lets_it_work_on",
            f"{SEVERAL}::test_one_that_was_stopped_and_goes_on_leaves_alone_what_was_taken_over",
            f"{SEVERAL}::test_what_a_killed_executor_had_is_taken_over_and_its_entry_goes",
            f"{FAULTS}::test_a_claim_that_was_held_up_on_its_way_loses_to_the_one_that_came_meanwhile",
            f"{FAULTS}::test_a_stopped_executor_that_goes_on_with_an_old_view_changes_nothing_that_was_decided_meanwhile",
        ),
        "A process that was stopped goes on with an old view: what it writes over an older version is refused, and it "
        "asks before it makes anything. What it had is taken over after a lease time of silence, and not before.",
    ),
    Row(
        5,
        "API server away 5 s and 5 min",
        (
            SCHEDULES,
            f"{LIVES}::test_an_api_server_that_is_away_is_not_a_pod_that_is_gone",
            f"{FAULTS}::test_an_api_server_that_is_away_for_five_seconds_in_the_middle_delays_and_doubles_nothing",
            f"{FAULTS}::test_an_outage_longer_than_an_agent_may_take_to_start_ends_none_that_had_not_started",
        ),
        "Nothing is taken for gone because nobody answers; work goes on when the server is back, and the start "
        "deadline counts from then on: nobody got on meanwhile.",
        "Minutes are shown in simulated time; for real, half a minute with a shorter deadline.",
    ),
    Row(
        6,
        "etcd full",
        (SCHEDULES, f"{FAULTS}::test_an_etcd_that_is_full_delays_and_doubles_nothing"),
        "Every write fails for a while: nothing is doubled, all goes on when there is room.",
        "The real etcd is told that it is full, by the alarm that it raises at its quota; it is not filled.",
    ),
    Row(
        7,
        "watch dropped, 410, silently stalled",
        (
            f"{FAULTS}::test_a_watch_that_is_cut_or_expired_goes_on_and_misses_nothing",
            f"{FAULTS}::test_a_watch_that_stalls_silently_is_given_up_and_what_it_did_not_show_is_found",
            f"{LIVES}::test_a_watch_that_has_stalled_makes_no_second_pod_and_ends_with_the_next_list",
            "tests/unit/cluster/test_watch.py",
            SCHEDULES,
        ),
        "A stalled watch is given up after MENTU_WATCH_INACTIVITY_SECONDS (70), shortened in the test.",
    ),
    Row(
        8,
        "stale watch for 30 s",
        (
            SCHEDULES,
            f"{FAULTS}::test_watches_that_are_late_delay_and_double_nothing",
            "tests/unit/core/test_simulation.py",
        ),
        "What is observed may be old by any time: absence is asked for, and each write names the version it is over.",
        "On a real API server the lag is a second for each change, not thirty.",
    ),
    Row(
        9,
        "every write denied twice",
        (f"{POINTS}::test_every_write_may_be_denied_twice", f"{FAULTS}::test_every_write_is_denied_twice"),
        "409, 429, 500, 503 and a dropped connection: each write is tried again and the end is the same.",
    ),
    Row(
        10,
        "RBAC revoked and given back",
        (
            SCHEDULES,
            "tests/e2e/test_several_executors.py::test_rights_that_are_taken_away_are_named_and_work_goes_on_when_they_are_given_back",
            f"{FAULTS}::test_rights_that_are_revoked_are_not_asked_for_in_a_hot_loop_and_work_goes_on_when_they_are_back",
            "tests/process/gateway/test_bridge_sync.py::test_missing_rights_are_said_in_the_row_and_it_goes_on_when_they_are_given",
        ),
        "No hot loop: back-off doubles; the executor's entry is Degraded and names the rights; all goes on when they "
        "are back.",
    ),
    Row(
        11,
        "database away 10 min",
        (
            f"{DATABASE}::test_a_database_that_is_cut_off_takes_nothing_and_then_everything",
            "tests/process/runner/test_shipper.py",
            "tests/process/runner/test_spool.py",
            "tests/process/gateway/test_live_feed.py::test_a_database_that_is_away_for_a_while_costs_no_line",
            "tests/e2e/test_postgres_logs.py::test_nothing_is_lost_while_the_database_is_away_and_the_command_says_that_it_is",
        ),
        "Lines wait in the runner's bounded spool and are stored once.",
        "The absences are shorter than ten minutes.",
    ),
    Row(
        12,
        "commit acknowledged late",
        (
            f"{DATABASE}::test_a_commit_that_is_acknowledged_late_is_acknowledged_and_stored_once",
            f"{DATABASE}::test_lines_that_were_committed_without_an_answer_are_stored_once_when_they_come_again",
            f"{DATABASE}::test_connections_cut_again_and_again_while_lines_are_written_lose_and_double_none",
        ),
        "Late or never: the same lines come again and are stored once.",
    ),
    Row(
        13,
        "database, SQLite or spool disk full",
        (
            "tests/unit/store/test_trouble.py",
            "tests/process/runner/test_shipper.py::test_a_volume_that_is_full_keeps_no_line_from_being_sent",
            "tests/process/workspace/test_mirror.py::test_a_full_disk_is_named",
        ),
        "What is full is named; nothing that was acknowledged is dropped.",
        "A full disk of Postgres is told by its error text alone; none is filled.",
    ),
    Row(
        14,
        "LISTEN cut",
        (
            f"{DATABASE}::test_a_listener_that_is_cut_off_says_so_and_listens_again",
            f"{DATABASE}::test_a_line_that_has_fallen_silent_is_noticed_by_asking",
            "tests/unit/store/test_notifications.py",
            "tests/process/gateway/test_bridge_sync.py::test_what_is_inserted_while_the_line_is_cut_is_found_when_it_is_back",
        ),
        "Whoever listens is told, and looks at the tables when it listens again.",
    ),
    Row(
        15,
        "log rotation and 20 reconnects",
        (
            "tests/process/runner/test_follow.py",
            "tests/process/gateway/test_live_feed.py::test_a_gateway_that_is_killed_costs_its_readers_no_line_and_doubles_none",
        ),
        "Lines go from the runner to the gateway, not through the container's log, so its rotation loses none.",
        "Fewer than 20 reconnects in a row.",
    ),
    Row(
        16,
        "kubelet or containerd restarted",
        ("tests/e2e/test_node_restarts.py",),
        "Agents go on while the kubelet or containerd is killed and started again, and end as if nothing had happened.",
    ),
    Row(
        17,
        "node lost, pod force-deleted",
        (
            SCHEDULES,
            "tests/unit/core/test_simulation.py",
        ),
        "A pod that is gone ends its attempt (PodLost), its work stays on the volume; no second prompt runs. "
        "A deletion lets go of the command at its deadline and keeps the volume.",
        "No real node is lost.",
    ),
    Row(
        18,
        "OOM, SIGTERM ignored",
        (
            POINTS,
            "tests/process/runner/test_end_of_work.py",
            "tests/e2e/test_agent_ends.py",
        ),
        "OutOfMemory is named; an agent that ignores every request is ended, its work kept.",
    ),
    Row(
        19,
        "worktree disk or inodes full, mirror corrupt",
        ("tests/process/workspace/test_mirror.py",),
        "A full disk is named; a damaged mirror is healed where it is found.",
        "Inodes are not used up.",
    ),
    Row(
        20,
        "stale git locks",
        (
            "tests/process/workspace/test_mirror.py::test_stale_git_locks_and_half_packs_of_a_killed_fetch_are_cleared",
            "tests/process/workspace/test_prepare_again.py::test_locks_that_a_killed_agent_left_are_gone_when_the_next_attempt_starts",
        ),
        "Locks of a fetch or an agent that was killed are cleared; those of one that lives are waited for.",
    ),
    Row(
        21,
        "base force-pushed, remote hangs",
        (
            "tests/process/workspace/test_https.py::test_a_remote_that_hangs_is_given_up_in_bounded_time",
            "tests/process/workspace/test_publish.py::test_a_base_branch_that_moved_on_or_was_rewritten_does_not_matter",
        ),
        "A base is a commit, not a name; a remote has bounded time.",
    ),
    Row(
        22,
        "push done, answer lost",
        (
            "tests/process/workspace/test_https.py::test_a_push_whose_answer_was_lost_is_a_success",
            f"{POINTS}::test_a_write_whose_answer_is_lost_is_found_done",
        ),
        "A push that finds its own commit on the remote is done; pods that push may be made again.",
    ),
    Row(
        23,
        "CR deleted or edited in any phase, namespace deleted",
        (
            SCHEDULES,
            POINTS,
            "tests/unit/core/test_simulation.py",
            f"{LIVES}::test_a_namespace_on_its_way_out_lets_its_commands_go_at_once",
            "tests/e2e/test_deletion.py",
        ),
        "Nothing is left behind, and no work is lost: it is pushed as a rescue ref, or its volume is kept.",
    ),
    Row(
        24,
        "upgrade N-1 to N with 200 in flight",
        ("tests/e2e/test_postgres_logs.py::test_an_upgrade_replaces_gateways_and_executor_under_a_running_agent",),
        "An upgrade to the same version replaces every pod of ours under a running agent.",
        "There is no earlier version yet, and fewer than 200 commands are in flight.",
    ),
    Row(
        25,
        "clock wrong by an hour",
        (
            SCHEDULES,
            "tests/unit/cluster/test_client.py::test_the_time_is_the_api_servers_when_ours_is_far_from_it",
        ),
        "An executor counts deadlines by the API server's time, as its answers tell it. Clocks that are wrong by an "
        "hour either way change no end.",
        "A kubelet whose clock is wrong against the API server's is not simulated.",
    ),
)


class Outcomes:
    """What became of each test, by its place; a plugin of pytest."""

    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)


def all_hold(*, with_cluster: bool) -> bool:
    wanted = sorted({test for row in ROWS for test in row.shown_by if with_cluster or not _needs_cluster(test)})
    outcomes = Outcomes()
    code = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", f"--rootdir={TOP}", *wanted], plugins=[outcomes])
    verdicts = [verdict(row, outcomes, with_cluster=with_cluster) for row in ROWS]
    for row, (_, line) in zip(ROWS, verdicts, strict=True):
        print(f"{row.number:>2}  {row.fault}: {line}")
    return code == pytest.ExitCode.OK and all(holds for holds, _ in verdicts)


def verdict(row: Row, outcomes: Outcomes, *, with_cluster: bool) -> tuple[bool, str]:
    run = [test for test in row.shown_by if with_cluster or not _needs_cluster(test)]
    failed = sorted(node for node in outcomes.failed if any(_is_of(node, test) for test in run))
    if failed:
        return False, f"DOES NOT HOLD: {failed[0]}" + (f" and {len(failed) - 1} more" if failed[1:] else "")
    missing = [test for test in run if not any(_is_of(node, test) for node in outcomes.passed)]
    if missing:
        return False, f"NOT SHOWN: {missing[0]} did not run"
    count = sum(any(_is_of(node, test) for test in run) for node in outcomes.passed)
    said = [f"holds, by {count} tests" if run else "not shown here"]
    if len(run) < len(row.shown_by):
        said.append(f"{len(row.shown_by) - len(run)} of its tests need a cluster")
    if row.lacks:
        said.append(f"lacking: {row.lacks}")
    return True, "; ".join(said)


def markdown() -> Iterator[str]:
    yield "| | fault | what holds | shown by | not shown |"
    yield "| --- | --- | --- | --- | --- |"
    for row in ROWS:
        tests = "<br>".join(f"`{test.removeprefix('tests/')}`" for test in row.shown_by)
        yield f"| {row.number} | {row.fault} | {row.holds} | {tests} | {row.lacks} |"


def _needs_cluster(test: str) -> bool:
    return test.startswith(ON_A_CLUSTER)


def _is_of(node: str, test: str) -> bool:
    return node == test or node.startswith((f"{test}::", f"{test}["))
