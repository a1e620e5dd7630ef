"""The flags of what changes commands: cancel, suspend, resume, retry, approve."""

from bugcommand_operator.cli import list_options as flags
from bugcommand_operator.cli import options
from bugcommand_operator.cli.session import GatewayFlags, Where, cluster_of, gateway_of


def cancel(
    names: flags.Names = None,
    *,
    every: flags.All = False,
    selector: flags.Selector = "",
    dry_run: flags.DryRun = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """End commands; their work is kept. Those that have ended already stay as they are."""
    _change("CANCEL", names, every, selector, dry_run, Where(namespace, context, kubeconfig))


def suspend(
    names: flags.Names = None,
    *,
    every: flags.All = False,
    selector: flags.Selector = "",
    dry_run: flags.DryRun = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Hold commands: what waits is not started, what runs is parked with its work, and its slot given back."""
    _change("SUSPEND", names, every, selector, dry_run, Where(namespace, context, kubeconfig))


def resume(
    names: flags.Names = None,
    *,
    every: flags.All = False,
    selector: flags.Selector = "",
    dry_run: flags.DryRun = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Let suspended commands go on where they were."""
    _change("RESUME", names, every, selector, dry_run, Where(namespace, context, kubeconfig))


def retry(
    names: flags.Names = None,
    *,
    every: flags.All = False,
    selector: flags.Selector = "",
    dry_run: flags.DryRun = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Ask for one more attempt of commands that failed or were cancelled; it goes on with their work."""
    _change("RETRY", names, every, selector, dry_run, Where(namespace, context, kubeconfig))


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
