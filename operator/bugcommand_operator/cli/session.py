"""What a command runs in: the cluster, the way to the gateway, and an orderly end of whatever was started for them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bugcommand_operator.cli import output
from bugcommand_operator.cli.errors import Interrupted, PipeClosed

if TYPE_CHECKING:
    from bugcommand_operator.cli.command import Command
    from bugcommand_operator.cli.gateway import Gateway
    from bugcommand_operator.cli.kube.cluster import Cluster


@dataclass(frozen=True)
class Where:
    """The flags that say which cluster and namespace."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""


@dataclass(frozen=True)
class GatewayFlags:
    url: str = ""
    namespace: str = ""
    token: str = ""


@contextmanager
def cluster_of(where: Where) -> Iterator["Cluster"]:
    from bugcommand_operator.cli.kube.api import Api
    from bugcommand_operator.cli.kube.cluster import Cluster
    from bugcommand_operator.cli.kube.proxy import Proxy
    from bugcommand_operator.cli.kubectl import Kubectl

    kubectl = Kubectl(where.kubeconfig, where.context, where.namespace)
    cluster = Cluster(kubectl, Api(Proxy(kubectl)))
    with orderly():
        try:
            yield cluster
        finally:
            cluster.close()


@contextmanager
def gateway_of(where: Where, flags: GatewayFlags, *, as_oneself: bool = False) -> Iterator["Gateway"]:
    """The way to the gateway, whose processes end with it. `as_oneself`: not with the token that readers share."""
    from bugcommand_operator.cli.access import ClusterAccess
    from bugcommand_operator.cli.gateway import Gateway
    from bugcommand_operator.cli.kubectl import Kubectl

    kubectl = Kubectl(where.kubeconfig, where.context, where.namespace)
    access = ClusterAccess(kubectl, flags.url, flags.token, flags.namespace, as_oneself=as_oneself)
    way = Gateway(access, output.note)
    with orderly():
        try:
            yield way
        finally:
            way.close()
            access.close()


@contextmanager
def reached(name: str, where: Where, flags: GatewayFlags) -> Iterator[tuple["Command", "Gateway"]]:
    """The command that is meant by a name or an id, and the way to the gateway."""
    from bugcommand_operator.cli.command import Command
    from bugcommand_operator.cli.kubectl import Kubectl

    with gateway_of(where, flags) as way:
        yield Command(Kubectl(where.kubeconfig, where.context, where.namespace), name, output.note), way


@contextmanager
def orderly() -> Iterator[None]:
    gc.enable()
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted") from error
    except BrokenPipeError as error:
        raise PipeClosed("nobody reads the output any more") from error
