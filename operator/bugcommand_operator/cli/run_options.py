"""The flags of `kubectl bug run`, and what of a BugCommand each one sets."""

from enum import StrEnum
from typing import Annotated

import typer

from bugcommand_operator.cli import options
from bugcommand_operator.cli import since as times

BUG, HOW, CONTEXT = "The command", "How it runs", "What the agent is told"


class Output(StrEnum):
    BRANCH = "Branch"
    NONE = "None"


def _timeout(text: str) -> int:
    seconds = int(times.seconds(text))
    if not 1 <= seconds <= 604_800:
        raise ValueError(f"{text!r} is not between 1s and 7d")
    return seconds


def label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"{text!r} is no label: write key=value")
    return key, value


Prompt = Annotated[
    str,
    typer.Argument(
        metavar="PROMPT", help="What is broken, in words; - reads it from standard input.", show_default=False
    ),
]
File = Annotated[
    str,
    typer.Option(
        "--filename",
        "-f",
        metavar="FILE",
        help="BugCommands as YAML or JSON instead of flags; - is standard input.",
        show_default=False,
    ),
]
Name = Annotated[
    str, typer.Option("--name", help="Default: the prompt's first words.", rich_help_panel=BUG, show_default=False)
]
Repository = Annotated[
    str,
    typer.Option(
        "--repository", "-r", help="The Repository. Default: the namespace's only one.", rich_help_panel=BUG,
        autocompletion=options.proposals("repositories.mentu.dev"), show_default=False,
    ),
]  # fmt: skip
Labels = Annotated[
    list[str] | None,
    typer.Option(
        "--label",
        metavar="KEY=VALUE",
        help="To find it by; may be given several times.",
        rich_help_panel=BUG,
        show_default=False,
    ),
]
BaseRef = Annotated[
    str,
    typer.Option(
        "--base-ref",
        metavar="REF",
        help="Branch, tag or commit to start from.",
        rich_help_panel=BUG,
        show_default=False,
    ),
]
WorkingDirectory = Annotated[
    str,
    typer.Option(
        "--working-directory",
        metavar="PATH",
        help="Folder of the repository to work in.",
        rich_help_panel=BUG,
        show_default=False,
    ),
]
OutputKind = Annotated[
    Output | None,
    typer.Option(
        "--publish",
        help="What becomes of the work. Default: Branch.",
        case_sensitive=False,
        rich_help_panel=BUG,
        show_default=False,
    ),
]
Agent = Annotated[
    str,
    typer.Option(
        "--agent", help="The Agent. Default: the Repository's.", rich_help_panel=HOW,
        autocompletion=options.proposals("agents.mentu.dev"), show_default=False,
    ),
]  # fmt: skip
Headless = Annotated[bool, typer.Option("--headless", help="Without a terminal.", rich_help_panel=HOW)]
Timeout = Annotated[
    int | None,
    typer.Option(
        "--timeout",
        metavar="30m",
        help="Longest time that the agent may work.",
        parser=options.checked(_timeout),
        rich_help_panel=HOW,
        show_default=False,
    ),
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", min=-1000, max=1000, help="Higher first.", rich_help_panel=HOW, show_default=False),
]
Machine = Annotated[
    str,
    typer.Option(
        "--machine", help="Only executors of this machine may run it.", rich_help_panel=HOW, show_default=False
    ),
]
Retries = Annotated[
    int | None,
    typer.Option(
        "--retries", min=0, max=10, help="More attempts when one fails.", rich_help_panel=HOW, show_default=False
    ),
]
NeedsApproval = Annotated[
    bool, typer.Option("--approval", help="Waits until somebody approves it.", rich_help_panel=HOW)
]
Suspended = Annotated[bool, typer.Option("--suspended", help="Waits until it is resumed.", rich_help_panel=HOW)]
Objective = Annotated[
    str, typer.Option("--objective", help="What is to be true at the end.", rich_help_panel=CONTEXT, show_default=False)
]
Hypothesis = Annotated[
    str, typer.Option("--hypothesis", help="What may be the cause.", rich_help_panel=CONTEXT, show_default=False)
]
Likely = Annotated[
    list[str] | None,
    typer.Option(
        "--likely-file", metavar="PATH", help="Where to look first.", rich_help_panel=CONTEXT, show_default=False
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="PATTERN",
        help="Paths that may change, as src/**; others are refused.",
        rich_help_panel=CONTEXT,
        show_default=False,
    ),
]
Forbid = Annotated[
    list[str] | None,
    typer.Option(
        "--forbid", metavar="PATTERN", help="Paths that may not change.", rich_help_panel=CONTEXT, show_default=False
    ),
]
MaxFiles = Annotated[
    int | None,
    typer.Option("--max-files", min=1, help="Most files that may change.", rich_help_panel=CONTEXT, show_default=False),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="Until it has ended, with its phases; the exit code is the outcome's.")
]
Follow = Annotated[bool, typer.Option("--follow", help="--wait, and its log beside.")]
ServerDryRun = Annotated[bool, typer.Option("--dry-run", help="Have the cluster check it, and make nothing.")]
