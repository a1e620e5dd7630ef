"""`kubectl bug status`: one command, now or until it has ended."""

import sys
from datetime import UTC, datetime

from bugcommand_operator.cli import printing
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import Cluster
from bugcommand_operator.cli.safe_text import visible
from bugcommand_operator.cli.status_view import status_lines
from bugcommand_operator.cli.waiting import PhaseTeller, Waiter, check_outcomes


def show(cluster: Cluster, name: str, form: str) -> None:
    command = cluster.command(name)
    if form == "name":
        _write(f"bugcommand.mentu.dev/{facts.name(command)}")
        return
    if form in ("json", "yaml"):
        printing.print_object(printing.without_managed_fields(command), form)
        return
    _write("\n".join(status_lines(command, datetime.now(UTC))))


def watch(cluster: Cluster, name: str) -> None:
    """Until its end, which decides how this ends; that there is no such command is told at once."""
    found = facts.name(cluster.command(name))
    waiter = Waiter(cluster, [found], PhaseTeller(say=lambda text: _write(visible(text))))
    waiter.wait()
    check_outcomes(waiter.seen)


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
