"""Say what kind of model failure stopped the agent. Pure.

Facts (claude 2.1.329, seen with a server that answers each of them): a turn that ends in an API error fires the
`StopFailure` hook with `error`, never `Stop`; the transcript gets an assistant entry with `isApiErrorMessage`,
`apiErrorStatus`, `apiErrorType` and `error`. The class alone is not enough: 529 is told as `server_error`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

AUTHENTICATION = "ModelAuthenticationFailed"
CREDIT = "ModelCreditExhausted"
RATE_LIMITED = "ModelRateLimited"
OVERLOADED = "ModelOverloaded"
UNAVAILABLE = "ModelUnavailable"

_PASSING = frozenset({RATE_LIMITED, OVERLOADED, UNAVAILABLE})

_BY_CLASS = {
    "authentication_failed": AUTHENTICATION,
    "oauth_org_not_allowed": AUTHENTICATION,
    "account_on_hold": AUTHENTICATION,
    "verification_required": AUTHENTICATION,
    "cloud_credential_error": AUTHENTICATION,
    "billing_error": CREDIT,
    "rate_limit": RATE_LIMITED,
    "overloaded": OVERLOADED,
    "overloaded_error": OVERLOADED,
    "rate_limit_error": RATE_LIMITED,
    "authentication_error": AUTHENTICATION,
    "permission_error": AUTHENTICATION,
    "server_error": UNAVAILABLE,
    "api_error": UNAVAILABLE,
    "unknown": UNAVAILABLE,
    "model_not_found": UNAVAILABLE,
    "not_found_error": UNAVAILABLE,
}
_BY_STATUS = {401: AUTHENTICATION, 402: CREDIT, 403: AUTHENTICATION, 429: RATE_LIMITED, 529: OVERLOADED}
# A model that does not exist or is not ours will not be there in a minute either.
_LASTING_CLASSES = frozenset({"model_not_found", "not_found_error"})


@dataclass(frozen=True)
class ModelError:
    reason: str
    message: str
    passing: bool


def classify(error: str, status: Any, message: str) -> ModelError | None:
    """What the agent's own words about a failed request mean; None if it is not the model's doing."""
    reason = _reason(error, status, message.lower())
    if reason is None:
        return None
    lasting = error in _LASTING_CLASSES or status == 404
    return ModelError(reason, message.strip()[:500], reason in _PASSING and not lasting)


def _reason(error: str, status: Any, lower: str) -> str | None:
    if "credit balance" in lower:
        return CREDIT
    if isinstance(status, int) and status in _BY_STATUS:
        return _BY_STATUS[status]
    if "529" in lower and "overloaded" in lower:
        return OVERLOADED
    if error in _BY_CLASS:
        return _BY_CLASS[error]
    if isinstance(status, int) and (status >= 500 or status == 404):
        return UNAVAILABLE
    return None


def of_transcript_entry(entry: dict[str, Any]) -> ModelError | None:
    """The error of an assistant entry that stands for a failed request."""
    if not entry.get("isApiErrorMessage") and not entry.get("error"):
        return None
    status = entry.get("apiErrorStatus")
    classes = (str(entry.get("apiErrorType") or ""), str(entry.get("error") or ""))
    for name in classes:
        found = classify(name, status, text_of(entry))
        if found is not None:
            return found
    return None


def of_stop_failure(event: dict[str, Any]) -> ModelError | None:
    message = str(event.get("last_assistant_message") or event.get("error_details") or "the model did not answer")
    return classify(str(event.get("error") or ""), None, message)


def of_result(event: dict[str, Any]) -> ModelError | None:
    """The error of a headless `result` event."""
    status = event.get("api_error_status")
    if not event.get("is_error") or (status is None and event.get("terminal_reason") != "api_error"):
        return None
    return classify("unknown" if status is None else "", status, str(event.get("result") or "the model did not answer"))


def text_of(entry: dict[str, Any]) -> str:
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return " ".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))
