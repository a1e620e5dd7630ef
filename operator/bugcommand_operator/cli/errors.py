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
    COMMAND_FAILED = 20
    COMMAND_CANCELLED = 21
    COMMAND_REFUSED = 22
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


class Conflict(CliError):
    """Something of that name is there already, or is in another state than this needs."""


class Expired(CliError):
    """The state that was asked about is too old for the API server; `goes_on` may continue a list."""

    def __init__(self, message: str, hint: str = "", *, goes_on: str = "") -> None:
        super().__init__(message, hint)
        self.goes_on = goes_on


class Ended(CliError):
    """What was waited for has ended, and not well."""

    def __init__(self, message: str, hint: str, code: ExitCode) -> None:
        super().__init__(message, hint)
        self.code = code


class Interrupted(CliError):
    """Told to end by a signal. Made of a KeyboardInterrupt at the very edge: on its way there nothing may take it for
    something that did not work."""

    code = ExitCode.INTERRUPTED


class PipeClosed(CliError):
    """Whoever read the output has gone: no reason to say anything."""

    code = ExitCode.PIPE_CLOSED
