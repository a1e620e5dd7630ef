"""The one place that starts git: by argument list, in an environment of its own, with every limit set.

Nothing of the caller's environment reaches git but PATH and the proxy settings. Configuration is given by
environment (`GIT_CONFIG_COUNT`), so that no secret stands on a command line, where any process could read it.
"""

import os
import select
import time
from collections.abc import Mapping, Sequence

from bugcommand_operator.core.light_typing import Any, NamedTuple
from bugcommand_operator.workspace.git_errors import error_from

PASSED_ON = ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
STDERR_LIMIT = 64 * 1024
SIGKILL, SIGPIPE, SIGXFSZ = 9, 13, 25  # the signal module is not cheap to load
CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.alternateRefsCommand": "true",
    "core.commitGraph": "false",
    "core.multiPackIndex": "false",
    "pack.useBitmaps": "false",
    "protocol.ext.allow": "never",
    "credential.helper": "",
    "http.followRedirects": "false",
    "http.sslVerify": "true",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "transfer.fsckObjects": "true",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "commit.gpgSign": "false",
    "advice.detachedHead": "false",
    # Only who could reach the volume is the owner's concern here; agent-written repositories are never opened.
    "safe.directory": "*",
}


class Result(NamedTuple):
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "surrogateescape").strip()


class Git(NamedTuple):
    """How git is started; `config` holds what one command's repository needs on top (credential, CA)."""

    config: Mapping[str, str] = {}
    allow_file: bool = False
    ls_seconds: float = 90
    transfer_seconds: float = 1800
    local_seconds: float = 600

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_ADVICE": "0",
            "GIT_ALLOW_PROTOCOL": "https:http:file" if self.allow_file else "https:http",
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        for number, (key, value) in enumerate({**CONFIG, **self.config}.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        environment["GIT_CONFIG_COUNT"] = str(len({**CONFIG, **self.config}))
        return environment | dict(extra or {})

    def start(
        self,
        arguments: Sequence[str],
        *,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        stdin: int = -1,
        keep: Sequence[int] = (),
    ) -> "Running":
        """Starts git without waiting; its helpers share a process group, so that all of them can be ended."""
        output, written = os.pipe2(os.O_CLOEXEC)
        stderr = os.memfd_create("git-stderr", os.MFD_CLOEXEC)
        try:
            pid = _spawn(["git", "-C", cwd, *arguments], self.environment(env), (stdin, written, stderr), keep)
        except BaseException:
            os.close(output)
            os.close(stderr)
            raise
        finally:
            os.close(written)
        return Running(pid, output, stderr, arguments[0])

    def run(  # noqa: PLR0913 - one place to start git means one place with all its options
        self,
        arguments: Sequence[str],
        *,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        seconds: float | None = None,
        limit: int = 64 * 1024 * 1024,
        check: bool = True,
        keep: Sequence[int] = (),
        data: bytes = b"",
        stdin: int = -1,
    ) -> Result:
        """Runs git to its end; its input is `data`, or what the descriptor `stdin` holds, or nothing."""
        source = _file_of(data) if data else stdin
        try:
            running = self.start(arguments, cwd=cwd, env=env, stdin=source, keep=keep)
        finally:
            if data:
                os.close(source)
        result = running.finish(seconds or self.local_seconds, limit)
        if check and result.code != 0:
            raise error_from(result.err, result.code)
        return result


def _spawn(
    command: list[str], environment: Mapping[str, str], streams: tuple[int, int, int], keep: Sequence[int]
) -> int:
    """Starts a program; the subprocess module would take as long to load as git takes to run."""
    nothing: tuple[Any, ...] = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    given = [(os.POSIX_SPAWN_DUP2, stream, number) for number, stream in enumerate(streams) if stream >= 0]
    actions = [nothing, *given] if streams[0] < 0 else given
    try:
        for descriptor in keep:
            os.set_inheritable(descriptor, True)
        return os.posix_spawnp(
            command[0], command, environment, file_actions=actions, setpgroup=0, setsigdef=[SIGPIPE, SIGXFSZ]
        )
    finally:
        for descriptor in keep:
            os.set_inheritable(descriptor, False)


def _file_of(data: bytes) -> int:
    descriptor = os.memfd_create("git-stdin", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class TimedOut(Exception):
    """A process took longer than it may."""


class Running:
    """A git process that has been started."""

    def __init__(self, pid: int, output: int, stderr: int, name: str) -> None:
        self.output = output
        self._pid = pid
        self._stderr = stderr
        self._name = name
        self._code: int | None = None

    def finish(self, seconds: float, limit: int = 64 * 1024 * 1024) -> Result:
        """Waits no longer than `seconds` and reads no more than `limit` bytes."""
        try:
            deadline = time.monotonic() + seconds
            out = self._read(deadline, limit)
            return Result(self._wait(deadline), out, self.messages())
        except TimedOut:
            raise error_from(f"fatal: timed out after {seconds:.0f} seconds", -1) from None
        finally:
            self.end()

    def end(self) -> None:
        """Ends what is left of it: git itself and the helpers it started."""
        if self._code is None:
            try:
                os.killpg(self._pid, SIGKILL)
            except ProcessLookupError:
                self._code = -1
            _, status = os.waitpid(self._pid, 0)
            self._code = os.waitstatus_to_exitcode(status)
        for descriptor in (self.output, self._stderr):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self._stderr = -1

    def messages(self) -> str:
        return os.pread(self._stderr, STDERR_LIMIT, 0).decode("utf-8", "replace")

    def _read(self, deadline: float, limit: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.output], [], [], left)[0]:
                raise TimedOut
            chunk = os.read(self.output, 1 << 16)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > limit:
                raise error_from(f"fatal: git {self._name} wrote more than {limit} bytes", -1)
            chunks.append(chunk)

    def _wait(self, deadline: float) -> int:
        """A process ends right after its output does, so looking again and again costs next to nothing."""
        pause = 0.0005
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                return self._code
            if time.monotonic() > deadline:
                raise TimedOut
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
