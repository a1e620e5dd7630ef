"""Where the gateway is and which token opens it: as the flags say, else as the cluster's own objects say."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bugcommand_operator.api.names import TOKEN_AUDIENCE
from bugcommand_operator.cli.errors import NotAllowed, NotFound, Usage
from bugcommand_operator.cli.kubectl import Kubectl, Object
from bugcommand_operator.cli.transport import is_private, parsed

GATEWAY = "app.kubernetes.io/part-of=mentu,app.kubernetes.io/component=gateway"
LOG_READER = "app.kubernetes.io/part-of=mentu,app.kubernetes.io/component=log-reader"
_TOKEN_SECONDS = "1h"  # noqa: S105 (how long it is good for)
_MAX_TOKEN = 16 << 10
_OWN = (
    "With a client certificate, give a token with --token or MENTU_TOKEN: one that your cluster's login gives you, or "
    "one of a service account of yours (`kubectl create token NAME --audience=mentu`)."
)


class Forward:
    """What `port_forward.PortForward` does."""

    def open(self) -> int: ...  # type: ignore[empty-body]

    def close(self) -> None: ...


@dataclass
class ClusterAccess:
    """Finds things once, and again when asked to after an error."""

    kubectl: Kubectl
    gateway_url: str = ""
    given_token: str = ""
    gateway_namespace: str = ""
    as_oneself: bool = False
    bearer: Callable[[Kubectl], str] | None = None
    _token: str = field(default="", init=False, repr=False)
    _forward: Forward | None = field(default=None, init=False)
    _url: str = field(default="", init=False)

    def url(self, *, anew: bool = False) -> str:
        if self.gateway_url:
            parsed(self.gateway_url)
            return self.gateway_url
        if anew:
            self.close()
        if not self._url:
            self._forward = self._forward or self._to_service()
            self._url = f"http://127.0.0.1:{self._forward.open()}"
        return self._url

    def token(self, *, anew: bool = False) -> str:
        if anew or not self._token:
            self._token = _checked(self.given_token or self._found_token())
        return self._token

    def close(self) -> None:
        if self._forward is not None:
            self._forward.close()
        self._url = ""

    def _found_token(self) -> str:
        if self.gateway_url and not is_private(self.gateway_url):
            raise Usage(
                "your cluster's token is not sent over plain http to another machine",
                "Use an https address, or give a token for the gateway with --token.",
            )
        found = (self.bearer or _bearer)(self.kubectl)
        if not found and self.as_oneself:
            raise NotAllowed("your kubeconfig has no token, and this is done in your own name", _OWN)
        return found or self._requested_token()

    def _requested_token(self) -> str:
        """For people whose kubeconfig has a certificate: a short-lived token of the account made for readers."""
        account = self._one("serviceaccounts", LOG_READER, "service account for reading logs", "--token")
        bounds = (f"--duration={_TOKEN_SECONDS}", f"--audience={TOKEN_AUDIENCE}")  # of no use at the API server
        arguments = ("create", "token", account["metadata"]["name"], *bounds)
        try:
            return self.kubectl.run(*arguments, namespace=account["metadata"]["namespace"]).strip()
        except NotAllowed as error:
            hint = "You may not make tokens for it: give one with --token or MENTU_TOKEN."
            raise NotAllowed(str(error), hint) from error

    def _to_service(self) -> Forward:
        from bugcommand_operator.cli.port_forward import PortForward

        service = self._one("services", GATEWAY, "gateway", "--gateway")
        ports = (service.get("spec") or {}).get("ports") or [{}]
        port = next((each for each in ports if each.get("name") == "http"), ports[0]).get("port", 80)
        metadata = service["metadata"]
        forward: Forward = PortForward(self.kubectl, metadata["namespace"], metadata["name"], int(port))  # type: ignore[assignment]
        return forward

    def _one(self, kind: str, labels: str, what: str, flag: str) -> Object:
        found = self._found(kind, labels)
        if not found:
            raise NotFound(f"no {what} was found in the cluster", f"Is the operator installed? Else use {flag}.")
        if len(found) > 1:
            places = ", ".join(sorted(str(each["metadata"]["namespace"]) for each in found))
            raise Usage(f"there is more than one {what}, in: {places}", "Choose with --gateway-namespace.")
        return found[0]

    def _found(self, kind: str, labels: str) -> list[Object]:
        """In the named namespace, else in all, so that a second one is noticed. Never in the kubeconfig's own namespace
        only: whoever may make a Service there could be given the tokens of everybody else."""
        if self.gateway_namespace:
            return self.kubectl.items(kind, f"--selector={labels}", namespace=self.gateway_namespace)
        try:
            return self.kubectl.items(kind, f"--selector={labels}", "--all-namespaces")
        except NotAllowed as refusal:
            hint = "You may not list them in all namespaces: name the right one with --gateway-namespace, or --gateway."
            raise NotAllowed(str(refusal), hint) from refusal


def _bearer(kubectl: Kubectl) -> str:
    from bugcommand_operator.cli.kubeconfig import bearer_token

    return bearer_token(kubectl)


def _checked(token: str) -> str:
    """A token goes into a header: one with a line break or worse is a mistake."""
    plain = token.strip()
    if not plain or len(plain) > _MAX_TOKEN or not plain.isascii() or not plain.isprintable() or " " in plain:
        raise Usage("the token is not one: it is empty, too long, or holds spaces or control characters")
    return plain
