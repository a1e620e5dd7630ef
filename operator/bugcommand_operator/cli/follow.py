"""Phases and log of one command side by side, until its end: phases on standard error, lines on standard output."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bugcommand_operator.cli import output
from bugcommand_operator.cli.command import command_id, finished
from bugcommand_operator.cli.errors import CliError
from bugcommand_operator.cli.following import Finished
from bugcommand_operator.cli.gateway import Gateway
from bugcommand_operator.cli.kube import facts
from bugcommand_operator.cli.kube.cluster import Cluster
from bugcommand_operator.cli.kube.facts import Object
from bugcommand_operator.cli.lines import Wanted
from bugcommand_operator.cli.logs import LogsRequest, show_logs
from bugcommand_operator.cli.waiting import PhaseTeller, Waiter, check_outcomes


def follow(gateway: Gateway, cluster: Cluster, command: Object) -> None:
    """A log that cannot be shown ends nothing: the phases go on. Raises when the command does not succeed."""
    waiter = Waiter(cluster, [facts.name(command)], PhaseTeller())
    waiting = _Thread(waiter.wait)
    waiting.start()
    try:
        show_logs(gateway, Watched(command, waiter), LogsRequest(Wanted(), follow=True))
    except CliError as error:
        output.note(f"its log cannot be shown: {error}; {error.hint or 'waiting for its end'}")
    waiting.result()
    check_outcomes(waiter.seen)


@dataclass
class Watched:
    """A command whose state is known from a watch: nobody has to be asked for it."""

    command: Object
    waiter: Waiter

    @property
    def given(self) -> str:
        return facts.name(self.command)

    @property
    def id(self) -> str:
        return command_id(self.command)

    def exists(self) -> bool:
        return True

    def state(self) -> Finished | None:
        if self.given not in self.waiter.seen:
            return None
        now = self.waiter.seen[self.given]
        return Finished({}) if now is None else finished(now, datetime.now(UTC))


@dataclass
class _Thread:
    """A thread whose error is not lost."""

    work: Callable[[], None]
    _error: BaseException | None = field(default=None, init=False)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="phases", daemon=True)
        self._thread.start()

    def result(self) -> None:
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 (told where it is waited for)
            self._error = error
