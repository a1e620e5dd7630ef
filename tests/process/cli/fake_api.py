"""A small API server behind `kubectl proxy`'s socket: objects from the state file, pages, tables, merges, watches."""

import itertools
import json
import os
import signal
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

COLUMNS = ("Name", "Phase", "Reason", "Agent", "Repository", "Branch", "Age")
_KINDS = {"bugcommands": "BugCommand", "repositories": "Repository", "executors": "Executor"}
Object = dict[str, Any]
SNAPSHOTS: dict[str, list[Object]] = {"0": []}
FOLDER: list[Path] = []
NUMBERS = itertools.count(1)


def serve(path: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    FOLDER.append(Path(os.environ["FAKE_KUBECTL"]))
    with ApiServer(path, _Handler) as server:
        with (here() / "forwards").open("a") as children:
            children.write(f"{os.getpid()}\n")
        sys.stdout.write(f"Starting to serve on {path}\n")
        sys.stdout.flush()
        server.serve_forever()


class ApiServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    @classmethod
    def at(cls, path: str, folder: Path) -> "ApiServer":
        FOLDER[:] = [folder]
        return cls(path, _Handler)


def here() -> Path:
    return FOLDER[0]


def state() -> Object:
    value: Object = json.loads((here() / "state.json").read_text())
    return value


def save(value: Object) -> None:
    (here() / "state.api").write_text(json.dumps(value))
    (here() / "state.api").replace(here() / "state.json")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PATCH(self) -> None:
        self._answer(self._body())

    def _body(self) -> Object:
        body: Object = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return body

    def _note(self, body: Object) -> None:
        """Once it is done: a test that goes on from here changes the same state."""
        with (here() / "requests").open("a") as requests:
            requests.write(json.dumps([self.command, self.path, body]) + "\n")

    def _answer(self, body: Object | None) -> None:
        url = urlsplit(self.path)
        query, words = dict(parse_qsl(url.query)), url.path.strip("/").split("/")
        now = state()
        for part, code in now.get("api_refusals", {}).items():
            if part in self.path:
                self._status(code, f"{part} is forbidden" if code == 403 else "no", {})
                return
        words = words[3:] if words[0] == "apis" else words[2:]
        namespace, words = (words[1], words[2:]) if words[0] == "namespaces" else ("", words)
        if words[0] not in now:
            self._plain(404, "404 page not found")
        elif body is None and len(words) == 1:
            self._collection(now, words[0], namespace, query)
        else:
            self._one(now, words, namespace, query, body)

    def _collection(self, now: Object, kind: str, namespace: str, query: dict[str, str]) -> None:
        if query.get("watch"):
            self._watch(kind, namespace, query)
            return
        with (here() / "lists").open("a") as lists:
            lists.write(json.dumps(query) + "\n")
        found = selected(now[kind], namespace, query)
        first, limit = int(query.get("continue") or 0), int(query.get("limit") or len(found) or 1)
        page = found[first : first + limit]
        more = {"continue": str(first + limit)} if first + limit < len(found) else {}
        metadata = {"resourceVersion": version(now[kind]), **more}
        if "as=Table" in self.headers["Accept"]:
            self._json(200, {**table(page, heads=not first), "metadata": metadata})
        else:
            told(page)
            self._json(200, {"kind": f"{_KINDS.get(kind, '')}List", "items": page, "metadata": metadata})

    def _watch(self, kind: str, namespace: str, query: dict[str, str]) -> None:
        """What differs from the version that was asked about, then what changes, until the state counts another cut."""
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        then = query["resourceVersion"]
        if then not in SNAPSHOTS:
            self._line({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
            return
        known = by_name(SNAPSHOTS[then], namespace, query)
        started, cuts = time.monotonic(), state().get("cuts", 0)
        while time.monotonic() - started < 60 and state().get("cuts", 0) == cuts:
            everything = state()[kind]
            found = by_name(everything, namespace, query)
            for name in {**known, **found}:
                if known.get(name) != found.get(name):
                    self._event(found.get(name) or known[name], everything, gone=name not in found)
            known = found
            time.sleep(0.01)

    def _event(self, value: Object, everything: list[Object], *, gone: bool) -> None:
        value = {**value, "metadata": {**value["metadata"], "resourceVersion": version(everything)}}
        shown = table([value], heads=False) if "as=Table" in self.headers["Accept"] else value
        told([value])
        self._line({"type": "DELETED" if gone else "MODIFIED", "object": shown})

    def _line(self, value: Object) -> None:
        self.wfile.write(json.dumps(value).encode() + b"\n")
        self.wfile.flush()

    def _one(self, now: Object, words: list[str], namespace: str, query: dict[str, str], body: Object | None) -> None:
        name = words[1] if len(words) > 1 else (body or {})["metadata"]["name"]
        found = next((o for o in now[words[0]] if key(o) == (namespace, name)), None)
        if self.command == "POST":
            self._create(now, words[0], namespace, query, body or {}, found)
        elif found is None:
            self._status(404, f'{words[0]}.mentu.dev "{name}" not found', {"details": {"name": name}})
        else:
            if body is not None:
                merge(found, {k: v for k, v in body.items() if k != "status"}, set(now.get("unknown_fields", ())))
                save(now)
                self._note(body)
            self._json(200, found)

    def _create(
        self, now: Object, kind: str, namespace: str, query: dict[str, str], body: Object, found: Object | None
    ) -> None:
        if found is not None:
            self._status(409, "already exists", {"details": {"name": body["metadata"]["name"]}})
            return
        made = {**body, "metadata": {**body["metadata"], "namespace": namespace, "uid": f"uid-{len(now[kind])}"}}
        if not query.get("dryRun"):
            now[kind].append(made)
            save(now)
        self._note(body)
        self._json(201, made)

    def _status(self, code: int, message: str, more: Object) -> None:
        self._json(code, {"kind": "Status", "code": code, "message": message, **more})

    def _json(self, code: int, value: Object) -> None:
        self._plain(code, json.dumps(value))

    def _plain(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def key(value: Object) -> tuple[str, str]:
    return value["metadata"].get("namespace", ""), value["metadata"]["name"]


def version(items: list[Object]) -> str:
    """Of a list as it is now, so that a watch from there on misses nothing."""
    number = str(next(NUMBERS))
    SNAPSHOTS[number] = items
    return number


def told(items: list[Object]) -> None:
    """Which phases a client was told of: a test goes on when it was."""
    with (here() / "told").open("a") as file:
        file.writelines(f"{each['metadata']['name']} {(each.get('status') or {}).get('phase')}\n" for each in items)


def by_name(items: list[Object], namespace: str, query: dict[str, str]) -> dict[tuple[str, str], Object]:
    return {key(each): each for each in selected(items, namespace, query)}


def selected(items: list[Object], namespace: str, query: dict[str, str]) -> list[Object]:
    name = query.get("fieldSelector", "").partition("metadata.name=")[2]
    label, _, value = query.get("labelSelector", "").partition("=")
    return [
        each
        for each in items
        if namespace in ("", each["metadata"].get("namespace"))
        and name in ("", each["metadata"]["name"])
        and (not label or (each["metadata"].get("labels") or {}).get(label) == value)
    ]


def table(items: list[Object], *, heads: bool) -> Object:
    definitions = [{"name": name, "priority": int(name == "Branch")} for name in COLUMNS]
    rows = [{"cells": cells(each), "object": {"metadata": each["metadata"]}} for each in items]
    return {"kind": "Table", "rows": rows, **({"columnDefinitions": definitions} if heads else {})}


def cells(each: Object) -> list[object]:
    status, spec = each.get("status") or {}, each.get("spec") or {}
    reason = next((c["reason"] for c in status.get("conditions") or [] if c["type"] == "Succeeded"), None)
    repository = (spec.get("repository") or {}).get("name")
    return [
        each["metadata"]["name"], status.get("phase"), reason, status.get("agent"), repository,
        status.get("branch"), "5m",
    ]  # fmt: skip


def merge(value: Object, change: Object, unknown: set[str]) -> None:
    for name, each in change.items():
        if name in unknown:
            continue
        if isinstance(each, dict):
            merge(value.setdefault(name, {}), each, unknown)
        else:
            value[name] = each
