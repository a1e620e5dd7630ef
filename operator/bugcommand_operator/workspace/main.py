"""`mentu-workspace fetch | prepare [--fetch] | export | publish`.

Reads its request from the environment, writes one JSON object to the termination log, and says by its exit
code what came of it: 0 done, 20 refused for good, 21 may pass when tried again, 1 a crash.
"""

import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence

from bugcommand_operator.core.light_typing import Any, NoReturn
from bugcommand_operator.workspace.errors import InvalidSpec, VolumeFull, WorkspaceError
from bugcommand_operator.workspace.job import Job, job_from

MAX_RESULT = 3500
MAX_MESSAGE = 1500
USAGE = "usage: mentu-workspace fetch | prepare [--fetch] | export | publish"


def main() -> NoReturn:
    code, result = run(sys.argv[1:], os.environ)
    sys.stdout.write(json.dumps(result) + "\n")  # in ASCII: somebody reads it in a terminal
    _write_termination_log(os.environ.get("MENTU_TERMINATION_LOG", "/dev/termination-log"), encoded(result))
    sys.stdout.flush()
    # Nothing is left to tidy up, and taking the interpreter down would take as long as starting git.
    os._exit(code)


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Does one step; returns the exit code and what to report."""
    try:
        return 0, _step(arguments, job_from(environ))
    except WorkspaceError as error:
        return error.exit_code, _failure(error.reason, str(error))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            full = VolumeFull(f"no space is left for {error.filename or 'the work'}: make the volume larger")
            return full.exit_code, _failure(full.reason, str(full))
        return 1, _failure("WorkspaceFailed", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the last line of defence: the operator must learn what happened
        return 1, _failure("WorkspaceFailed", f"{type(error).__name__}: {error}")


def _step(arguments: Sequence[str], job: Job) -> dict[str, Any]:
    match list(arguments):
        case ["prepare", *rest] if rest in ([], ["--fetch"]):
            from bugcommand_operator.workspace.prepare import prepare

            return prepare(job, fetch=bool(rest))
        case ["fetch"]:
            from bugcommand_operator.workspace.mirror import fetch

            # Whoever prepares the tree from it cannot fetch, so what is missing must be found here.
            return {"baseCommit": fetch(job, walk=True)}
        case ["export"]:
            from bugcommand_operator.workspace.export import export

            return export(job)
        case ["publish"]:
            from bugcommand_operator.workspace.publish import publish

            return publish(job)
        case _:
            raise InvalidSpec(USAGE)


def _failure(reason: str, message: str) -> dict[str, str]:
    line = " ".join(message.encode("utf-8", "replace").decode().split())
    return {"reason": reason, "message": line[:MAX_MESSAGE]}


def encoded(result: Mapping[str, Any]) -> bytes:
    """As JSON that a termination message has room for: a text gives way, for half a JSON object would say nothing."""
    data = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
    while len(data) > MAX_RESULT:
        longest = max(result, key=lambda name: len(str(result[name])))
        text = str(result[longest])
        result = {**result, longest: text[: len(text) * 3 // 4]}
        data = json.dumps(result, ensure_ascii=False).encode("utf-8", "replace")
    return data


def _write_termination_log(path: str, data: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        sys.stderr.write(f"cannot write {path}: {error}\n")
