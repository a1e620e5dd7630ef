"""One cluster and namespace, as the person's flags and kubeconfig say: where things are and how they are asked for."""

import re
from contextlib import suppress
from pathlib import Path
from threading import Thread

from bugcommand_operator.api.names import API_VERSION
from bugcommand_operator.cli.errors import CliError, Usage
from bugcommand_operator.cli.kube.api import Api, Object
from bugcommand_operator.cli.kubectl import Kubectl

BUGCOMMANDS, REPOSITORIES, EXECUTORS = "bugcommands", "repositories", "executors"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_KINDS = frozenset({"bug", "bugcommand", "bugcommands", "bugcommand.mentu.dev", "bugcommands.mentu.dev"})
_IN_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Cluster:
    """What `kubectl` would reach. The namespace is asked for while the connection is made."""

    def __init__(self, kubectl: Kubectl, api: Api) -> None:
        self.kubectl, self.api = kubectl, api
        self._namespace = kubectl.namespace
        self._asking: Thread | None = None
        if not self._namespace:
            self._asking = Thread(target=self._ask, name="namespace", daemon=True)
            self._asking.start()

    @property
    def namespace(self) -> str:
        if self._asking is not None:
            self._asking.join()
            self._asking = None
        return self._namespace

    def collection(self, resource: str, *, everywhere: bool = False) -> str:
        place = "" if everywhere else f"/namespaces/{self.namespace}"
        return f"/apis/{API_VERSION}{place}/{resource}"

    def core(self, resource: str) -> str:
        return f"/api/v1/namespaces/{self.namespace}/{resource}"

    def path_of(self, name: str) -> str:
        return f"{self.collection(BUGCOMMANDS)}/{plain_name(name)}"

    def command(self, name: str) -> Object:
        return self.api.get(self.path_of(name))

    def close(self) -> None:
        self.api.close()

    def _ask(self) -> None:
        """As kubectl finds it: the context's, in a pod that pod's, else `default`."""
        found = ""
        with suppress(CliError):
            found = self.kubectl.run("config", "view", "--minify", "--output=jsonpath={..namespace}").strip()
        with suppress(OSError):
            found = found or _IN_POD.read_text().strip()
        self._namespace = found or "default"


def plain_name(given: str) -> str:
    """Also `bug/fix` and `bugcommand.mentu.dev/fix`, as kubectl prints it."""
    kind, slash, name = given.partition("/")
    if not slash:
        name = kind
    elif kind.lower() not in _KINDS:
        raise Usage(f"{given!r} is no BugCommand", "Write its name, or bug/NAME.")
    if not _NAME.fullmatch(name):
        raise Usage(f"{name!r} is no BugCommand's name", "See `kubectl bug list`.")
    return name
