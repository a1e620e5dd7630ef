"""Errors below /rest/v1, in the shape and with the codes that PostgREST's clients know."""

from starlette.responses import Response

from bugcommand_operator.gateway.rest.encoding import encode


class RestError(Exception):
    """Any answer other than success. `code` is for programs: PostgREST's own, or Postgres's SQLSTATE."""

    status = 400

    def __init__(
        self, code: str, message: str, *, details: str | None = None, hint: str | None = None, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.details, self.hint, self.retry_after = code, message, details, hint, retry_after

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}

    def response(self) -> Response:
        body = {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}
        headers = {**self.headers(), "Proxy-Status": f"PostgREST; error={self.code}"}
        return Response(encode(body), self.status, headers, media_type="application/json; charset=utf-8")


class BadQuery(RestError):
    """400: the query cannot be read, or asks for what does not exist."""


class NeedsToken(RestError):
    """401."""

    status = 401

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="mentu"'}


class NotHere(RestError):
    """404: no such table or function."""

    status = 404


class NotAllowed(RestError):
    """405."""

    status = 405


class NotAcceptable(RestError):
    """406: not in the form that was asked for."""

    status = 406


class RangeError(RestError):
    """416."""

    status = 416


class NotNow(RestError):
    """503, temporary."""

    status = 503


def unreadable(details: str, hint: str | None = None) -> BadQuery:
    """A query string that does not follow the grammar."""
    return BadQuery("PGRST100", "the query string cannot be read", details=details, hint=hint)
