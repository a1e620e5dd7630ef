"""The program `kubectl_complete-bug`: what kubectl runs to complete `kubectl bug <TAB>`. One proposal a line, and
at the end what the shell shall do with them."""

import os
import shlex
import sys
from contextlib import suppress

from bugcommand_operator.cli.application import application
from bugcommand_operator.cli.main import PROGRAM

_NO_FILES = ":4"


def main() -> None:
    words = [PROGRAM, *sys.argv[1:]]
    os.environ["_KUBECTL_BUG_COMPLETE"] = "complete_bash"
    os.environ["COMP_WORDS"] = " ".join(map(_quoted, words))
    os.environ["COMP_CWORD"] = str(len(words) - 1)
    with suppress(SystemExit):
        application(sys.argv[1:])([], prog_name=PROGRAM)
    print(_NO_FILES)  # noqa: T201


def _quoted(word: str) -> str:
    return shlex.quote(word) if word else ""


if __name__ == "__main__":
    main()
