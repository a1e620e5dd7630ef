"""The flags of what shows the state of things: list, status, describe, executors."""

from bugcommand_operator.cli import list_options as flags
from bugcommand_operator.cli import options
from bugcommand_operator.cli.errors import Usage
from bugcommand_operator.cli.session import Where, cluster_of


def list_(  # noqa: PLR0913 (each is a flag)
    *,
    everywhere: flags.Everywhere = False,
    selector: flags.Selector = "",
    phases: flags.Phases = None,
    unfinished: flags.Unfinished = False,
    repository: flags.OfRepository = "",
    agent: flags.OfAgent = "",
    form: flags.Form = None,
    sort_by: flags.SortBy = "",
    reverse: flags.Reverse = False,
    no_headers: flags.NoHeaders = False,
    watch: flags.Watch = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """List BugCommands, as kubectl get does; --phase, --unfinished, --repository and --agent choose among them."""
    from bugcommand_operator.cli.filters import Filter
    from bugcommand_operator.cli.listing import ListRequest, show_list

    wanted = Filter(frozenset(each.value for each in phases or ()), unfinished, repository, agent)
    shape = form.value if form else ""
    request = ListRequest(everywhere, selector, wanted, shape, sort_by, reverse, not no_headers, watch)
    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        show_list(cluster, request)


def status(
    name: flags.OptionalName = "",
    *,
    of_executors: flags.OfExecutors = False,
    everywhere: flags.Everywhere = False,
    watch: flags.WatchOne = False,
    form: flags.Form = None,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show how a command is doing, with the end of its log; --executors shows who runs commands."""
    from bugcommand_operator.cli import status as statuses
    from bugcommand_operator.cli.executors import show_executors

    if bool(name) == of_executors:
        raise Usage("status of what?", "Name a BugCommand, or take --executors; `kubectl bug list` shows all.")
    if name and everywhere:
        raise Usage("-A goes with --executors", "Say with -n which namespace the command is in.")
    shape = form.value if form else ""
    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        if of_executors:
            show_executors(cluster, shape, "", "" if everywhere else namespace)
        elif watch:
            statuses.watch(cluster, name)
        else:
            statuses.show(cluster, name, shape)


def describe(
    name: flags.Name,
    *,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Show all that is known of a command: its conditions, attempts, pods, volumes and Events."""
    from bugcommand_operator.cli import describe as describing

    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        describing.describe(cluster, name)


def executors(
    *,
    everywhere: flags.Everywhere = False,
    selector: flags.Selector = "",
    form: flags.Form = None,
    no_headers: flags.NoHeaders = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """List the executors: type, pid, machine id, started at, and whether each is alive. -n: only of that namespace."""
    from bugcommand_operator.cli.executors import show_executors

    with cluster_of(Where(namespace, context, kubeconfig)) as cluster:
        place = "" if everywhere else namespace
        show_executors(cluster, form.value if form else "", selector, place, headers=not no_headers)
