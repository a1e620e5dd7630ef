"""The API server as the person reaches it: `kubectl proxy` on a socket in a folder that nobody else may enter.

kubectl knows their contexts, logins and proxies; one process of it serves all requests of a run, with real status
codes, tables made by the server, pages and watches.
"""

import http.client
import re
import shutil
import socket
import tempfile
from pathlib import Path

from bugcommand_operator.cli.child import Child
from bugcommand_operator.cli.kubectl import Kubectl

_SERVING = re.compile(r"^Starting to serve on (.+)$")


class Proxy:
    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._child: Child | None = None
        self._folder = ""

    def connection(self, seconds: float) -> http.client.HTTPConnection:
        """A new one; the proxy is started when there is none, or none any more."""
        if self._child is None or not self._child.is_open:
            self.close()
            self._start()
        return SocketConnection(self._path, seconds)

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""

    @property
    def _path(self) -> str:
        return str(Path(self._folder) / "api")

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="kubectl-bug-")  # for its owner alone
        self._child = Child(
            self._kubectl.command("proxy", f"--unix-socket={self._path}"), _SERVING, "Does `kubectl proxy` work?"
        )
        self._child.open()


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
