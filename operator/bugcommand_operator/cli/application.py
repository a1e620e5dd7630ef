"""The commands of `kubectl bug`, in the order in which its help shows them; each is loaded when it is called for."""

from collections.abc import Sequence
from importlib import import_module

import typer

_HELP = "Have coding agents fix bugs: ask, watch, decide, see what came of it."
_EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 gateway or cluster not reached; of a "
    "command that was waited for: 20 failed, 21 cancelled, 22 refused; 130 interrupted, 141 nobody reads the output."
)
PANELS = {
    "Ask for work": {"run": "running", "approve": "changing", "retry": "changing"},
    "Look": {"list": "looking", "status": "looking", "describe": "looking", "executors": "looking"},
    "See what the agent does": {"logs": "seeing", "attach": "seeing", "diff": "seeing", "replay": "seeing"},
    "Stop and go on": {"cancel": "changing", "suspend": "changing", "resume": "changing"},
}
_WITHOUT_ARGUMENTS = frozenset({"list", "executors"})


def application(arguments: Sequence[str] = ()) -> typer.Typer:
    """All of it, or the one command that the first argument names: the flags of all take long to load."""
    app = typer.Typer(
        name="kubectl bug",
        epilog=_EXIT_CODES,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )
    app.callback(help=_HELP)(_bug)
    every = {verb: (panel, room) for panel, verbs in PANELS.items() for verb, room in verbs.items()}
    first = arguments[0] if arguments else ""
    for verb in [first] if first in every else every:
        _register(app, verb, *every[verb])
    return app


def _bug() -> None:
    """Every command stands below it, also when only one is loaded."""


def _register(app: typer.Typer, verb: str, panel: str, room: str) -> None:
    module = import_module(f"bugcommand_operator.cli.verbs.{room}")
    function = getattr(module, f"{verb}_" if verb == "list" else verb)
    needs_arguments = verb not in _WITHOUT_ARGUMENTS
    app.command(verb, no_args_is_help=needs_arguments, epilog=_EXIT_CODES, rich_help_panel=panel)(function)
