"""`kubectl bug logs`: what is stored, then what comes."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import NotFound
from bugcommand_operator.cli.following import Finished, Follower
from bugcommand_operator.cli.gateway import Gateway
from bugcommand_operator.cli.lines import Line, Position, Wanted
from bugcommand_operator.cli.reading import Log
from bugcommand_operator.cli.show import JsonStyle, Style, TextStyle


class Subject(Protocol):
    """The command whose log is shown."""

    @property
    def given(self) -> str: ...

    @property
    def id(self) -> str: ...

    def exists(self) -> bool | None: ...

    def state(self) -> Finished | None: ...


@dataclass(frozen=True)
class LogsRequest:
    wanted: Wanted
    follow: bool = False
    tail: int | None = None
    timestamps: bool = False
    as_json: bool = False


def show_logs(gateway: Gateway, command: Subject, request: LogsRequest) -> None:
    log = Log(gateway, command.id)
    style = _style(log.command_id, request)
    ends = log.ends()
    if not ends:
        _check_exists(command, follow=request.follow)
    elif request.tail is not None:
        _write(log.last(ends, request.wanted, request.tail), style)
    else:
        _write(log.lines(ends, request.wanted), style)
    if request.follow:
        follower = Follower(gateway, log, command.state, Position(ends), output.note)
        _write((line for line in follower.lines() if line is None or request.wanted.matches(line)), style)


def _check_exists(command: Subject, *, follow: bool) -> None:
    """A command without lines is fine if there is such a command."""
    exists = command.exists()
    if exists is False or (exists is None and not follow):
        raise NotFound(
            f"nothing is stored for {command.given}, or you may not read it",
            "Retention may have removed it, or it is another cluster's. See `kubectl get bugcommands`.",
        )
    output.note("no lines yet")


def _style(command_id: str, request: LogsRequest) -> Style:
    if request.as_json:
        return JsonStyle(command_id)
    terminal = sys.stdout.isatty()
    return TextStyle(
        colour=output.is_coloured(sys.stdout),
        timestamps=request.timestamps,
        mark_stderr=request.wanted.stream is None,
        name_attempts=terminal and request.wanted.attempt is None,
    )


def _write(lines: Iterable[Line | None], style: Style) -> None:
    """At once when it is None's turn, which means that nothing more is there for now."""
    for line in lines:
        if line is None:
            sys.stdout.flush()
        else:
            sys.stdout.write(style(line))
    sys.stdout.flush()
