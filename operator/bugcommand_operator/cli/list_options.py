"""The flags of the commands that list, show and change BugCommands."""

from enum import StrEnum
from typing import Annotated

import typer

from bugcommand_operator.cli import options

SELECTION, SHAPE = "Which", "Shape"


class ListFormat(StrEnum):
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Source(StrEnum):
    AUTO = "auto"
    POD = "pod"
    GIT = "git"


class MadeFormat(StrEnum):
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Phase(StrEnum):
    """As the API has them; written here because its models take long to load."""

    PENDING = "Pending"
    AWAITING_APPROVAL = "AwaitingApproval"
    CLAIMED = "Claimed"
    PREPARING = "Preparing"
    RUNNING = "Running"
    VERIFYING = "Verifying"
    PUBLISHING = "Publishing"
    PARKED = "Parked"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    REFUSED = "Refused"


def _columns(incomplete: str) -> list[str]:
    known = ("age", "name", "phase", "reason", "agent", "repository", "lines", "machine", "branch")
    return [each for each in known if each.startswith(incomplete)]


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A BugCommand's name.", autocompletion=options.names, show_default=False)
]
OptionalName = Annotated[
    str, typer.Argument(metavar="NAME", help="A BugCommand's name.", autocompletion=options.names, show_default=False)
]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="BugCommands' names.", autocompletion=options.names, show_default=False),
]
Everywhere = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.", rich_help_panel=options.CLUSTER)
]
All = Annotated[bool, typer.Option("--all", help="All of the namespace that this makes sense for.")]
Selector = Annotated[
    str,
    typer.Option(
        "--selector",
        "-l",
        metavar="LABELS",
        help="Only those with these labels, as kubectl takes them.",
        show_default=False,
    ),
]
Phases = Annotated[
    list[Phase] | None,
    typer.Option(
        "--phase",
        help="Only those in this phase; may be given several times.",
        case_sensitive=False,
        show_default=False,
    ),
]
Unfinished = Annotated[bool, typer.Option("--unfinished", help="Only those that have not ended.")]
OfRepository = Annotated[
    str,
    typer.Option(
        "--repository",
        help="Only those of this Repository.",
        autocompletion=options.proposals("repositories.mentu.dev"),
        show_default=False,
    ),
]
OfAgent = Annotated[
    str,
    typer.Option(
        "--agent",
        help="Only those of this Agent.",
        autocompletion=options.proposals("agents.mentu.dev"),
        show_default=False,
    ),
]
Form = Annotated[
    ListFormat | None, typer.Option("--output", "-o", help="More columns, or all for programs.", show_default=False)
]
SortBy = Annotated[
    str,
    typer.Option(
        "--sort-by",
        metavar="COLUMN",
        help="age (oldest first) or any column.",
        autocompletion=_columns,
        show_default=False,
    ),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="The other way round.")]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="Rows only.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Then a row for each change, until Ctrl-C.")]
WatchOne = Annotated[
    bool, typer.Option("--watch", "-w", help="Each phase as it comes, until the end; the exit code is the outcome's.")
]
MadeForm = Annotated[
    MadeFormat | None, typer.Option("--output", "-o", help="The made object, for programs.", show_default=False)
]
OfExecutors = Annotated[bool, typer.Option("--executors", help="Of the executors, not of a command.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Look only: keys do nothing.")]
DiffSource = Annotated[Source, typer.Option("--from", help="pod: the worktree now; git: the pushed branch.")]
Remote = Annotated[
    str,
    typer.Option("--remote", metavar="URL|NAME", help="Fetch from there instead.", show_default=False),
]
Stat = Annotated[bool, typer.Option("--stat", help="Files and counts only.")]
NameOnly = Annotated[bool, typer.Option("--name-only", help="Names of files only.")]
Reject = Annotated[bool, typer.Option("--reject", help="Refuse them instead.")]
Message = Annotated[str, typer.Option("--message", "-m", help="Why; kept with the decision.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
