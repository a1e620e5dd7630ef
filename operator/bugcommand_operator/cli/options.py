"""The flags that the commands share, and what is made of them. Values are checked here, before anything is asked."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from bugcommand_operator.api.names import GROUP
from bugcommand_operator.cli import since as times

CLUSTER, GATEWAY = "Cluster", "Gateway"
_WHERE = ("kubeconfig", "context", "namespace")
T = TypeVar("T")


class Stream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class ReplayFormat(StrEnum):
    CAST = "cast"


def checked(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A ValueError as a mistake in the flag that it belongs to."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parsed


def proposals(kind: str) -> Callable[[typer.Context, str], list[str]]:
    """For the shell's completion: it must be quick, and say nothing when it fails."""

    def proposed(ctx: typer.Context, incomplete: str) -> list[str]:
        from bugcommand_operator.cli.errors import CliError
        from bugcommand_operator.cli.kubectl import Kubectl

        kubectl = Kubectl(*(str(ctx.params.get(flag) or "") for flag in _WHERE))
        try:
            found = kubectl.run("get", kind, "--output=name", "--request-timeout=2s", seconds=3)
        except CliError:
            return []
        given = ctx.params.get("names") or ()
        every = (line.partition("/")[2] for line in found.splitlines())
        return [name for name in every if name.startswith(incomplete) and name not in given]

    return proposed


def contexts(ctx: typer.Context, incomplete: str) -> list[str]:
    from bugcommand_operator.cli.errors import CliError
    from bugcommand_operator.cli.kubectl import Kubectl

    try:
        found = Kubectl(str(ctx.params.get("kubeconfig") or "")).run(
            "config", "get-contexts", "--output=name", seconds=3
        )
    except CliError:
        return []
    return [name for name in found.split() if name.startswith(incomplete)]


names = proposals(f"bugcommands.{GROUP}")


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error


def _speed(text: str) -> float:
    speed = float(text.removesuffix("x")) if re.fullmatch(r"\d+(\.\d+)?x?", text) else 0.0
    if not 0.01 <= speed <= 1000:
        raise ValueError(f"{text!r} is no speed between 0.01 and 1000: write 2 or 0.5")
    return speed


def _moment(text: str) -> datetime:
    return times.moment(text, datetime.now(UTC))


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A BugCommand's name, or a command id (a UUID).", autocompletion=names, show_default=False
    ),
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace", "-n", help="The BugCommand's namespace. Default: the context's.", rich_help_panel=CLUSTER,
        show_default=False, autocompletion=proposals("namespaces"),
    ),
]  # fmt: skip
Context = Annotated[
    str,
    typer.Option(
        "--context",
        help="The kubeconfig's context.",
        rich_help_panel=CLUSTER,
        show_default=False,
        autocompletion=contexts,
    ),
]
Kubeconfig = Annotated[
    str, typer.Option("--kubeconfig", help="The kubeconfig file.", rich_help_panel=CLUSTER, show_default=False)
]
GatewayUrl = Annotated[
    str,
    typer.Option(
        "--gateway",
        metavar="URL",
        envvar="MENTU_GATEWAY",
        help="The gateway's address. Default: its Service, through kubectl port-forward.",
        rich_help_panel=GATEWAY,
        show_default=False,
    ),
]
GatewayNamespace = Annotated[
    str,
    typer.Option(
        "--gateway-namespace",
        envvar="MENTU_GATEWAY_NAMESPACE",
        help="Where the operator is installed, if it is not to be searched for.",
        rich_help_panel=GATEWAY,
        show_default=False,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="MENTU_TOKEN",
        help="A token for the gateway (the variable keeps it out of the process list). Default: the kubeconfig's.",
        rich_help_panel=GATEWAY,
        show_default=False,
        show_envvar=True,
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show lines as they come, until the command has ended.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        "--since", metavar="10m|TIMESTAMP", help="Only lines since then.", parser=checked(_moment), show_default=False
    ),
]
Attempt = Annotated[
    int | None, typer.Option("--attempt", min=1, max=(1 << 31) - 1, metavar="N", help="Only this attempt's lines.")
]
RecordedAttempt = Annotated[
    int | None,
    typer.Option("--attempt", min=1, max=(1 << 31) - 1, metavar="N", help="This attempt. Default: the last recorded."),
]
Grep = Annotated[
    re.Pattern[str] | None,
    typer.Option("--grep", metavar="REGEX", help="Only lines that match.", parser=checked(_regex), show_default=False),
]
OnlyStream = Annotated[Stream | None, typer.Option("--stream", help="Only lines of this stream.")]
Tail = Annotated[
    int | None, typer.Option("--tail", min=0, max=1_000_000, metavar="N", help="Only the last N of those lines.")
]
Timestamps = Annotated[bool, typer.Option("--timestamps", help="Begin each line with its time.")]
Output = Annotated[LogFormat, typer.Option("--output", "-o", help="text for people; json: one object a line, exact.")]
ReplayOutput = Annotated[
    ReplayFormat | None,
    typer.Option("--output", "-o", help="Write the recording to FILE instead of playing it.", show_default=False),
]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="Where -o cast writes to; - is standard output.", show_default=False)
]
Speed = Annotated[
    float | None,
    typer.Option(
        "--speed", metavar="FACTOR", help="So many times as fast.", parser=checked(_speed), show_default=False
    ),
]
IdleLimit = Annotated[
    float | None,
    typer.Option(
        "--idle-limit", metavar="2s", help="Shorten longer pauses to this.", parser=checked(times.seconds),
        show_default=False,
    ),
]  # fmt: skip
At = Annotated[
    float | None,
    typer.Option(
        "--at", metavar="30s", help="Begin at this time of the recording.", parser=checked(times.seconds),
        show_default=False,
    ),
]  # fmt: skip
