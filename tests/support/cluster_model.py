"""A cluster in a dict: what the API server promises (versions, conflicts, finalizers, owners) and a kubelet in steps.

Every call from outside may be interrupted before or after it takes effect, which is how a process dies.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from tests.support.builders import NOW
from tests.support.kubelet import Kubelet

from bugcommand_operator.api.names import API_VERSION
from bugcommand_operator.cluster.errors import AlreadyExists, Conflict, NotFound, Refused

Raw = dict[str, Any]
Address = tuple[str, str, str]
CLASS = "fast"


class Died(BaseException):
    """The process is gone: nothing in it may catch this."""


@dataclass
class Call:
    verb: str
    kind: str
    name: str

    @property
    def writes(self) -> bool:
        return self.verb != "get"


@dataclass
class ClusterModel:
    kubelet: Kubelet = field(default_factory=Kubelet)
    now: datetime = NOW
    objects: dict[Address, Raw] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    created: list[Raw] = field(default_factory=list)
    before: Callable[[Call], None] = lambda _: None
    after: Callable[[Call], None] = lambda _: None
    refuses: Callable[[Raw], str] = lambda _: ""
    """What the API server says against making this object; empty: nothing."""
    watchers: list[Callable[[str, Raw], None]] = field(default_factory=list)
    latest: int = 99
    """The version of the last write: a list shows what there is at this one."""
    _uids: Iterator[int] = field(default_factory=lambda: count(1))

    # --- what a client may ask

    def get(self, kind: str, namespace: str, name: str) -> Raw:
        with_call = self._called("get", kind, name)
        answer = copied(self._found(kind, namespace, name))
        self.after(with_call)
        return answer

    def listed(self, kind: str, namespace: str | None = None, labels: str = "", fields: str = "") -> list[Raw]:
        """`fields`: of the phase alone, and what it is not."""
        wanted = dict(pair.split("=", 1) for pair in labels.split(",") if pair)
        phases = {each.removeprefix("status.phase!=") for each in fields.split(",") if each}
        return [
            copied(obj)
            for obj in self.of_kind(kind)
            if namespace in {None, obj["metadata"]["namespace"]}
            and wanted.items() <= (obj["metadata"].get("labels") or {}).items()
            and (obj.get("status") or {}).get("phase") not in phases
        ]

    def create(self, manifest: Raw) -> Raw:
        obj = copied(manifest)
        meta = obj["metadata"]
        call = self._called("create", obj["kind"], meta["name"])
        if why := self.refuses(obj):
            raise Refused(why, 403)
        address = (obj["kind"], meta["namespace"], meta["name"])
        if address in self.objects:
            raise AlreadyExists(f"{meta['name']} already exists", 409)
        meta.setdefault("uid", f"00000000-0000-4000-8000-{next(self._uids):012x}")
        meta["creationTimestamp"] = stamp(self.now)
        meta["generation"] = 1
        obj.pop("status", None)
        if obj["kind"] == "PersistentVolumeClaim":
            obj["spec"].setdefault("storageClassName", CLASS)
        self.created.append(copied(obj))
        self._store(obj, "ADDED")
        self.after(call)
        return copied(self.objects[address])

    def patch(self, kind: str, namespace: str, name: str, body: Raw, *, status: bool = False) -> Raw:
        call = self._called("patch-status" if status else "patch", kind, name)
        old = self._found(kind, namespace, name)
        wanted = (body.get("metadata") or {}).get("resourceVersion")
        if wanted is not None and wanted != old["metadata"]["resourceVersion"]:
            raise Conflict(f"{name} has been modified", 409)
        if (body.get("metadata") or {}).get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise Refused(f"{name}: metadata.uid: field is immutable", 422)
        part = {"status": body["status"]} if status else {k: v for k, v in body.items() if k != "status"}
        obj = merged(copied(old), part)
        if obj.get("spec") != old.get("spec"):
            obj["metadata"]["generation"] += 1
        self._store(obj, "MODIFIED")
        answer = copied(self.objects[kind, namespace, name])
        self._remove_if_let_go(obj)
        self.after(call)
        return answer

    def delete(self, kind: str, namespace: str, name: str, uid: str | None = None, version: str | None = None) -> Raw:
        call = self._called("delete", kind, name)
        obj = self._found(kind, namespace, name)
        if uid is not None and uid != obj["metadata"]["uid"]:
            raise Conflict(f"{name}: the UID is another", 409)
        if version is not None and version != obj["metadata"]["resourceVersion"]:
            raise Conflict(f"{name} has been modified", 409)
        self.mark_deleted(obj)
        self.after(call)
        return copied(self.objects.get((kind, namespace, name), obj))

    # --- what people do

    def put(self, obj: Raw) -> None:
        """An object as somebody has changed it, with another generation."""
        obj["metadata"]["generation"] += 1
        self._store(obj, "MODIFIED")

    # --- what goes on by itself

    def step(self, seconds: float = 5.0) -> None:
        """Time passes: volumes are bound, containers go on, what was deleted goes, orphans are collected."""
        self.now += timedelta(seconds=seconds)
        for obj in self.of_kind("PersistentVolumeClaim"):
            self._volume_goes_on(obj)
        for obj in self.of_kind("Pod"):
            self._pod_goes_on(obj)
        self._collect_garbage()

    def of_kind(self, kind: str) -> list[Raw]:
        """What is stored, which is replaced when it changes and never edited."""
        return [obj for (k, _, _), obj in sorted(self.objects.items()) if k == kind]

    def find(self, kind: str, name: str) -> Raw | None:
        return next((obj for obj in self.of_kind(kind) if obj["metadata"]["name"] == name), None)

    def version(self) -> int:
        """Changes with every write of anybody, but for those that say that somebody is alive."""
        work = (obj for (kind, _, _), obj in self.objects.items() if kind not in {"Lease", "Executor"})
        return max((int(obj["metadata"]["resourceVersion"]) for obj in work), default=0)

    def lose_pod(self, name: str) -> None:
        """A node is lost, or somebody forces the deletion."""
        for obj in self.of_kind("Pod"):
            if obj["metadata"]["name"] == name:
                self._remove(obj)

    def _volume_goes_on(self, obj: Raw) -> None:
        used = {
            v["persistentVolumeClaim"]["claimName"]
            for p in self.of_kind("Pod")
            if (p.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
            for v in p["spec"]["volumes"]
            if "persistentVolumeClaim" in v
        }
        if obj["metadata"].get("deletionTimestamp"):
            if obj["metadata"]["name"] not in used:
                self._remove(obj)
        elif (obj.get("status") or {}).get("phase") != "Bound":
            self._store({**obj, "status": {"phase": "Bound"}}, "MODIFIED")

    def _pod_goes_on(self, obj: Raw) -> None:
        if obj["spec"].get("schedulingGates"):
            if obj["metadata"].get("deletionTimestamp"):
                self._remove(obj)
            return
        if not obj.get("status") and self._lacks_a_volume(obj):
            return
        goes = self.kubelet.step(obj, self.now)
        if goes is None:
            self._remove(obj)
        elif goes != obj.get("status"):
            self._store({**obj, "status": goes}, "MODIFIED")

    def _lacks_a_volume(self, pod: Raw) -> bool:
        """The scheduler leaves it where it is until its claims are there."""
        claims = [
            v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v
        ]
        namespace = pod["metadata"]["namespace"]
        found = [self.objects.get(("PersistentVolumeClaim", namespace, claim)) for claim in claims]
        return any(volume is None or volume["metadata"].get("deletionTimestamp") for volume in found)

    def _collect_garbage(self) -> None:
        alive = {obj["metadata"]["uid"] for obj in self.objects.values()}
        for obj in [*self.of_kind("Pod"), *self.of_kind("PersistentVolumeClaim")]:
            owners = obj["metadata"].get("ownerReferences") or []
            if owners and not any(o["uid"] in alive for o in owners) and not obj["metadata"].get("deletionTimestamp"):
                self.mark_deleted(obj)

    # --- storage

    def _called(self, verb: str, kind: str, name: str) -> Call:
        call = Call(verb, kind, name)
        self.before(call)
        self.calls.append(call)
        return call

    def _found(self, kind: str, namespace: str, name: str) -> Raw:
        if kind == "StorageClass":
            return {"kind": kind, "metadata": {"name": name}, "volumeBindingMode": "Immediate"}
        try:
            return self.objects[kind, namespace, name]
        except KeyError:
            raise NotFound(f"{kind} {name} not found", 404) from None

    def next_version(self) -> str:
        self.latest += 1
        return str(self.latest)

    def _store(self, obj: Raw, event: str) -> None:
        obj = copied(obj)
        meta = obj["metadata"]
        meta["resourceVersion"] = self.next_version()
        self.objects[obj["kind"], meta["namespace"], meta["name"]] = obj
        self._tell(event, obj)

    def mark_deleted(self, obj: Raw) -> None:
        obj = copied(obj)
        meta = obj["metadata"]
        if meta.get("deletionTimestamp"):
            return
        meta["deletionTimestamp"] = stamp(self.now)
        meta["generation"] = meta.get("generation", 1) + 1
        goes_at_once = obj["kind"] not in {"Pod", "PersistentVolumeClaim"} and not meta.get("finalizers")
        if goes_at_once or (obj["kind"] == "Pod" and not (obj.get("status") or {}).get("containerStatuses")):
            self._remove(obj)
        else:
            self._store(obj, "MODIFIED")

    def _remove_if_let_go(self, obj: Raw) -> None:
        meta = obj["metadata"]
        if obj["kind"] == "BugCommand" and meta.get("deletionTimestamp") and not meta.get("finalizers"):
            self._remove(obj)

    def _remove(self, obj: Raw) -> None:
        obj = copied(obj)
        meta = obj["metadata"]
        self.objects.pop((obj["kind"], meta["namespace"], meta["name"]), None)
        meta["resourceVersion"] = self.next_version()
        self.kubelet.removed(obj)
        self._tell("DELETED", obj)

    def _tell(self, event: str, obj: Raw) -> None:
        for watcher in list(self.watchers):
            watcher(event, copied(obj))


def copied(obj: Raw) -> Raw:
    """Much faster than a deep copy, and these are all plain values."""
    copy: Raw = pickle.loads(pickle.dumps(obj, -1))
    return copy


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(target: Any, patch: Raw) -> Any:
    """RFC 7386."""
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value) if isinstance(value, dict) else value
    return result


def bug_command(name: str, namespace: str, uid: str, **spec: Any) -> Raw:
    return {
        "apiVersion": API_VERSION,
        "kind": "BugCommand",
        "metadata": {"name": name, "namespace": namespace, "uid": uid},
        "spec": {"prompt": "Login fails.", "repository": {"name": "shop"}, **spec},
    }


def definition(kind: str, name: str, namespace: str, **spec: Any) -> Raw:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
