"""The flags of what shows an agent's work: logs, replay, attach, diff."""

import math

import typer

from bugcommand_operator.cli import list_options, options
from bugcommand_operator.cli.session import GatewayFlags, Where, cluster_of, reached


def logs(  # noqa: PLR0913 (each is a flag)
    name: options.Name,
    *,
    follow: options.Follow = False,
    since: options.Since = None,
    attempt: options.Attempt = None,
    grep: options.Grep = None,
    stream: options.OnlyStream = None,
    tail: options.Tail = None,
    timestamps: options.Timestamps = False,
    form: options.Output = options.LogFormat.TEXT,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Show a command's log, all attempts in order; -f goes on until the command has ended.

    Lines of stderr begin with "! ". Control characters are shown as signs, never sent to the terminal.
    """
    from bugcommand_operator.cli.lines import Wanted
    from bugcommand_operator.cli.logs import LogsRequest, show_logs

    wanted = Wanted(attempt, stream.value if stream else None, since, grep)
    request = LogsRequest(wanted, follow, tail, timestamps, form is options.LogFormat.JSON)
    where, flags = Where(namespace, context, kubeconfig), GatewayFlags(gateway, gateway_namespace, token)
    with reached(name, where, flags) as (command, way):
        show_logs(way, command, request)


def replay(  # noqa: PLR0913 (each is a flag)
    name: options.Name,
    file: options.File = "",
    *,
    attempt: options.RecordedAttempt = None,
    speed: options.Speed = None,
    idle_limit: options.IdleLimit = None,
    at: options.At = None,
    form: options.ReplayOutput = None,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Play a recorded terminal session, or save it with -o cast FILE (asciicast v2).

    Space pauses, a dot skips a pause, q ends. What could harm your terminal is left out when playing.
    """
    from bugcommand_operator.cli import replay as playing
    from bugcommand_operator.cli.player import Pace
    from bugcommand_operator.cli.recording import Recordings

    if file and form is None:
        raise typer.BadParameter("FILE goes with -o cast", param_hint="FILE")
    pace = Pace(speed or 1.0, math.inf if idle_limit is None else idle_limit, at or 0.0)
    if form is None:
        playing.check_terminal()
    where, flags = Where(namespace, context, kubeconfig), GatewayFlags(gateway, gateway_namespace, token)
    with reached(name, where, flags) as (command, way):
        recordings = Recordings(way, command.id)
        if form is None:
            playing.play(recordings, attempt, pace)
        else:
            playing.save(recordings, attempt, file)


def attach(
    name: list_options.Name,
    *,
    read_only: list_options.ReadOnly = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Sit beside the agent, in its terminal; Ctrl-B D leaves. Takes the right to create pods/exec."""
    from bugcommand_operator.cli import attach as attaching

    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        attaching.attach(cluster, name, read_only=read_only)


def diff(
    name: list_options.Name,
    *,
    source: list_options.DiffSource = list_options.Source.AUTO,
    remote: list_options.Remote = "",
    stat: list_options.Stat = False,
    name_only: list_options.NameOnly = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show what the agent changed.

    While it works: its worktree as it stands, by kubectl exec. Once its branch is pushed: by git with your own
    credentials, from the clone that you stand in, else fetched from the repository into a folder that is removed after.
    """
    from bugcommand_operator.cli.diff import DiffRequest, show_diff

    flags = tuple(flag for flag, is_given in (("--stat", stat), ("--name-only", name_only)) if is_given)
    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        show_diff(cluster, name, DiffRequest(source.value, remote, flags))
