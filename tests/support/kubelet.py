"""How pods go on, a step at a time, by a script; and what has become of the agent's work."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bugcommand_operator.api.names import (
    LABEL_ATTEMPT,
    LABEL_COMMAND_UID,
    LABEL_ROLE,
    ROLE_AGENT,
    ROLE_RESCUE,
)

Raw = dict[str, Any]
COMMIT, HEAD = "1" * 40, "2" * 40


@dataclass(frozen=True)
class End:
    code: int = 0
    says: Any = None
    reason: str = ""


@dataclass
class Script:
    """What happens in the pods. Lists are used up from the front; their last entry stays."""

    workspace: End = End(says={"baseCommit": COMMIT, "branch": "bug/x"})
    agent: End = End(says={"reason": "Completed", "lines": 3, "lastSequence": 3, "unshipped": 0})
    """What the last attempt comes to, and each before it that is not told of."""
    first_agents: list[End] = field(default_factory=list)
    """What the first attempts come to, one after the other."""
    agent_steps: int = 2
    """How long it works; a negative number: until it is ended."""
    changes: bool = True
    publish: list[End] = field(default_factory=lambda: [End(says={"headCommit": HEAD, "pushed": True})])
    rescue: list[End] = field(default_factory=lambda: [End(says={"pushed": True})])
    ship: list[End] = field(default_factory=lambda: [End(says={"shipped": 3, "unshipped": 0})])
    image_is_missing: bool = False
    ignores_deletion: bool = False
    """The node is lost: pods on it stay as they are."""


@dataclass
class Kubelet:
    script: Script = field(default_factory=Script)
    prompts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often the agent of a command's attempt was started."""
    unsaved: set[str] = field(default_factory=set)
    """Volumes, by UID of their command, with work that is nowhere else."""
    lost: list[str] = field(default_factory=list)
    pushed: Counter[str] = field(default_factory=Counter)
    _ages: Counter[str] = field(default_factory=Counter)

    def step(self, pod: Raw, now: datetime) -> Raw | None:
        """The pod's next status, or None when it is gone."""
        status: Raw = pickle.loads(pickle.dumps(pod.get("status") or {}, -1))
        if pod["metadata"].get("deletionTimestamp"):
            return status if self.script.ignores_deletion else self._ending(status, now)
        if status.get("phase") in {"Succeeded", "Failed"}:
            return status
        uid = pod["metadata"]["uid"]
        self._ages[uid] += 1
        inits = [c["name"] for c in pod["spec"].get("initContainers", [])]
        mains = [c["name"] for c in pod["spec"]["containers"]]
        return self._progress(pod, status, inits, mains, now)

    def removed(self, obj: Raw) -> None:
        uid = (obj["metadata"].get("labels") or {}).get(LABEL_COMMAND_UID, "")
        if obj["kind"] == "PersistentVolumeClaim" and uid in self.unsaved:
            self.lost.append(obj["metadata"]["name"])

    def _progress(self, pod: Raw, status: Raw, inits: list[str], mains: list[str], now: datetime) -> Raw:
        status.setdefault("phase", "Pending")
        status.setdefault("initContainerStatuses", [_waiting(name) for name in inits])
        status.setdefault("containerStatuses", [_waiting(name) for name in mains])
        if self.script.image_is_missing:
            (status["initContainerStatuses"] or status["containerStatuses"])[0]["state"] = {
                "waiting": {"reason": "ErrImagePull", "message": "no such image"}
            }
            return status
        for container in (*status["initContainerStatuses"], *status["containerStatuses"]):
            state = container["state"]
            if "terminated" in state:
                continue
            is_main = container["name"] in mains
            if "waiting" in state:
                self._starts(pod, container, now)
                status["phase"] = "Running" if is_main else "Pending"
                return status
            end = self._end_of(pod, container["name"])
            if end is None:
                return status
            container["state"] = _terminated(end, state["running"]["startedAt"], now)
            if end.code or is_main:
                status["phase"] = "Failed" if end.code else "Succeeded"
            return status
        return status

    def _starts(self, pod: Raw, container: Raw, now: datetime) -> None:
        container["state"] = {"running": {"startedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ")}}
        labels = pod["metadata"]["labels"]
        if container["name"] == "agent":
            self.prompts[labels[LABEL_COMMAND_UID], labels[LABEL_ATTEMPT]] += 1
            self._ages[pod["metadata"]["uid"]] = 0
            if self.script.changes:
                self.unsaved.add(labels[LABEL_COMMAND_UID])

    def _end_of(self, pod: Raw, name: str) -> End | None:
        if name in {"fetch", "workspace"}:
            return self.script.workspace if name == "workspace" else End()
        if name == "agent":
            is_done = 0 <= self.script.agent_steps <= self._ages[pod["metadata"]["uid"]]
            return self._agent_of(int(pod["metadata"]["labels"][LABEL_ATTEMPT])) if is_done else None
        if name == "ship":
            return self.script.ship.pop(0) if len(self.script.ship) > 1 else self.script.ship[0]
        if name == "export":
            return End(says={"baseCommit": COMMIT, "headCommit": HEAD, "hasChanges": self.script.changes})
        return self._push(pod) if name == "publish" else None

    def _agent_of(self, attempt: int) -> End:
        first = self.script.first_agents
        return first[attempt - 1] if attempt <= len(first) else self.script.agent

    def _push(self, pod: Raw) -> End:
        labels = pod["metadata"]["labels"]
        assert labels[LABEL_ROLE] != ROLE_AGENT
        ends = self.script.rescue if labels[LABEL_ROLE] == ROLE_RESCUE else self.script.publish
        end = ends.pop(0) if len(ends) > 1 else ends[0]
        if end.code == 0:
            self.pushed[labels[LABEL_ROLE]] += self.script.changes
            self.unsaved.discard(labels[LABEL_COMMAND_UID])
        return end

    def _ending(self, status: Raw, now: datetime) -> Raw | None:
        """A pod that is deleted shows its containers' ends for a step, then it is gone."""
        going_on = [c for c in status.get("containerStatuses") or () if "running" in c["state"]]
        for container in going_on:
            end = End(143, {"reason": "Terminated", "message": "asked to end"})
            container["state"] = _terminated(end, container["state"]["running"]["startedAt"], now)
            status["phase"] = "Failed"
        return status if going_on else None


def _waiting(name: str) -> Raw:
    return {"name": name, "state": {"waiting": {"reason": "PodInitializing"}}}


def _terminated(end: End, started: str, now: datetime) -> Raw:
    message = end.says if isinstance(end.says, str) else json.dumps(end.says or {})
    return {
        "terminated": {
            "exitCode": end.code,
            "reason": end.reason or ("Error" if end.code else "Completed"),
            "message": message,
            "startedAt": started,
            "finishedAt": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    }
