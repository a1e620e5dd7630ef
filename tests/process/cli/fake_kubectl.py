"""Stands in for kubectl: answers from a file, and forwards a port for real."""

import json
import os
import signal
import socket
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(os.environ["FAKE_KUBECTL"])


def main(arguments: list[str]) -> None:
    state: dict[str, Any] = json.loads((HERE / "state.json").read_text())
    flags = [each for each in arguments if each.startswith("-")]
    words = [each for each in arguments if not each.startswith("-")]
    with (HERE / "calls").open("a") as calls:
        calls.write(json.dumps(arguments) + "\n")
    for word, message in state.get("refusals", {}).items():
        if word in arguments:
            sys.exit(message)
    if state.get("sleeps") in words:
        time.sleep(600)
    if words[0] in ("port-forward", "proxy", "exec"):
        stay(state, words[0], arguments)
    elif words[:2] == ["config", "view"]:
        say(json.dumps(state.get("config", {})) if "--raw" in flags else state.get("namespace", "team-a"))
    elif words[:2] == ["create", "token"]:
        say(state["token"])
    elif "--output=name" in flags:
        say(state.get("names", "").strip())
    else:
        get(state, words, flags)


def stay(state: dict[str, Any], word: str, arguments: list[str]) -> None:
    """What goes on until it is ended, or becomes another program."""
    if word == "port-forward":
        forward(int(state["port"]))
    elif word == "proxy":
        path = next(each.partition("=")[2] for each in arguments if each.startswith("--unix-socket="))
        import_module("fake_api").serve(path)
    else:
        inside(state, arguments)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def inside(state: dict[str, Any], arguments: list[str]) -> None:
    """A command in a pod runs here, in the folder that the state names; its own paths are put below that one."""
    command = arguments[arguments.index("--") + 1 :]
    if command[0] == "tmux":
        sys.exit(f"attached: {' '.join(command)}")
    here = [each.replace("/workspace", state["workspace"]) for each in command]
    os.execvp(here[0], here)


def get(state: dict[str, Any], words: list[str], flags: list[str]) -> None:
    found = state.get(words[1].partition(".")[0], [])
    if len(words) == 2:
        everywhere = "--all-namespaces" in flags or not any(flag.startswith("--namespace") for flag in flags)
        namespace = next((flag.partition("=")[2] for flag in flags if flag.startswith("--namespace")), "")
        say(json.dumps({"items": [o for o in found if everywhere or o["metadata"]["namespace"] == namespace]}))
        return
    named = [each for each in found if each["metadata"]["name"] == words[2]]
    if not named:
        sys.exit(f'Error from server (NotFound): {words[1]} "{words[2]}" not found')
    say(json.dumps(named[0]))


def forward(to: int) -> None:
    """One thread for each direction of each connection, until it is ended."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with (HERE / "forwards").open("a") as forwards:
            forwards.write(f"{os.getpid()}\n")
        say(f"Forwarding from 127.0.0.1:{port} -> 80")
        while True:
            near, _ = listening.accept()
            far = socket.create_connection(("127.0.0.1", to))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=pump, args=(source, target), daemon=True).start()


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
    except OSError:
        pass
    for each in (source, target):
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


if __name__ == "__main__":
    main(sys.argv[1:])
