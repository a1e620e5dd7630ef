from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import start_pods
from bench.git_http import git_over_http
from bench.kube import Watch, WentWrong, named
from bench.p3 import moment
from bench.p8 import Bench
from bench.repositories import Shape, make_upstream, mirror_of
from bench.rows import NoLine, until_stored

SHAPE = Shape("few", 45, 200)


def database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.execute("CREATE TABLE spawn_logs (command_id TEXT, message TEXT)")
    connection.commit()
    return connection


def test_a_row_is_seen_when_it_is_committed_and_not_before(tmp_path: Path) -> None:
    connection = database(tmp_path / "db")
    committed: list[float] = []

    def write() -> None:
        connection.execute("INSERT INTO spawn_logs VALUES ('a', 'ready')")
        committed.append(time.perf_counter())
        connection.commit()

    writer = threading.Timer(0.05, write)
    writer.start()
    seen = until_stored(tmp_path / "db", "a", "%ready%", 5.0)
    writer.join()
    assert seen >= committed[0]


def test_a_line_of_another_command_or_another_text_is_not_the_line(tmp_path: Path) -> None:
    connection = database(tmp_path / "db")
    connection.execute("INSERT INTO spawn_logs VALUES ('b', 'ready'), ('a', 'attach with tmux')")
    connection.commit()
    with pytest.raises(NoLine):
        until_stored(tmp_path / "db", "a", "%ready%", 0.05)


def test_the_runtimes_time_stamp_is_read_to_the_microsecond() -> None:
    assert moment("1970-01-01T00:00:01.123456789Z") == pytest.approx(1.123456789, abs=1e-6)
    assert moment("1970-01-01T00:01:00Z") == 60.0


def test_a_made_up_repository_has_its_files_and_is_the_same_each_time(tmp_path: Path) -> None:
    heads = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        upstream = make_upstream(tmp_path / name, SHAPE)
        listed = ["git", "-C", str(upstream.path), "ls-tree", "-r", "--name-only", "main"]
        files = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        assert len(files) == SHAPE.files + 1
        asked = ["git", "-C", str(upstream.path), "rev-parse", "main"]
        heads.append(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    assert heads[0] == heads[1]


@pytest.mark.parametrize("arm", [Bench.prepare, Bench.worktree_add, Bench.clone])
async def test_each_arm_makes_its_trees_and_leaves_nothing_behind(arm: Callable[..., Any], tmp_path: Path) -> None:
    upstream = make_upstream(tmp_path, SHAPE)
    (tmp_path / "own").mkdir()
    ours, by_hand = mirror_of(upstream, tmp_path / "own/repo.git"), mirror_of(upstream, tmp_path / "hand.git")
    with git_over_http(tmp_path) as url:
        bench = Bench(upstream, ours, by_hand, tmp_path / "trees", f"{url}/{upstream.path.name}")
        for _ in range(2):
            assert await arm(bench, 2) > 0
            assert not bench.place.exists()
    assert not list((by_hand / "worktrees").glob("*"))


def test_the_pod_by_hand_makes_its_worktree_on_a_volume_of_its_own() -> None:
    pod = start_pods.by_hand("x")
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"]}
    assert claims["workspace"] == start_pods.claim("x")["metadata"]["name"]
    assert "worktree" in pod["spec"]["initContainers"][0]["command"]
    assert start_pods.bare("x")["spec"]["volumes"] == []


async def test_who_waits_for_an_event_gets_the_first_that_fits() -> None:
    watch = Watch(None, "/x")  # type: ignore[arg-type]
    waits = watch.expect(named("ADDED", "t1-"))
    for kind, name in (("MODIFIED", "t1-a"), ("ADDED", "t2-a"), ("ADDED", "t1-a"), ("ADDED", "t1-b")):
        watch._show({"type": kind, "object": {"metadata": {"name": name}}})
    assert (await asyncio.wait_for(waits, 1))["object"]["metadata"]["name"] == "t1-a"


async def test_who_waits_learns_that_it_will_not_happen() -> None:
    def never(_: object) -> bool:
        raise WentWrong("the pod has failed")

    watch = Watch(None, "/x")  # type: ignore[arg-type]
    waits = watch.expect(never)
    watch._show({"type": "MODIFIED", "object": {"metadata": {"name": "x"}}})
    with pytest.raises(WentWrong, match="has failed"):
        await asyncio.wait_for(waits, 1)
