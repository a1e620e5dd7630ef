"""The bearer token that a person's kubeconfig has for a cluster: written down, in a file, or from a login program.

kubectl merges the files and finds the context; the login program is started as kubectl would start it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bugcommand_operator.cli.errors import CliError, NotAllowed
from bugcommand_operator.cli.kubectl import Kubectl
from bugcommand_operator.cli.safe_text import visible

LOGIN_SECONDS = 180.0  # a person may have to answer in a browser


def bearer_token(kubectl: Kubectl) -> str:
    """Empty when the person proves who they are in another way, such as by a certificate."""
    try:
        config = json.loads(kubectl.run("config", "view", "--minify", "--raw", "--output=json"))
    except ValueError as error:
        raise CliError("kubectl config view printed what is not JSON") from error
    users = config.get("users") or []
    user: Mapping[str, Any] = (users[0].get("user") or {}) if users else {}
    if user.get("tokenFile"):
        return _from_file(Path(str(user["tokenFile"])))
    if user.get("token"):
        return str(user["token"])
    plugin = user.get("exec")
    return _from_plugin(plugin) if plugin else ""


def _from_file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        raise CliError(f"the kubeconfig's tokenFile cannot be read: {error}") from error


def _from_plugin(plugin: Mapping[str, Any]) -> str:
    command = [str(plugin.get("command") or ""), *map(str, plugin.get("args") or [])]
    name = visible(command[0])
    may_ask = plugin.get("interactiveMode") != "Never" and sys.stdin.isatty()
    try:
        done = subprocess.run(
            command,
            stdin=None if may_ask else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=_environment(plugin, may_ask=may_ask),
            timeout=LOGIN_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        hint = visible(str(plugin.get("installHint") or "It is named by your kubeconfig."))
        raise CliError(f"the login program {name} was not found", hint) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CliError(f"the login program {name} did not work: {visible(str(error))}") from error
    if done.returncode != 0:
        raise NotAllowed(f"the login program {name} failed", "Log in to the cluster first, as kubectl needs it too.")
    return token_of(done.stdout, name)


def token_of(credential: bytes, name: str) -> str:
    """The token of an ExecCredential; empty when it holds a certificate instead."""
    try:
        status = json.loads(credential).get("status") or {}
        return str(status.get("token") or "")
    except (ValueError, AttributeError, RecursionError) as error:
        raise CliError(f"the login program {name} printed no ExecCredential") from error


def _environment(plugin: Mapping[str, Any], *, may_ask: bool) -> dict[str, str]:
    own = {str(pair.get("name")): str(pair.get("value", "")) for pair in plugin.get("env") or []}
    info = {
        "apiVersion": plugin.get("apiVersion"),
        "kind": "ExecCredential",
        "spec": {"interactive": may_ask},
    }
    return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}
