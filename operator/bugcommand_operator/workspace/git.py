"""The one place that starts git: by argument list, in an environment of its own, with every limit set.

Nothing of the caller's environment reaches git but PATH and the proxy settings. Configuration is given by
environment (`GIT_CONFIG_COUNT`), so that no secret stands on a command line, where any process could read it.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bugcommand_operator.workspace.git_errors import error_from

PASSED_ON = ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
STDERR_LIMIT = 64 * 1024
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
        stdin: int = subprocess.DEVNULL,
        keep: Sequence[int] = (),
    ) -> "Running":
        """Starts git without waiting; its helpers share a process group, so that all of them can be ended."""
        stderr = os.memfd_create("git-stderr")
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                cwd=cwd,
                env=self.environment(env),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                process_group=0,
                pass_fds=tuple(keep),
            )
        except BaseException:
            os.close(stderr)
            raise
        return Running(process, stderr, tuple(arguments))

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
        source = _file_of(data) if data else (stdin if stdin >= 0 else subprocess.DEVNULL)
        try:
            running = self.start(arguments, cwd=cwd, env=env, stdin=source, keep=keep)
        finally:
            if data:
                os.close(source)
        result = running.finish(seconds or self.local_seconds, limit)
        if check and result.code != 0:
            raise error_from(result.err, result.code)
        return result


def _file_of(data: bytes) -> int:
    descriptor = os.memfd_create("git-stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Running:
    """A git process that has been started."""

    def __init__(self, process: "subprocess.Popen[bytes]", stderr: int, arguments: tuple[str, ...]) -> None:
        self.process = process
        self._stderr = stderr
        self._arguments = arguments

    def finish(self, seconds: float, limit: int = 64 * 1024 * 1024) -> Result:
        """Waits no longer than `seconds` and reads no more than `limit` bytes."""
        try:
            out = self._read(time.monotonic() + seconds, limit)
            code = self.process.wait()
            return Result(code, out, self.messages())
        except subprocess.TimeoutExpired:
            raise error_from(f"fatal: timed out after {seconds:.0f} seconds", -1) from None
        finally:
            self.end()

    def end(self) -> None:
        """Ends what is left of it: git itself and the helpers it started."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        if self._stderr >= 0:
            os.close(self._stderr)
            self._stderr = -1

    def _read(self, deadline: float, limit: int) -> bytes:
        assert self.process.stdout is not None  # noqa: S101 - always a pipe, see Git.start
        chunks, size, pipe = [], 0, self.process.stdout.fileno()
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                raise subprocess.TimeoutExpired("git", 0)
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                break
            size += len(chunk)
            if size > limit:
                raise error_from(f"fatal: git {self._arguments[0]} wrote more than {limit} bytes", -1)
            chunks.append(chunk)
        self.process.wait(max(0.1, deadline - time.monotonic()))
        return b"".join(chunks)

    def messages(self) -> str:
        return os.pread(self._stderr, STDERR_LIMIT, 0).decode("utf-8", "replace")
