"""The executor's entry point: `main.py`, imported while nothing looks for garbage. Imports leave none, and a fifth of
their time goes into looking."""

from __future__ import annotations

import gc


def main(arguments: list[str] | None = None) -> None:
    gc.disable()
    from bugcommand_operator.executor.main import main as run

    gc.enable()
    run(arguments)
