"""One BugCommand on the cluster, as a test talks about it: its status, its Events, its pods, its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dev.demo.kubectl import Kubectl
from tests.support.cluster_objects import Raw
from tests.support.kubectl import eventually, watched

ENDED = ("True", "False")
SOON = 60.0


@dataclass(frozen=True)
class Event:
    type: str
    reason: str
    message: str


class Bug:
    def __init__(self, kubectl: Kubectl, name: str) -> None:
        self.kubectl = kubectl
        self.name = name

    # The object

    @property
    def object(self) -> Raw:
        found = self.kubectl.get("bugcommand", self.name)
        assert found is not None, f"{self.name} is gone"
        return found

    @property
    def status(self) -> Raw:
        return dict(self.object.get("status") or {})

    @property
    def uid(self) -> str:
        return str(self.object["metadata"]["uid"])

    def ended(self, seconds: float = 90) -> Raw:
        """The status once it has succeeded or failed."""
        good = watched(self.kubectl, "bugcommand", self.name, has_ended, seconds, "it has ended")
        return dict(good["status"])

    def waits(self, reason: str, seconds: float = SOON) -> Raw:
        """The Ready condition once it has this reason."""

        def good(obj: Raw) -> bool:
            return condition(obj.get("status") or {}, "Ready").get("reason") == reason

        obj = watched(self.kubectl, "bugcommand", self.name, good, seconds, f"it waits with {reason}")
        return condition(obj["status"], "Ready")

    def has_condition(self, type_: str, status: str, reason: str, seconds: float = SOON) -> None:
        """It has it now, or comes to have it."""

        def good(obj: Raw) -> bool:
            found = condition(obj.get("status") or {}, type_)
            return (found.get("status"), found.get("reason")) == (status, reason)

        watched(self.kubectl, "bugcommand", self.name, good, seconds, f"{type_} is {status}, {reason}")

    def running(self, seconds: float = SOON) -> Raw:
        """The status once the agent works."""

        def good(obj: Raw) -> bool:
            assert not has_ended(obj), f"{self.name} has ended: {obj['status']['conditions']}"
            return condition(obj.get("status") or {}, "AgentRunning").get("status") == "True"

        return dict(watched(self.kubectl, "bugcommand", self.name, good, seconds, "its agent works")["status"])

    def logs_up_to(self, lines: int, seconds: float = 30) -> Raw:
        """status.logs once it counts so many lines: lines may arrive after the command has ended."""

        def good(obj: Raw) -> bool:
            return int(((obj.get("status") or {}).get("logs") or {}).get("lines", 0)) >= lines

        obj = watched(self.kubectl, "bugcommand", self.name, good, seconds, f"status.logs counts {lines} lines")
        return dict(obj["status"]["logs"])

    def cancel(self) -> None:
        self.patch({"cancel": True})

    def patch(self, spec: Raw) -> None:
        self.kubectl.run("patch", "bugcommand", self.name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def delete(self, *options: str, seconds: float = 90) -> None:
        self.kubectl.run("delete", "bugcommand", self.name, f"--timeout={seconds:.0f}s", *options, timeout=seconds + 10)

    # What belongs to it

    def events(self, *reasons: str, uid: str = "", seconds: float = 10) -> list[Event]:
        """In the order they were posted, once all of these reasons are among them."""
        uid = uid or self.uid

        def look() -> list[Event]:
            text = self.kubectl.run("get", "events", f"--field-selector=involvedObject.uid={uid}", "-o", "json")
            items = sorted(json.loads(text)["items"], key=lambda item: item["metadata"]["name"])
            return [Event(item["type"], item["reason"], item["message"]) for item in items]

        return eventually(look, lambda seen: set(reasons) <= {e.reason for e in seen}, seconds, f"Events {reasons}")

    def pods(self, uid: str = "") -> dict[str, Raw]:
        return self._labelled("pods", uid)

    def rests(self) -> None:
        """None of its pods goes on."""

        def phases() -> set[str]:
            return {pod["status"]["phase"] for pod in self.pods().values()}

        eventually(phases, lambda seen: seen <= {"Succeeded", "Failed"}, 30, "its pods have ended")

    def leaves_no_pod(self) -> None:
        eventually(self.pods, lambda seen: not seen, 60, "its pods are gone")

    def leaves_nothing(self, uid: str) -> None:
        """The command, its pods and its volumes are gone."""

        def left() -> list[str]:
            gone = self.kubectl.get("bugcommand", self.name) is None
            return [*([] if gone else [self.name]), *self.pods(uid), *self.volumes(uid)]

        eventually(left, lambda seen: not seen, 60, "nothing is left of it")

    def volumes(self, uid: str = "") -> dict[str, Raw]:
        return self._labelled("persistentvolumeclaims", uid)

    def _labelled(self, kind: str, uid: str) -> dict[str, Raw]:
        text = self.kubectl.run("get", kind, f"--selector=mentu.dev/command-uid={uid or self.uid}", "-o", "json")
        return {item["metadata"]["name"]: item for item in json.loads(text)["items"]}

    # Its agent

    @property
    def agent_pod(self) -> str:
        return f"{self.name}-1-agent"

    @property
    def agent_container(self) -> Raw:
        """Its status."""
        [state] = self.pods()[self.agent_pod]["status"]["containerStatuses"]
        return dict(state)

    def printed(self, attempt: int = 1) -> list[str]:
        """What `kubectl logs` shows of the agent."""
        return self.kubectl.run("logs", f"{self.name}-{attempt}-agent", "-c", "agent").splitlines()

    def prints(self, text: str, seconds: float = SOON) -> list[str]:
        return eventually(self.printed, lambda lines: any(text in line for line in lines), seconds, f"prints {text!r}")

    def inside(self, script: str) -> str:
        """What a script says that runs beside the agent, in its container."""
        return self.kubectl.run("exec", self.agent_pod, "-c", "agent", "--", "bash", "-c", script)


def condition(status: Raw, type_: str) -> Raw:
    found: list[Raw] = [c for c in status.get("conditions") or () if c["type"] == type_]
    return found[0] if found else {}


def has_ended(obj: Raw) -> bool:
    return condition(obj.get("status") or {}, "Succeeded").get("status") in ENDED


def reason_of(status: Raw) -> tuple[str, str]:
    """Phase and reason of an ended command."""
    return status["phase"], condition(status, "Succeeded")["reason"]


def message_of(status: Raw) -> str:
    return str(condition(status, "Succeeded")["message"])


def rows(lines: list[Any]) -> list[str]:
    """Stored lines as `kubectl logs` shows them."""
    return [("stderr: " if line["stream"] == "stderr" else "") + line["message"] for line in lines]
