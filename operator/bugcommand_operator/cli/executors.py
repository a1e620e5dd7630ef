"""`kubectl bug executors`: who may run commands, as the registry says, and whether each still renews its Lease."""

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bugcommand_operator.cli import output, printing
from bugcommand_operator.cli.errors import CliError, KindUnknown, NotAllowed
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.ages import age, parsed
from bugcommand_operator.cli.kube.cluster import EXECUTORS, Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.kube.table import Table

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_CLOCKS_DIFFER = timedelta(seconds=15)
_HEADERS = ("Name", "Type", "Machine", "Pid", "Alive", "Running", "Capacity", "Solo", "Started", "Age")
_DEFAULT_LEASE_SECONDS = 15


def show_executors(cluster: Cluster, form: str, selector: str, namespace: str, *, headers: bool = True) -> None:
    found = _found(cluster, selector, namespace)
    if form in ("json", "yaml"):
        printing.print_list(found, form)
    elif form == "name":
        sys.stdout.writelines(f"executor.mentu.dev/{facts.name(each)}\n" for each in found)
    elif not found:
        output.note("no executors are registered: is the operator running?")
    else:
        now = datetime.now(UTC)
        alive = _alive(cluster, found, now)
        places = {_namespace(each) for each in found}
        rows = [_row(each, alive.get((_namespace(each), facts.name(each)), "Unknown"), now) for each in found]
        _print(rows, [_namespace(each) for each in found] if len(places) > 1 else [], headers=headers)


def _found(cluster: Cluster, selector: str, namespace: str) -> list[Object]:
    """They live where the operator is installed; who may not look in all namespaces names that one."""
    query = {"labelSelector": selector} if selector else {}
    path = f"{cluster.collection(EXECUTORS, everywhere=True)}"
    if namespace:
        path = path.replace(f"/{EXECUTORS}", f"/namespaces/{namespace}/{EXECUTORS}")
    try:
        return [each for page in cluster.api.pages(path, query) for each in page.get("items") or []]
    except KindUnknown as error:
        raise KindUnknown(
            str(error), "This installation keeps no registry of executors: upgrade the operator."
        ) from error
    except NotAllowed as error:
        hint = "" if namespace else "Name the namespace that the operator is installed in with -n."
        raise NotAllowed(str(error), hint or error.hint) from error


def _alive(cluster: Cluster, found: list[Object], now: datetime) -> dict[tuple[str, str], str]:
    """By this machine's clock, with some allowance: for people to see, nothing rests on it."""
    states = {}
    for namespace in sorted({_namespace(each) for each in found}):
        try:
            leases = cluster.api.get(_LEASES.format(namespace)).get("items") or []
        except CliError:
            continue  # the registry is still worth showing to who may not see Leases
        known = {(namespace, facts.name(each)): is_alive(facts.spec(each), now) for each in leases}
        names = {(namespace, facts.name(each)) for each in found if _namespace(each) == namespace}
        states.update({key: "True" if known.get(key) else "False" for key in names})
    return states


def is_alive(lease: Mapping[str, object], now: datetime) -> bool:
    """An executor that stops in order gives its Lease back: nobody holds it, however lately it was renewed."""
    if not lease.get("holderIdentity"):
        return False
    renewed = parsed(lease.get("renewTime"))
    seconds = lease.get("leaseDurationSeconds") or _DEFAULT_LEASE_SECONDS
    return renewed is not None and now - renewed < timedelta(seconds=float(str(seconds))) + _CLOCKS_DIFFER


def _row(each: Object, alive: str, now: datetime) -> list[object]:
    spec, status = facts.spec(each), facts.status(each)
    started = age(status["startedAt"], now) if status.get("startedAt") else ""
    return [
        facts.name(each), spec.get("type"), spec.get("machineId"), status.get("pid"), alive, status.get("running", 0),
        spec.get("capacity"), spec.get("solo", False), started, age(facts.metadata(each).get("creationTimestamp"), now),
    ]  # fmt: skip


def _print(rows: list[list[object]], namespaces: list[str], *, headers: bool) -> None:
    table = Table([*(["Namespace"] if namespaces else []), *_HEADERS])
    shown = [[namespace, *row] for namespace, row in zip(namespaces, rows, strict=True)] if namespaces else rows
    lines = table.lines(shown)
    sys.stdout.writelines(f"{line}\n" for line in (lines if headers else lines[1:]))
    sys.stdout.flush()


def _namespace(each: Object) -> str:
    return str(facts.metadata(each).get("namespace") or "")
