"""What can go wrong with the API server. The class is the classification: it says whether to try again."""

from __future__ import annotations


class ClusterError(Exception):
    """Any answer that is not a success. `status` is HTTP's, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        """Seconds that the API server asked to wait."""


class ClusterUnavailable(ClusterError):
    """Temporary: not reached, overloaded, or an error of its own. Says nothing about the object asked for."""


class Conflict(ClusterError):
    """Temporary: the object has changed since it was observed. Look again."""


class NotFound(ClusterError):
    """The API server is sure that it is not there."""


class Expired(ClusterError):
    """Temporary: the API server no longer knows the state that was asked from. List again."""


class AlreadyExists(ClusterError):
    """The API server is sure that it is there already."""


class Refused(ClusterError):
    """Permanent until a person changes something: invalid, or over quota. The message says what."""


class AccessDenied(Refused):
    """Our own rights do not reach: RBAC, or a policy."""


_BY_STATUS: dict[int, type[ClusterError]] = {
    400: Refused,
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    405: Refused,
    409: Conflict,
    410: Expired,
    413: Refused,
    415: Refused,
    422: Refused,
}


def is_unavailable(status: int) -> bool:
    """What an answer with this status says of the API server, or of what stands before it."""
    return status >= 400 and status not in _BY_STATUS


def error_for(status: int, reason: str, message: str, retry_after: str | None = None) -> ClusterError:
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, ClusterUnavailable)
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return kind(message, status, seconds)
