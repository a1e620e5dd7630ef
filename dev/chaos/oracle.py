"""What must hold whatever goes wrong. `History` judges each change as the API server stores it, and so knows who made
it; `judge_the_end` judges what is left once all faults are over."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.builders import NOW
from tests.support.cluster_model import ClusterModel

from bugcommand_operator.api.names import (
    LABEL_ATTEMPT,
    LABEL_COMMAND_UID,
    LABEL_KEPT,
    LABEL_ROLE,
    ROLE_AGENT,
    executor_object_name,
)
from bugcommand_operator.core.settings import Limits
from dev.chaos.points import Parked

Raw = dict[str, Any]
MOST_STATUS_BYTES = 32 * 1024
NOBODY = ""


class Violation(AssertionError):
    """Something happened that may never happen."""


@dataclass
class Liveness:
    """For how long whose Lease was not renewed, times in which nobody could write left out. Of no use without one."""

    cluster: ClusterModel
    nobody_could_write: float = 0.0
    _renewed: dict[str, float] = field(default_factory=dict)
    _longest: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    """When a silence ended, and how many seconds it had been."""

    def renewed(self, name: str) -> None:
        if name in self._renewed:
            self._longest.setdefault(name, []).append((self.cluster.now, self._silent(name)))
        self._renewed[name] = self._elapsed()

    def longest_silence(self, name: str, since: datetime) -> float:
        ended = [seconds for at, seconds in self._longest.get(name, []) if at >= since]
        return max([*ended, self._silent(name)])

    def _silent(self, name: str) -> float:
        return self._elapsed() - self._renewed.get(name, float("-inf"))

    def _elapsed(self) -> float:
        return self.cluster.now.timestamp() - self.nobody_could_write


@dataclass
class History:
    """All claims and executions, in the order in which they were stored. Fed by the cluster's own events."""

    cluster: ClusterModel
    writer: str = NOBODY
    """The executor whose call takes effect just now."""
    nobody_waits: bool = False
    """Its sender has given it up."""
    decided_at: datetime = NOW
    """When that call was made."""
    claims: dict[tuple[str, int], str] = field(default_factory=dict)
    """Who won which epoch of which command."""
    told: list[str] = field(default_factory=list)
    node_is_lost: bool = False
    most_at_once: int = 0
    """Commands that may be at work at once, whoever runs them; 0: any number."""
    rescue: timedelta = Limits().rescue
    """After so long anybody may take a finalizer off."""
    starts: Counter[tuple[str, str]] = field(default_factory=Counter)
    lease_seconds: float = 0.0
    """After so long without a sign of life an executor may be taken for dead; 0: nobody can tell, so never."""
    takeovers: int = 0
    _claimed_at: dict[tuple[str, int], datetime] = field(default_factory=dict)
    _unknown_pods: set[str] = field(default_factory=set)
    """Made by calls that nobody waited for any more. Behind their gates they run nothing."""
    _commands: dict[str, Raw] = field(default_factory=dict)
    _pods: dict[str, Raw] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster.watchers.append(self._heard)
        self.liveness = Liveness(self.cluster)

    def tell(self, what: str) -> None:
        self.told.append(f"{self.cluster.now:%H:%M:%S} {what}")

    def judge_write(self, call: Parked) -> None:
        """A status or a list of finalizers is only ever written over the version that was observed."""
        if call.body is not None and call.point.what.startswith("BugCommand/"):
            version = (call.body.get("metadata") or {}).get("resourceVersion")
            _require(bool(version), f"{call.point} says over no version")

    def _heard(self, event: str, obj: Raw) -> None:
        if obj["kind"] == "BugCommand":
            self._command(event, obj)
        elif obj["kind"] == "Pod":
            self._pod(event, obj)
        elif obj["kind"] == "Lease" and event != "DELETED":
            self.liveness.renewed(obj["metadata"]["name"])

    # --- commands

    def _command(self, event: str, obj: Raw) -> None:
        uid = obj["metadata"]["uid"]
        before = self._commands.get(uid)
        if event == "DELETED":
            self._commands.pop(uid, None)
            return
        self._commands[uid] = obj
        old, new = ((o or {}).get("status") or {} for o in (before, obj))
        if old == new:
            return
        self.tell(f"{obj['metadata']['name']}: {new.get('phase')} {_why(new)} by {self.writer or 'nobody'}")
        size = len(json.dumps(new))
        _require(size <= MOST_STATUS_BYTES, f"a status of {size} bytes")
        self._judge_claim(obj, old, new)
        self._judge_attempt(uid, old, new)
        self._judge_end(obj["metadata"]["name"], old, new)

    def _judge_claim(self, obj: Raw, status_before: Raw, status: Raw) -> None:
        uid, old, new = obj["metadata"]["uid"], status_before.get("claim"), status.get("claim")
        if new is None:
            self._judge_give_back(uid, old, status_before, status)
            return
        if old == new:
            holds = new["executor"] == self.writer or self._is_late(obj["metadata"])
            _require(holds, f"{self.writer} wrote over the claim of {new['executor']}, epoch {new['epoch']}")
            return
        epoch = (old or {}).get("epoch") or status_before.get("lastEpoch") or 0
        _require(new["epoch"] == epoch + 1, f"epoch {epoch} was followed by {new['epoch']}")
        _require(new["executor"] == self.writer, f"{self.writer} claimed for {new['executor']}")
        _require((uid, new["epoch"]) not in self.claims, f"epoch {new['epoch']} was won twice")
        if old is not None and old["executor"] != self.writer:
            self._judge_takeover(old["executor"], self._claimed_at[uid, old["epoch"]])
        self.claims[uid, new["epoch"]] = self.writer
        self._claimed_at[uid, new["epoch"]] = self.cluster.now

    def _judge_takeover(self, executor: str, since: datetime) -> None:
        """Nobody is taken for dead that was seen alive all the time, nor because the API server was away."""
        self.takeovers += 1
        _require(self.lease_seconds > 0, f"{self.writer} took over from {executor} of which it cannot know anything")
        known_since = self.decided_at - timedelta(seconds=self.lease_seconds / 2)  # no look is older than that
        silence = self.liveness.longest_silence(executor_object_name(executor), max(since, known_since))
        _require(silence > self.lease_seconds, f"{executor} was taken for dead after {silence:g} seconds of silence")

    def _judge_give_back(self, uid: str, claim: Raw | None, before: Raw, status: Raw) -> None:
        """By its own executor alone: before anything was made for the attempt, or once it is over."""
        if claim is None:
            return
        _require(claim["executor"] == self.writer, f"{self.writer} took a claim of {claim['executor']} away")
        _require(status.get("lastEpoch") == claim["epoch"], f"epoch {claim['epoch']} was forgotten")
        is_over = status.get("attempt") == before["attempt"]
        made = [p for p in self._agents_of(uid) if p["metadata"]["labels"][LABEL_ATTEMPT] == str(before["attempt"])]
        known = [p for p in made if p["metadata"]["uid"] not in self._unknown_pods or not _is_gated(p)]
        _require(
            all(map(_is_over, known)) if is_over else not known, "a claim was given back that a pod had been made for"
        )

    def _is_late(self, meta: Raw) -> bool:
        deleted = meta.get("deletionTimestamp")
        return deleted is not None and self.cluster.now - datetime.fromisoformat(deleted) > self.rescue

    def _judge_attempt(self, uid: str, old: Raw, new: Raw) -> None:
        before, after = old.get("attempt") or 0, new.get("attempt") or 0
        given_back = old.get("claim") is not None and new.get("claim") is None
        _require(after == before - given_back or after in {before, before + 1}, f"attempt {before}, then {after}")
        if after > before > 0:
            _require(_noted(old) == before, f"attempt {after} began, and of {before} it is not noted how it ended")
        if after > before and not self.node_is_lost:
            alive = [p["metadata"]["name"] for p in self._agents_of(uid) if not _is_over(p)]
            _require(not alive, f"attempt {after} began while {alive} lived")

    @staticmethod
    def _judge_end(name: str, old: Raw, new: Raw) -> None:
        """An end is final for its attempt, but that another one is waited for."""
        before, after = _end_of(old), _end_of(new)
        same_attempt = old.get("attempt") == new.get("attempt") and (after is not None or "claim" in new)
        _require(before is None or before == after or not same_attempt, f"{name} ended as {before}, then as {after}")

    # --- pods

    def _pod(self, event: str, obj: Raw) -> None:
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        before = self._pods.pop(meta["uid"], None)
        if event != "DELETED":
            self._pods[meta["uid"]] = obj
        if event == "ADDED" and self.nobody_waits:
            self._unknown_pods.add(meta["uid"])
        if labels.get(LABEL_ROLE) != ROLE_AGENT or LABEL_COMMAND_UID not in labels:
            return
        if _agent_runs(obj) and not _agent_runs(before or {}):
            self._judge_start(obj, labels[LABEL_COMMAND_UID], labels[LABEL_ATTEMPT])

    def _judge_start(self, obj: Raw, uid: str, attempt: str) -> None:
        name = obj["metadata"]["name"]
        self.tell(f"{name}: its agent starts")
        self.starts[uid, attempt] += 1
        _require(self.starts[uid, attempt] == 1, f"the prompt of {name} ran again")
        others = [p["metadata"]["name"] for p in self._agents_of(uid) if p["metadata"]["uid"] != obj["metadata"]["uid"]]
        living = [n for n in others if not _is_over(self.cluster.find("Pod", n) or {})]
        _require(not living or self.node_is_lost, f"{name} works while {living} live")
        command = self._commands.get(uid)
        _require(command is not None, f"{name} works for a command that is gone")
        status = (command or {}).get("status") or {}
        _require(str(status.get("attempt")) == attempt, f"{name} works, the attempt is {status.get('attempt')}")
        self._judge_commitment(uid, status.get("commitmentId"))
        self._judge_limit()

    def _judge_limit(self) -> None:
        labels = (p["metadata"].get("labels") or {} for p in self._pods.values() if _agent_runs(p))
        at_work = {each.get(LABEL_COMMAND_UID) for each in labels} & self._commands.keys()
        is_too_much = self.most_at_once and len(at_work) > self.most_at_once
        _require(not is_too_much or self.node_is_lost, f"{len(at_work)} work at once, and {self.most_at_once} may")

    def _judge_commitment(self, uid: str, commitment: str | None) -> None:
        """Two at work on one commitment would push one branch."""
        others = [c for u, c in self._commands.items() if u != uid and _commitment_of(c) == commitment]
        working = [
            c["metadata"]["name"] for c in others if any(map(_agent_runs, self._agents_of(c["metadata"]["uid"])))
        ]
        _require(not working, f"commitment {commitment} is worked on by {working} already")

    def _agents_of(self, uid: str) -> list[Raw]:
        wanted = {LABEL_COMMAND_UID: uid, LABEL_ROLE: ROLE_AGENT}.items()
        return [p for p in self._pods.values() if wanted <= (p["metadata"].get("labels") or {}).items()]


def judge_the_end(cluster: ClusterModel, history: History) -> None:
    """All faults are over, and there was time: each command has ended or gone, and nothing is left over."""
    commands = {c["metadata"]["uid"]: c for c in cluster.of_kind("BugCommand")}
    for command in commands.values():
        name, status = command["metadata"]["name"], command.get("status") or {}
        _require(_end_of(status) is not None, f"{name} has not ended: {status.get('phase')} {_why(status)}")
        _require(not command["metadata"].get("deletionTimestamp"), f"{name} is still being deleted")
        _require(_noted(status) == (status.get("attempt") or 0), f"{name}: of its last attempt nothing is noted")
        if _end_of(status) == "True":
            _require(history.starts[command["metadata"]["uid"], str(status["attempt"])] == 1, f"{name} never worked")
    _judge_leftovers(cluster, commands)
    _require(not cluster.kubelet.lost, f"work was lost with {cluster.kubelet.lost}")


def _judge_leftovers(cluster: ClusterModel, commands: dict[str, Raw]) -> None:
    for pod in cluster.of_kind("Pod"):
        uid = (pod["metadata"].get("labels") or {}).get(LABEL_COMMAND_UID)
        if uid is not None and uid.startswith("c0"):
            _require(uid in commands, f"pod {pod['metadata']['name']} has outlived its command")
            _require(_is_over(pod), f"pod {pod['metadata']['name']} goes on after its command's end")
    for volume in cluster.of_kind("PersistentVolumeClaim"):
        labels = volume["metadata"].get("labels") or {}
        uid = labels.get(LABEL_COMMAND_UID)
        kept = labels.get(LABEL_KEPT) == "true"
        _require(uid is None or uid in commands or kept, f"volume {volume['metadata']['name']} is nobody's")


def _end_of(status: Raw) -> str | None:
    found = next((c["status"] for c in status.get("conditions") or [] if c["type"] == "Succeeded"), None)
    return found if found in {"True", "False"} else None


def _noted(status: Raw) -> int:
    attempts = [each["attempt"] for each in status.get("attempts") or [{"attempt": 0}]]
    _require(attempts == sorted(set(attempts)), f"attempts are noted as {attempts}")
    return int(attempts[-1])


def _commitment_of(command: Raw) -> str | None:
    return (command.get("status") or {}).get("commitmentId")


def _why(status: Raw) -> str:
    return str(next((c["reason"] for c in status.get("conditions") or [] if c["type"] == "Ready"), ""))


def _is_over(pod: Raw) -> bool:
    status = pod.get("status") or {}
    states = [c["state"] for c in status.get("containerStatuses") or []]
    return not pod or status.get("phase") in {"Succeeded", "Failed"} or any("terminated" in s for s in states)


def _is_gated(pod: Raw) -> bool:
    return bool(pod["spec"].get("schedulingGates"))


def _agent_runs(pod: Raw) -> bool:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    return any(c["name"] == ROLE_AGENT and "running" in c["state"] for c in states)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Violation(otherwise)
