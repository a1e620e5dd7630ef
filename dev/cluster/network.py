"""The node's network: what was there before, and how to take away exactly what the cluster added."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.cluster.layout import BRIDGE
from dev.cluster.say import ClusterError

TABLES = ("iptables", "ip6tables")
_OUR_CHAIN = re.compile(r"^(KUBE-|CNI-)")
_OUR_SET = re.compile(r"^(inet6:)?(KUBE-|kube-router-)")
_OUR_COMMENT = re.compile(r"kube-?router|kubernetes", re.IGNORECASE)


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, input=text, timeout=60)
    if done.returncode != 0:
        raise ClusterError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _attempt(*command: str, text: str | None = None) -> str:
    try:
        return _run(*command, text=text)
    except ClusterError:
        return ""


def node_ip() -> str:
    """The machine's own IPv4 address: by its default route, otherwise the first global one."""
    routes = json.loads(_attempt("ip", "-j", "-4", "route", "show", "default") or "[]")
    devices = [route["dev"] for route in routes if "dev" in route]
    links = json.loads(_run("ip", "-j", "-4", "address", "show", "scope", "global") or "[]")
    usable = [link for link in links if link["ifname"] != BRIDGE]
    usable.sort(key=lambda link: link["ifname"] not in devices)
    for link in usable:
        for address in link["addr_info"]:
            return str(address["local"])
    raise ClusterError("this machine has no IPv4 address but loopback: give one with CLUSTER_NODE_IP=…")


def rules(table: str) -> str:
    return _attempt(f"{table}-save")


def sets() -> list[str]:
    return _attempt("ipset", "list", "-name").split()


def links() -> list[str]:
    return sorted(link["ifname"] for link in json.loads(_run("ip", "-j", "link", "show")))


def normalised(saved: str) -> list[str]:
    """Rules and chains without counters, comments, and tables that hold nothing.

    Asking for a table makes it, empty; that is no difference to a packet.
    """
    kept: list[str] = []
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(("-", ":")) and not re.match(r":\S+ ACCEPT", line):
            kept.append(f"{table} " + re.sub(r"\s*\[\d+:\d+\]", "", line))
    return sorted(kept)


def undo_rules(saved: str, before: str) -> str:
    """The input to ``iptables-restore --noflush`` that takes our chains, and rules to them, away. Pure."""
    existed = set(before.splitlines())
    chains_before = {line.split()[0] for line in existed if line.startswith(":")}
    out: list[str] = []
    for table, lines in _by_table(saved):
        names = [line.split()[0] for line in lines if line.startswith(":")]
        ours = {name[1:] for name in names if _OUR_CHAIN.match(name[1:]) and name not in chains_before}
        added = [line for line in lines if line.startswith("-A") and line not in existed]
        deletions = [f"-D{line[2:]}" for line in added if _is_ours(line, ours)]
        if ours or deletions:
            declared = [f":{name} - [0:0]" for name in sorted(ours)]
            removed = [f"-X {name}" for name in sorted(ours)]
            out += [f"*{table}", *declared, *deletions, *removed, "COMMIT"]
    return "\n".join(out) + "\n" if out else ""


def _is_ours(rule: str, chains: set[str]) -> bool:
    """A rule outside our chains that leads to one of them, or says whose it is."""
    chain = rule.split()[1]
    if chain in chains:
        return False  # goes when its chain is emptied
    jump = re.search(r" -[jg] (\S+)", rule)
    return bool((jump and jump[1] in chains) or _OUR_COMMENT.search(rule))


def _by_table(saved: str) -> Iterator[tuple[str, list[str]]]:
    table, lines = "", list[str]()
    for line in saved.splitlines():
        if line.startswith("*"):
            table, lines = line[1:], []
        elif line == "COMMIT":
            yield table, lines
        elif not line.startswith("#"):
            lines.append(line)


def remove_rules(before: dict[str, str]) -> None:
    for table in TABLES:
        undo = undo_rules(rules(table), before.get(table, ""))
        if undo:
            _run(f"{table}-restore", "--noflush", text=undo)


def remove_sets(before: Iterable[str]) -> None:
    kept = set(before)
    for name in sets():
        if _OUR_SET.match(name) and name not in kept:
            _attempt("ipset", "destroy", name)


def remove_links() -> None:
    for port in json.loads(_attempt("ip", "-j", "link", "show", "master", BRIDGE) or "[]"):
        _attempt("ip", "link", "delete", port["ifname"])
    _attempt("ip", "link", "delete", BRIDGE)


def remove_results(below: Path, folder: Path = Path("/var/lib/cni/results")) -> None:
    """What the network plugins' library wrote down about our pods; it has no setting for where.

    Ours are those whose network namespace is mounted below the cluster's folder.
    """
    for file in folder.glob("*") if folder.is_dir() else []:
        if f"{below}/" in file.read_text(errors="replace"):
            file.unlink(missing_ok=True)
