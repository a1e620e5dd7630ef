"""Start one program inside a terminal's pane and write down how it ended. Run by path, with nothing imported.

Why not tmux itself: it takes no more than 16 KiB of arguments (a prompt may have 64), it cannot redirect one stream,
and older versions cannot tell an exit status. It stands between tmux and the agent: what the keyboard sends reaches
the agent too and is ignored here; a closing terminal only tells its first process, so that is passed on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import NoReturn

LINGER = 10.0
_IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP)
_PASSED_ON = (signal.SIGHUP, signal.SIGTERM)


def main(spec_path: str) -> int:
    with open(spec_path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double the start-up time
        spec = json.load(file)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        _become(spec)
    for number in _PASSED_ON:
        signal.signal(number, lambda received, _: os.kill(pid, received))
    _, status = os.waitpid(pid, 0)
    for number in _PASSED_ON:
        signal.signal(number, signal.SIG_DFL)
    if spec.get("mark"):
        os.write(1, spec["mark"].encode())
    code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    _write(spec["exitFile"], {"code": code, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})
    time.sleep(LINGER)  # tmux may lose what was shown last if the pane's process ends at once; the runner ends this one
    return code


def _become(spec: dict[str, object]) -> NoReturn:
    argv = [str(word) for word in spec["argv"]]  # type: ignore[attr-defined]
    try:
        for number in (*_IGNORED, *_PASSED_ON):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(str(spec["cwd"]))
        if spec.get("stderr"):
            os.dup2(os.open(str(spec["stderr"]), os.O_WRONLY), 2)
        os.execvp(argv[0], argv)  # noqa: S606 - that is its job
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _write(path: str, content: dict[str, int]) -> None:
    with open(path + ".new", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(content, file)
    os.replace(path + ".new", path)  # noqa: PTH105


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
