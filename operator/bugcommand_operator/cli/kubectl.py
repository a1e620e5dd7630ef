"""kubectl by argument list, each call with a deadline: this is its plugin, so it is there, and it knows the person's
contexts, proxies and logins. What it prints is only read."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from bugcommand_operator.cli.errors import CliError, KindUnknown, NotAllowed, NotFound, Unreachable
from bugcommand_operator.cli.safe_text import visible

Object = dict[str, Any]
SECONDS = 30.0
_AWAY = (
    "unable to connect", "connection refused", "no such host", "i/o timeout", "timed out", "was refused",
    "service unavailable", "tls handshake", "no route to host", "currently unable", "lost connection",
)  # fmt: skip
_DENIED = ("forbidden", "unauthorized", "you must be logged in")


@dataclass(frozen=True)
class Kubectl:
    """kubectl with the person's own flags."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""

    def command(self, *arguments: str, namespace: str = "") -> list[str]:
        flags = {"--kubeconfig": self.kubeconfig, "--context": self.context, "--namespace": namespace or self.namespace}
        return ["kubectl", *(f"{flag}={value}" for flag, value in flags.items() if value), *arguments]

    def run(self, *arguments: str, namespace: str = "", seconds: float = SECONDS) -> str:
        command = self.command(*arguments, namespace=namespace)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        except FileNotFoundError as error:
            raise CliError("kubectl was not found", "Install kubectl, or use --gateway with a command id.") from error
        except OSError as error:
            raise CliError(f"kubectl could not be started: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"kubectl {arguments[0]} did not end within {seconds:.0f} s", _CLUSTER) from error
        if done.returncode != 0:
            raise error_of(done.stderr.decode("utf-8", "replace"))
        return done.stdout.decode("utf-8", "replace")

    def get(self, *arguments: str, namespace: str = "", seconds: float = SECONDS) -> Object:
        """An object, or a List of them."""
        text = self.run("get", *arguments, "--output=json", namespace=namespace, seconds=seconds)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CliError("kubectl printed what is not JSON") from error
        return found if isinstance(found, dict) else {}

    def items(self, *arguments: str, namespace: str = "") -> list[Object]:
        items: list[Object] = self.get(*arguments, namespace=namespace).get("items") or []
        return items


_CLUSTER = "Is the cluster up, and is the context right? `kubectl get bugcommands` should work."


def error_of(stderr: str) -> CliError:
    """The class of what kubectl said; its last line is what it ended with."""
    said = stderr.strip().splitlines()
    text = visible(said[-1][-1000:].removeprefix("error: ")) if said else "kubectl failed without a word"
    lower = text.lower()
    if "doesn't have a resource type" in lower or "could not find the requested resource" in lower:
        return KindUnknown(text, "The operator's CRDs are not installed in this cluster.")
    if "(notfound)" in lower:
        return NotFound(text)
    if any(word in lower for word in _DENIED):
        return NotAllowed(text)
    if any(word in lower for word in _AWAY):
        return Unreachable(text, _CLUSTER)
    return CliError(text)
