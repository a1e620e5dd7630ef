"""What an answer of the API server that is no success means. Pure."""

from typing import Any

from bugcommand_operator.cli.errors import (
    CliError,
    Conflict,
    Expired,
    KindUnknown,
    NotAllowed,
    NotFound,
    Unreachable,
    Usage,
)
from bugcommand_operator.cli.safe_text import visible

_LIST = "See `kubectl bug list`, or name another namespace with -n."
_RIGHTS = "Ask who administers the cluster for that right, or choose another namespace with -n."

_PLAIN: dict[int, tuple[type[CliError], str]] = {
    400: (Usage, ""),
    401: (NotAllowed, "Log in to the cluster first."),
    403: (NotAllowed, _RIGHTS),
    409: (Conflict, ""),
    422: (Usage, ""),
}


def refusal(code: int, status: dict[str, Any]) -> CliError:
    """By the code, and by what the Status says beside it."""
    text = visible(str(status.get("message") or f"the cluster answers {code}"))[:1000]
    if code == 404:
        return _missing(text, status)
    if code == 410:
        return Expired(text, goes_on=str((status.get("metadata") or {}).get("continue") or ""))
    if code in _PLAIN:
        kind, hint = _PLAIN[code]
        return kind(text, hint)
    if code in (408, 429) or code >= 500:
        return Unreachable(text, "Is the cluster up, and is the context right? `kubectl get bugcommands` should work.")
    return CliError(f"{text} ({code})")


def _missing(text: str, status: dict[str, Any]) -> CliError:
    if (status.get("details") or {}).get("name"):
        return NotFound(text, _LIST)
    if "page not found" in text:
        text = "the cluster does not serve this kind of resource"
    return KindUnknown(text, "The operator's CRDs are not installed in this cluster, or are of an older version.")
