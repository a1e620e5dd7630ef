"""`kubectl port-forward` to the gateway, for as long as the command runs."""

import re

from bugcommand_operator.cli.child import READY_SECONDS, Child
from bugcommand_operator.cli.kubectl import Kubectl

_FORWARDING = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ")


class PortForward:
    """A port of this machine that leads to a Service, until `close`."""

    def __init__(self, kubectl: Kubectl, namespace: str, service: str, port: int) -> None:
        target = f"service/{service}"
        command = kubectl.command("port-forward", "--address=127.0.0.1", target, f":{port}", namespace=namespace)
        self._child = Child(command, _FORWARDING, "Is the gateway's pod up?")

    def open(self, seconds: float = READY_SECONDS) -> int:
        """The local port. Raises what kept it from being opened, in kubectl's words."""
        return int(self._child.open(seconds))

    @property
    def is_open(self) -> bool:
        return self._child.is_open

    def close(self) -> None:
        self._child.close()
