"""Nothing that the agent started outlives it, and no exit status is taken from who waits for it.

Each test runs in an interpreter of its own: becoming a subreaper would change the one that runs the tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import bugcommand_operator.runner


def play(code: str) -> Any:
    """Run the lines below these imports; what they print last is JSON."""
    head = "import json, os, subprocess, sys, time\nfrom bugcommand_operator.runner.processes import *\n"
    source = Path(bugcommand_operator.runner.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code)],
        env={"PYTHONPATH": str(source), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_processes_that_detached_are_found_and_ended() -> None:
    told = play("""
        children = Children(); children.adopt_orphans()
        subprocess.run(["sh", "-c", "setsid sh -c 'sleep 300 & sleep 301' & trap '' TERM; setsid sleep 302 &"])
        deadline = time.monotonic() + 10
        while len(descendants()) < 4 and time.monotonic() < deadline: time.sleep(0.02)
        before = len(descendants())
        children.end_all(0.5)
        print(json.dumps([before >= 3, descendants()]))
    """)
    assert told == [True, []]


def test_a_process_that_ignores_the_request_is_killed() -> None:
    told = play("""
        children = Children(); children.adopt_orphans()
        subprocess.run(["sh", "-c", "(trap '' TERM HUP; echo ready; while :; do sleep 0.1; done) & sleep 0.2"])
        began = time.monotonic()
        children.end_all(0.3)
        print(json.dumps([descendants(), time.monotonic() - began < 5]))
    """)
    assert told == [[], True]


def test_orphans_that_ended_are_reaped_and_awaited_ones_are_left() -> None:
    told = play("""
        children = Children(); children.adopt_orphans()
        ours = children.start(["sh", "-c", "exit 7"])
        subprocess.run(["sh", "-c", "sh -c 'exit 3' & sleep 0.1 & :"])
        def zombies():
            me, found = os.getpid(), []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try: state, parent = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[:2]
                except OSError: continue
                if state == "Z" and int(parent) == me: found.append(int(pid))
            return found
        deadline = time.monotonic() + 10
        while zombies() != [ours.pid] and time.monotonic() < deadline:
            children.reap(); time.sleep(0.02)
        print(json.dumps([zombies() == [ours.pid], ours.wait()]))
    """)
    assert told == [True, 7]


def test_a_program_that_takes_too_long_is_killed_with_all_that_it_started() -> None:
    told = play("""
        children = Children(); children.adopt_orphans()
        try:
            children.run(["sh", "-c", "sleep 300 & sleep 300"], timeout=0.3)
            gave_up = False
        except subprocess.TimeoutExpired:
            gave_up = True
        deadline = time.monotonic() + 10
        while descendants() and time.monotonic() < deadline: time.sleep(0.02)
        print(json.dumps([gave_up, descendants()]))
    """)
    assert told == [True, []]


def test_the_exit_status_of_a_program_that_ended_at_once_is_never_lost() -> None:
    told = play("""
        import threading
        children = Children(); children.adopt_orphans()
        stop = threading.Event()
        def reaper():
            while not stop.is_set(): children.reap()
        thread = threading.Thread(target=reaper); thread.start()
        codes = {children.run(["sh", "-c", "exit 5"], timeout=20).returncode for _ in range(40)}
        stop.set(); thread.join()
        print(json.dumps(sorted(codes)))
    """)
    assert told == [5]


def test_a_program_of_the_runners_own_is_not_ended_with_the_agents() -> None:
    told = play("""
        import threading
        children = Children(); children.adopt_orphans()
        codes = []
        argv = ["sh", "-c", "sleep 1; exit 7"]
        own = threading.Thread(target=lambda: codes.append(children.run(argv, 20).returncode))
        own.start()
        subprocess.run(["sh", "-c", "setsid sleep 300 &"])
        deadline = time.monotonic() + 10
        while len(descendants()) < 3 and time.monotonic() < deadline: time.sleep(0.02)
        children.end_all(0.2)
        own.join()
        print(json.dumps([codes, descendants()]))
    """)
    assert told == [[7], []]
