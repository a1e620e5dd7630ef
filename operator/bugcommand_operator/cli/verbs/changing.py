"""The flags of what changes commands: cancel, suspend, resume, retry, approve."""

from collections.abc import Callable

from bugcommand_operator.cli import list_options as flags
from bugcommand_operator.cli import options
from bugcommand_operator.cli.session import GatewayFlags, Where, cluster_of, gateway_of


def _changing(verb: str, about: str) -> Callable[..., None]:
    """The command of a verb that needs to know no more than which BugCommands: all of them take the same flags."""

    def change(
        names: flags.Names = None,
        *,
        every: flags.All = False,
        selector: flags.Selector = "",
        dry_run: flags.DryRun = False,
        namespace: options.Namespace = "",
        context: options.Context = "",
        kubeconfig: options.Kubeconfig = "",
    ) -> None:
        _change(verb, names, every, selector, dry_run, Where(namespace, context, kubeconfig))

    change.__doc__ = about
    return change


cancel = _changing("CANCEL", "End commands; their work is kept. Those that have ended already stay as they are.")
suspend = _changing(
    "SUSPEND", "Hold commands: what waits is not started, what runs is parked with its work, and its slot given back."
)
resume = _changing("RESUME", "Let suspended commands go on where they were.")
retry = _changing(
    "RETRY", "Ask for one more attempt of commands that failed or were cancelled; it goes on with their work."
)


def _change(verb: str, names: list[str] | None, every: bool, selector: str, dry_run: bool, where: Where) -> None:
    from bugcommand_operator.cli import changing
    from bugcommand_operator.cli.applying import Targets, change_all

    targets = Targets(tuple(names or ()), every, selector)
    with cluster_of(where) as cluster:
        change_all(cluster, getattr(changing, verb), targets, dry_run=dry_run)


def approve(  # noqa: PLR0913 (each is a flag)
    names: flags.Names = None,
    *,
    reject: flags.Reject = False,
    message: flags.Message = "",
    every: flags.All = False,
    selector: flags.Selector = "",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Approve commands that wait for it, or --reject them. Takes the right to `approve` bugcommands.mentu.dev."""
    from bugcommand_operator.cli.applying import Targets
    from bugcommand_operator.cli.approve import Decision, decide

    targets, where = Targets(tuple(names or ()), every, selector), Where(namespace, context, kubeconfig)
    with (
        cluster_of(where) as cluster,
        gateway_of(where, GatewayFlags(gateway, gateway_namespace, token), as_oneself=True) as way,
    ):
        decide(cluster, way, targets, Decision(reject, message))
