"""The flags of `kubectl bug run`."""

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bugcommand_operator.cli import list_options, options
from bugcommand_operator.cli import run_options as flags
from bugcommand_operator.cli.errors import CliError, Usage
from bugcommand_operator.cli.session import GatewayFlags, Where, cluster_of, gateway_of

Object = dict[str, Any]


def run(  # noqa: PLR0913 (each is a flag)
    prompt: flags.Prompt = "",
    *,
    filename: flags.File = "",
    wait: flags.Wait = False,
    follow: flags.Follow = False,
    form: list_options.MadeForm = None,
    dry_run: flags.ServerDryRun = False,
    name: flags.Name = "",
    repository: flags.Repository = "",
    label: flags.Labels = None,
    base_ref: flags.BaseRef = "",
    working_directory: flags.WorkingDirectory = "",
    publish: flags.OutputKind = None,
    agent: flags.Agent = "",
    headless: flags.Headless = False,
    timeout: flags.Timeout = None,
    priority: flags.Priority = None,
    machine: flags.Machine = "",
    retries: flags.Retries = None,
    approval: flags.NeedsApproval = False,
    suspended: flags.Suspended = False,
    objective: flags.Objective = "",
    hypothesis: flags.Hypothesis = "",
    likely_file: flags.Likely = None,
    allow: flags.Allow = None,
    forbid: flags.Forbid = None,
    max_files: flags.MaxFiles = None,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    gateway: options.GatewayUrl = "",
    gateway_namespace: options.GatewayNamespace = "",
    token: options.Token = "",
) -> None:
    """Have an agent fix a bug: say what is broken, or give BugCommands in a file.

    kubectl bug run "The discount starts one piece too late." -r pricing --follow
    """
    spec = {
        "baseRef": base_ref, "workingDirectory": working_directory, "output": publish.value if publish else None,
        "agent": agent, "agentMode": "Headless" if headless else None, "timeoutSeconds": timeout,
        "priority": priority, "targetMachine": machine, "retry": {"limit": retries},
        "approval": "Required" if approval else None, "suspend": suspended or None,
    }  # fmt: skip
    told = {
        "objective": objective,
        "hypothesis": hypothesis,
        "likelyFiles": likely_file,
        "scope": {"allowedPatterns": allow, "forbiddenPatterns": forbid, "maxFileChanges": max_files},
    }
    where, wanted = _wanted(
        prompt, filename, {"name": name, "repository": repository, "labels": label}, spec, told, namespace
    )
    shape = form.value if form else ""
    ways = GatewayFlags(gateway, gateway_namespace, token)
    _run(Where(where, context, kubeconfig), wanted, ways, shape, wait=wait, follow=follow, dry_run=dry_run)


def _wanted(
    prompt: str,
    filename: str,
    names: dict[str, Any],
    spec: Object,
    told: Object,
    namespace: str,
) -> tuple[str, list[Object]]:
    """The namespace and the commands to make in it."""
    from bugcommand_operator.cli.manifest import Wanted, from_documents, manifest, namespace_of, said
    from bugcommand_operator.cli.printing import parsed_documents

    if not filename:
        if not prompt:
            raise Usage("what is broken?", 'Say it: kubectl bug run "…", or give BugCommands with -f FILE.')
        text = _read("-") if prompt == "-" else prompt
        labels = _labels(names["labels"] or [])
        return namespace, [manifest(Wanted(text, names["name"], names["repository"], labels, spec, told))]
    if prompt or said({**names, **spec, **told}):
        raise Usage("the file says what to run", "Take -f without a prompt and without flags for the command.")
    try:
        items = from_documents(parsed_documents(_read(filename)), filename)
    except ValueError as error:
        raise Usage(f"{filename} is no YAML: {error}") from error
    return namespace_of(items, namespace, filename), items


def _labels(given: list[str]) -> dict[str, str]:
    try:
        return dict(map(flags.label, given))
    except ValueError as error:
        raise Usage(str(error)) from error


def _read(filename: str) -> str:
    try:
        return sys.stdin.read() if filename == "-" else Path(filename).read_text()
    except (OSError, ValueError) as error:
        raise CliError(f"{filename} cannot be read: {error}") from error


def _run(
    where: Where, wanted: list[Object], ways: GatewayFlags, form: str, *, wait: bool, follow: bool, dry_run: bool
) -> None:
    from bugcommand_operator.cli.run import How
    from bugcommand_operator.cli.run import run as make

    with ExitStack() as stack:
        cluster = stack.enter_context(cluster_of(where))
        beside = None
        if follow and not dry_run:
            from bugcommand_operator.cli.follow import follow as following

            beside = partial(following, stack.enter_context(gateway_of(where, ways)))
        make(cluster, wanted, How(wait, form, dry_run, beside))
