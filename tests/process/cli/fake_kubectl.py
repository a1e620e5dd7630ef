"""Stands in for kubectl: answers from a file, and forwards a port for real."""

import json
import os
import signal
import socket
import sys
import threading
import time
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
    if words[0] == "port-forward":
        forward(int(state["port"]))
    elif words[:2] == ["config", "view"]:
        say(json.dumps(state.get("config", {})))
    elif words[:2] == ["create", "token"]:
        say(state["token"])
    elif "--output=name" in flags:
        say(state.get("names", "").strip())
    else:
        get(state, words, flags)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


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
