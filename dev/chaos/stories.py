"""What the commands of a schedule are, how their pods go, what people and nodes do meanwhile, and how it may end."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.builders import NAMESPACE
from tests.support.cluster_model import ClusterModel, bug_command, copied
from tests.support.kubelet import End, Script

Raw = dict[str, Any]
Act = Callable[[ClusterModel], bool]
"""Whether it could be done; if not, it is tried again in the next round."""
GONE = "gone"
SUCCEEDED, FAILED, REFUSED, CANCELLED = "Succeeded", "Failed", "Refused", "Cancelled"
PUSHED = End(0, {"headCommit": "2" * 40, "pushed": True})
TRY_AGAIN = End(21, {"reason": "RepositoryUnreachable", "message": "no answer"})
KILLED = End(137, reason="OOMKilled")
OVERLOADED = End(69, {"reason": "ModelOverloaded", "unshipped": 0})
LINES_LEFT = End(says={"reason": "Completed", "lines": 3, "lastSequence": 3, "unshipped": 2})


@dataclass(frozen=True)
class Deed:
    name: str
    first_round: int
    act: Act


@dataclass(frozen=True)
class Story:
    name: str
    script: Script
    commands: tuple[Raw, ...]
    may_end: frozenset[str]
    """What the first command may come to."""
    others_may_end: frozenset[str]
    """The script is everybody's; what people do is done to the first."""
    deeds: tuple[Deed, ...] = ()
    node_is_lost: bool = False


def uid_of(number: int, life: int = 0) -> str:
    return f"c0{number:06x}-58c1-4d0b-9a83-{life:012x}"


def name_of(number: int) -> str:
    return f"bug-{number}"


SCRIPTS: dict[str, tuple[Callable[[], Script], str]] = {
    "a fix": (Script, SUCCEEDED),
    "no change": (lambda: Script(changes=False), FAILED),
    "a refusal": (lambda: Script(workspace=End(20, {"reason": "PermissionDenied"})), REFUSED),
    "a failing agent": (lambda: Script(agent=End(1, {"reason": "AgentFailed"})), FAILED),
    "an agent without memory": (lambda: Script(agent=KILLED), FAILED),
    "a push tried again": (lambda: Script(publish=[TRY_AGAIN, PUSHED]), SUCCEEDED),
    "a push refused": (lambda: Script(publish=[End(20, {"reason": "PushRejected"})]), FAILED),
    "lines left over": (lambda: Script(agent=LINES_LEFT), SUCCEEDED),
    "a long work": (lambda: Script(agent_steps=12), SUCCEEDED),
    "an overloaded model": (lambda: Script(first_agents=[OVERLOADED, OVERLOADED]), SUCCEEDED),
    "a model that stays overloaded": (lambda: Script(agent=OVERLOADED), FAILED),
}
RETRIES: dict[str, Raw] = {"an overloaded model": {"limit": 2}, "a model that stays overloaded": {"limit": 1}}
ENDS_IN_PUSHING = frozenset({"no change", "a push refused"})


def by(dice: random.Random, rounds: int) -> Story:
    names = list(SCRIPTS)
    name = dice.choices(names, [6 if n == "a fix" else 1 for n in names])[0]
    count, spec = dice.choice([1, 1, 2, 3]), dice.choice([{}] * 8 + [{"output": "None"}, {"commitmentId": "cmt_login"}])
    return made(name, dice.choice(list(DEEDS)), dice, rounds, count, **spec)


def made(name: str, deed: str, dice: random.Random, rounds: int, count: int = 1, **spec: Any) -> Story:
    script, end = SCRIPTS[name]
    if spec.get("output") == "None" and name in ENDS_IN_PUSHING:
        end = SUCCEEDED
    if name in RETRIES:
        spec = {**spec, "retry": RETRIES[name]}
    commands = tuple(bug_command(name_of(n), NAMESPACE, uid_of(n), **spec) for n in range(count))
    deeds, more_ends, node_is_lost = DEEDS[deed](dice, rounds)
    taken = {FAILED, REFUSED} if "commitmentId" in spec and count > 1 else set()
    ends = (more_ends if GONE in more_ends else more_ends | {end}) | taken
    return Story(f"{count} x {name}, {deed}", script(), commands, ends, frozenset({end, *taken}), deeds, node_is_lost)


Deeds = tuple[tuple[Deed, ...], frozenset[str], bool]


def _nothing(_dice: random.Random, _rounds: int) -> Deeds:
    return (), frozenset(), False


def _cancelled(dice: random.Random, rounds: int) -> Deeds:
    return (Deed("cancel", dice.randrange(rounds // 2), cancel),), frozenset({CANCELLED}), False


def _deleted(dice: random.Random, rounds: int) -> Deeds:
    return (Deed("delete", dice.randrange(rounds // 2), delete),), frozenset({GONE}), False


def _made_again(dice: random.Random, rounds: int) -> Deeds:
    """The same name under a new UID, as soon as the old one is gone."""
    first = dice.randrange(rounds // 2)
    deeds = (Deed("delete", first, delete), Deed("make again", first + 1, make_again))
    return deeds, frozenset({GONE, SUCCEEDED, FAILED, REFUSED}), False


def _cancelled_and_deleted(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 2)
    return (Deed("cancel", first, cancel), Deed("delete", first + 1, delete)), frozenset({GONE}), False


def _pod_lost(dice: random.Random, rounds: int) -> Deeds:
    return (Deed("lose the pod", dice.randrange(rounds // 3), lose_pod),), frozenset({FAILED}), True


def _edited(dice: random.Random, rounds: int) -> Deeds:
    chosen = dice.sample(range(rounds), 4)
    return tuple(Deed("edit", n, edit) for n in chosen), frozenset(), False


def _kept_for_a_while(dice: random.Random, rounds: int) -> Deeds:
    """It goes by itself once it has ended, but where the executor's clock is an hour behind."""
    deed = Deed("keep it for a while only", dice.randrange(rounds // 2), keep_for_a_while)
    return (deed,), frozenset({GONE, SUCCEEDED, FAILED, REFUSED}), False


def _quota(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 3)
    return (Deed("quota", first, close), Deed("room", first + dice.randint(1, 5), open_)), frozenset(), False


def _node_away(dice: random.Random, rounds: int) -> Deeds:
    """Pods on it stay as they are, deleted or not, until it is back."""
    first = dice.randrange(rounds // 2)
    back = first + dice.randint(1, 10)
    deeds = (Deed("node away", first, node_away), Deed("cancel", first, cancel), Deed("node back", back, node_back))
    return deeds, frozenset({CANCELLED}), False


def _suspended(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 2)
    deeds = Deed("suspend", first, suspend), Deed("resume", first + dice.randint(1, 8), resume)
    return deeds, frozenset(), False


def _suspended_often(dice: random.Random, rounds: int) -> Deeds:
    chosen = sorted(dice.sample(range(rounds), 6))
    return tuple(Deed("suspend or resume", n, turn) for n in chosen), frozenset(), False


def _suspended_and_deleted(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 2)
    later = first + dice.randint(1, 8)
    return (Deed("suspend", first, suspend), Deed("delete", later, delete)), frozenset({GONE}), False


def _suspended_and_cancelled(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 2)
    later = first + dice.randint(1, 8)
    return (Deed("suspend", first, suspend), Deed("cancel", later, cancel)), frozenset({CANCELLED}), False


def _retried(dice: random.Random, rounds: int) -> Deeds:
    """However it has ended."""
    return (Deed("retry", dice.randrange(rounds // 2), retry),), frozenset(), False


def _cancelled_and_retried(dice: random.Random, rounds: int) -> Deeds:
    first = dice.randrange(rounds // 2)
    return (Deed("cancel", first, cancel), Deed("retry", first + 1, retry)), frozenset({CANCELLED}), False


def _retried_and_deleted(dice: random.Random, rounds: int) -> Deeds:
    """The second attempt, if there is one in time."""
    first = dice.randrange(rounds // 2)
    later = first + dice.randint(1, 8)
    ends = frozenset({GONE, SUCCEEDED, FAILED, REFUSED})
    return (Deed("retry", first, retry), Deed("delete", later, delete_second)), ends, False


DEEDS: dict[str, Callable[[random.Random, int], Deeds]] = {
    "left in peace": _nothing,
    "cancelled": _cancelled,
    "deleted": _deleted,
    "deleted and made again": _made_again,
    "cancelled and deleted": _cancelled_and_deleted,
    "its pod lost": _pod_lost,
    "edited": _edited,
    "kept for a while": _kept_for_a_while,
    "without room for a while": _quota,
    "cancelled on a node that is away": _node_away,
    "suspended and resumed": _suspended,
    "suspended and resumed again and again": _suspended_often,
    "suspended and deleted": _suspended_and_deleted,
    "suspended and cancelled": _suspended_and_cancelled,
    "retried": _retried,
    "cancelled and retried": _cancelled_and_retried,
    "retried and deleted": _retried_and_deleted,
}


# --- what is done, all to the first command


def _first(cluster: ClusterModel) -> Raw | None:
    return cluster.find("BugCommand", name_of(0))


def _change(cluster: ClusterModel, edit_: Callable[[Raw], None]) -> bool:
    found = _first(cluster)
    if found is not None:
        changed = copied(found)
        edit_(changed)
        cluster.put(changed)
    return True


def cancel(cluster: ClusterModel) -> bool:
    return _change(cluster, lambda obj: obj["spec"].update(cancel=True))


def suspend(cluster: ClusterModel) -> bool:
    return _change(cluster, lambda obj: obj["spec"].update(suspend=True))


def resume(cluster: ClusterModel) -> bool:
    is_suspended = bool(((_first(cluster) or {}).get("spec") or {}).get("suspend"))
    return not is_suspended or _change(cluster, lambda obj: obj["spec"].update(suspend=False))


def turn(cluster: ClusterModel) -> bool:
    return _change(cluster, lambda obj: obj["spec"].update(suspend=not obj["spec"].get("suspend", False)))


def retry(cluster: ClusterModel) -> bool:
    """Once it has ended."""
    status = (_first(cluster) or {}).get("status") or {}
    if not status.get("attempt") or status.get("phase") not in {SUCCEEDED, FAILED, CANCELLED}:
        return False
    wanted = {"afterAttempt": status["attempt"]}
    return _change(
        cluster, lambda obj: obj["spec"].update(cancel=False, retry={**obj["spec"].get("retry", {}), **wanted})
    )


def edit(cluster: ClusterModel) -> bool:
    return _change(cluster, lambda obj: obj["spec"].update(priority=obj["spec"].get("priority", 0) + 1))


def keep_for_a_while(cluster: ClusterModel) -> bool:
    return _change(cluster, lambda obj: obj["spec"].update(ttlSecondsAfterFinished=20))


def delete(cluster: ClusterModel) -> bool:
    found = _first(cluster)
    if found is not None:
        cluster.mark_deleted(found)
    return True


def delete_second(cluster: ClusterModel) -> bool:
    """Once there is a second attempt."""
    attempt = ((_first(cluster) or {}).get("status") or {}).get("attempt") or 0
    return attempt > 1 and delete(cluster)


def make_again(cluster: ClusterModel) -> bool:
    if _first(cluster) is not None:
        return False
    cluster.create(bug_command(name_of(0), NAMESPACE, uid_of(0, 1)))
    return True


def lose_pod(cluster: ClusterModel) -> bool:
    """While its agent works."""
    pods = [p for p in cluster.of_kind("Pod") if p["metadata"]["name"].startswith(f"{name_of(0)}-")]
    working = [p["metadata"]["name"] for p in pods if p.get("status", {}).get("phase") == "Running"]
    for name in working:
        cluster.lose_pod(name)
    return bool(working)


def close(cluster: ClusterModel) -> bool:
    cluster.refuses = lambda obj: "exceeded quota" if obj["kind"] in {"Pod", "PersistentVolumeClaim"} else ""
    return True


def open_(cluster: ClusterModel) -> bool:
    cluster.refuses = lambda _: ""
    return True


def node_away(cluster: ClusterModel) -> bool:
    cluster.kubelet.script.ignores_deletion = True
    return True


def node_back(cluster: ClusterModel) -> bool:
    cluster.kubelet.script.ignores_deletion = False
    return True
