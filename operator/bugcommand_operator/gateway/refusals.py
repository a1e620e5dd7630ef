"""Why a request was not carried out, as the sender gets to read it; the class says whether to try again."""


class Refusal(Exception):
    """An answer other than success: a reason for programs, a message for people, and the field at fault."""

    status = 500

    def __init__(self, reason: str, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.reason, self.message, self.field, self.retry_after = reason, message, field, retry_after

    def body(self) -> dict[str, str]:
        fault = {"field": self.field} if self.field else {}
        return {"reason": self.reason, "message": self.message, **fault}

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)} if self.retry_after is not None else {}


class Malformed(Refusal):
    """400, permanent: the same bytes will be refused again."""

    status = 400


class Unauthorized(Refusal):
    """401: the token is not good, or no longer."""

    status = 401

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="mentu"'}


class Forbidden(Refusal):
    """403: we know who it is, and it may not do that."""

    status = 403


class TooLarge(Refusal):
    """413, permanent: send less at once."""

    status = 413


class TryLater(Refusal):
    """503, temporary: nothing was stored, send it again."""

    status = 503

    def __init__(self, reason: str, message: str, *, retry_after: int = 1) -> None:
        super().__init__(reason, message, retry_after=retry_after)
