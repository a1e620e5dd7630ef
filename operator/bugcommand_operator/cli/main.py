"""The program `kubectl-bug`, which kubectl runs as `kubectl bug`: exit codes, and an orderly end by signals."""

import gc
import os
import signal
import sys
from types import FrameType

from bugcommand_operator.cli import output
from bugcommand_operator.cli.application import application
from bugcommand_operator.cli.errors import CliError, ExitCode, Interrupted, PipeClosed

PROGRAM, SPOKEN = "kubectl-bug", "kubectl bug"


def main() -> None:
    gc.disable()  # what is imported stays: looking through it again and again is a part of the start-up time
    output.prepare()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _told_to_end)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code. Every way to end is one line on standard error at most, never a traceback."""
    try:
        code = application(arguments)(arguments, prog_name=_program(arguments), standalone_mode=True)
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
