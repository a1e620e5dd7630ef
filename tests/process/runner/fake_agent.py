"""An agent that behaves like the real one where the runner looks: session file, hooks, Ctrl-C, and misbehaviours.

Run as the program `agent`; what it does is a comma-separated list in its prompt's last line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(os.environ["HOME"])
ARGS = sys.argv[1:]
PROMPT = ARGS[ARGS.index("--") + 1]
RESUMES = "--resume" in ARGS
SESSION = ARGS[ARGS.index("--resume" if RESUMES else "--session-id") + 1]
HEADLESS = "-p" in ARGS
FILE = HOME / ".claude" / "projects" / "-repo" / f"{SESSION}.jsonl"
SEEN = {"entries": len(FILE.read_text().splitlines()) if RESUMES else 0, "interrupts": 0}


def write(entry: dict[str, Any]) -> None:
    SEEN["entries"] += 1
    line = json.dumps({"uuid": f"{SESSION}-{SEEN['entries']}", "session_id": SESSION, **entry})
    if HEADLESS:
        os.write(1, line.encode() + b"\n")
        return
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a") as file:
        file.write(line + "\n")


def message(role: str, content: Any, **more: Any) -> None:
    body = {
        "role": role,
        "id": f"m{SEEN['entries']}",
        "content": content,
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + ".000Z"
    write({"type": role, "timestamp": stamp, "message": {**body, "stop_reason": more.pop("stop", None)}, **more})


def hook(name: str, **more: Any) -> None:
    if HEADLESS:
        return
    hooks = json.loads((HOME / ".claude" / "settings.json").read_text())["hooks"]
    event = json.dumps({"hook_event_name": name, "session_id": SESSION, **more})
    for entry in hooks.get(name, []):
        subprocess.run(["sh", "-c", entry["hooks"][0]["command"]], input=event + "\n", text=True, check=True)


def on_interrupt(_number: int, _frame: object) -> None:
    SEEN["interrupts"] += 1
    if SEEN["interrupts"] >= 2 and "deaf" not in PROMPT:
        sys.exit(0)


def turn(prompt: str) -> None:
    hook("UserPromptSubmit", prompt=prompt)
    message("user", prompt)


def done(text: str = "Done.", **more: Any) -> None:
    message("assistant", [{"type": "text", "text": text}], stop="end_turn")
    hook("Stop", background_tasks=more.get("background", []), session_crons=[])


def fail(text: str, error: str, status: int) -> None:
    block = [{"type": "text", "text": text}]
    message("assistant", block, isApiErrorMessage=True, error=error, apiErrorStatus=status)
    hook("StopFailure", error=error, last_assistant_message=text)


def says(text: str) -> None:
    message("assistant", [{"type": "text", "text": text}])


def complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def crash() -> None:
    complain("panic: \x1b[31mout of cheese\x1b[0m")
    sys.exit(3)


def long() -> None:
    message("assistant", [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "sleep 600"}}])
    time.sleep(600)


def background() -> None:
    done("Started.", background=[{"id": "b1", "type": "shell"}])
    time.sleep(1.0)
    turn("<task-notification><summary>b1 completed</summary></task-notification>")


def flood() -> None:
    for number in range(400):
        says(f"{number} " + "x" * 500)


def silent() -> None:
    """More than one look at the file takes in, of entries that nobody gets to see."""
    for _ in range(30):
        write({"type": "progress", "data": "x" * 100_000})
    says("after the silence")
    sys.exit(0)


def keep_prompt() -> None:
    (HOME / "prompt").write_text(PROMPT)
    (HOME / "environment").write_text(json.dumps(dict(os.environ)))


def result() -> None:
    told = {"type": "result", "is_error": False, "result": "ok", "total_cost_usd": 0.5}
    write({**told, "modelUsage": {"m": {"inputTokens": 11, "outputTokens": 7}}})


def orphan() -> None:
    subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM HUP; while :; do sleep 1; done"])


BEHAVIOURS: dict[str, Callable[[], object]] = {
    "crash": crash,
    "long": long,
    "background": background,
    "flood": flood,
    "prompt": keep_prompt,
    "silent": silent,
    "result": result,
    "orphan": orphan,
    "secret": lambda: says("the key is " + os.environ["ANTHROPIC_API_KEY"]),
    "stderr": lambda: complain("a warning"),
    "badkey": lambda: fail("Invalid API key", "authentication_failed", 401),
    "overloaded": lambda: fail("API Error: Repeated 529 Overloaded errors", "server_error", 529),
    "edit": lambda: Path("changed.txt").write_text("by the agent\n"),
    "hang": lambda: time.sleep(600),
}


def main() -> None:
    signal.signal(signal.SIGINT, on_interrupt)
    (HOME / "asked").write_text(json.dumps(ARGS))
    if RESUMES and "unreadable" in FILE.read_text():
        complain(f"No conversation found with session ID: {SESSION}")
        sys.exit(1)
    if "undying" in PROMPT:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    turn(PROMPT)
    for word in PROMPT.splitlines()[-1].split(","):
        BEHAVIOURS.get(word, int)()
    if "overloaded" not in PROMPT and "badkey" not in PROMPT and not HEADLESS:
        done()
    while not HEADLESS:
        line = sys.stdin.readline()
        if line.strip():
            turn(line.strip())
            done("Went on.")


main()
