"""What ends a run of the command line, with a word on what a person can do; the class decides the exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """A contract with scripts: never give one another meaning."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    NOT_ALLOWED = 4
    UNREACHABLE = 5
    INTERRUPTED = 130
    PIPE_CLOSED = 141


class CliError(Exception):
    """It did not work. `hint` says what to do about it."""

    code = ExitCode.FAILURE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Usage(CliError):
    """What was asked for makes no sense as it is written."""

    code = ExitCode.USAGE


class NotFound(CliError):
    """There is no such command, or nothing is stored for it."""

    code = ExitCode.NOT_FOUND


class KindUnknown(NotFound):
    """The API server does not serve BugCommands, or not yet again: that says nothing of any single one."""


class NotAllowed(CliError):
    """The API server or the gateway refuses this person."""

    code = ExitCode.NOT_ALLOWED


class TokenRefused(NotAllowed):
    """The gateway does not take the token; a new one may help once."""


class Unreachable(CliError):
    """Temporary: the gateway or the cluster could not be reached, or cannot answer now."""

    code = ExitCode.UNREACHABLE


class Interrupted(CliError):
    """Told to end by a signal. Made of a KeyboardInterrupt at the very edge: on its way there nothing may take it for
    something that did not work."""

    code = ExitCode.INTERRUPTED


class PipeClosed(CliError):
    """Whoever read the output has gone: no reason to say anything."""

    code = ExitCode.PIPE_CLOSED
