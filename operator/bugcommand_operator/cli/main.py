"""The program `kubectl-bug`, which kubectl runs as `kubectl bug`: flags, exit codes, an orderly end by signals."""

import gc
import math
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer

from bugcommand_operator.cli import options, output
from bugcommand_operator.cli.errors import CliError, ExitCode, Interrupted, PipeClosed

if TYPE_CHECKING:
    from bugcommand_operator.cli.command import Command
    from bugcommand_operator.cli.gateway import Gateway

PROGRAM, SPOKEN = "kubectl-bug", "kubectl bug"
_EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 gateway or cluster not reached, "
    "130 interrupted, 141 the reader of a pipe has gone."
)

app = typer.Typer(
    name=SPOKEN,
    help="Read what a BugCommand's agent wrote, and watch its recorded session.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback()
def bug() -> None:
    """Read what a BugCommand's agent wrote, and watch its recorded session."""


@app.command(no_args_is_help=True, epilog=_EXIT_CODES)
def logs(  # noqa: PLR0913 (each is a flag)
    name: options.Name,
    *,
    follow: options.Follow = False,
    since: options.Since = None,
    attempt: options.Attempt = None,
    grep: options.Grep = None,
    stream: options.OnlyStream = None,
    tail: options.Tail = None,
    timestamps: options.Timestamps = False,
    form: options.Output = options.LogFormat.TEXT,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Show a command's log, all attempts in order; -f goes on until the command has ended.

    Lines of stderr begin with "! ". Control characters are shown as signs, never sent to the terminal.
    """
    from bugcommand_operator.cli.lines import Wanted
    from bugcommand_operator.cli.logs import LogsRequest, show_logs

    wanted = Wanted(attempt, stream.value if stream else None, since, grep)
    request = LogsRequest(wanted, follow, tail, timestamps, form is options.LogFormat.JSON)
    with _reached(name, namespace, context, kubeconfig, gateway, gateway_namespace, token) as (command, way):
        show_logs(way, command, request)


@app.command(no_args_is_help=True, epilog=_EXIT_CODES)
def replay(  # noqa: PLR0913 (each is a flag)
    name: options.Name,
    file: options.File = "",
    *,
    attempt: options.RecordedAttempt = None,
    speed: options.Speed = None,
    idle_limit: options.IdleLimit = None,
    at: options.At = None,
    form: options.ReplayOutput = None,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Play a recorded terminal session, or save it with -o cast FILE (asciicast v2).

    Space pauses, a dot skips a pause, q ends. What could harm your terminal is left out when playing.
    """
    from bugcommand_operator.cli import replay as playing
    from bugcommand_operator.cli.player import Pace
    from bugcommand_operator.cli.recording import Recordings

    if file and form is None:
        raise typer.BadParameter("FILE goes with -o cast", param_hint="FILE")
    pace = Pace(speed or 1.0, math.inf if idle_limit is None else idle_limit, at or 0.0)
    if form is None:
        playing.check_terminal()
    with _reached(name, namespace, context, kubeconfig, gateway, gateway_namespace, token) as (command, way):
        recordings = Recordings(way, command.id)
        if form is None:
            playing.play(recordings, attempt, pace)
        else:
            playing.save(recordings, attempt, file)


@contextmanager
def _reached(
    name: str, namespace: str, context: str, kubeconfig: str, gateway: str, gateway_namespace: str, token: str
) -> Iterator[tuple["Command", "Gateway"]]:
    """The command that is meant and the way to the gateway, whose processes end with it."""
    from bugcommand_operator.cli.access import ClusterAccess
    from bugcommand_operator.cli.command import Command
    from bugcommand_operator.cli.gateway import Gateway
    from bugcommand_operator.cli.kubectl import Kubectl

    gc.enable()
    kubectl = Kubectl(kubeconfig, context, namespace)
    access = ClusterAccess(kubectl, gateway, token, gateway_namespace)
    way = Gateway(access, output.note)
    try:
        yield Command(kubectl, name, output.note), way
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted") from error
    except BrokenPipeError as error:
        raise PipeClosed("nobody reads the output any more") from error
    finally:
        way.close()
        access.close()


def main() -> None:
    gc.disable()  # what is imported stays: looking through it again and again is a part of the start-up time
    output.prepare()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _told_to_end)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code. Every way to end is one line on standard error at most, never a traceback."""
    try:
        code = app(arguments, prog_name=_program(arguments), standalone_mode=True)
    except CliError as error:
        if isinstance(error, PipeClosed):
            output.discard_output()
        elif not isinstance(error, Interrupted):
            output.tell(error)
        return error.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return int(code or 0)


def _program(arguments: list[str]) -> str:
    """What people type; the shell's completion is for the file's name."""
    completing = any(key.startswith("_KUBECTL_BUG_") for key in os.environ)
    return PROGRAM if completing or {"--install-completion", "--show-completion"} & set(arguments) else SPOKEN


def _told_to_end(signum: int, _frame: FrameType | None) -> None:
    """As Ctrl-C does: nothing that handles what may go wrong with kubectl can take that for an error."""
    raise KeyboardInterrupt(signal.Signals(signum).name)


if __name__ == "__main__":
    main()
